"""Projects: a folder that builds with a toolchain and its usual TFLM, and proves itself on the device.

What a kind of project consists of is data (``data/projects.json``) and templates. A template is given identifiers,
numbers and text that :mod:`mcuplan.firmware.templating` has checked.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcuplan.firmware.golden import SEED, GoldenVector, picture_bytes
from mcuplan.firmware.kinds import BOARD_NAMES, Kind, core_options, kinds, refuse_other_tflm
from mcuplan.firmware.names import Words, made_by, string
from mcuplan.firmware.places import Place, one_arena
from mcuplan.firmware.resolver import ExportError, Registered, kernel_type, parameter
from mcuplan.firmware.sources import Export, SourceFile, firmware_sources, resource_variables
from mcuplan.firmware.templating import Code, render
from mcuplan.firmware.tensors import TensorConstants, tensor_constants
from mcuplan.graph import Graph
from mcuplan.operators.streamed import streamed_inputs
from mcuplan.tflite.files import read
from mcuplan.tflm import DEFAULT_BUILD, predict
from mcuplan.tflm.alignment import ARENA_ALIGNMENT
from mcuplan.tflm.arena import predict_shared
from mcuplan.tflm.results import ArenaPrediction
from mcuplan.tflm.target import Target


@dataclass(frozen=True, slots=True)
class ProjectModel:
    """A model of a project: its file's bytes, the name of its sources, and what it gives, or why that is not known."""

    name: str
    data: bytes
    golden: GoldenVector | None = None
    no_golden: str = "no runtime was asked"


@dataclass(frozen=True, slots=True)
class Project:
    """A project's files, and what stands in them. ``arena_bytes`` is to declare, ``used_bytes`` is predicted."""

    kind: str
    name: str
    files: tuple[SourceFile, ...]
    ignored: tuple[str, ...]
    """Patterns of what the toolchain itself leaves in the folder."""
    arena_bytes: int
    used_bytes: int
    exports: tuple[Export, ...]
    golden: tuple[str, ...]
    """For each model, the runtime that its expected outputs are from; "" where there are none."""
    no_golden: tuple[str, ...]
    """For each model, why it has none; "" where it has."""


def checked_name(name: str, what: str = "name") -> str:
    """``name`` where it is an identifier of C++ as it stands.

    Raises
    ------
    ExportError
        Where it is none; the message says one that is near.
    """
    stem = Words.of(name).stem
    if name != stem:
        raise ExportError(f"{what} {name!r} is no identifier that every toolchain takes; {stem!r} is one")
    return name


@dataclass(frozen=True)
class _Part:
    """A model as templates see it."""

    words: Words
    model_bytes: int
    arena: ArenaPrediction
    inputs: tuple[TensorConstants, ...]
    outputs: tuple[TensorConstants, ...]
    resources: int
    registrations: Code
    golden: GoldenVector | None
    no_golden: str
    picture: bytes = b""
    """The input that comes row by row, as the self-test gives it; empty where none comes so."""

    @property
    def variable(self) -> str:
        """The interpreter's variable."""
        return f"{self.words.stem.rstrip('_')}_interpreter"

    def golden_name(self, output: int) -> str:
        """The array of an output's expected bytes."""
        return f"k{self.words.camel}GoldenOutput{output}"


@dataclass(frozen=True)
class _Filled:
    """A project while it is filled in."""

    kind: Kind
    words: Words
    target: Target
    parts: tuple[_Part, ...]
    exports: tuple[Export, ...]
    graphs: tuple[Graph, ...]
    place: Place
    used_bytes: int
    declare_bytes: int
    exact: bool
    board: Mapping[str, str]

    @property
    def folder(self) -> str:
        """The folder of the sources."""
        return self.kind.sources.format(name=self.words.stem)


def project(
    kind: str,
    name: str,
    models: Sequence[ProjectModel],
    target: Target,
    *,
    build: str = DEFAULT_BUILD,
    place: Place | None = None,
    fpu: bool = True,
    board: Mapping[str, str] | None = None,
) -> Project:
    """The files of a project of ``kind`` for ``target``.

    Several models share one arena in TFLM's own way: each keeps its persistent section, and they take turns in one
    planned section, as large as the largest.

    Parameters
    ----------
    kind
        One of :func:`kinds`.
    name
        An identifier: names the project, its namespace and its shared files.
    models
        At least one; names are identifiers, no two alike.
    target
        Its TFLM must be one that the kind builds with.
    build
        How TFLM is compiled, for the figure of flash saved.
    place
        Where the arena lies; one static array by default.
    fpu
        Whether the core has its floating-point unit, for compilers' options.
    board
        What toolchains call the board: :data:`BOARD_NAMES`.

    Raises
    ------
    ExportError
        For names that are no identifiers or not distinct, and a TFLM that the kind does not build with.
    """
    found = kinds()[kind]
    refuse_other_tflm(found, target)
    named = {**dict.fromkeys(BOARD_NAMES, ""), **(board or {})}
    if not all(named[need] for need in found.needs):
        raise ExportError(f"a project for {kind} needs a board that {found.title} has a name for: see `mcuplan boards`")
    filled = _filled(found, name, models, target, build, place, named)
    values = {**_values(filled), **core_options(target, fpu)}
    files = (*_model_files(filled), *_common_files(filled, values))
    sources = sorted(file.name for file in files if file.name.endswith(found.suffix))
    return Project(
        kind, name, (*files, *_kind_files(filled, values, sources)), found.ignore,
        filled.declare_bytes, filled.used_bytes, filled.exports,
        tuple(part.golden.runtime if part.golden else "" for part in filled.parts),
        tuple("" if part.golden else part.no_golden for part in filled.parts),
    )  # fmt: skip


def _filled(
    kind: Kind,
    name: str,
    models: Sequence[ProjectModel],
    target: Target,
    build: str,
    place: Place | None,
    board: Mapping[str, str],
) -> _Filled:
    if not models:
        raise ExportError("a project needs at least one model")
    words = Words.of(checked_name(name), name)
    names = [checked_name(model.name, "the model's name") for model in models]
    _refuse_alike(names)
    graphs = tuple(read(model.data) for model in models)
    exports = tuple(
        firmware_sources(model.data, target=target, name=model.name, namespace=name, build=build) for model in models
    )
    parts = tuple(
        _part(Words.of(model.name, name), model, graph, export, target)
        for model, graph, export in zip(models, graphs, exports, strict=True)
    )
    shared = predict_shared(graphs, target)
    chosen = place or one_arena(shared.declare_bytes)
    return _Filled(
        kind, words, target, parts, exports, graphs, chosen, shared.used_bytes + chosen.more_used_bytes,
        sum(arena.bytes for arena in chosen.arenas), shared.exact, board,
    )  # fmt: skip


def _refuse_alike(names: Sequence[str]) -> None:
    camels = [Words.of(name).camel for name in names]
    for i, camel in enumerate(camels):
        if camel in camels[:i]:
            raise ExportError(f"two models would be called {names[i]}: give them names of their own")


def _part(words: Words, model: ProjectModel, graph: Graph, export: Export, target: Target) -> _Part:
    brought = [f", {name}()" for name, _ in _brought(words, export.operators)]
    return _Part(
        words, len(model.data), predict(graph, target),
        tensor_constants(graph, words.camel, "Input"), tensor_constants(graph, words.camel, "Output"),
        resource_variables(graph), Code("".join(brought)), model.golden, model.no_golden, _picture(graph),
    )  # fmt: skip


def _picture(graph: Graph) -> bytes:
    sizes = [s.options.rows * s.options.row_bytes for s in streamed_inputs(graph).values()]
    return picture_bytes(sizes[0]) if sizes else b""


def _brought(words: Words, operators: Sequence[Registered]) -> Iterator[tuple[str, str]]:
    """Functions that give registrations of custom operators, and the operators' names (untrusted text)."""
    for i, found in enumerate(operators):
        if found.brought:
            yield f"{words.camel}_{parameter(i, found.operator)}", found.operator


def _model_files(filled: _Filled) -> Iterator[SourceFile]:
    folder, suffix = filled.folder, filled.kind.suffix
    for export in filled.exports:
        for file in export.files:
            yield SourceFile(f"{folder}/{re.sub('[.]cc$', suffix, file.name)}", file.text)


_SHARED = ("runner", "self_test")


def _common_files(filled: _Filled, values: Mapping[str, Any]) -> Iterator[SourceFile]:
    folder, suffix = filled.folder, filled.kind.suffix
    for what in _SHARED:
        header, source = filled.words.file(what), filled.words.file(what, suffix[1:])
        yield SourceFile(f"{folder}/{header}", render(f"common/{what}.h.j2", **values))
        yield SourceFile(f"{folder}/{source}", render(f"common/{what}.cc.j2", **values))
    if values["brought"]:
        yield SourceFile(
            f"{folder}/{filled.words.file('custom_operators')}", render("common/custom_operators.h.j2", **values)
        )
    for part in filled.parts:
        yield SourceFile(f"{folder}/{part.words.file('tensors')}", render("common/tensors.h.j2", part=part, **values))
        if part.golden or part.picture:
            yield SourceFile(f"{folder}/{part.words.file('golden')}", render("common/golden.h.j2", part=part, **values))


def _kind_files(filled: _Filled, values: Mapping[str, Any], sources: Sequence[str]) -> Iterator[SourceFile]:
    for template, path in filled.kind.files.items():
        text = render(template, sources=sources, **values)
        yield SourceFile(path.format(name=filled.words.stem, Camel=filled.words.camel), text)


def _values(filled: _Filled) -> dict[str, Any]:
    words, version = filled.words, filled.kind.versions[filled.target.version]
    brought = [
        named
        for part, export in zip(filled.parts, filled.exports, strict=True)
        for named in _brought(part.words, export.operators)
    ]
    operators = {r.operator for export in filled.exports for r in export.operators}
    return {
        "made_by": made_by(f"mcuplan export --for {filled.kind.name}"),
        "title": words.stem,
        "name": words.stem,
        "camel": words.camel,
        "namespace": words.stem,
        "file": words.file,
        "guard": words.guard,
        "parts": filled.parts,
        "golden": any(part.golden for part in filled.parts),
        "resources": any(part.resources for part in filled.parts),
        "seed": SEED,
        "target": str(filled.target),
        "used_bytes": filled.used_bytes,
        "declare_bytes": filled.declare_bytes,
        "exact": filled.exact,
        "place": filled.place,
        "alignment": ARENA_ALIGNMENT,
        "brought": brought,
        "registration": kernel_type(filled.target),
        "line_bytes": 128 + max(len(part.words.stem) for part in filled.parts),
        "first_include": version.get("include", ""),
        "tflm": version,
        "core": filled.target.core.name,
        "kernels": filled.target.library.name.replace("-", "_"),
        "board": filled.board,
        "sources_folder": filled.folder,
        # Names that begin with Arduino are kept for its own libraries.
        "library": f"{'My' if words.camel.lower().startswith('arduino') else ''}{words.camel}Model",
        "library_version": filled.target.library.version,
        **_flash(filled),
        "signal": any(operator.startswith("Signal") for operator in operators),
        "postprocess": "TFLite_Detection_PostProcess" in operators,
        "string": lambda text: Code(string(text)),
    }


_RUNTIME_ROOM = 1 << 20
"""Flash for ESP-IDF, TFLM and an application of one's own beside the models: a round figure, not a measured one."""


def _flash(filled: _Filled) -> dict[str, Any]:
    """The application's partition and the least flash chip that holds it, for the ESP32's."""
    models = sum(part.model_bytes for part in filled.parts)
    app = -(-(models + _RUNTIME_ROOM) // 65536) * 65536
    return {
        "app_bytes": app,
        "flash_mb": next(mb for mb in (2, 4, 8, 16, 32, 64, 128, 4096) if app + 65536 <= mb << 20),
    }
