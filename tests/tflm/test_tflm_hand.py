"""The arena of small models worked out by hand from TFLM's rules, every byte written out."""

from __future__ import annotations

import dataclasses

import pytest

from mcuplan import zoo
from mcuplan.graph import Buffer, DType, Graph, Metadata, Operator, Quantization, Subgraph, Tensor
from mcuplan.tflite.schema import operator_code, record
from mcuplan.tflm import PersistentKind, encode_offline_plan, predict
from mcuplan.tflm.arena import most_live, predict_fixed_plan
from mcuplan.tflm.lifetimes import lifetimes
from mcuplan.tflm.results import PersistentAllocation, PlannedBuffer
from mcuplan.tflm.target import Target

ONE_SCALE = Quantization((0.5,), (0,))
TWO_SCALES = Quantization((0.5, 0.25), (0, 0))
VALID = 1


def tensor(name: str, shape: tuple[int, ...], dtype: DType = DType.INT8, **facts: object) -> Tensor:
    facts.setdefault("quantization", ONE_SCALE if dtype is DType.INT8 else None)
    return Tensor(name, dtype, shape, **facts)  # type: ignore[arg-type]


def operator(
    name: str, inputs: tuple[int, ...], outputs: tuple[int, ...], table: str = "", **options: object
) -> Operator:
    return Operator(operator_code(name), inputs, outputs, record(table, **options) if table else None)


def graph(*subgraphs: Subgraph, constants: tuple[int, ...] = ()) -> Graph:
    """A graph whose buffer 0 is empty and whose further buffers have the sizes ``constants``."""
    return Graph(subgraphs, (Buffer(), *(Buffer(bytes(size)) for size in constants)))


def chain(*names: str, bytes_: int = 16) -> Graph:
    """``names`` applied one after the other to a tensor of ``bytes_`` int8 elements."""
    tensors = tuple(tensor(f"t{i}", (1, bytes_)) for i in range(len(names) + 1))
    return graph(
        Subgraph(tensors, tuple(operator(n, (i,), (i + 1,)) for i, n in enumerate(names)), (0,), (len(names),))
    )


def convolution_and_relu() -> Graph:
    """x 1x4x4x3 -> CONV_2D 3x3 VALID, two filters -> c 1x2x2x2 -> RELU -> y 1x2x2x2, all int8."""
    tensors = (
        tensor("x", (1, 4, 4, 3)),
        tensor("w", (2, 3, 3, 3), buffer=1, quantization=TWO_SCALES),
        tensor("b", (2,), DType.INT32, buffer=2, quantization=TWO_SCALES),
        tensor("c", (1, 2, 2, 2)),
        tensor("y", (1, 2, 2, 2)),
    )
    convolution = operator("CONV_2D", (0, 1, 2), (3,), "Conv2DOptions", padding=VALID, stride_w=1, stride_h=1)
    return graph(Subgraph(tensors, (convolution, operator("RELU", (3,), (4,))), (0,), (4,)), constants=(54, 8))


# -- a whole arena ----------------------------------------------------------------------------------------------------


def test_every_persistent_allocation_of_two_operators() -> None:
    arena = predict(convolution_and_relu(), "cortex-m4+cmsis-nn")

    kind = PersistentKind
    assert arena.persistent == (
        PersistentAllocation(kind.ALLOCATOR, 36, 4, 36),  # the arena's allocator: 36 in all
        PersistentAllocation(kind.ALLOCATOR, 44, 4, 44),  # greedy planner: 80
        PersistentAllocation(kind.ALLOCATOR, 36, 4, 36),  # MicroAllocator: 116
        PersistentAllocation(kind.ALLOCATOR, 8, 4, 8),  # allocator of parsed options: 124
        PersistentAllocation(kind.ALLOCATOR, 8, 4, 8),  # one subgraph: 132
        PersistentAllocation(kind.EVAL_TENSORS, 60, 4, 60, 0),  # five tensors of 12: 192
        PersistentAllocation(kind.NODES, 64, 4, 64, 0),  # two nodes of 32: 256
        PersistentAllocation(kind.BUILTIN_DATA, 28, 4, 28, 0, 0),  # TfLiteConvParams: 284; RELU has no options
        PersistentAllocation(kind.OP_DATA, 60, 16, 68, 0, 0),  # 344, up to 352
        PersistentAllocation(kind.OP_DATA, 28, 16, 32, 0, 1),  # 380, up to 384
        PersistentAllocation(kind.PERSISTENT_BUFFER, 8, 16, 16, 0, 0),  # multipliers of two channels: 400
        PersistentAllocation(kind.PERSISTENT_BUFFER, 8, 16, 16, 0, 0),  # shifts: 416
        PersistentAllocation(kind.SCRATCH_HANDLES, 4, 4, 4),  # one request: 420
        PersistentAllocation(kind.IO_TENSORS, 4, 16, 12, 0),  # array of one input: 424, up to 432
        PersistentAllocation(kind.IO_TENSORS, 32, 4, 32, 0, tensor=0),  # 464
        PersistentAllocation(kind.IO_QUANTIZATION, 12, 4, 12, 0, tensor=0),  # 476
        PersistentAllocation(kind.IO_QUANTIZATION, 8, 4, 8, 0, tensor=0),  # 484
        PersistentAllocation(kind.IO_TENSORS, 4, 16, 12, 0),  # array of one output: 488, up to 496
        PersistentAllocation(kind.IO_TENSORS, 32, 4, 32, 0, tensor=4),  # 528
        PersistentAllocation(kind.IO_QUANTIZATION, 12, 4, 12, 0, tensor=4),  # 540
        PersistentAllocation(kind.IO_QUANTIZATION, 8, 4, 8, 0, tensor=4),  # 548
    )
    assert arena.persistent_bytes == 548


def test_the_plan_of_two_operators() -> None:
    arena = predict(convolution_and_relu(), "cortex-m4+cmsis-nn")

    # Largest first: the columns of the convolution (4 x 27 rounded up to 28) at 0, x above them, then y before c (of
    # equal sizes the later one first): y, when the convolution is over, at 0 again; c lives with all three.
    assert arena.plan == (
        PlannedBuffer(112, 48, 48, 0, 1, 0, tensor=0),
        PlannedBuffer(160, 16, 8, 1, 2, 0, tensor=3),
        PlannedBuffer(0, 16, 8, 2, 2, 0, tensor=4),
        PlannedBuffer(0, 112, 112, 1, 1, 0, operator=0),
    )
    assert arena.nonpersistent_bytes == 176
    assert arena.used_bytes == 548 + 176
    assert arena.steps == 2
    assert arena.exact


def test_what_to_declare_for_two_operators() -> None:
    arena = predict(convolution_and_relu(), "cortex-m4+cmsis-nn")

    assert arena.final_bytes == 176 + 560
    # 12 x (1 + 12) bytes of requests, a 4-byte offset, 24 bytes for each of five tensors and one request: 304 in
    # sixteens; 40 bytes for each of four buffers; the tail so far, 420, in sixteens.
    assert arena.planning_peak_bytes == 304 + 160 + 432
    # While the convolution prepares: room for twelve requests; x and c twice, 52 bytes each; the weights, with two
    # scales 56 bytes, twice; the bias, with two scales, once; the tail so far, 416.
    assert arena.prepare_peak_bytes == 144 + (4 * 52 + 2 * 56 + 56) + 416
    assert arena.declare_bytes == 944


def test_the_same_model_with_four_byte_enums() -> None:
    arena = predict(convolution_and_relu(), "riscv32+reference")

    # A TfLiteTensor has 40 bytes. No scratch, so no handle: 416, the array of one input up to 432, 472, 484, 492; the
    # array of one output up to 496 as before, 536, 548, 556.
    assert arena.persistent_bytes == 556
    # x at 0 with c above it; y takes the place of x.
    assert [(b.offset, b.size, b.first, b.last) for b in arena.plan] == [(0, 48, 0, 1), (48, 16, 1, 2), (0, 16, 2, 2)]
    assert arena.used_bytes == 556 + 64


def test_absent_bias_takes_nothing() -> None:
    with_bias = convolution_and_relu()
    convolution, relu = with_bias.main.operators
    without = dataclasses.replace(
        with_bias,
        subgraphs=(
            dataclasses.replace(with_bias.main, operators=(dataclasses.replace(convolution, inputs=(0, 1)), relu)),
        ),
    )
    assert predict(with_bias).prepare_peak_bytes - predict(without).prepare_peak_bytes == 56
    assert predict(with_bias).used_bytes == predict(without).used_bytes


# -- what is planned --------------------------------------------------------------------------------------------------


def test_dead_tensors_and_empty_tensors() -> None:
    live = chain("RELU")
    more = (tensor("dead", (1, 20)), tensor("empty", (0, 4)), tensor("dead too", (1, 33)))
    wasteful = graph(dataclasses.replace(live.main, tensors=(*live.main.tensors, *more)))

    arena = predict(wasteful)

    # Tensors that nothing touches get (-1, -1): they lie over the live ones but beside each other.
    assert [(b.tensor, b.offset, b.size, b.first, b.last) for b in arena.plan] == [
        (0, 16, 16, 0, 1),
        (1, 0, 16, 1, 1),
        (2, 48, 32, -1, -1),
        (4, 0, 48, -1, -1),
    ]
    assert arena.nonpersistent_bytes == 80


def test_scratch_of_no_bytes_takes_a_handle_and_a_place_in_the_plan() -> None:
    tensors = (
        tensor("shape", (4,), DType.INT32, buffer=1),
        tensor("w", (1, 2, 2, 1), buffer=2),
        tensor("x", (1, 2, 2, 1)),
        tensor("y", (1, 4, 4, 1)),
    )
    upsample = operator(
        "TRANSPOSE_CONV", (0, 1, 2), (3,), "TransposeConvOptions", padding=VALID, stride_w=2, stride_h=2
    )
    arena = predict(graph(Subgraph(tensors, (upsample,), (2,), (3,)), constants=(16, 4)), "cortex-m4+cmsis-nn")

    # 4 x ((2 - 1) x 2 + 2) columns x 2 rows, and the buffer of a reversed filter that is not used.
    assert [(b.bytes, b.size, b.offset) for b in arena.plan if b.tensor < 0] == [(32, 32, 0), (0, 0, 0)]
    assert [a.size for a in arena.persistent if a.kind is PersistentKind.SCRATCH_HANDLES] == [8]


def test_sizes_that_reshape_settles() -> None:
    reshape = operator("RESHAPE", (0,), (1,), "ReshapeOptions")
    flat = graph(Subgraph((tensor("x", (2, 40)), tensor("y", (2, -1))), (reshape,), (0,), (1,)))
    arena = predict(flat)
    assert [b.bytes for b in arena.plan] == [80, 80]
    assert arena.exact
    # The copy of the dimensions that are worked out: their number and two of them.
    assert [a.size for a in arena.persistent if a.kind is PersistentKind.PERSISTENT_BUFFER] == [12]

    scalar = graph(Subgraph((tensor("x", (1, 1)), tensor("y", (0,))), (reshape,), (0,), (1,)))
    assert [b.bytes for b in predict(scalar).plan] == [1, 1]


def test_int4_activations_take_a_byte_each() -> None:
    arena = predict(graph(Subgraph((tensor("x", (1, 18), DType.INT4),), (), (0,), (0,))))
    assert [(b.bytes, b.size) for b in arena.plan] == [(18, 32)]


# -- variables --------------------------------------------------------------------------------------------------------


def svdf() -> Graph:
    """SVDF of rank 1 with four units and a state of eight bytes, float."""
    tensors = (
        tensor("x", (1, 3), DType.FLOAT32),
        tensor("feature", (4, 3), DType.FLOAT32, buffer=1),
        tensor("time", (4, 2), DType.FLOAT32, buffer=2),
        tensor("bias", (4,), DType.FLOAT32, buffer=3),
        tensor("state", (1, 8), DType.FLOAT32, is_variable=True),
        tensor("y", (1, 4), DType.FLOAT32),
    )
    return graph(
        Subgraph(tensors, (operator("SVDF", (0, 1, 2, 3, 4), (5,), "SVDFOptions", rank=1),), (0,), (5,)),
        constants=(48, 32, 16),
    )


def with_offsets(model: Graph, *offsets: int) -> Graph:
    plan = encode_offline_plan(offsets, len(model.subgraphs))
    return dataclasses.replace(
        model,
        buffers=(*model.buffers, Buffer(plan)),
        metadata=(Metadata("OfflineMemoryAllocation", len(model.buffers)),),
    )


def test_variables_lie_in_the_tail() -> None:
    arena = predict(svdf())
    assert [(a.size, a.align, a.tensor) for a in arena.persistent if a.kind is PersistentKind.VARIABLES] == [
        (32, 16, 4)
    ]
    assert 4 not in {b.tensor for b in arena.plan}


def test_offline_planned_variables_lie_in_the_head_from_the_start_to_their_last_use() -> None:
    arena = predict(with_offsets(svdf(), -1, -1, -1, -1, 64, -1))
    assert not [a for a in arena.persistent if a.kind is PersistentKind.VARIABLES]
    (state,) = (b for b in arena.plan if b.tensor == 4)
    assert (state.offset, state.first, state.last, state.offline) == (64, -1, 1, True)


def test_variables_of_other_subgraphs_are_looked_up_by_their_local_index() -> None:
    # Tensor 0 of subgraph 1 is a variable left to TFLM; the offset at index 0, that of subgraph 0, is not -1: TFLM
    # takes that one and allocates nothing.
    state = Subgraph((tensor("state", (1, 8), is_variable=True),), (), (), ())
    model = graph(chain("RELU").main, state)
    assert [a.size for a in predict(model).persistent if a.kind is PersistentKind.VARIABLES] == [8]
    pinned = with_offsets(model, 0, -1, -1)
    assert not [a for a in predict(pinned).persistent if a.kind is PersistentKind.VARIABLES]
    assert 2 not in {b.tensor for b in predict(pinned).plan if b.subgraph == 1}


def variables(*handles: tuple[str | None, str]) -> Graph:
    """Assigns a four-byte value to a resource variable through each of ``handles`` (container, name)."""
    value = tensor("value", (1, 4))
    ids = tuple(tensor(f"id{i}", (), DType.RESOURCE) for i in range(len(handles)))
    operators = []
    for i, (container, name) in enumerate(handles, 1):
        operators.append(operator("VAR_HANDLE", (), (i,), "VarHandleOptions", container=container, shared_name=name))
        operators.append(operator("ASSIGN_VARIABLE", (i, 0), ()))
    return graph(Subgraph((value, *ids), tuple(operators), (0,), (0,)))


@pytest.mark.parametrize(
    ("handles", "distinct"),
    [
        ([("", "a")], 1),
        ([("", "a"), ("", "a")], 1),
        ([("", "a"), ("", "b")], 2),
        ([("c", "a"), ("d", "a")], 2),
        ([("c", "a"), (None, "a")], 1),  # a handle without container takes any variable of its name
    ],
)
def test_resource_variables(handles: list[tuple[str | None, str]], distinct: int) -> None:
    arena = predict(variables(*handles))
    sizes = [(a.size, a.align) for a in arena.persistent if a.kind is PersistentKind.RESOURCE_VARIABLES]
    assert sizes == [(12, 16), (20 * distinct, 16)]
    # Only the first assignment to a variable finds it without memory.
    assert [a.size for a in arena.persistent if a.kind is PersistentKind.PERSISTENT_BUFFER] == [4] * distinct
    # Handles point at their operator's data and are not planned.
    assert [b.tensor for b in arena.plan] == [0]


# -- control flow -----------------------------------------------------------------------------------------------------


def loop(builtin_code: int | None = None) -> Graph:
    """x -> WHILE(1: x < c, 2: RELU twice) -> y -> RELU -> z; ``builtin_code`` as the file's field has it."""
    main = Subgraph(
        (tensor("x", (1, 16)), tensor("y", (1, 16)), tensor("z", (1, 16))),
        (
            operator("WHILE", (0,), (1,), "WhileOptions", cond_subgraph_index=1, body_subgraph_index=2),
            operator("RELU", (1,), (2,)),
        ),
        (0,),
        (2,),
    )
    if builtin_code is not None:
        entry = main.operators[0]
        old = dataclasses.replace(entry, code=dataclasses.replace(entry.code, builtin_code=builtin_code))
        main = dataclasses.replace(main, operators=(old, main.operators[1]))
    condition = Subgraph(
        (tensor("a", (1, 16)), tensor("c", (1,), buffer=1), tensor("less", (1,), DType.BOOL)),
        (operator("LESS", (0, 1), (2,)),),
        (0,),
        (2,),
    )
    return graph(main, condition, chain("RELU", "RELU").main, constants=(1,))


def steps(model: Graph) -> list[list[tuple[int, int]]]:
    return [[(life.first, life.last) for life in subgraph] for subgraph in lifetimes(model, []).tensors]


def test_a_loop_takes_a_step_for_itself_and_for_each_subgraph_and_operator_in_it() -> None:
    # 0 input, 1 WHILE, 2 condition entered, 3 LESS, 4 body entered, 5 and 6 its operators, 7 RELU.
    assert steps(loop()) == [
        [(0, 6), (1, 7), (7, 7)],
        [(2, 3), (-1, 3), (3, 3)],
        [(4, 5), (5, 6), (6, 6)],
    ]
    found = lifetimes(loop(), [(0, 0), (2, 1)])
    assert [(s.first, s.last) for s in found.scratch] == [(1, 6), (6, 6)]
    assert found.steps == 7
    assert found.operator_steps == {1: (0, 0), 3: (1, 0), 5: (2, 0), 6: (2, 1), 7: (0, 1)}


def test_a_loop_that_only_the_old_field_names_is_not_followed() -> None:
    assert steps(loop(builtin_code=0)) == [
        [(0, 1), (1, 2), (2, 2)],
        [(-1, -1)] * 3,
        [(-1, -1)] * 3,
    ]


def test_a_subgraph_that_both_branches_enter_lives_through_both() -> None:
    main = Subgraph(
        (tensor("which", (), DType.BOOL), tensor("x", (1, 16)), tensor("y", (1, 16))),
        (operator("IF", (0, 1), (2,), "IfOptions", then_subgraph_index=1, else_subgraph_index=1),),
        (0, 1),
        (2,),
    )
    # 1 IF, 2 and 3 the first time through, 4 and 5 the second.
    assert steps(graph(main, chain("RELU").main)) == [[(0, 5), (0, 5), (1, 5)], [(2, 5), (3, 5)]]


def test_call_once_enters_its_subgraph() -> None:
    start = operator("CALL_ONCE", (), (), "CallOnceOptions", init_subgraph_index=1)
    main = chain("RELU").main
    main = dataclasses.replace(main, operators=(start, *main.operators))
    assert steps(graph(main, chain("RELU").main)) == [[(0, 4), (4, 4)], [(2, 3), (3, 3)]]


def test_tensors_of_subgraphs_that_nothing_enters_lie_over_live_ones() -> None:
    dead = chain("RELU", bytes_=64).main
    arena = predict(graph(chain("RELU").main, dead))
    assert [(b.subgraph, b.offset, b.first, b.last) for b in arena.plan] == [
        (0, 16, 0, 1),
        (0, 0, 1, 1),
        (1, 64, -1, -1),
        (1, 0, -1, -1),
    ]
    assert arena.exact


def test_scratch_in_a_subgraph_that_nothing_enters_has_no_known_size() -> None:
    arena = predict(graph(chain("RELU").main, convolution_and_relu().main, constants=(54, 8)), "cortex-m4+cmsis-nn")
    assert not arena.exact
    assert arena.bounded_bytes == 112
    assert arena.notes == (
        "nothing enters subgraph 1, whose operators ask for scratch: TFLM plans that with sizes it never set",
    )


def test_bounded_bytes_are_those_live_at_once() -> None:
    def buffer(size: int, first: int, last: int) -> PlannedBuffer:
        return PlannedBuffer(0, size, size, first, last, 0, operator=0, exact=False)

    assert most_live([]) == 0
    assert most_live([buffer(16, 1, 1), buffer(32, 2, 3), buffer(48, 3, 3)]) == 80
    assert most_live([buffer(16, 1, 2), buffer(32, 2, 2)]) == 48
    assert most_live([buffer(16, -1, -1), buffer(32, 0, 0)]) == 32


def test_the_arena_with_a_plan_of_buffers() -> None:
    """26,964 bytes are what TFLM says on an emulated Cortex-M4; 55,296 of the plan beside them make 82,260."""
    found = predict_fixed_plan(zoo.build("person-detection"), Target.parse("cortex-m4+cmsis-nn"), 55_296)
    assert (found.used_bytes, found.declare_bytes) == (26_964, 82_272)
