"""Seeded input data, the same for every runtime and for the shared measurements."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np

_MASK = 0xFFFFFFFF


def _steps(count: int, seed: int) -> np.ndarray[Any, np.dtype[np.uint32]]:
    """``count`` states of the generator ``s = s * 1664525 + 1013904223 (mod 2**32)`` after ``seed``.

    Doubles the known run until it is long enough: k steps at once are again one multiplication and one addition.
    """
    states = np.empty(max(count, 1), dtype=np.uint32)
    states[0] = (seed * 1664525 + 1013904223) & _MASK
    done, multiplier, increment = 1, 1664525, 1013904223
    while done < count:
        more = min(done, count - done)
        states[done : done + more] = (states[:more].astype(np.uint64) * multiplier + increment) & _MASK
        multiplier, increment = multiplier * multiplier & _MASK, (multiplier * increment + increment) & _MASK
        done += more
    return states[:count]


def seeded(dtype: Any, shape: Any, seed: int) -> np.ndarray[Any, Any]:
    """Data for one input: bytes and half-words are ``s >> 16``, float32 in [-1, 1), others ``i & 1``."""
    kind = np.dtype(dtype)
    dims = tuple(int(n) for n in shape)
    count = math.prod(dims)
    if kind == np.float32:
        fraction = ((_steps(count, seed) >> 16) & 1023).astype(np.float32)
        return ((fraction - 512) / 512).astype(np.float32).reshape(dims)
    if kind.itemsize <= 2 and kind.kind in "iu":
        low = (_steps(count, seed) >> 16).astype(f"u{kind.itemsize}")
        return np.asarray(low.view(kind)).reshape(dims)
    return (np.arange(count) & 1).astype(kind).reshape(dims)


def beside(folder: Path, index: int, dtype: Any, shape: Any, seed: int) -> np.ndarray[Any, Any]:
    """Data for input ``index``: the file ``input_<index>.bin`` in ``folder`` if it is there, else seeded."""
    given = folder / f"input_{index}.bin"
    if given.exists():
        return np.frombuffer(given.read_bytes(), dtype=dtype).reshape(tuple(int(n) for n in shape))
    return seeded(dtype, shape, seed)
