"""Multiply-accumulates: small operators counted by hand, real models against published counts."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from mcuplan.graph import Buffer, DType, Graph, Operator, OperatorCode, Record, Subgraph, Tensor
from mcuplan.operators import model_macs, operator_info
from mcuplan.tflite import load


def _single(name: str, inputs: list[tuple[int, ...] | None], output: tuple[int, ...], **options: object) -> Graph:
    """A graph of one operator over int8 tensors of the given shapes; None is an absent input."""
    tensors = [Tensor(f"t{i}", DType.INT8, shape) for i, shape in enumerate([*(s for s in inputs if s), output])]
    numbers = iter(range(len(tensors)))
    op = Operator(
        OperatorCode(name),
        inputs=tuple(-1 if shape is None else next(numbers) for shape in inputs),
        outputs=(len(tensors) - 1,),
        options=Record(operator_info(name).options, options),
    )
    return Graph((Subgraph(tuple(tensors), (op,), (0,), (len(tensors) - 1,)),), (Buffer(),))


CONV = {"stride_h": 1, "stride_w": 1, "dilation_h_factor": 1, "dilation_w_factor": 1, "padding": 0}


@pytest.mark.parametrize(
    ("graph", "macs"),
    [
        # 8 x 8 x 16 outputs, each 3 x 3 x 3 taps
        (_single("CONV_2D", [(1, 8, 8, 3), (16, 3, 3, 3), (16,)], (1, 8, 8, 16), **CONV), 1024 * 27),
        # two groups: a filter sees 2 of 4 channels
        (_single("CONV_2D", [(1, 8, 8, 4), (6, 1, 1, 2), None], (1, 8, 8, 6), **CONV), 384 * 2),
        (_single("DEPTHWISE_CONV_2D", [(1, 8, 8, 4), (1, 3, 3, 8), (8,)], (1, 8, 8, 8), **CONV), 512 * 9),
        # each of 4 x 4 x 5 inputs meets 2 x 2 x 7 taps
        (_single("TRANSPOSE_CONV", [(4,), (7, 2, 2, 5), (1, 4, 4, 5)], (1, 8, 8, 7), **CONV), 80 * 28),
        (_single("FULLY_CONNECTED", [(3, 10), (5, 10), (5,)], (3, 5)), 150),
        (_single("BATCH_MATMUL", [(2, 3, 4), (2, 4, 5)], (2, 3, 5), adj_x=False, adj_y=False), 120),
        (_single("BATCH_MATMUL", [(2, 4, 3), (2, 4, 5)], (2, 3, 5), adj_x=True, adj_y=False), 120),
        (_single("SVDF", [(1, 10), (8, 10), (8, 6), (4,), (1, 48)], (1, 4), rank=2), 80 + 48),
        (_single("MAX_POOL_2D", [(1, 8, 8, 4)], (1, 4, 4, 4)), 0),
        (_single("MUL", [(1, 8), (1, 8)], (1, 8)), 0),
    ],
)
def test_counts_by_hand(graph: Graph, macs: int) -> None:
    assert model_macs(graph).total == macs


def test_lstm_counts_every_weight_once_a_step() -> None:
    x, state = (1, 7, 3), (1, 4)
    weights = [(4, 3)] * 4 + [(4, 4)] * 4
    absent: list[tuple[int, ...] | None] = [None] * 3
    graph = _single("UNIDIRECTIONAL_SEQUENCE_LSTM", [x, *weights, *absent, *[(4,)] * 4, None, None, state, state],
                    (1, 7, 4))  # fmt: skip
    assert model_macs(graph).total == 7 * (4 * 12 + 4 * 16)


def test_a_custom_operator_is_unknown_not_zero() -> None:
    graph = _single("CUSTOM", [(1, 8)], (1, 8))
    macs = model_macs(graph)
    assert macs.per_operator[0].macs is None
    assert not macs.exact


def test_every_operator_with_macs_says_its_rule() -> None:
    assert operator_info("CONV_2D").rule
    assert not operator_info("NOT_AN_OPERATOR").known


PUBLISHED = {
    "person_detect": 7_157_888,
    "mlperf_vww_int8": 7_489_664,
    "mlperf_resnet8_int8": 12_501_632,
    "mlperf_kws_int8": 2_656_768,
    "mlperf_ad_int8": 264_192,
    "mcunet_vww": 11_578_816,
    "mobilenet_v2_224": 299_500_672,
    "micro_speech_quantized": 336_000,
    "hello_world_int8": 288,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_counts_of_real_models(name: str) -> None:
    shared = os.environ.get("MCUPLAN_SHARED")
    if not shared:
        pytest.skip("MCUPLAN_SHARED is not set: the shared models are not at hand")
    assert model_macs(load(Path(shared) / "models" / f"{name}.tflite")).total == PUBLISHED[name]


def _loop(end: int, step: int, start: int | None = 0, activation: int = 0) -> Graph:
    """A WHILE that adds ``step`` to a counter until it reaches ``end``, with a dense layer of 12 MACs in its body."""
    numbers = [struct.pack("<i", n) for n in (start or 0, end, step)]
    buffers = (Buffer(), *(Buffer(n) for n in numbers), Buffer(bytes(12)))
    counter = Tensor("n", DType.INT32, (1,))
    x, w = Tensor("x", DType.INT8, (1, 4)), Tensor("w", DType.INT8, (3, 4), buffer=4)
    y = Tensor("y", DType.INT8, (1, 3))

    def constant(buffer: int) -> Tensor:
        return Tensor("c", DType.INT32, (1,), buffer=buffer)

    loop = Operator(
        OperatorCode("WHILE"), (0,), (1,), Record("WhileOptions", {"cond_subgraph_index": 1, "body_subgraph_index": 2})
    )
    first = constant(1) if start is not None else counter
    main = Subgraph((first, counter), (loop,), () if start is not None else (0,), (1,))
    less = Operator(OperatorCode("LESS"), (0, 1), (2,))
    condition = Subgraph((counter, constant(2), Tensor("b", DType.BOOL, (1,))), (less,), (0,), (2,))
    add = Operator(OperatorCode("ADD"), (0, 1), (2,), Record("AddOptions", {"fused_activation_function": activation}))
    dense = Operator(OperatorCode("FULLY_CONNECTED"), (3, 4, -1), (5,))
    body = Subgraph((counter, constant(3), counter, x, w, y), (add, dense), (0,), (2,))
    return Graph((main, condition, body), buffers)


@pytest.mark.parametrize(("end", "step", "turns"), [(12, 1, 12), (12, 4, 3), (13, 4, 4), (0, 1, 0)])
def test_a_counted_loop_counts_every_turn(end: int, step: int, turns: int) -> None:
    macs = model_macs(_loop(end, step))
    assert (macs.total, macs.exact) == (12 * turns, True)


@pytest.mark.parametrize(
    ("after", "turns"), [([3, 0, 0, 6], 2), ([1, 2, 3, 4, 5, 6], 6), ([0], None), ([9], 1), ([3, 0, 0], None)]
)
def test_a_counter_that_is_looked_up_and_compared(after: list[int], turns: int | None) -> None:
    """``while (n < 6) n = after[n]``: it may leave the table, or go round in circles."""
    graph = _loop(6, 1)
    main, condition, body = graph.subgraphs
    table = Tensor("after", DType.INT32, (len(after),), buffer=len(graph.buffers))
    tensors = (*body.tensors, table, Tensor("one", DType.INT32, (1,), buffer=3))
    look = Operator(OperatorCode("SLICE"), (len(tensors) - 2, 0, len(tensors) - 1), (2,))
    looked = Subgraph(tensors, (look, *body.operators[1:]), body.inputs, body.outputs)
    buffers = (*graph.buffers, Buffer(struct.pack(f"<{len(after)}i", *after)))
    macs = model_macs(Graph((main, condition, looked), buffers))
    assert (macs.total, macs.exact) == (12 * (1 if turns is None else turns), turns is not None)


@pytest.mark.parametrize("graph", [_loop(12, 0), _loop(12, -1), _loop(12, 1, start=None), _loop(12, 1, activation=3)])
def test_a_loop_whose_turns_are_not_known_counts_once_and_says_so(graph: Graph) -> None:
    macs = model_macs(graph)
    assert (macs.total, macs.exact) == (12, False)
