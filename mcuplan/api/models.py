"""From the arguments of a command to models: files, folders, patterns and ``zoo:NAME``."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, TypeAlias

from mcuplan.errors import McuplanError
from mcuplan.files import ANY_SIZE, opened

if TYPE_CHECKING:
    from mcuplan.graph import Graph
    from mcuplan.tflite import ModelFile

ZOO = "zoo:"
ModelLike: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | Graph"
"""A path, ``zoo:NAME``, the bytes of a `.tflite` file, or a graph."""
MODEL_SUFFIXES = (".tflite", ".lite")
"""What a folder is searched for first; a C source is taken where an array in it holds a model."""


class ArgumentError(McuplanError):
    """An argument that names no model."""


def expand(arguments: Iterable[str]) -> dict[str, ArgumentError | None]:
    """The models that ``arguments`` name, each once, in order; a name that exists is never taken for a pattern.

    A folder without models, or a pattern that matches none, stands with its error under its own name: it must not
    hide the others.
    """
    found: dict[str, ArgumentError | None] = {}
    for argument in arguments:
        try:
            for model in _expand(argument):
                found.setdefault(model)
        except ArgumentError as error:
            found[argument] = error
    return found


def expand_all(arguments: Iterable[str]) -> list[str]:
    """The models that ``arguments`` name; ArgumentError where one of them names none."""
    models = expand(arguments)
    for error in models.values():
        if error is not None:
            raise error
    return list(models)


def _expand(argument: str) -> Iterator[str]:
    if argument.startswith(ZOO):
        yield argument
        return
    path = _existing(argument)
    if path is None and glob.has_magic(argument):
        yield from _matches(argument)
    elif path is not None and os.path.isdir(path):
        yield from _folder(path)
    elif path is not None and os.path.basename(path) in CONFIGURATIONS:
        # What a configuration says may have changed for every model that it counts for.
        yield from _configured(path)
    else:
        # What does not exist is the reader's to refuse: its sentence goes into the report beside the other models.
        yield path or argument


CONFIGURATIONS = ("mcuplan.toml", "pyproject.toml")
"""Files that stand for the models that they are the nearest configuration of."""


def _configured(path: str) -> Iterator[str]:
    """The models below a configuration that it counts for; none where it holds none (as many a pyproject.toml)."""
    from mcuplan.budget.config import nearest_config

    folder = os.path.dirname(path)
    found = nearest_config(Path(folder or "."))
    if found is None or not os.path.samefile(found.path, path):
        return
    nearest: dict[str, bool] = {}
    for model in _folder(folder or ".", must_have=False):
        here = os.path.dirname(model)
        if here not in nearest:
            nearest[here] = _nearest_is(here, found.path)
        if nearest[here]:
            yield os.path.normpath(model)


def _nearest_is(folder: str, path: Path) -> bool:
    from mcuplan.budget.config import ConfigError, nearest_config

    try:
        found = nearest_config(Path(folder or "."))
    except ConfigError:
        return False  # another one, which is for those who name it or its models
    return found is not None and found.path == path


def _existing(argument: str) -> str | None:
    """The path that ``argument`` means; on other systems a Windows path with ``\\`` is understood too."""
    for path in (argument, argument.replace("\\", "/")):
        if argument and os.path.lexists(path):
            return path
    return None


def _matches(pattern: str) -> Iterator[str]:
    hits = glob.glob(pattern, recursive=True) or glob.glob(pattern.replace("\\", "/"), recursive=True)
    if not hits:
        raise ArgumentError(f"{pattern}: no file matches this pattern")
    for hit in sorted(hits):
        if not os.path.isdir(hit):
            yield hit
        elif not pattern.endswith("**"):
            yield from _folder(hit, must_have=False)


def _folder(folder: str, must_have: bool = True) -> Iterator[str]:
    """The models below ``folder``, hidden folders left out, in a fixed order."""

    def refuse(error: OSError) -> None:
        raise ArgumentError(f"{folder}: cannot list the folder: {error.strerror or error}")

    if os.path.isfile(os.path.join(folder, "saved_model.pb")):
        yield folder  # a SavedModel: the reader says how to convert it
        return
    any_found = False
    for where, folders, files in os.walk(folder, onerror=refuse):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = os.path.join(where, name)
            if name.lower().endswith(MODEL_SUFFIXES) or is_c_model(path):
                any_found = True
                yield path
    if must_have and not any_found:
        raise ArgumentError(f"{folder}: the folder holds no .tflite model, and no C array of one")


def is_c_model(path: str) -> bool:
    """Whether a file is a C source whose beginning has a model's first bytes; not every C source of a folder is one."""
    from mcuplan.tflite.carray import begins_a_model, is_c_source

    if not is_c_source(PurePath(path)):
        return False
    try:
        with opened(Path(path), ANY_SIZE, ArgumentError) as file:
            return begins_a_model(file.read(_C_HEAD))
    except ArgumentError:
        return False  # what is found by looking around is not complained about


_C_HEAD = 1 << 16
"""Bytes of a C source in which its first array begins."""


@dataclass(frozen=True)
class Given:
    """A model that a verb was given: what to call it, and its file."""

    name: str
    file: ModelFile

    @property
    def graph(self) -> Graph:
        """The model as it was read."""
        return self.file.graph


def given(model: ModelLike, name: str | None = None) -> Given:
    """The model that ``model`` is; ``name`` is what to call it (by default its path).

    A graph is written and read back, so that its figures are those of its file.

    Raises
    ------
    McuplanError
        Where it cannot be read, or the zoo has no such model.
    """
    from mcuplan import tflite
    from mcuplan.graph import Graph

    if isinstance(model, bytes | bytearray | memoryview):
        called = name or "<bytes>"
        return Given(called, tflite.parse(bytes(model), called))
    if isinstance(model, Graph):
        called = name or "<graph>"
        return Given(called, tflite.parse(tflite.write(model), called))
    if not isinstance(model, str | os.PathLike):
        raise McuplanError(f"{model!r:.60} is no model: give a path, zoo:NAME, the bytes of a .tflite file, or a Graph")
    path = os.fsdecode(model)
    return Given(name or path, load_file(path))


def load_model(name: str) -> Graph:
    """The graph of a file or of ``zoo:NAME``; see :func:`load_file`."""
    return load_file(name).graph


def load_file(name: str) -> ModelFile:
    """The graph and the bytes of a file or of ``zoo:NAME``.

    A zoo model is written and read back, so that it has the bytes its file would have.

    Raises
    ------
    McuplanError
        Where it cannot be read, or the zoo has no such model.
    """
    from mcuplan import tflite

    if not name.startswith(ZOO):
        return tflite.load_file(name)
    from mcuplan.zoo import resolve

    return tflite.parse(tflite.write(resolve(name)), name)


def home(name: str) -> Path:
    """The folder where the search for a model's configuration starts."""
    return Path.cwd() if name.startswith(ZOO) else Path(os.path.abspath(name)).parent
