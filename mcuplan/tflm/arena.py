"""The whole tensor arena of a model on a target: both sections, and the smallest arena to declare."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TypeVar

from mcuplan.graph import Graph
from mcuplan.tflm.alignment import aligned
from mcuplan.tflm.kernels import Tables, object_sizes, tables
from mcuplan.tflm.lifetimes import NEVER, OPERATOR_STEPS, Lifetimes, lifetimes
from mcuplan.tflm.offline import ONLINE, read_offline_plan
from mcuplan.tflm.persistent import (
    OWN_PLANNER_OBJECTS,
    PLAIN_OBJECTS,
    RECORDING_OBJECTS,
    SPLIT_OBJECTS,
    Prepared,
    ScratchRequest,
    finish,
    prepare,
)
from mcuplan.tflm.planner import Requirement, greedy_offsets
from mcuplan.tflm.results import (
    ArenaPrediction,
    FixedPlanPrediction,
    PersistentAllocation,
    PersistentKind,
    PlannedBuffer,
    SharedPrediction,
    SplitPrediction,
)
from mcuplan.tflm.sizes import reshaped_elements, subgraph_bytes
from mcuplan.tflm.target import DEFAULT_TARGET, Target


def _unplaced(
    graph: Graph, data: Tables, live: Lifetimes, scratch: Sequence[ScratchRequest], offline: Sequence[int] | None
) -> Iterator[PlannedBuffer]:
    """The buffers to plan, in TFLM's order, with their fixed offset or 0.

    Source: ``InitializeAllocationInfo``: every tensor of every subgraph without data, variable tensors only where an
    offline offset is given; then the scratch requests.
    """
    index = 0
    for s, subgraph in enumerate(graph.subgraphs):
        sizes = subgraph_bytes(graph, subgraph, data.type_bytes)
        settled = reshaped_elements(graph, subgraph)
        handles = {op.outputs[0] for op in subgraph.operators if op.name == "VAR_HANDLE" and op.outputs}
        for t, tensor in enumerate(subgraph.tensors):
            offset = offline[index] if offline else ONLINE
            index += 1
            # The output of VAR_HANDLE points at the kernel's own data (micro/kernels/var_handle.cc).
            held = graph.is_constant(tensor) or t in handles or tensor.is_variable or not sizes[t]
            if held and not (tensor.is_variable and offset != ONLINE):
                continue
            life = live.tensors[s][t]
            yield PlannedBuffer(
                offset if offset != ONLINE else 0, aligned(sizes[t], data.alignment), sizes[t], life.first, life.last,
                s, tensor=t, offline=offset != ONLINE, exact=t in settled or not tensor.is_dynamic,
            )  # fmt: skip
    for request, life in zip(scratch, live.scratch, strict=True):
        yield PlannedBuffer(
            0, aligned(request.bytes, data.alignment), request.bytes, life.first, life.last,
            request.subgraph, operator=request.operator, exact=request.exact and life.first != NEVER,
        )  # fmt: skip


def place(buffers: Sequence[PlannedBuffer]) -> tuple[PlannedBuffer, ...]:
    """The buffers with the offsets that TFLM's planner gives them; offline ones keep theirs."""
    offsets = greedy_offsets([Requirement(b.size, b.first, b.last, b.offset if b.offline else None) for b in buffers])
    return tuple(b.at(offset) if b.offset != offset else b for b, offset in zip(buffers, offsets, strict=True))


def most_live(buffers: Sequence[PlannedBuffer]) -> int:
    """The most bytes of ``buffers`` that are live at one time step: below this no plan of them can go."""
    changes = sorted(change for b in buffers for change in ((b.first, b.size), (b.last + 1, -b.size)))
    # Of changes at one step the negative ones sort first: a buffer's last step is behind it there.
    return max(accumulate((size for _, size in changes), initial=0))


def predict(graph: Graph, target: Target | str = DEFAULT_TARGET, *, recording: bool = False) -> ArenaPrediction:
    """Predict TFLM's tensor arena for ``graph`` on ``target``, in bytes.

    The rules are TFLM's own, step by step; sizes come from the versioned data file. Models that TFLM refuses get a
    prediction too (see :func:`mcuplan.tflm.unsupported` for the verdict). ``recording`` predicts for a
    ``RecordingMicroInterpreter``, whose allocator objects are larger.

    Examples
    --------
    >>> from mcuplan.zoo import build
    >>> arena = predict(build("person-detection"), "cortex-m4+cmsis-nn")
    >>> arena.declare_bytes, arena.used_bytes, arena.nonpersistent_bytes
    (82320, 82308, 55296)
    """
    if isinstance(target, str):
        target = Target.parse(target)
    bounds = target.bounds
    if bounds:
        return _bounded(target, [_predict(graph, known, recording) for known in bounds])
    return _predict(graph, target, recording)


_Found = TypeVar("_Found")


def _known(
    graphs: Sequence[Graph], target: Target | str, one: Callable[[Sequence[Graph], Target], _Found]
) -> tuple[Target, list[_Found]]:
    """What ``one`` predicts of some models for a target, or for each of the two that it lies between."""
    if not graphs:
        raise ValueError("an arena of no model")
    target = Target.parse(target) if isinstance(target, str) else target
    return target, [one(graphs, each) for each in target.bounds or (target,)]


def predict_shared(graphs: Sequence[Graph], target: Target | str = DEFAULT_TARGET) -> SharedPrediction:
    """Predict the one arena of several models that use one ``MicroAllocator`` one after the other, in this order.

    Each keeps its persistent section; the planned section is as large as the largest (micro/micro_allocator.cc,
    ``CommitStaticMemoryPlan``: ``max_head_buffer_usage_``). While a later model is set up, planned bytes of earlier
    ones are free for its temporaries. For one model it is :func:`predict`.

    Raises
    ------
    ValueError
        Where there is no graph.

    Examples
    --------
    >>> from mcuplan.zoo import build
    >>> both = predict_shared([build("person-detection"), build("sine")], "cortex-m4+cmsis-nn")
    >>> both.nonpersistent_bytes, both.used_bytes
    (55296, 82932)
    """
    target, known = _known(graphs, target, _shared)
    most = max(known, key=lambda p: (p.declare_bytes, p.used_bytes))
    used = max(p.used_bytes for p in known)
    return replace(
        most,
        target=str(target),
        used_bytes=used,
        declare_bytes=max(most.declare_bytes, aligned(used, tables(target).alignment)),
        persistent_bytes=most.persistent_bytes + used - most.used_bytes,
        exact=most.exact and not target.bounds,
    )


def _shared(graphs: Sequence[Graph], target: Target) -> SharedPrediction:
    taken = head = declare = 0
    exact = True
    for graph in graphs:
        one = _predict(graph, target, False, taken, head)
        taken += one.persistent_bytes
        head = max(head, one.nonpersistent_bytes)
        declare = max(declare, one.declare_bytes)
        exact = exact and one.exact
    return SharedPrediction(str(target), head + taken, declare, head, taken, exact)


def _bounded(target: Target, known: Sequence[ArenaPrediction]) -> ArenaPrediction:
    """The greatest figures of predictions for ``known`` targets, for one that lies between them.

    Sections, plan and allocations are those of the prediction that declares most; where another uses more, a margin
    covers the difference.
    """
    most = max(known, key=lambda p: (p.declare_bytes, p.used_bytes))
    used = max(p.used_bytes for p in known)
    align = tables(target).alignment
    margin = aligned(used - most.used_bytes, align)
    persistent = most.persistent
    if margin:
        kind = PersistentKind.VERSION_MARGIN
        persistent = (*persistent, PersistentAllocation(kind, margin, align, margin, exact=False))
    final = most.final_bytes + margin
    return replace(
        most,
        target=str(target),
        tflm_version=target.version,
        used_bytes=most.used_bytes + margin,
        declare_bytes=max(most.declare_bytes, final),
        persistent_bytes=most.persistent_bytes + margin,
        final_bytes=final,
        persistent=persistent,
        exact=False,
        bounded_bytes=most.bounded_bytes + most.used_bytes + margin - min(p.used_bytes for p in known),
        notes=(*target.notes, *most.notes),
    )


def predict_split(graphs: Sequence[Graph], target: Target | str = DEFAULT_TARGET) -> SplitPrediction:
    """Predict two arenas, the persistent and the non-persistent one, of models that use one allocator in this order.

    ``MicroAllocator::Create`` takes both; what works while tensors are allocated works in the non-persistent one
    (arena_allocator/non_persistent_arena_buffer_allocator.cc).

    Raises
    ------
    ValueError
        Where there is no graph.

    Examples
    --------
    >>> from mcuplan.zoo import build
    >>> both = predict_split([build("person-detection")], "cortex-m4+cmsis-nn")
    >>> both.persistent_bytes, both.nonpersistent_bytes, both.used_bytes
    (27028, 55296, 82324)
    """
    target, known = _known(graphs, target, _split)
    return replace(
        max(known, key=lambda p: p.used_bytes),
        target=str(target),
        persistent_bytes=max(p.persistent_bytes for p in known),
        persistent_declare_bytes=max(p.persistent_declare_bytes for p in known),
        nonpersistent_declare_bytes=max(p.nonpersistent_declare_bytes for p in known),
        exact=all(p.exact for p in known) and not target.bounds,
    )


def _split(graphs: Sequence[Graph], target: Target) -> SplitPrediction:
    data = tables(target)
    taken = head = working = 0
    exact = True
    for graph in graphs:
        plan = read_offline_plan(graph)
        offline = plan.offsets if plan and not plan.problem else None
        prepared = prepare(graph, target, SPLIT_OBJECTS, taken)
        _, buffers = _planned(graph, data, prepared.scratch, offline)
        persistent, _ = finish(graph, target, prepared, offline)
        taken += sum(a.used for a in persistent)
        head = max([head, *(b.end for b in buffers)])
        working = max(working, prepared.temporary_peak, _planning_bytes(graph, target, prepared, buffers))
        exact = exact and predict(graph, target).exact
    align = data.alignment
    return SplitPrediction(
        str(target), taken, aligned(taken, align), head, aligned(max(head, working), align), head + taken, exact
    )


def predict_fixed_plan(graph: Graph, target: Target, planned_bytes: int) -> FixedPlanPrediction:
    """Predict the arena of a model whose planned section a ``BufferPlan`` lays out, ``planned_bytes`` of it there.

    The planner (``NonPersistentMemoryPlannerShim``) is the application's, and says that it needs nothing: what TFLM
    calls used is the persistent section alone. Source: micro/micro_allocator.cc, ``CommitStaticMemoryPlan``.
    """
    align, sizes = tables(target).alignment, object_sizes(target)
    prepared = prepare(graph, target, OWN_PLANNER_OBJECTS)
    persistent, planning_tail = finish(graph, target, prepared, None)
    tail = sum(a.used for a in persistent)
    tensors = sum(len(s.tensors) for s in graph.subgraphs)
    planning = _information_bytes(target, sizes, tensors, len(prepared.scratch), len(graph.subgraphs))
    final = _final_bytes(planned_bytes, planning_tail, tail, align)
    peak = max(final, planning + aligned(planning_tail, align), prepared.prepare_peak)
    return FixedPlanPrediction(tail, aligned(peak, align))


def _predict(graph: Graph, target: Target, recording: bool, taken: int = 0, reserved: int = 0) -> ArenaPrediction:
    """One model, where models before it have ``taken`` bytes of the tail and ``reserved`` bytes of the head."""
    data = tables(target)
    align = data.alignment

    plan = read_offline_plan(graph)
    offline = plan.offsets if plan and not plan.problem else None
    prepared = prepare(graph, target, RECORDING_OBJECTS if recording else PLAIN_OBJECTS, taken)
    steps, buffers = _planned(graph, data, prepared.scratch, offline)
    persistent, planning_tail = finish(graph, target, prepared, offline)

    head = max((b.end for b in buffers), default=0)
    tail = sum(a.used for a in persistent)
    planning = _planning_bytes(graph, target, prepared, buffers) + aligned(planning_tail, align)
    final = _final_bytes(max(head, reserved), planning_tail, taken + tail, align)
    notes = tuple(_notes(graph, target, prepared.unknown_operators, buffers))
    bounded_tail = sum(a.used for a in persistent if not a.exact)
    bounded_head = [b for b in buffers if not b.exact]
    return ArenaPrediction(
        target=str(target),
        tflm_version=target.version,
        used_bytes=head + tail,
        declare_bytes=aligned(max(final, planning, prepared.prepare_peak), align),
        nonpersistent_bytes=head,
        persistent_bytes=tail,
        final_bytes=final,
        planning_peak_bytes=planning,
        prepare_peak_bytes=prepared.prepare_peak,
        persistent=persistent,
        plan=buffers,
        steps=steps,
        exact=not bounded_tail and not bounded_head and not notes,
        bounded_bytes=bounded_tail + most_live(bounded_head),
        notes=notes,
    )


def _planning_bytes(graph: Graph, target: Target, prepared: Prepared, buffers: Sequence[PlannedBuffer]) -> int:
    """What the planner works in, beside the tail: scratch requests, information on each tensor, its own tables."""
    sizes = object_sizes(target)
    tensors, scratch = sum(len(s.tensors) for s in graph.subgraphs), len(prepared.scratch)
    information = _information_bytes(target, sizes, tensors, scratch, len(graph.subgraphs))
    return information + sizes["GreedyPlannerPerBuffer"] * len(buffers)


def _information_bytes(target: Target, sizes: Mapping[str, int], tensors: int, scratch: int, subgraphs: int) -> int:
    """Scratch requests, and what is known of each tensor and scratch buffer while they are planned."""
    data = tables(target)
    requests = sizes["ScratchBufferRequest"] * (scratch + data.spare_scratch_requests)
    infos = sizes["pointer"] * subgraphs + sizes["AllocationInfo"] * (tensors + scratch)
    return aligned(requests + infos, data.alignment)


def _planned(
    graph: Graph, data: Tables, scratch: tuple[ScratchRequest, ...], offline: Sequence[int] | None
) -> tuple[int, tuple[PlannedBuffer, ...]]:
    """Time steps, and the buffers where TFLM's planner places them; many targets ask for the same."""

    def find() -> tuple[int, tuple[PlannedBuffer, ...]]:
        steps, buffers = _to_plan(graph, data, scratch, offline)
        return steps, place(buffers)

    return graph.once(("planned", data.alignment, tuple(data.type_bytes.items()), scratch), find)


def _to_plan(
    graph: Graph, data: Tables, scratch: tuple[ScratchRequest, ...], offline: Sequence[int] | None
) -> tuple[int, tuple[PlannedBuffer, ...]]:
    """Time steps, and the buffers that TFLM's planner is to place."""

    def find() -> tuple[int, tuple[PlannedBuffer, ...]]:
        live = lifetimes(graph, [(r.subgraph, r.operator) for r in scratch])
        graph.once(OPERATOR_STEPS, lambda: live.operator_steps)
        return live.steps, tuple(_unplaced(graph, data, live, scratch, offline))

    return graph.once(("to plan", data.alignment, tuple(data.type_bytes.items()), scratch), find)


def persistent_and_planning(graph: Graph, target: Target) -> tuple[int, int]:
    """``persistent_bytes`` and ``planning_peak_bytes`` of a :func:`predict` that places no buffer.

    Examples
    --------
    >>> from mcuplan.zoo import build
    >>> persistent_and_planning(build("person-detection"), Target.parse("cortex-m4+cmsis-nn"))
    (27012, 30536)
    """
    if target.bounds:
        whole = predict(graph, target)
        return whole.persistent_bytes, whole.planning_peak_bytes
    data = tables(target)
    plan = read_offline_plan(graph)
    offline = plan.offsets if plan and not plan.problem else None
    prepared = prepare(graph, target)
    _, buffers = _to_plan(graph, data, prepared.scratch, offline)
    persistent, tail = finish(graph, target, prepared, offline)
    planning = _planning_bytes(graph, target, prepared, buffers) + aligned(tail, data.alignment)
    return sum(a.used for a in persistent), planning


def _final_bytes(head: int, planning_tail: int, tail: int, alignment: int) -> int:
    """Bytes with which both sections have room, rounded up to ``alignment``, which the arena begins and ends at.

    Planning is done when the head has room below the tail rounded down to the alignment; what follows (inputs and
    outputs) may come as close to the head's end as it likes. Offline plans can end anywhere.
    Sources: micro/micro_allocator.cc, ``CommitStaticMemoryPlan``; single_arena_buffer_allocator.cc,
    ``GetAvailableMemory`` and ``AllocatePersistentBuffer``.

    Examples
    --------
    >>> [_final_bytes(head, 2_600, 2_788, 16) for head in (4_752, 4_745, 4_741)]
    [7552, 7536, 7536]
    """
    return aligned(head + max(aligned(planning_tail, alignment), tail), alignment)


def _notes(
    graph: Graph, target: Target, unknown: Sequence[tuple[int, int]], buffers: Sequence[PlannedBuffer]
) -> Iterator[str]:
    """Why the figures are bounds, one sentence each."""
    yield from graph.notes
    yield from target.notes
    reasons = tables(target).unknown_operators
    for s, k in unknown:
        label = graph.subgraphs[s].operators[k].label
        reason = reasons.get(label, "has no measured kernel data")
        yield f"operator {k} ({label}) {reason}: assumed are 1 KiB of state and scratch as large as its activations"
    for s in sorted({b.subgraph for b in buffers if b.operator >= 0 and b.first == NEVER}):
        # MarkAllocationLifetimes sets a request's bytes and handle, and it never comes there.
        yield f"nothing enters subgraph {s}, whose operators ask for scratch: TFLM plans that with sizes it never set"
