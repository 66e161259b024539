"""Model files: what stands on disk to a graph."""

from __future__ import annotations

import os
from pathlib import Path

from mcuplan.errors import ModelError
from mcuplan.graph import Graph


def read(data: bytes | memoryview, name: str = "<bytes>") -> Graph:
    """The graph in the bytes of a `.tflite` file.

    Every ``Buffer.data`` is a view into ``data``, not a copy. Raises ModelError, one sentence that begins with
    ``name``, for anything that is not a sound model.
    """
    from mcuplan.tflite.reading import read_verified

    view = memoryview(data).toreadonly()
    return read_verified(view, name)


def load(path: str | os.PathLike[str]) -> Graph:
    """The graph in the file at ``path``. Raises ModelError for a file that cannot be read or is not a sound model."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"{os.fspath(path)}: {error.strerror or error}") from None
    return read(data, os.fspath(path))
