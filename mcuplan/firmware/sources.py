"""Firmware sources for a model: its bytes, the arena to declare, and an op resolver with exactly its operators.

The sources use TFLM's own API and nothing else. Everything that comes from the model (its name, custom operators)
is made safe before it stands in them.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from mcuplan import files
from mcuplan.files import write_text
from mcuplan.firmware.lean import lean_call, lean_files
from mcuplan.firmware.names import Words, comment, header, made_by
from mcuplan.firmware.resolver import ExportError, Registered, registered, resolver_header, saved_bytes
from mcuplan.firmware.rows import rows_files
from mcuplan.graph import Graph
from mcuplan.operators import Options
from mcuplan.operators.streamed import rows_buffer_bytes
from mcuplan.tflite.carray import format_c_array
from mcuplan.tflite.files import read, write
from mcuplan.tflm import DEFAULT_BUILD, predict
from mcuplan.tflm.alignment import ARENA_ALIGNMENT, aligned
from mcuplan.tflm.lean import lean_size
from mcuplan.tflm.offline import METADATA_NAME as OFFLINE_PLAN
from mcuplan.tflm.results import ArenaPrediction
from mcuplan.tflm.target import DEFAULT_TARGET, Target

_MADE = b"Made by mcuplan "
_HEAD = 1 << 16


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to write: its name and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Export:
    """The sources, and what stands in them.

    ``arena_bytes`` is the arena to declare; ``flash_saved_bytes`` what registrations for one type save against those
    for all types, with TFLM compiled as ``build`` says. ``brought`` are custom operators that the firmware must
    register itself. ``lean_bytes`` is the flash of the lean registrations: 0 without, and for models that keep nothing.
    """

    files: tuple[SourceFile, ...]
    model_bytes: int
    arena_bytes: int
    operators: tuple[Registered, ...]
    flash_saved_bytes: int
    build: str
    brought: tuple[str, ...] = ()
    lean_bytes: int = 0


def write_sources(made: Export, directory: str | os.PathLike[str]) -> None:
    """Write the files into ``directory``, which is made if it is not there; each whole or not at all.

    Raises ExportError where the folder cannot be made, or a file of such a name is there that no export made.
    """
    folder = Path(directory)
    for file in made.files:
        if (folder / file.name).exists() and not _exported(folder / file.name):
            raise ExportError(
                f"{folder / file.name}: this file was not made by mcuplan export: remove it, or rename it"
            )
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{os.fsdecode(directory)}: cannot make this folder: {error.strerror or error}") from None
    for file in made.files:
        write_text(folder / file.name, file.text)


def _exported(path: Path) -> bool:
    """Whether an earlier export made a file: it says so at its head or, long, in its first comment."""
    with files.opened(path, files.ANY_SIZE, ExportError, "cannot be replaced") as file:
        return _MADE in file.read(_HEAD)


def firmware_sources(
    model: Graph | bytes,
    *,
    target: Target | str = DEFAULT_TARGET,
    name: str = "model",
    namespace: str = "",
    build: str = DEFAULT_BUILD,
) -> Export:
    """The C++ sources that put ``model`` into a firmware with TFLM on ``target``.

    Four files: the model as an aligned array (header and source), the arena's size with where it comes from, and an
    op resolver that registers exactly the operators used. For a lean target two more, lean registrations (header and
    source), where the operators keep something that can lie in flash; for a model whose input comes by rows three: the
    operator that gives them (header and source), and sources of rows.

    Parameters
    ----------
    model
        A graph, or a file's bytes, which then stand in the array as they are.
    target
        What the arena is predicted for; CMSIS-NN targets also get registrations for one type where all uses allow.
    name
        Names the files and all identifiers; made a C identifier.
    namespace
        C++ namespace of all identifiers, ``a::b`` for nested ones; none by default.
    build
        How TFLM is compiled, for the figure of flash saved: one of :data:`mcuplan.tflm.BUILDS`.

    Raises
    ------
    ExportError
        Where the model uses a builtin operator that TFLM does not have.

    Examples
    --------
    >>> from mcuplan.zoo import build
    >>> made = firmware_sources(build("sine"), name="sine wave")
    >>> [file.name for file in made.files]
    ['sine_wave.h', 'sine_wave.cc', 'sine_wave_arena.h', 'sine_wave_op_resolver.h']
    >>> made.operators[0].method, made.arena_bytes
    ('AddFullyConnected', 1168)
    """
    target = Target.parse(target) if isinstance(target, str) else target
    data = model if isinstance(model, bytes) else write(model)
    graph = read(data) if isinstance(model, bytes) else model
    words = Words.of(name, namespace)
    arena = predict(graph, target)
    operators = tuple(registered(graph, target))
    saved = saved_bytes(graph, operators, target, build)
    lean = tuple(SourceFile(name, text) for name, text in lean_files(words, graph, data, target))
    last = lean_call(words) if lean else ""
    files = (
        SourceFile(f"{words.stem}.h", _model_header(words, data)),
        SourceFile(f"{words.stem}.cc", _model_source(words, data)),
        SourceFile(words.file("arena"), _arena_header(words, graph, arena)),
        SourceFile(words.file("op_resolver"), resolver_header(words, operators, saved, build, target, last)),
        *lean,
        *(SourceFile(name, text) for name, text in rows_files(words, graph, target)),
    )
    brought = tuple(r.operator for r in operators if r.brought)
    lean_bytes = (size := lean_size(graph, target)).flash_bytes + size.data_bytes
    return Export(files, len(data), arena.declare_bytes, operators, saved, build, brought, lean_bytes)


# -- the model -----------------------------------------------------------------------------------------------------


def _model_header(words: Words, data: bytes) -> str:
    comments = (f"The model: {len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}.", made_by())
    body = f"extern const unsigned char {words.array}[];\nextern const unsigned int {words.array}_len;\n"
    return header(words, "model", comments, (), body)


def _model_source(words: Words, data: bytes) -> str:
    return f'{comment(made_by())}\n#include "{words.stem}.h"\n\n' + words.wrapped(
        format_c_array(data, words.array, ARENA_ALIGNMENT)
    )


# -- the arena -----------------------------------------------------------------------------------------------------


def _arena_header(words: Words, graph: Graph, arena: ArenaPrediction) -> str:
    name = f"k{words.camel}ArenaBytes"
    body = f"constexpr std::size_t {name} = {arena.declare_bytes};\n"
    handles = resource_variables(graph)
    if handles:
        body += (
            "\n// For MicroResourceVariables::Create; its table is counted in the arena.\n"
            f"constexpr int k{words.camel}ResourceVariables = {handles};\n"
        )
    return header(words, "arena", tuple(_arena_comment(name, graph, arena)), ("<cstddef>",), body)


def resource_variables(graph: Graph) -> int:
    """How many resource variables a firmware must make room for."""
    return len({Options(op).resource for _, _, op in graph.operators() if op.name == "VAR_HANDLE"})


def _arena_comment(name: str, graph: Graph, arena: ArenaPrediction) -> Iterator[str]:
    yield "The tensor arena to declare:"
    yield ""
    yield f"  alignas({ARENA_ALIGNMENT}) static uint8_t tensor_arena[{name}];"
    yield ""
    yield f"Predicted for {arena.target}:"
    yield f"  {arena.nonpersistent_bytes:>10,} bytes of non-persistent section (activations and scratch)"
    yield f"  {arena.persistent_bytes:>10,} bytes of persistent section"
    yield f"  {arena.used_bytes:>10,} bytes used after AllocateTensors"
    yield f"  {arena.declare_bytes:>10,} bytes to declare: {_reason(arena)}"
    buffer = rows_buffer_bytes(graph)
    if buffer:
        yield f"The input comes by rows and is not in it; a camera's buffer of rows takes {buffer:,} bytes more."
    if any(entry.name == OFFLINE_PLAN for entry in graph.metadata):
        yield "The model carries a memory plan, which TFLM follows."
    if Target.parse(arena.target).lean:
        yield "With the lean registrations that the op resolver makes; without them TFLM needs more."
    if not arena.exact:
        yield f"An upper bound: up to {arena.bounded_bytes:,} bytes of it may not be needed."
        yield from arena.notes
    yield "Another target, TFLM version or interpreter (recording) needs another size."
    yield made_by()


def _reason(arena: ArenaPrediction) -> str:
    """What the arena's size comes from."""
    if arena.declare_bytes <= aligned(arena.final_bytes):
        return "both sections, each rounded up to 16"
    if arena.planning_peak_bytes >= arena.prepare_peak_bytes:
        return "AllocateTensors needs more while it plans memory"
    return "AllocateTensors needs more while operators prepare"
