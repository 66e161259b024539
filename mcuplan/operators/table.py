"""The table of operators: names of their inputs, how they multiply, how they slide."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources


class Trait(StrEnum):
    """What an operator is, in words that rooms share: each narrows a trait to what it has data or code for."""

    POINTWISE = "pointwise"
    """An output element depends on the inputs' elements at its place alone, inputs broadcast."""
    PARTIAL = "partial"
    """Its kernels refuse some values, a division by 0 or the root of a negative number, and end the run."""
    ROWS = "rows"
    """An output element depends on the elements of its row along the last axis."""
    RESHAPES = "reshapes"
    """The same bytes in the same order, under another shape."""
    PADS = "pads"
    """Its input with a constant around it."""
    MOVES = "moves"
    """Elements are copied to other places, never computed."""
    REDUCES = "reduces"
    """Whole axes become one element."""
    CONTROL = "control"
    """It runs other subgraphs."""
    STATE = "state"
    """It reads or writes a resource variable, so that order matters beyond its operands."""


@dataclass(frozen=True, slots=True)
class OperatorInfo:
    """What mcuplan knows of an operator in any runtime.

    ``inputs`` names its inputs by role, ``window`` is how it slides (``conv``, ``pool``, ``transpose``), ``macs`` the
    formula of its multiply-accumulates (0 where it has none by the counting rule), ``rule`` that formula in words.
    ``options`` is the schema's table of its options (an operator without options names a table that is not there).
    ``known`` is False for operators that are not in the table: whether they multiply is unknown.
    """

    name: str
    inputs: tuple[str, ...] = ("x",)
    window: str | None = None
    macs: str | int = 0
    rule: str = ""
    known: bool = True
    options: str = ""
    traits: frozenset[Trait] = frozenset()


def _options_table(name: str) -> str:
    """``CONV_2D`` as ``Conv2DOptions``: how the schema names an operator's options, with few exceptions."""
    return "".join(word if word[0].isdigit() else word.capitalize() for word in name.split("_")) + "Options"


@cache
def _table() -> Mapping[str, OperatorInfo]:
    text = resources.files("mcuplan.operators").joinpath("data/operators.json").read_text("utf-8")
    rows = json.loads(text)["operators"]
    return {
        name: OperatorInfo(
            name,
            tuple(row.get("inputs", ("x",))),
            row.get("window"),
            row.get("macs", 0),
            row.get("rule", ""),
            options=row.get("options") or _options_table(name),
            traits=frozenset(map(Trait, row.get("is", ()))),
        )
        for name, row in rows.items()
    }


def operator_info(name: str) -> OperatorInfo:
    """The table's row for an operator's schema name or custom code."""
    found = _table().get(name)
    return found if found is not None else OperatorInfo(name, macs=0, known=False)


@cache
def operators_that(*traits: Trait) -> frozenset[str]:
    """Names of the operators that have one of these traits."""
    return frozenset(name for name, info in _table().items() if info.traits & {*traits})


@cache
def sliding(*kinds: str) -> frozenset[str]:
    """Names of the operators that slide a window of one of these kinds (``conv``, ``pool``, ``transpose``)."""
    return frozenset(name for name, info in _table().items() if info.window in kinds)
