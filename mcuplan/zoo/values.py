"""The handle of a tensor that a Builder has made."""

from __future__ import annotations

from dataclasses import dataclass

from mcuplan.graph import DType
from mcuplan.zoo.ranges import Affine, Spread


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor made by a Builder, with what is known of the numbers in it."""

    index: int
    shape: tuple[int, ...]
    dtype: DType
    affine: Affine | None
    spread: Spread

    @property
    def channels(self) -> int:
        """Size of the last dimension."""
        return self.shape[-1]
