"""Tensors that the rewriting puts at fixed displacements from one another: they move as one block."""

from __future__ import annotations

from mcuplan.patching.writing.build import Place


class TieError(ValueError):
    """Ties that contradict each other: a bug in the rewriting."""


class Blocks:
    """Tensors at fixed displacements from one another (union-find with displacements)."""

    def __init__(self) -> None:
        self._parent: dict[Place, tuple[Place, int]] = {}

    def find(self, place: Place) -> tuple[Place, int]:
        """The root of a tensor's block and the tensor's displacement from it."""
        parent, at = self._parent.get(place, (place, 0))
        if parent == place:
            return place, 0
        root, more = self.find(parent)
        self._parent[place] = root, at + more
        return root, at + more

    def tie(self, inner: Place, outer: Place, at: int) -> bool:
        """Put ``inner`` at byte ``at`` of ``outer``; False where they lie otherwise already."""
        a, a_at = self.find(inner)
        b, b_at = self.find(outer)
        if a == b:
            return a_at - b_at == at
        self._parent[a] = b, b_at + at - a_at
        return True
