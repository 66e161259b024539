"""Flash: the code of TFLM's interpreter and of exactly the operators a model uses.

Each real link was taken apart into linker sections; the code of any set of operators is the union of the sections of
its parts, so that what two operators share counts once. Against every link measured the union is between 1.4% under
and 4.2% over, depending on the build; the margin that each data file states is added, so that the figure is over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cache, lru_cache

from mcuplan.graph import Graph
from mcuplan.operators.input_rows import ROWS_OPERATOR
from mcuplan.tflm.lean import lean_size
from mcuplan.tflm.results import CodeSize, OperatorCode
from mcuplan.tflm.target import DEFAULT_TARGET, Target
from mcuplan.tflm.versions import document, owner

BUILDS = ("O2-logs", "O2", "Os")
"""How TFLM is compiled: kernels -O2 and core -Os with log strings (its ``release_with_logs``), the same without
strings (``release``), everything -Os without strings."""

DEFAULT_BUILD = "O2-logs"

_THUMB2 = frozenset({"cortex-m7", "cortex-m33", "cortex-m35p"})
OTHER_VERSION_PERCENT = 6
"""Added where the code of another TFLM version is counted and files of the two were not compared."""
OTHER_CORE_PERCENT = 50
"""Added to code measured on a Cortex-M4 for cores with another instruction set, where nothing was measured."""


_ROWS_TEXT, _ROWS_BSS = 496, 36
"""Bytes of ``MCUPLAN_ROWS`` as exported, compiled for a Cortex-M4 by GCC 12.2 with -O2 (459 with -Os)."""


@dataclass(frozen=True, slots=True)
class _Part:
    sections: frozenset[int]
    fill: int
    data: int
    bss: int


@dataclass(frozen=True)
class _Link:
    sections: tuple[int, ...]
    base: _Part
    operators: Mapping[str, _Part]
    registrations: Mapping[str, Mapping[str, _Part]]
    margin_percent: float

    def bytes(self, parts: Iterable[_Part]) -> int:
        """``.text`` and ``.rodata`` of the base with ``parts``: the union of sections and the largest fill."""
        used = set(self.base.sections)
        fill = self.base.fill
        for part in parts:
            used |= part.sections
            fill = max(fill, part.fill)
        return sum(self.sections[i] for i in used) + fill


def _part(row: Mapping[str, object]) -> _Part:
    sections, fill, data, bss = (row.get(k, 0) for k in ("sections", "fill", "data", "bss"))
    assert isinstance(sections, list)
    return _Part(frozenset(sections), int(str(fill)), int(str(data)), int(str(bss)))


@cache
def _link(version: str, library: str, build: str) -> _Link:
    data = document(version, f"flash/{library}.{build}")
    rows = _Part(frozenset({len(data["sections"])}), 0, 0, _ROWS_BSS)
    return _Link(
        (*data["sections"], _ROWS_TEXT),
        _part(data["base"]),
        {op: _part(row) for op, row in data["operators"].items()} | {ROWS_OPERATOR: rows},
        {op: {r: _part(row) for r, row in rows.items()} for op, rows in data["registrations"].items()},
        data["margin_percent"],
    )


def _core_margin(target: Target) -> tuple[int, str]:
    """Percent to add for the core and why."""
    if target.core.name == "cortex-m4":
        return 0, ""
    if target.core.name in _THUMB2:
        return 0, f"code size was measured on a Cortex-M4, whose instructions {target.core.name} shares"
    return OTHER_CORE_PERCENT, (
        f"code size was measured on a Cortex-M4 only: {OTHER_CORE_PERCENT}% is added for {target.core.name}, "
        "an assumption"
    )


def _version_margin(target: Target, name: str) -> tuple[int, str]:
    """Percent to add for a TFLM whose own code was not measured, and what is taken instead."""
    measured = owner(target.version, name).name
    if measured == target.version:
        return 0, ""
    taken = f"the code of {target.version} was not linked: that of {measured} is counted"
    compared = target.tflm.code
    if compared:
        return 0, f"{taken} ({compared})"
    return OTHER_VERSION_PERCENT, (
        f"{taken}, and {OTHER_VERSION_PERCENT}% added, an assumption: 19 files of two versions differed by that much"
    )


def code_size(graph: Graph, target: Target | str = DEFAULT_TARGET, build: str = DEFAULT_BUILD) -> CodeSize:
    """Flash bytes of TFLM for the operators of ``graph``.

    Counts every operator of every subgraph, as an op resolver must register them all. Custom operators that are not
    TFLM's own have no known code: they count 0 and ``notes`` say so.

    Parameters
    ----------
    build
        One of :data:`BUILDS`.

    Examples
    --------
    >>> from mcuplan.zoo import build
    >>> code_size(build("person-detection")).total_bytes
    85523
    """
    if isinstance(target, str):
        target = Target.parse(target)
    labels = tuple(sorted({op.label for _, _, op in graph.operators()}))
    code, lean = _code_size(labels, target, build), lean_size(graph, target)
    return replace(
        code, data_bytes=code.data_bytes + lean.data_bytes, bss_bytes=code.bss_bytes + lean.bss_bytes, lean=lean
    )


@lru_cache(1024)
def _code_size(labels: tuple[str, ...], target: Target, build: str) -> CodeSize:
    """What is linked, the same for all graphs with these operators."""
    library = "cmsis-nn" if target.library.base == "cmsis-nn" else "reference"
    link = _link(target.version, library, build)
    parts = {label: link.operators[label] for label in labels if label in link.operators}
    total = link.bytes(parts.values())
    interpreter = link.bytes(())
    percent, why = _core_margin(target)
    other, said = _version_margin(target, f"flash/{library}.{build}")
    percent += other
    notes = [note for note in (why, said) if note]
    notes += [f"the code of operator {label} is not known and not counted" for label in labels if label not in parts]
    if target.library.base not in ("cmsis-nn", "reference"):
        notes.append(f"the code of {target.library.name} kernels was not measured: reference kernels are counted")
    return CodeSize(
        build=build,
        interpreter_bytes=interpreter,
        kernels_bytes=total - interpreter,
        margin_bytes=-(-int(total * (link.margin_percent + percent) * 10) // 1000),
        data_bytes=max((p.data for p in parts.values()), default=0),
        bss_bytes=sum(p.bss for p in parts.values()),
        operators=tuple(
            OperatorCode(label, total - link.bytes(p for other, p in parts.items() if other != label))
            for label in sorted(parts)
        ),
        exact=not notes,
        notes=tuple(notes),
    )


def registration_saving(
    graph: Graph, registrations: Mapping[str, str], target: Target | str = DEFAULT_TARGET, build: str = DEFAULT_BUILD
) -> int:
    """Flash bytes saved by CMSIS-NN registrations for one type, such as ``{"CONV_2D": "CONV_2D_INT8"}``.

    Against the operators' registrations for all types, for exactly the operators of ``graph``; registrations that
    were not measured count nothing. 0 for other kernel libraries, which have no such registrations.
    """
    if isinstance(target, str):
        target = Target.parse(target)
    if target.library.base != "cmsis-nn":
        return 0
    link = _link(target.version, "cmsis-nn", build)
    labels = {op.label for _, _, op in graph.operators()} & link.operators.keys()
    plain = {label: link.operators[label] for label in labels}
    chosen = {
        label: link.registrations.get(label, {}).get(registrations.get(label, ""), part)
        for label, part in plain.items()
    }
    return link.bytes(plain.values()) - link.bytes(chosen.values())
