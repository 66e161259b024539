"""The arena's persistent section: every allocation from its tail, in TFLM's order.

Sources: micro/micro_allocator.cc, micro/micro_interpreter.cc; arena_allocator/single_arena_buffer_allocator.cc for
the alignment (the start of an allocation is aligned down, so the padding belongs to the allocation that caused it).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mcuplan.graph import Graph, Tensor
from mcuplan.operators import Kind, Options, TensorFacts, call_at, kinds
from mcuplan.tflm.alignment import ARENA_ALIGNMENT, LENT_ALIGNMENT, WORD, aligned
from mcuplan.tflm.kernels import Sized, node_needs, object_sizes, tables
from mcuplan.tflm.results import PersistentAllocation, PersistentKind
from mcuplan.tflm.sizes import subgraph_bytes
from mcuplan.tflm.target import Target

MOST_ROUNDED = 3 * (ARENA_ALIGNMENT - WORD)
"""Bytes by which a section can grow otherwise than its allocations, each rounded to its own alignment, add up to.

Rounding beside these is only where an allocation aligned to ``ARENA_ALIGNMENT`` follows one aligned to a word, twice in
a section: behind the options of the operators, at the first that a kernel asks for; behind the scratch handles, at the
variables or at the pointers to the inputs. One of ``s`` bytes then ends up to 12 bytes off what was counted, above or
below, as both ``s`` and the place are words in a line of 16. Behind the handles ``s`` stays as it is, with which there
are 12 bytes between the greatest and the least; behind the options another kernel may come first, and there are 24.
Options aligned to single bytes are counted in words before: :func:`words`.
"""


def words(size: int, align: int) -> tuple[int, int]:
    """Bytes by which an allocation lengthens a section that goes on word by word: at least, and at most.

    Bytes that lie one behind the other may have one word in common, and need not.

    Examples
    --------
    >>> words(2, 1), words(5, 1), words(5, 4), words(5, 16)
    ((0, 4), (4, 8), (8, 8), (16, 16))
    """
    if align < WORD:
        return size // WORD * WORD, aligned(size, WORD)
    return aligned(size, align), aligned(size, align)


@dataclass(frozen=True, slots=True)
class ScratchRequest:
    """One scratch buffer that a kernel asked for while it prepared."""

    subgraph: int
    operator: int
    bytes: int
    exact: bool


@dataclass(frozen=True, slots=True)
class Prepared:
    """What ``AllocateTensors`` has done before it plans memory, and the peaks on the way.

    ``prepare_peak`` is the most of tail + head + temporaries while some operator prepared, ``temporary_peak`` that of
    head + temporaries alone; ``tail`` the tail's bytes when planning begins. ``unknown_operators`` are those whose
    kernel mcuplan has no data for.
    """

    allocations: tuple[PersistentAllocation, ...]
    scratch: tuple[ScratchRequest, ...]
    tail: int
    prepare_peak: int
    temporary_peak: int
    unknown_operators: tuple[tuple[int, int], ...]


class _Tail:
    """The arena's tail: grows by each allocation and its alignment padding."""

    def __init__(self, taken: int = 0) -> None:
        self.used = taken
        self.allocations: list[PersistentAllocation] = []

    def take(
        self,
        kind: PersistentKind,
        size: int,
        align: int,
        subgraph: int = -1,
        operator: int = -1,
        tensor: int = -1,
        exact: bool = True,
    ) -> None:
        """Note an allocation of ``size`` bytes, aligned to ``align``, and for whom it is."""
        end = -(-(self.used + size) // align) * align
        self.allocations.append(
            PersistentAllocation(kind, size, align, end - self.used, subgraph, operator, tensor, exact)
        )
        self.used = end


def _quantization_bytes(tensor: Tensor, sizes: Mapping[str, int]) -> tuple[int, int] | None:
    """Bytes of a TfLiteTensor's quantization (struct, zero points); None where TFLM gives it none."""
    q = tensor.quantization
    if q is None or not q.scales or not q.zero_points:
        return None
    return sizes["TfLiteAffineQuantization"], sizes["TfLiteIntArray"] + 4 * len(q.scales)


def _temp_bytes(temps: Sequence[TensorFacts], sizes: Mapping[str, int]) -> int:
    total = 0
    for temp in temps:
        total += sizes["TfLiteTensor"]
        quantization = _quantization_bytes(temp.tensor, sizes) if temp.tensor else None
        if quantization:
            total += sum(quantization)
    return total


PLAIN_OBJECTS = ("SingleArenaBufferAllocator", "GreedyMemoryPlanner", "MicroAllocator")
RECORDING_OBJECTS = ("RecordingSingleArenaBufferAllocator", "GreedyMemoryPlanner", "RecordingMicroAllocator")
SPLIT_OBJECTS = (
    "PersistentArenaBufferAllocator", "NonPersistentArenaBufferAllocator", "GreedyMemoryPlanner", "MicroAllocator",
)  # fmt: skip
OWN_PLANNER_OBJECTS = ("SingleArenaBufferAllocator", "MicroAllocator")
"""Objects that allocators put into the tail first: of one arena, of a recording interpreter, of two arenas, of one
arena with a planner that the application has outside of it."""


def _start_model(graph: Graph, target: Target, tail: _Tail, variables: int, objects: Sequence[str]) -> None:
    """Allocations before any kernel runs: allocators, the application's resource variables, tensors, nodes, options.

    The allocators are there once, however many models use them.
    """
    data, sizes, abi = tables(target), object_sizes(target), target.core.abi
    kind = PersistentKind
    if not tail.used:
        for name in objects:
            tail.take(kind.ALLOCATOR, sizes[name], 4)
    if variables:
        tail.take(kind.RESOURCE_VARIABLES, sizes["MicroResourceVariables"], data.alignment)
        tail.take(kind.RESOURCE_VARIABLES, sizes["MicroResourceVariable"] * variables, data.alignment)
    tail.take(kind.ALLOCATOR, sizes["MicroBuiltinDataAllocator"], 4)
    tail.take(kind.ALLOCATOR, sizes["SubgraphAllocations"] * len(graph.subgraphs), 4)
    for s, subgraph in enumerate(graph.subgraphs):
        tail.take(kind.EVAL_TENSORS, sizes["TfLiteEvalTensor"] * len(subgraph.tensors), 4, s)
    for s, subgraph in enumerate(graph.subgraphs):
        tail.take(kind.NODES, sizes["NodeAndRegistration"] * len(subgraph.operators), 4, s)
    for s, k, op in graph.operators():
        row = data.row(op.label, op.name == "CUSTOM")
        parsed = row.builtin_data.get(abi) if row and op.name != "CUSTOM" else None
        if parsed:
            tail.take(kind.BUILTIN_DATA, parsed[0], parsed[1], s, k)


class _Resources:
    """Resource variables by the number that TFLM gives them, and which of them already have memory.

    A VAR_HANDLE without a container takes the first variable of its name (micro/micro_resource_variable.cc,
    ``FindId``); the first ASSIGN_VARIABLE that sees a variable's handle while it prepares allocates its memory.
    """

    def __init__(self, graph: Graph) -> None:
        known: list[tuple[object, object]] = []
        self._of_handle: dict[tuple[int, int], int] = {}
        self._allocated: set[int] = set()
        for s, _, op in graph.operators():
            if op.name == "VAR_HANDLE" and op.outputs:
                container, name = Options(op).resource
                same = (i for i, (c, n) in enumerate(known) if n == name and container in (None, c))
                number = next(same, len(known))
                if number == len(known):
                    known.append((container, name))
                self._of_handle[s, op.outputs[0]] = number
        self.count = len(known)

    def first_assignment(self, subgraph: int, inputs: tuple[int, ...]) -> bool:
        """Whether an ASSIGN_VARIABLE with these inputs is the first of its variable, which then gets memory."""
        number = self._of_handle.get((subgraph, inputs[0])) if inputs else None
        if number is None or number in self._allocated:
            return False
        self._allocated.add(number)
        return True


@dataclass(frozen=True, slots=True)
class _Asked:
    """What one operator asks for, as :class:`NodeNeeds` has it, its temporary tensors as the bytes they take."""

    init: tuple[Sized, ...]
    prepare: tuple[Sized, ...]
    temporary_bytes: int
    known: bool


def _asked(graph: Graph, index: int, place: int, kind: Kind | None, target: Target, first_assignment: bool) -> _Asked:

    def find() -> _Asked:
        needs = node_needs(call_at(graph, index, place), target, first_assignment)
        return _Asked(needs.init, needs.prepare, _temp_bytes(needs.temps, object_sizes(target)), needs.known)

    return find() if kind is None else kind.form.once(("asked", target), find)


def prepare(graph: Graph, target: Target, objects: Sequence[str] = PLAIN_OBJECTS, taken: int = 0) -> Prepared:
    """Replay ``AllocateTensors`` up to memory planning, variable tensors included.

    ``objects`` are those of the allocator, by their names in the data. ``taken`` bytes of the tail are those of models
    that used the same allocator before; ``Prepared.tail`` counts them, its allocations do not hold them.
    """
    asked = "prepared", target, tuple(objects), taken
    return graph.once_bare(asked, lambda: _prepare(graph, target, objects, taken))


def _prepare(graph: Graph, target: Target, objects: Sequence[str], taken: int) -> Prepared:
    data = tables(target)
    sizes = object_sizes(target)
    align = data.alignment
    tail = _Tail(taken)
    resources = _Resources(graph)
    _start_model(graph, target, tail, resources.count, objects)

    needs: dict[tuple[int, int], _Asked] = {}
    known = kinds(graph)
    for s, k, op in graph.operators():
        first = op.name == "ASSIGN_VARIABLE" and resources.first_assignment(s, op.inputs)
        needs[s, k] = _asked(graph, s, k, known[s][k], target, first)
    for (s, k), node in needs.items():
        for asked in node.init:
            tail.take(PersistentKind.OP_DATA, asked.bytes, align, s, k, exact=asked.exact)

    scratch: list[ScratchRequest] = []
    request_bytes = sizes["ScratchBufferRequest"]
    peak = temporaries = 0
    for (s, k), node in needs.items():
        head = request_bytes * (len(scratch) + data.spare_scratch_requests)
        lent = 0
        for asked in node.prepare:
            if asked.scratch:
                scratch.append(ScratchRequest(s, k, asked.bytes, asked.exact))
            elif asked.in_flash:
                lent += aligned(asked.bytes, LENT_ALIGNMENT)
            else:
                tail.take(PersistentKind.PERSISTENT_BUFFER, asked.bytes, align, s, k, exact=asked.exact)
        # TFLM checks persistent allocations against the head only, so they could land on live temporaries: the
        # figure keeps the two apart, which is what a healthy run needs.
        temporaries = max(temporaries, head + node.temporary_bytes + lent)
        peak = max(peak, head + node.temporary_bytes + lent + tail.used)

    if scratch:
        tail.take(PersistentKind.SCRATCH_HANDLES, sizes["ScratchBufferHandle"] * len(scratch), 4)
    return Prepared(
        tuple(tail.allocations),
        tuple(scratch),
        tail.used,
        peak,
        temporaries,
        tuple(node for node, need in needs.items() if not need.known),
    )


def finish(
    graph: Graph, target: Target, prepared: Prepared, offline: Sequence[int] | None
) -> tuple[tuple[PersistentAllocation, ...], int]:
    """The rest of the persistent section: variables before planning, inputs and outputs after it.

    Returns all allocations and the tail's bytes when planning begins (variables included).
    """
    data = tables(target)
    sizes = object_sizes(target)
    tail = _Tail()
    tail.allocations.extend(prepared.allocations)
    tail.used = prepared.tail
    for s, subgraph in enumerate(graph.subgraphs):
        variables = [t for t, tensor in enumerate(subgraph.tensors) if tensor.is_variable]
        counted = subgraph_bytes(graph, subgraph, data.type_bytes) if variables else ()
        for t in variables:
            # TFLM looks the offline offset up by the index in the subgraph, whatever the subgraph (a bug upstream:
            # micro_allocator.cc, AllocateVariables); predicted as it is.
            if not (offline and offline[t] != -1):
                tail.take(PersistentKind.VARIABLES, counted[t], data.alignment, s, tensor=t)
    planning_tail = tail.used
    main = graph.main
    for group in (main.inputs, main.outputs):
        tail.take(PersistentKind.IO_TENSORS, sizes["pointer"] * len(group), data.alignment, 0)
        for t in group:
            tail.take(PersistentKind.IO_TENSORS, sizes["TfLiteTensor"], 4, 0, tensor=t)
            quantization = _quantization_bytes(main.tensors[t], sizes)
            for part in quantization or ():
                tail.take(PersistentKind.IO_QUANTIZATION, part, 4, 0, tensor=t)
    return tuple(tail.allocations), planning_tail
