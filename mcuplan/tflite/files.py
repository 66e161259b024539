"""Model files: what stands on disk to a graph."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mcuplan.errors import ModelError
from mcuplan.graph import Graph


def read(data: bytes | memoryview, name: str = "<bytes>") -> Graph:
    """The graph in the bytes of a `.tflite` file.

    Every ``Buffer.data`` is a view into ``data``, not a copy. Raises ModelError, one sentence that begins with
    ``name``, for anything that is not a sound model.
    """
    # Imported here because the accessors bring numpy, which those who only list boards need not wait for.
    from mcuplan.tflite.reading import read_verified
    from mcuplan.tflite.verify import verify

    view = memoryview(data).toreadonly()
    verify(view, name)
    return read_verified(view, name)


def load(path: str | os.PathLike[str]) -> Graph:
    """The graph in the file at ``path``. Raises ModelError for a file that cannot be read or is not a sound model."""
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ModelError(f"{os.fspath(path)}: {error.strerror or error}") from None
    return read(data, os.fspath(path))


def write(graph: Graph) -> bytes:
    """The graph as the bytes of a `.tflite` file; see :func:`mcuplan.tflite.writing.write`."""
    # Imported here because the builder brings numpy, which those who only list boards need not wait for.
    from mcuplan.tflite import writing

    return writing.write(graph)


def save(graph: Graph, path: str | os.PathLike[str]) -> int:
    """Write the graph to a `.tflite` file, replacing what is there; the bytes written.

    The file appears whole or not at all. Raises ModelError for a graph that the schema cannot hold, and for a
    folder that cannot be written to.
    """
    data = write(graph)
    replace_file(path, data)
    return len(data)


def replace_file(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to a temporary file beside ``path`` and move it there; ModelError where that fails."""
    target = Path(path)
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise ModelError(f"{os.fspath(path)}: cannot be written: {error.strerror or error}") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(temporary, _mode(target))
        os.replace(temporary, target)
    except OSError as error:
        Path(temporary).unlink(missing_ok=True)
        raise ModelError(f"{os.fspath(path)}: cannot be written: {error.strerror or error}") from None


def _mode(target: Path) -> int:
    """Permissions of the file that is replaced, or what the user's umask gives a new one."""
    try:
        return target.stat().st_mode & 0o777
    except OSError:
        umask = os.umask(0)
        os.umask(umask)
        return 0o666 & ~umask
