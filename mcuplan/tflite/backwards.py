"""Bytes of a FlatBuffer, laid out from the end to the start, byte for byte as the builders of FlatBuffers do it.

Written here because the package's own builder brings numpy with it, which takes longer to import than a plan takes to
find; the tests hold every byte against it. Format: https://flatbuffers.dev/internals/.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack

from mcuplan.errors import ModelError

_MOST = 2**31
"""Bytes of a FlatBuffer, whose offsets have a sign."""
_OFFSET = 4
"""Bytes of an offset, and of a length."""


class Backwards:
    """What is written comes to lie in front of all that was written before.

    Positions count from the end of the file, where they do not change.
    """

    def __init__(self) -> None:
        self._pieces: list[bytes | memoryview] = []
        self._vtables: dict[bytes, int] = {}
        self._widest = 1
        self.size = 0

    def put(self, raw: bytes | memoryview) -> int:
        """Write bytes as they are; their position. ModelError where the file becomes larger than its offsets reach."""
        self._pieces.append(raw)
        self.size += len(raw)
        if self.size > _MOST:
            raise ModelError("a model above 2 GB cannot be written")
        return self.size

    def align(self, width: int, following: int = 0) -> None:
        """Pad so that what is written after ``following`` more bytes begins at a multiple of ``width``."""
        self._widest = max(self._widest, width)
        padding = -(self.size + following) % width
        if padding:
            self.put(bytes(padding))

    def number(self, raw: bytes, width: int) -> int:
        """Write a number of ``width`` bytes, aligned to them; its position."""
        self.align(width)
        return self.put(raw)

    def offset(self, position: int) -> int:
        """Write an offset to what lies at ``position``; its own position."""
        self.align(_OFFSET)
        return self.put(pack("<I", self.size + _OFFSET - position))

    def string(self, text: bytes) -> int:
        """Write a string, a zero byte behind it; its position."""
        self.align(_OFFSET, len(text) + 1)
        return self.put(pack("<I", len(text)) + text + b"\0")

    def vector(self, raw: bytes | memoryview, count: int, width: int, align: int) -> int:
        """Write a vector of ``count`` elements of ``width`` bytes, the first one aligned to ``align``; its position."""
        self.align(_OFFSET, count * width)
        self.align(align, count * width)
        self.put(raw)
        return self.put(pack("<I", count))

    def offsets(self, positions: Sequence[int]) -> int:
        """Write a vector of offsets to what lies at ``positions``; its position."""
        self.align(_OFFSET, _OFFSET * len(positions))
        for position in reversed(positions):
            self.offset(position)
        return self.put(pack("<I", len(positions)))

    def end_table(self, start: int, slots: Sequence[int]) -> int:
        """End a table that began when the file had ``start`` bytes; its position.

        ``slots`` are the positions of its fields, 0 for one that is absent. Tables with equal vtables share one.
        """
        table = self.offset(self.size)  # a place for the way to the vtable
        place = len(self._pieces) - 1
        fields = [table - position if position else 0 for position in slots]
        while fields and not fields[-1]:
            fields.pop()
        vtable = pack(f"<{2 + len(fields)}H", 4 + 2 * len(fields), table - start, *fields)
        known = self._vtables.get(vtable)
        if known is None:
            known = self._vtables[vtable] = self.put(vtable)
        self._pieces[place] = pack("<i", known - table)
        return table

    def finish(self, root: int, identifier: bytes) -> bytes:
        """The whole file, with its root table and the file identifier of four bytes."""
        self.align(self._widest, _OFFSET + len(identifier))
        self.put(identifier)
        self.offset(root)
        return b"".join(reversed(self._pieces))
