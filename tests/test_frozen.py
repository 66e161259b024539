"""Frozen dataclasses that are made quickly are what ``dataclass`` makes."""

from __future__ import annotations

import copy
import inspect
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from mcuplan.frozen import quick


@quick
@dataclass(frozen=True, slots=True)
class Span:
    begin: int
    end: int = 8


def test_parameters_equality_and_hash_are_those_of_a_dataclass() -> None:
    assert Span(2) == Span(begin=2, end=8) != Span(2, 9)
    assert hash(Span(2)) == hash(Span(2, 8))
    assert repr(Span(2)) == "Span(begin=2, end=8)"
    assert str(inspect.signature(Span)) == "(begin: 'int', end: 'int' = 8) -> None"
    with pytest.raises(TypeError):
        Span()  # type: ignore[call-arg]


def test_it_stays_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Span(2).end = 9  # type: ignore[misc]


def test_it_is_copied_replaced_and_pickled() -> None:
    assert replace(Span(2), end=9) == Span(2, 9)
    assert copy.copy(Span(2)) == pickle.loads(pickle.dumps(Span(2))) == Span(2)


def test_what_it_is_not_for_is_refused() -> None:
    @dataclass(frozen=True, slots=True)
    class Listing:
        items: list[int] = field(default_factory=list)

    with pytest.raises(AssertionError, match="factory"):
        quick(Listing)
