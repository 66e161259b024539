"""Model files: what stands on disk to a graph."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from mcuplan.errors import ModelError
from mcuplan.files import ANY_SIZE, MODEL_LIMIT, opened, read_all, write_bytes
from mcuplan.graph import Graph
from mcuplan.tflite.appended import find_appended
from mcuplan.tflite.carray import CArray, c_identifier, format_c_array, is_c_source, read_c_models
from mcuplan.tflite.formats import check_identifier, is_lfs_pointer
from mcuplan.tflite.notes import notes
from mcuplan.tflite.schema import IDENTIFIER

_ENOUGH_TO_TELL = 1 << 20

C_SOURCE_LIMIT = 256 << 20
"""Bytes of a C source: those of a model of 40 MB, five or six characters a byte."""


def read(data: bytes | memoryview, name: str = "<bytes>") -> Graph:
    """The graph in the bytes of a `.tflite` file.

    Every ``Buffer.data`` is a view into ``data``, not a copy. Raises ModelError, one sentence that begins with
    ``name``, for anything that is not a sound model.
    """
    view = memoryview(data).toreadonly()
    check_identifier(view, name)
    # Imported here because the schema takes its time, which those who only list boards need not wait for.
    from mcuplan.tflite.checks import check
    from mcuplan.tflite.compression import compression
    from mcuplan.tflite.reading import read_verified
    from mcuplan.tflite.verify import verify

    newer = verify(view, name)
    graph = read_verified(view, name)
    compressed = compression(graph, name)
    check(graph, name, compressed.tensors)
    return replace(graph, notes=tuple(notes(graph, newer, compressed.note)), appended=find_appended(view) or b"")


def load(path: str | os.PathLike[str]) -> Graph:
    """The graph in the file at ``path``: a `.tflite` file, or a C source with one array that holds a model.

    Raises ModelError, one sentence that begins with the path, for a file that cannot be read or is not a sound
    model, and for a C source with several models (:func:`load_all` reads those).
    """
    return load_file(path).graph


def load_all(path: str | os.PathLike[str]) -> tuple[tuple[str, Graph], ...]:
    """Every model in the file at ``path``, at least one, each with its array's identifier (`""` in a `.tflite`).

    Raises ModelError like :func:`load`.
    """
    shown = _shown(path)
    return tuple((found.array, found.graph) for found in _models(_content(Path(path), shown), shown))


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model and its own bytes as a `.tflite` file; ``array`` is its identifier in a C source, else empty."""

    graph: Graph
    data: bytes
    array: str = ""

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()


def load_file(path: str | os.PathLike[str]) -> ModelFile:
    """The one model in the file at ``path``, as :func:`load` reads it, with its bytes."""
    shown = _shown(path)
    return parse(_content(Path(path), shown), shown)


def parse(data: bytes, name: str) -> ModelFile:
    """The one model in the content of a file called ``name``, whose ending says whether it is C source.

    Raises ModelError like :func:`load`.
    """
    models = _models(data, name)
    if len(models) > 1:
        names = ", ".join(found.array for found in models)
        raise ModelError(f"{name}: this C source holds {len(models)} models ({names}): give each its own file")
    return models[0]


def _models(data: bytes, name: str) -> tuple[ModelFile, ...]:
    if is_c_source(PurePath(name)) and data[4:8] != IDENTIFIER and not is_lfs_pointer(data):
        arrays = read_c_models(data, name)
        return tuple(ModelFile(_read_c_array(array, name), array.data, array.name) for array in arrays)
    return (ModelFile(read(data, name), data),)


def _read_c_array(array: CArray, shown: str) -> Graph:
    graph = read(array.data, f"{shown} ({array.name})")
    return replace(graph, notes=graph.notes + array.notes)


def _shown(path: str | os.PathLike[str]) -> str:
    return os.fsdecode(path)


def _content(path: Path, shown: str) -> bytes:
    """The whole file; of a large file that is no model, only as much as tells what it is."""
    if os.path.isdir(path):
        raise ModelError(f"{shown}: {_directory(path)}")
    limit = C_SOURCE_LIMIT if is_c_source(path) else MODEL_LIMIT
    with opened(path, ANY_SIZE, ModelError) as file:
        head = file.read(_ENOUGH_TO_TELL)
        file.seek(0)
        if len(head) < _ENOUGH_TO_TELL or head[4:8] == IDENTIFIER or is_c_source(path):
            return read_all(file, limit)
        file.seek(-_ENOUGH_TO_TELL // 2, os.SEEK_END)
        return head + file.read(_ENOUGH_TO_TELL)


def _directory(path: Path) -> str:
    """What to say of a directory in place of a model."""
    if (path / "saved_model.pb").is_file() or (path / "saved_model.pbtxt").is_file():
        return (
            "this is a TensorFlow SavedModel directory: convert it with tf.lite.TFLiteConverter.from_saved_model "
            "and give the .tflite file"
        )
    return "this is a directory, not a model file"


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
    write_bytes(path, data)
    return len(data)


def write_c_array(data: bytes | memoryview, path: str | os.PathLike[str], identifier: str | None = None) -> str:
    """Write the model's bytes as a C++ source with one 16-aligned array, as ``xxd -i`` would; the array's identifier.

    ``identifier`` (default: from the file's name) is made safe. The file appears whole or not at all; ModelError
    where it cannot be written.
    """
    safe = c_identifier(Path(path).stem if identifier is None else identifier)
    write_bytes(path, format_c_array(data, safe).encode())
    return safe
