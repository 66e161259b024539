"""Where every byte of the arena goes: rows that add up, per kind and per operator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.findings.costs import describe, tensor_name
from mcuplan.findings.peak import live_at, live_steps, peak_step
from mcuplan.graph import Graph
from mcuplan.tflm.kernels import object_sizes
from mcuplan.tflm.results import ArenaPrediction, PersistentKind
from mcuplan.tflm.target import Target

if TYPE_CHECKING:
    from pydantic import ConfigDict

_CONFIG: ConfigDict = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}


@dataclass(frozen=True, slots=True)
class ByteRow:
    """Some bytes of the arena."""

    __pydantic_config__ = _CONFIG

    section: str
    """`planned`, `persistent` or `set-up`."""
    what: str
    """What they are for."""
    bytes: int
    name: str = ""
    """Whose they are: a tensor's name, or empty."""
    exact: bool = True
    """False: at most so many."""


@dataclass(frozen=True, slots=True)
class OperatorBytes:
    """What one operator costs of the persistent section, in bytes with alignment, and the scratch it asks for."""

    __pydantic_config__ = _CONFIG

    subgraph: int
    operator: int
    """Index in its subgraph."""
    name: str
    node: int
    """Its `NodeAndRegistration`."""
    options: int
    """Its parsed options."""
    op_data: int
    """What the kernel keeps of its own."""
    buffers: int
    """Persistent buffers that the kernel asks for."""
    scratch: int
    """Scratch in the planned section."""
    exact: bool = True
    """False: at most so many."""

    @property
    def persistent(self) -> int:
        """All that stays allocated for the operator."""
        return self.node + self.options + self.op_data + self.buffers


@dataclass(frozen=True, slots=True)
class Explanation:
    """``rows`` add up to ``declare_bytes``; ``operators`` are the persistent part again, the largest first."""

    declare_bytes: int
    used_bytes: int
    rows: tuple[ByteRow, ...]
    operators: tuple[OperatorBytes, ...]


_PLANNED, _PERSISTENT, _SETUP = "planned", "persistent", "set-up"


def explain(graph: Graph, target: Target, arena: ArenaPrediction) -> Explanation:
    """Account for every byte of the arena to declare.

    The planned section is shown as it stands at its fullest step: the buffers live then, and what the plan leaves
    unused. Within a section the largest comes first.
    """
    rows = [*_sorted(_planned(graph, arena)), *_sorted(_persistent(arena)), *_sorted(_setup(arena))]
    operators = sorted(_operators(graph, target, arena), key=lambda o: (-o.persistent, o.subgraph, o.operator))
    return Explanation(arena.declare_bytes, arena.used_bytes, tuple(rows), tuple(operators))


def _sorted(rows: Iterator[ByteRow]) -> list[ByteRow]:
    return sorted((row for row in rows if row.bytes), key=lambda row: (-row.bytes, row.what))


def _planned(graph: Graph, arena: ArenaPrediction) -> Iterator[ByteRow]:
    top = peak_step(live_steps(graph, arena))
    live = live_at(arena, top.time) if top is not None else ()
    covered = sum(high - low for low, high in _union([(b.offset, b.end) for b in live]))
    shared = sum(b.size for b in live) - covered
    for b in live:
        yield ByteRow(_PLANNED, describe(graph, b), b.size, tensor_name(graph, b), b.exact)
    yield ByteRow(_PLANNED, "bytes that buffers share", -shared)
    yield ByteRow(_PLANNED, "gaps left by the plan", arena.nonpersistent_bytes - covered)


def _union(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    merged: list[tuple[int, int]] = []
    for low, high in sorted(spans):
        if merged and low <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], high))
        else:
            merged.append((low, high))
    return merged


def _persistent(arena: ArenaPrediction) -> Iterator[ByteRow]:
    kinds: dict[PersistentKind, list[int]] = {}
    inexact: set[PersistentKind] = set()
    for a in arena.persistent:
        size, padding = kinds.setdefault(a.kind, [0, 0])
        kinds[a.kind] = [size + a.size, padding + a.padding]
        if not a.exact:
            inexact.add(a.kind)
    for kind, (size, _) in kinds.items():
        yield ByteRow(_PERSISTENT, kind.value, size, exact=kind not in inexact)
    yield ByteRow(_PERSISTENT, "alignment", sum(padding for _, padding in kinds.values()))


def _setup(arena: ArenaPrediction) -> Iterator[ByteRow]:
    yield ByteRow(_SETUP, "sections rounded up to 16", arena.final_bytes - arena.used_bytes)
    over = arena.declare_bytes - arena.final_bytes
    cause = "the memory planner's tables" if arena.planning_peak_bytes >= arena.prepare_peak_bytes else (
        "temporaries while operators prepare"
    )  # fmt: skip
    yield ByteRow(_SETUP, f"AllocateTensors needs more than Invoke: {cause}", over)


def _operators(graph: Graph, target: Target, arena: ArenaPrediction) -> Iterator[OperatorBytes]:
    node = object_sizes(target)["NodeAndRegistration"]
    used: dict[tuple[int, int, PersistentKind], int] = {}
    inexact: set[tuple[int, int]] = set()
    for a in arena.persistent:
        if a.operator >= 0:
            key = (a.subgraph, a.operator, a.kind)
            used[key] = used.get(key, 0) + a.used
            if not a.exact:
                inexact.add((a.subgraph, a.operator))
    scratch: dict[tuple[int, int], int] = {}
    for b in arena.plan:
        if b.tensor < 0:
            scratch[b.subgraph, b.operator] = scratch.get((b.subgraph, b.operator), 0) + b.size
    kind = PersistentKind
    for s, k, op in graph.operators():
        yield OperatorBytes(
            s, k, op.label, node, used.get((s, k, kind.BUILTIN_DATA), 0), used.get((s, k, kind.OP_DATA), 0),
            used.get((s, k, kind.PERSISTENT_BUFFER), 0), scratch.get((s, k), 0), (s, k) not in inexact,
        )  # fmt: skip
