"""The formula language computes, and refuses everything that is not arithmetic."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mcuplan.operators.formulas import FormulaError, compile_formula, evaluate


def test_evaluates_arithmetic_on_facts() -> None:
    x = SimpleNamespace(dims=(1, 4, 4, 3), channels=3)
    assert evaluate("4 * up4(9 * x.channels)", {"x": x}) == 112
    assert evaluate("x.dims[1] if x.channels == 3 else 0", {"x": x}) == 4
    assert evaluate("sum(n for n in x.dims[1:3])", {"x": x}) == 8
    assert evaluate(7, {}) == 7


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os')",
        "x.__class__",
        "open('f')",
        "(lambda: 1)()",
        "x.dims.index(1)",
        "[i for i in x]",
        "1 / 2",
        "x := 3",
        "2 ** 999",
        "f'{x}'",
        "1 +",
    ],
)
def test_refuses_what_is_not_in_the_language(text: str) -> None:
    with pytest.raises(FormulaError):
        compile_formula(text)


def test_unknown_names_are_an_error() -> None:
    with pytest.raises((KeyError, NameError)):
        evaluate("nothing + 1", {})
