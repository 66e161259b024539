"""Traps in a model that TFLM walks into silently: each costs arena or endangers results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mcuplan.graph import Graph
from mcuplan.operators import called_subgraphs, reachable_subgraphs
from mcuplan.proof.memory.clobbers import Clobber
from mcuplan.proof.memory.static_check import static_check
from mcuplan.tflm.offline import METADATA_NAME
from mcuplan.tflm.results import ArenaPrediction
from mcuplan.tflm.target import Target

_MOST = 5
"""Clobbers named; a broken plan breaks many tensors at once."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One trap: a stable rule name, a sentence, and the tensor or operator it is about (a name from the model)."""

    rule: str
    message: str
    name: str = ""


def diagnose(
    graph: Graph, target: Target, arena: ArenaPrediction, clobbers: Sequence[Clobber] | None = None
) -> tuple[Diagnostic, ...]:
    """Every trap in ``graph``; ``arena`` is its prediction on ``target``.

    ``clobbers`` are what to tell of the static check of its own plan; None: all that it finds.
    """
    if clobbers is None:
        clobbers = () if graph.metadata_data(METADATA_NAME) is None else static_check(graph, target)
    return (
        *_dead(graph, arena),
        *_offline(clobbers),
        *_control_flow(graph),
        *_scalar_reshapes(graph),
    )


def _dead(graph: Graph, arena: ArenaPrediction) -> Iterator[Diagnostic]:
    """TFLM plans buffers for tensors that nothing touches, all live at once (micro_allocation_info.cc)."""
    reached = reachable_subgraphs(graph)
    dead = [b for b in arena.plan if b.last < 0 and b.subgraph in reached and b.tensor >= 0]
    if dead:
        total = sum(b.size for b in dead)
        yield Diagnostic(
            "dead-tensors",
            f"tensors that no operator touches: {len(dead)}, for which TFLM plans {total:,} bytes side by side; "
            "`mcuplan plan` drops them",
            graph.subgraphs[dead[0].subgraph].tensors[dead[0].tensor].name,
        )
    for s in sorted(set(range(len(graph.subgraphs))) - reached):
        total = sum(b.size for b in arena.plan if b.subgraph == s)
        yield Diagnostic(
            "dead-subgraph",
            f"subgraph {s} is never run, yet its tensors take {total:,} bytes and its operators persistent memory; "
            "`mcuplan plan` drops it",
            graph.subgraphs[s].name or "",
        )


def _offline(found: Sequence[Clobber]) -> Iterator[Diagnostic]:
    """What the static check finds in the model's own plan; stock TFLM takes any plan as it is."""
    for clobber in found[:_MOST]:
        yield Diagnostic(f"offline-{clobber.kind.replace(' ', '-')}", f"offline plan: {clobber}")
    if len(found) > _MOST:
        yield Diagnostic("offline-more", f"offline plan: {len(found) - _MOST} more findings of this kind")


def _control_flow(graph: Graph) -> Iterator[Diagnostic]:
    for _, k, op in graph.operators():
        if (
            called_subgraphs(op)
            and op.code.builtin_code != op.code.deprecated_builtin_code
            and not op.code.builtin_code
        ):
            yield Diagnostic(
                "deprecated-builtin-code",
                f"operator {k} ({op.name}) is named by the deprecated code only: TFLM runs it, but plans its subgraphs "
                "as if they were never run, over live buffers",
            )


def _scalar_reshapes(graph: Graph) -> Iterator[Diagnostic]:
    for s, k, op in graph.operators():
        gives = [graph.subgraphs[s].tensors[t].shape for t in op.outputs[:1] if t >= 0]
        if op.name == "RESHAPE" and len(op.inputs) == 1 and gives == [(0,)]:
            yield Diagnostic(
                "scalar-reshape",
                f"operator {k} (RESHAPE to shape [0]) makes TFLM write into the model itself, which faults in flash",
            )
