"""Firmware sources for a model: its bytes, the arena to declare, and an op resolver with exactly its operators.

The sources use TFLM's own API and nothing else. Everything that comes from the model (its name, custom operators)
is made safe before it stands in them.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from mcuplan.errors import McuplanError
from mcuplan.files import write_text
from mcuplan.graph import CUSTOM, Graph, Operator, Subgraph
from mcuplan.tflite.carray import c_identifier, format_c_array
from mcuplan.tflite.files import read, write
from mcuplan.tflm import DEFAULT_BUILD, predict, registration_saving
from mcuplan.tflm.alignment import ARENA_ALIGNMENT, aligned
from mcuplan.tflm.history import has_operator
from mcuplan.tflm.offline import METADATA_NAME as OFFLINE_PLAN
from mcuplan.tflm.results import ArenaPrediction
from mcuplan.tflm.target import DEFAULT_TARGET, Target
from mcuplan.tflm.versions import document
from mcuplan.version import __version__


class ExportError(McuplanError):
    """A model whose firmware sources cannot be written."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to write: its name and its text."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Registered:
    """One operator of the resolver: its schema name or custom code, the resolver's method, and the registration.

    ``registration`` is "" for the method's own default; ``method`` is ``AddCustom`` for operators that are not
    TFLM's, whose registration the firmware must bring.
    """

    operator: str
    method: str
    registration: str = ""
    header: str = ""


@dataclass(frozen=True, slots=True)
class Export:
    """The sources, and what stands in them.

    ``arena_bytes`` is the arena to declare; ``flash_saved_bytes`` what registrations for one type save against those
    for all types, with TFLM compiled as ``build`` says. ``brought`` are custom operators that the firmware must
    register itself.
    """

    files: tuple[SourceFile, ...]
    model_bytes: int
    arena_bytes: int
    operators: tuple[Registered, ...]
    flash_saved_bytes: int
    build: str
    brought: tuple[str, ...] = ()


def write_sources(made: Export, directory: str | os.PathLike[str]) -> None:
    """Write the files into ``directory``, which is made if it is not there; each whole or not at all.

    Raises ExportError where the folder cannot be made.
    """
    folder = Path(directory)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ExportError(f"{os.fsdecode(directory)}: cannot make this folder: {error.strerror or error}") from None
    for file in made.files:
        write_text(folder / file.name, file.text)


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
    op resolver that registers exactly the operators used.

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
    words = _Words.of(name, namespace)
    arena = predict(graph, target)
    operators = tuple(_registered(graph, target))
    saved = _saved(graph, operators, target, build)
    files = (
        SourceFile(f"{words.stem}.h", _model_header(words, data)),
        SourceFile(f"{words.stem}.cc", _model_source(words, data)),
        SourceFile(words.file("arena"), _arena_header(words, graph, arena)),
        SourceFile(words.file("op_resolver"), _resolver_header(words, operators, saved, build, target)),
    )
    brought = tuple(r.operator for r in operators if r.method == _ADD_CUSTOM)
    return Export(files, len(data), arena.declare_bytes, operators, saved, build, brought)


def resolver_saving(graph: Graph, target: Target | str = DEFAULT_TARGET, build: str = DEFAULT_BUILD) -> int:
    """Flash bytes that the exported op resolver saves against one with registrations for all types.

    Raises ExportError where the model uses a builtin operator that TFLM does not have.
    """
    target = Target.parse(target) if isinstance(target, str) else target
    return _saved(graph, tuple(_registered(graph, target)), target, build)


def _saved(graph: Graph, operators: Sequence[Registered], target: Target, build: str) -> int:
    chosen = {r.operator: r.registration for r in operators if r.registration}
    return registration_saving(graph, chosen, target, build)


# -- names ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Words:
    """A name in the forms that the sources need it, all of them safe."""

    stem: str
    camel: str
    array: str
    namespaces: tuple[str, ...]

    @classmethod
    def of(cls, name: str, namespace: str) -> _Words:
        stem = c_identifier(name)
        camel = "".join(word[:1].upper() + word[1:] for word in stem.split("_"))
        namespaces = tuple(c_identifier(part, "firmware") for part in namespace.split("::")) if namespace else ()
        return cls(stem, camel, f"{stem.rstrip('_')}_tflite", namespaces)

    def file(self, what: str) -> str:
        """File name of a header beside the model's: ``arena.h``, or ``person_arena.h`` for another name."""
        return f"{what}.h" if self.stem == "model" else f"{self.stem}_{what}.h"

    def guard(self, what: str) -> str:
        """Include guard; no two underscores side by side, which C++ reserves."""
        return re.sub("__+", "_", "_".join((*self.namespaces, self.stem, what)).upper() + "_H_")

    def wrapped(self, text: str) -> str:
        """``text`` inside the namespace."""
        if not self.namespaces:
            return text
        full = "::".join(self.namespaces)
        return f"namespace {full} {{\n\n{text}\n}}  // namespace {full}\n"


def _header(words: _Words, what: str, comment: Sequence[str], includes: Sequence[str], body: str) -> str:
    guard = words.guard(what)
    lines = [*(_comment(line) for line in comment), f"#ifndef {guard}", f"#define {guard}", ""]
    lines += [f"#include {include}" for include in includes]
    return "\n".join(lines) + ("\n\n" if includes else "\n") + words.wrapped(body) + f"\n#endif  // {guard}\n"


def _comment(text: str) -> str:
    """One line of comment: printable ASCII only, no backslash that could continue it, no trigraph that becomes one.

    ``??/`` is a backslash to compilers that know trigraphs (C++14 and before), so no two ``?`` stay side by side.
    """
    return ("// " + re.sub(r"([^ -~]|[\\?])+", "?", text)).rstrip()


def _string(text: str) -> str:
    """A C string literal of any text."""
    plain = "".join(
        chr(b) if 0x20 <= b < 0x7F and chr(b) not in '"\\?' else f"\\{b:03o}"
        for b in text.encode("utf-8", "surrogatepass")
    )
    return f'"{plain}"'


# -- the model -----------------------------------------------------------------------------------------------------


def _made_by() -> str:
    return f"Made by mcuplan {__version__} (mcuplan export)."


def _model_header(words: _Words, data: bytes) -> str:
    comment = (f"The model: {len(data):,} bytes, SHA-256 {hashlib.sha256(data).hexdigest()}.", _made_by())
    body = f"extern const unsigned char {words.array}[];\nextern const unsigned int {words.array}_len;\n"
    return _header(words, "model", comment, (), body)


def _model_source(words: _Words, data: bytes) -> str:
    return f'{_comment(_made_by())}\n#include "{words.stem}.h"\n\n' + words.wrapped(
        format_c_array(data, words.array, ARENA_ALIGNMENT)
    )


# -- the arena -----------------------------------------------------------------------------------------------------


def _arena_header(words: _Words, graph: Graph, arena: ArenaPrediction) -> str:
    name = f"k{words.camel}ArenaBytes"
    body = f"constexpr std::size_t {name} = {arena.declare_bytes};\n"
    handles = {(op.option("container"), op.option("shared_name")) for _, _, op in graph.operators()
               if op.name == "VAR_HANDLE"}  # fmt: skip
    if handles:
        body += (
            "\n// For MicroResourceVariables::Create; its table is counted in the arena.\n"
            f"constexpr int k{words.camel}ResourceVariables = {len(handles)};\n"
        )
    return _header(words, "arena", tuple(_arena_comment(name, graph, arena)), ("<cstddef>",), body)


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
    if any(entry.name == OFFLINE_PLAN for entry in graph.metadata):
        yield "The model carries a memory plan, which TFLM follows."
    if not arena.exact:
        yield f"An upper bound: up to {arena.bounded_bytes:,} bytes of it may not be needed."
        yield from arena.notes
    yield "Another target, TFLM version or interpreter (recording) needs another size."
    yield _made_by()


def _reason(arena: ArenaPrediction) -> str:
    """What the arena's size comes from."""
    if arena.declare_bytes <= aligned(arena.final_bytes):
        return "both sections, each rounded up to 16"
    if arena.planning_peak_bytes >= arena.prepare_peak_bytes:
        return "AllocateTensors needs more while it plans memory"
    return "AllocateTensors needs more while operators prepare"


# -- the op resolver -----------------------------------------------------------------------------------------------

_ADD_CUSTOM = "AddCustom"


@dataclass(frozen=True, slots=True)
class _Registration:
    """A registration for one type, and the types by position that all uses must have."""

    name: str
    header: str
    inputs: Mapping[int, frozenset[str]]
    outputs: Mapping[int, frozenset[str]]
    present: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Resolver:
    operators: Mapping[str, str]
    customs: Mapping[str, str]
    registrations: Mapping[str, tuple[_Registration, ...]]
    library: str
    """The kernel library that has registrations for one type."""
    parameter: str
    """The type that ``AddCustom`` takes a kernel's registration as."""


@cache
def _resolver(version: str) -> _Resolver:
    data = document(version, "resolver")

    def types(row: Mapping[str, Sequence[str]]) -> dict[int, frozenset[str]]:
        return {int(position): frozenset(names) for position, names in row.items()}

    return _Resolver(
        data["operators"],
        data["custom_operators"],
        {
            operator: tuple(
                _Registration(
                    r["name"], r["header"], types(r["inputs"]), types(r.get("outputs", {})), tuple(r.get("present", ()))
                )
                for r in rows
            )
            for operator, rows in data["registrations"].items()
        },
        data["registrations_of"],
        data["registration_parameter"],
    )


def _registered(graph: Graph, target: Target) -> Iterator[Registered]:
    """Every operator of every subgraph once, by name."""
    table = _resolver(target.version)
    uses: dict[tuple[bool, str], list[tuple[Subgraph, Operator]]] = {}
    for s, _, op in graph.operators():
        uses.setdefault((op.name == CUSTOM, op.label), []).append((graph.subgraphs[s], op))
    for (custom, label), found in sorted(uses.items()):
        if custom:
            yield Registered(label, table.customs.get(label, _ADD_CUSTOM))
            continue
        method = table.operators.get(label)
        if method is None:
            raise ExportError(f"TensorFlow Lite Micro has no operator {label}: no op resolver can register it")
        if not has_operator(target, label):
            raise ExportError(f"the TFLM of {target} has no operator {label}: its op resolver cannot register it")
        fitting = table.registrations.get(label, ()) if target.library.name == table.library else ()
        chosen = next((r for r in fitting if all(_fits(r, subgraph, op) for subgraph, op in found)), None)
        yield Registered(label, method, chosen.name, chosen.header) if chosen else Registered(label, method)


def _fits(registration: _Registration, subgraph: Subgraph, op: Operator) -> bool:
    def typed(indices: Sequence[int], wanted: Mapping[int, frozenset[str]]) -> bool:
        return all(
            position < len(indices)
            and indices[position] >= 0
            and subgraph.tensors[indices[position]].dtype.label in names
            for position, names in wanted.items()
        )

    there = all(position < len(op.inputs) and op.inputs[position] >= 0 for position in registration.present)
    return there and typed(op.inputs, registration.inputs) and typed(op.outputs, registration.outputs)


def _resolver_header(words: _Words, operators: Sequence[Registered], saved: int, build: str, target: Target) -> str:
    headers = sorted({r.header for r in operators if r.header})
    includes = [f'"{h}"' for h in (*headers, "tensorflow/lite/micro/micro_mutable_op_resolver.h")]
    comment = [
        "An op resolver with exactly the operators of the model.",
        *_registration_comment(saved, build),
        _made_by(),
    ]
    resolver = f"{words.camel}OpResolver"
    kernel = _resolver(target.version).parameter
    brought = {r.operator: _parameter(i, r.operator) for i, r in enumerate(operators) if r.method == _ADD_CUSTOM}
    parameters = "".join(f", {kernel} {p}" for p in brought.values())
    calls = "".join(f"  TF_LITE_ENSURE_STATUS(resolver.{_call(r, brought)});\n" for r in operators)
    body = (
        f"using {resolver} = ::tflite::MicroMutableOpResolver<{max(len(operators), 1)}>;\n\n"
        f"inline TfLiteStatus Register{words.camel}Ops({resolver}& resolver{parameters}) {{\n"
        + ("" if operators else "  (void)resolver;\n")
        + calls
        + "  return kTfLiteOk;\n}\n"
    )
    return _header(words, "op_resolver", comment, includes, body)


def _registration_comment(saved: int, build: str) -> Iterator[str]:
    if saved:
        yield f"CMSIS-NN's registrations for one type save {saved:,} bytes of flash (TFLM built {build})."


def _parameter(position: int, operator: str) -> str:
    """The parameter for a custom operator's registration; numbered, since two codes may give one identifier."""
    return f"op{position}_{c_identifier(operator, 'custom')}"


def _call(r: Registered, brought: Mapping[str, str]) -> str:
    if r.method == _ADD_CUSTOM:
        return f"{r.method}({_string(r.operator)}, {brought[r.operator]})"
    return f"{r.method}({f'::tflite::Register_{r.registration}()' if r.registration else ''})"
