"""Arrays as the bytes of a constant buffer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mcuplan.graph import DType

if TYPE_CHECKING:
    from numpy.typing import NDArray

NUMPY: Mapping[DType, str] = {
    DType.FLOAT32: "<f4", DType.INT8: "i1", DType.INT16: "<i2", DType.INT32: "<i4", DType.INT64: "<i8",
    DType.UINT8: "u1", DType.BOOL: "?",
}  # fmt: skip
"""numpy's name of each element type that the zoo stores, little-endian as in files."""


def stored(data: NDArray[Any], dtype: DType) -> bytes:
    """The bytes of ``data`` converted to ``dtype``; int4 packs two elements a byte, the first in the low half."""
    if dtype is DType.INT4:
        flat = np.asarray(data, dtype=np.int8).ravel().astype(np.uint8) & 0x0F
        padded = np.append(flat, np.zeros(len(flat) % 2, dtype=np.uint8))
        return bytes((padded[0::2] | padded[1::2] << 4).astype(np.uint8))
    return np.ascontiguousarray(data, dtype=NUMPY[dtype]).tobytes()
