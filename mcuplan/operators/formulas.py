"""Formulas in data files: a small, safe expression language over an operator's facts.

Tables of operators keep their sizes and counts as text, such as ``4 * up4(kh * kw * x.channels)``, so that a new
kernel library or runtime version is a new data file and not new code. A formula is a Python expression restricted to
arithmetic, comparisons, ``and/or/not``, ``a if c else b``, subscripts, attributes of the facts it is given, and the
functions of :data:`FUNCTIONS`; everything else is refused when it is compiled.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from functools import cache
from types import CodeType
from typing import Any

FUNCTIONS: Mapping[str, Callable[..., Any]] = {
    "up4": lambda n: -(-n // 4) * 4,
    "up8": lambda n: -(-n // 8) * 8,
    "up16": lambda n: -(-n // 16) * 16,
    "ceil_div": lambda a, b: -(-a // b),
    "max": max,
    "min": min,
    "sum": sum,
    "prod": math.prod,
    "len": len,
}

_ALLOWED = (
    ast.Expression, ast.Constant, ast.Name, ast.Load, ast.Attribute, ast.Subscript, ast.Slice, ast.Tuple, ast.List,
    ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.FloorDiv, ast.Mod, ast.UnaryOp, ast.USub, ast.Not, ast.BoolOp, ast.And,
    ast.Or, ast.Compare, ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE, ast.In, ast.NotIn, ast.IfExp, ast.Call,
    ast.GeneratorExp, ast.comprehension, ast.Store,
)  # fmt: skip

_GLOBALS: dict[str, Any] = {"__builtins__": {}, **FUNCTIONS}
"""What a formula finds beside its names. No formula can change it: the language has no assignment."""


UNFIT = (ArithmeticError, AttributeError, IndexError, KeyError, NameError, TypeError)
"""What :func:`evaluate` raises on facts that no kernel would take: missing operands, other ranks, sizes of 0."""


UNFIT_SHAPES = (*UNFIT, ValueError)
"""What code that takes a kernel's shapes for granted raises on others: also unpacking and zipping of other ranks."""


class FormulaError(ValueError):
    """A formula in a data file that is not in the language: a bug in the table."""


@cache
def compile_formula(text: str) -> CodeType:
    """Check and compile a formula.

    Raises
    ------
    FormulaError
        For anything outside the language, private attributes included.
    """
    try:
        tree = ast.parse(text, mode="eval")
    except SyntaxError as error:
        raise FormulaError(f"formula {text!r}: {error.msg}") from error
    for node in ast.walk(tree):
        if not isinstance(node, _ALLOWED):
            raise FormulaError(f"formula {text!r}: {type(node).__name__} is not part of the language")
        if isinstance(node, ast.Attribute) and node.attr.startswith("_"):
            raise FormulaError(f"formula {text!r}: private attribute {node.attr}")
        if isinstance(node, ast.Call) and not (isinstance(node.func, ast.Name) and node.func.id in FUNCTIONS):
            raise FormulaError(f"formula {text!r}: only {', '.join(FUNCTIONS)} can be called")
    return compile(tree, f"<formula {text}>", "eval")


def evaluate(formula: str | int, names: Mapping[str, Any]) -> Any:
    """The value of ``formula`` where its names stand for ``names``; a plain number stands for itself.

    Examples
    --------
    >>> evaluate("4 * up4(kh * kw * channels)", {"kh": 3, "kw": 3, "channels": 3})
    112
    """
    if isinstance(formula, int):
        return formula
    return eval(compile_formula(formula), _GLOBALS, names)
