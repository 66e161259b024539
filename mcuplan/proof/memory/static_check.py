"""The proof that a memory plan loses no byte that is needed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from mcuplan.graph import Graph
from mcuplan.proof.memory.clobbers import APPLICATION, Clobber, ClobberKind, Place
from mcuplan.proof.memory.execution import Execution
from mcuplan.proof.memory.ledger import Node, Tensor
from mcuplan.proof.memory.steps import TooLongError, most_steps, unfolded_steps
from mcuplan.proof.nesting import too_deep
from mcuplan.tflm import predict
from mcuplan.tflm.aliasing import kernel_rules
from mcuplan.tflm.alignment import SCRATCH_ALIGNMENT
from mcuplan.tflm.offline import ONLINE, OfflinePlan, read_offline_plan
from mcuplan.tflm.results import PlannedBuffer
from mcuplan.tflm.target import DEFAULT_TARGET, Target


def static_check(graph: Graph, target: Target | str = DEFAULT_TARGET) -> tuple[Clobber, ...]:
    """Every way in which the model's memory plan, as TFLM executes it on ``target``, loses bytes that are needed.

    Empty is a proof: each byte that an operator or the application reads is the byte that was written for it, on
    every path through the control flow. It holds for the offsets in the model's metadata and those that TFLM's own
    planner adds for scratch and the rest. The proof follows bytes through the operators and knows nothing of how the
    plan was found. What is reported may be harmless in rare cases (an overlap of bytes that no later operator reads
    is not); what is not reported is safe, if TFLM runs the model: in one that it refuses shapes need not be what
    kernels write (:func:`mcuplan.tflm.unsupported`). Models are untrusted: what cannot be followed is reported as
    unproven, with the reason; nothing but TargetError is raised.

    Examples
    --------
    >>> from mcuplan.rewriting.edit import set_offline_plan
    >>> from mcuplan.zoo import build
    >>> model = build("sine")
    >>> static_check(model)
    ()
    >>> bad = set_offline_plan(model, [0] * len(model.main.tensors))
    >>> print(static_check(bad)[0].kind)
    overlap
    """
    if isinstance(target, str):
        target = Target.parse(target)
    try:
        offline = read_offline_plan(graph)
        if offline and offline.problem:
            return (Clobber(ClobberKind.REFUSED, Place(), detail=offline.problem),)
        if unfolded_steps(graph) > most_steps(graph):
            return (_unproven("there are too many paths through the control flow"),)
        if deep := too_deep(graph):
            return (_unproven(deep),)
        return tuple(_findings(graph, target, offline))
    except _MALFORMED as error:
        return (_unproven(f"it is built as no kernel takes it ({type(error).__name__})"),)


_MALFORMED = (ArithmeticError, AttributeError, LookupError, MemoryError, RecursionError, TypeError, ValueError)
"""What may go wrong with models that no runtime would run, where nothing has said so before."""


def _unproven(why: str) -> Clobber:
    return Clobber(ClobberKind.UNPROVEN, Place(), detail=why)


def region_check(
    graph: Graph, target: Target, plan: Sequence[PlannedBuffer], regions: Sequence[tuple[int, int]]
) -> tuple[Clobber, ...]:
    """:func:`static_check` of a plan that TFLM is given in code, whose buffers lie in several regions.

    Parameters
    ----------
    plan
        Every buffer with its place in one space of addresses.
    regions
        Begin and end of each region in that space, apart from one another; every buffer must be in one of them wholly.
    """
    try:
        if unfolded_steps(graph) > most_steps(graph):
            return (_unproven("there are too many paths through the control flow"),)
        if deep := too_deep(graph):
            return (_unproven(deep),)
        placed = [b for b in plan if b.bytes > 0]
        outside = tuple(
            Clobber(ClobberKind.OUTSIDE, _owner(graph, b), b.offset, b.offset + b.bytes)
            for b in placed
            if not any(begin <= b.offset and b.offset + b.bytes <= end for begin, end in regions)
        )
        return (*outside, *_placed_findings(graph, target, placed))
    except _MALFORMED as error:
        return (_unproven(f"it is built as no kernel takes it ({type(error).__name__})"),)


def _findings(graph: Graph, target: Target, offline: OfflinePlan | None) -> Iterator[Clobber]:
    yield from _plan_findings(graph, offline)
    yield from _placed_findings(graph, target, [b for b in predict(graph, target).plan if b.bytes > 0])


def _placed_findings(graph: Graph, target: Target, plan: Sequence[PlannedBuffer]) -> Iterator[Clobber]:
    rules = kernel_rules(target)
    yield from _offset_findings(graph, plan, rules.alignment)
    apart = [b for b in plan if not _is_variable(graph, b)]
    found: dict[tuple[ClobberKind, Node, Tensor], Clobber] = {}
    for loops in sorted(rules.loops):
        execution = Execution(graph, apart, rules.operators, loops)
        try:
            execution.invoke()
        except TooLongError:
            yield _unproven("there are too many paths through the control flow")
        found.update(execution.ledger.findings)
    yield from found.values()


def _is_variable(graph: Graph, buffer: PlannedBuffer) -> bool:
    return buffer.tensor >= 0 and graph.subgraphs[buffer.subgraph].tensors[buffer.tensor].is_variable


def _tensor(graph: Graph, subgraph: int, tensor: int) -> Place:
    name = graph.subgraphs[subgraph].tensors[tensor].name
    return Place(subgraph, APPLICATION, "", subgraph, tensor, name)


def _owner(graph: Graph, buffer: PlannedBuffer) -> Place:
    if buffer.tensor >= 0:
        return _tensor(graph, buffer.subgraph, buffer.tensor)
    label = graph.subgraphs[buffer.subgraph].operators[buffer.operator].label
    return Place(buffer.subgraph, buffer.operator, label, buffer.subgraph)


def _plan_findings(graph: Graph, offline: OfflinePlan | None) -> Iterator[Clobber]:
    """What is wrong with the metadata itself: offsets for variables.

    Sources: micro/micro_allocation_info.cc; micro/micro_allocator.cc, ``AllocateVariables``, which looks offsets up
    by the index in the subgraph.
    """
    if offline is None:
        return
    index = 0
    for s, subgraph in enumerate(graph.subgraphs):
        for t, tensor in enumerate(subgraph.tensors):
            own, looked_up = offline.offsets[index], offline.offsets[t]
            index += 1
            if not tensor.is_variable:
                continue
            if own != ONLINE:
                yield Clobber(ClobberKind.VARIABLE, _tensor(graph, s, t), own, own)
            elif looked_up != ONLINE:
                why = f"it takes the offset of tensor {t} of subgraph 0 for this tensor's"
                yield Clobber(ClobberKind.NO_MEMORY, _tensor(graph, s, t), detail=why)


def _offset_findings(graph: Graph, plan: Sequence[PlannedBuffer], least: int) -> Iterator[Clobber]:
    for b in plan:
        place = _owner(graph, b)
        alignment = max(_alignment(graph, b), least)
        if b.offset < 0:
            yield Clobber(ClobberKind.OUTSIDE, place, b.offset, b.offset + b.bytes)
        elif b.offset % alignment:
            yield Clobber(ClobberKind.UNALIGNED, place, b.offset, b.offset + b.bytes, detail=str(alignment))


def _alignment(graph: Graph, buffer: PlannedBuffer) -> int:
    """Bytes that a buffer's offset must be a multiple of: the element's size where the kernels ask for no more.

    Bytes may lie anywhere: reference kernels read them one by one, and CMSIS-NN reads groups of them through memcpy
    (``arm_nn_read_s8x4`` and its kin in arm_nnsupportfunctions.h), which compilers make right for every core.
    """
    if buffer.tensor < 0:
        return SCRATCH_ALIGNMENT
    bits = graph.subgraphs[buffer.subgraph].tensors[buffer.tensor].dtype.bits or 8
    return max(bits // 8, 1)
