"""Rows of an input that the firmware gives as they are needed: the custom operator ``MCUPLAN_ROWS``.

It stands where a SLICE of the input would stand. Its one input is where to begin, as SLICE's (batch, row, column,
channel), its output the rows from there on, as many as that has. They come from a function of the firmware's, so that
the picture is never whole in memory. What lies outside the picture, above, below or beside it, is filled: rows and
columns of padding come with the others. All that the operator needs to know stands in its options; mcuplan writes its
source (:mod:`mcuplan.firmware`).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from mcuplan.graph import CUSTOM, Operator

ROWS_OPERATOR = "MCUPLAN_ROWS"
"""Its custom code."""

_FORMAT = "<7i"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class InputRows:
    """The options of one ``MCUPLAN_ROWS``.

    ``input`` is which input of the network comes so, ``rows`` x ``columns`` its size and ``pixel_bytes`` the bytes of
    all channels of a position. ``back`` is how many rows a call may begin before the end of those given already: 0
    where each row is asked for once. ``fill`` is the byte that what lies outside the picture is filled with.
    """

    input: int
    rows: int
    columns: int
    pixel_bytes: int
    back: int = 0
    fill: int = 0

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of the picture."""
        return self.columns * self.pixel_bytes

    def encoded(self) -> bytes:
        """The options as they stand in the model: seven little-endian int32, the first one the version."""
        return struct.pack(
            _FORMAT, _VERSION, self.input, self.rows, self.columns, self.pixel_bytes, self.back, self.fill
        )


def input_rows(op: Operator) -> InputRows | None:
    """The options of a ``MCUPLAN_ROWS``; None for any other operator, and where they are none."""
    if not is_rows_operator(op) or len(op.custom_options or b"") != struct.calcsize(_FORMAT):
        return None
    version, which, rows, columns, pixel, back, fill = struct.unpack(_FORMAT, op.custom_options or b"")
    if version != _VERSION or min(which, back) < 0 or min(rows, columns, pixel) < 1 or not 0 <= fill < 256:
        return None
    return InputRows(which, rows, columns, pixel, back, fill)


def is_rows_operator(op: Operator) -> bool:
    """Whether an operator is ``MCUPLAN_ROWS``, whatever its options are."""
    return op.name == CUSTOM and op.code.custom_code == ROWS_OPERATOR
