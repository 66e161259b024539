"""The zip archive that TFLite Metadata appends to a model for its associated files (label lists, vocabularies).

Zip readers find such an archive from the file's end; its directory counts offsets from the file's start, so that
they must be moved when the model in front of it grows or shrinks. Source of the layout: PKWARE's APPNOTE.TXT 6.3,
sections 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

_END = b"PK\5\6"
_END_BYTES = 22
_LONGEST_COMMENT = 65_535
_ENTRY = b"PK\1\2"
_ENTRY_BYTES = 46
_ENTRY_OFFSET = 42
_LOCAL = b"PK\3\4"
_DIRECTORY_OFFSET = 16


@dataclass(frozen=True, slots=True)
class _Directory:
    """Where the archive's parts lie in ``data``, and what to add to its own offsets to get positions there."""

    entries: tuple[int, ...]
    end: int
    base: int


def find_appended(data: memoryview) -> memoryview | None:
    """The zip archive at the end of ``data``, from its first file on; None where there is none."""
    directory = _directory(data)
    if directory is None:
        return None
    start = min(_local_offset(data, at) for at in directory.entries) + directory.base
    if not 8 <= start <= directory.end or bytes(data[start : start + 4]) != _LOCAL:
        return None
    return data[start:]


def moved(archive: memoryview | bytes, start: int) -> bytes:
    """The archive with offsets that fit a file in which it begins at ``start``."""
    moved = bytearray(archive)
    directory = _directory(memoryview(archive))
    if directory is None:
        return bytes(moved)
    first = min(_local_offset(archive, at) for at in directory.entries)
    if first == 0:  # its offsets count from the archive's own start
        return bytes(moved)
    for at in (*(entry + _ENTRY_OFFSET for entry in directory.entries), directory.end + _DIRECTORY_OFFSET):
        offset = (struct.unpack_from("<I", moved, at)[0] - first + start) & 0xFFFFFFFF
        struct.pack_into("<I", moved, at, offset)
    return bytes(moved)


def _local_offset(data: memoryview | bytes, entry: int) -> int:
    offset: int = struct.unpack_from("<I", data, entry + _ENTRY_OFFSET)[0]
    return offset


def _directory(data: memoryview) -> _Directory | None:
    floor = max(0, len(data) - _END_BYTES - _LONGEST_COMMENT)
    found = bytes(data[floor:]).rfind(_END)
    end = floor + found
    if found < 0 or end + _END_BYTES > len(data):
        return None
    size, offset, comment = struct.unpack_from("<2IH", data, end + 12)
    if end + _END_BYTES + comment != len(data) or size > end:
        return None
    entries = tuple(_entries(data, end - size, end))
    return _Directory(entries, end, end - size - offset) if entries else None


def _entries(data: memoryview, position: int, end: int) -> Iterator[int]:
    while position + _ENTRY_BYTES <= end and bytes(data[position : position + 4]) == _ENTRY:
        yield position
        position += _ENTRY_BYTES + sum(struct.unpack_from("<3H", data, position + 28))
