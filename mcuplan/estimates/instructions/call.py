"""One call of one operator, as far as its cost depends on it: shapes, type, options."""

from __future__ import annotations

from typing import NamedTuple

Shape = tuple[int, ...]
Pair = tuple[int, int]


class Call(NamedTuple):
    """One call of an operator.

    Made from a graph's operator by :func:`~mcuplan.estimates.instructions.calls.call_of`, or by hand, without a graph,
    for what a search only thinks of: ``Call("CONV_2D", "int8", (1, 4, 48, 8), (1, 2, 48, 16), kernel=(3, 3))``.

    ``source`` and ``result`` are the shapes of the data read and of the first output, ``other`` that of the second
    operand of an element-wise operator or of the rows that DYNAMIC_UPDATE_SLICE writes. Pairs are (rows, columns),
    ``before`` the padding above and on the left. ``detail`` holds what only one operator has: of PAD the padding
    before and after each dimension in turn, of CONCATENATION and SPLIT the axis and the size of each part along it,
    of GATHER the axis, of TRANSPOSE the permutation, of MEAN the axes, of FULLY_CONNECTED 1 where every unit has a
    scale, of DYNAMIC_UPDATE_SLICE and RESHAPE 1 where they write in place.
    """

    operator: str
    dtype: str
    source: Shape
    result: Shape
    other: Shape = ()
    kernel: Pair = (1, 1)
    stride: Pair = (1, 1)
    dilation: Pair = (1, 1)
    before: Pair = (0, 0)
    detail: tuple[int, ...] = ()
    made: str = ""
    """Type of the result where it is not ``dtype``."""
