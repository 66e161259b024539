"""Files that no converter made: what cannot be followed is "not proven" with the reason, and nothing raises."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from drawn.hand_models import loop
from drawn.sketch import Sketch

from mcuplan import tflite
from mcuplan.errors import ModelError
from mcuplan.graph import Buffer, DType, Graph
from mcuplan.proof.function.positions import compare_positions
from mcuplan.proof.function.same_function import same_function
from mcuplan.proof.memory.judge import judge_plan
from mcuplan.proof.memory.static_check import static_check
from mcuplan.proof.prove import SAME, STATIC, TAKEN, Status, prove
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.zoo import build
from mcuplan.zoo.single import build_operator, operator_models

SHARED = os.environ.get("MCUPLAN_SHARED")
CASES = Path(SHARED) / "cases" if SHARED else Path("none")
REFUSED = (
    "MUL_of_one_input", "PAD_of_one_input", "SLICE_of_one_input", "CONV_2D_without_inputs", "WHILE_whose_arity_lies",
    "slice_whose_shape_lies", "vadv-exc-ValueError-1", "verify-0fde7607", "verify-5d5e8b61", "verify-c20f3669",
)  # fmt: skip


def assert_not_followed(graph: Graph, other: Graph | None = None) -> str:
    """No verdict on the pair, with a reason; the other parts of the proof raise nothing. Returns the reason."""
    compared = compare_positions(graph, other or graph)
    assert compared.agree is None
    assert compared.reason
    planned = set_offline_plan(graph, [16 * i for i in range(sum(len(s.tensors) for s in graph.subgraphs))])
    for model in (graph, planned):
        static_check(model)
        same_function(graph, model)
        for target in ("cortex-m4+cmsis-nn", "esp32s3+esp-nn"):
            judge_plan(model, target)
    return compared.reason


def shortened() -> Iterator[tuple[str, Graph]]:
    """Every operator that TFLM has, with fewer inputs than it needs."""
    for spec in operator_models():
        graph = build_operator(spec)
        op = graph.main.operators[0]
        needed = [i for i, t in enumerate(op.inputs) if t >= 0]
        for count in range(len(needed)):
            operators = (replace(op, inputs=op.inputs[:count]), *graph.main.operators[1:])
            yield f"{op.label} of {count}", replace(graph, subgraphs=(replace(graph.main, operators=operators),))


def test_operators_with_too_few_inputs() -> None:
    tried = 0
    for name, graph in shortened():
        compared = compare_positions(graph, graph)
        static_check(graph)
        same_function(graph, graph)
        tried += 1
        assert compared.agree is None or not compared.reason, name
    assert tried > 200


@pytest.mark.parametrize("shape", [(1, 4, 4, 3), (1, 5, 4, 2), (1, 4, 2), (4, 4), (), (1, 0, 4, 2), (1, 1 << 30, 4, 2)])
@pytest.mark.parametrize("operator", ["SLICE", "PAD", "CONCATENATION", "DYNAMIC_UPDATE_SLICE", "GATHER", "MUL", "RELU"])
def test_outputs_of_another_shape_than_the_operator_gives(operator: str, shape: tuple[int, ...]) -> None:
    """The right output has shape [1, 4, 4, 2]: a file that says otherwise has TFLM write over other tensors."""
    s = Sketch()
    x = s.input(1, 4, 4, 2)
    others = {
        "SLICE": [s.constant((0, 0, 0, 0)), s.constant((1, 4, 4, 2))],
        "PAD": [s.constant((0,) * 8, (4, 2))],
        "CONCATENATION": [],
        "DYNAMIC_UPDATE_SLICE": [x, s.constant((0, 0, 0, 0))],
        "GATHER": [s.constant((0, 1, 2, 3))],
        "MUL": [x],
        "RELU": [],
    }[operator]
    y = s.tensor(*shape)
    s.into(operator, [x, *others], [y], **({"axis": 1} if operator in ("CONCATENATION", "GATHER") else {}))
    assert_not_followed(s.graph(s.relu(y)))


@pytest.mark.parametrize("size", [0, 1, 7, 9])
def test_constants_that_do_not_fill_their_shape(size: int) -> None:
    """Two int32 take 8 bytes."""
    s = Sketch()
    x = s.input(2, dtype=DType.INT32)
    c = s.constant((1, 2))
    y = s.op("ADD", [x, c], (2,))
    graph = s.graph(y)
    buffers = list(graph.buffers)
    buffers[graph.main.tensors[c].buffer] = Buffer(bytes(size))
    assert compare_positions(graph, graph).agree is True
    assert_not_followed(replace(graph, buffers=tuple(buffers)))


@pytest.mark.parametrize("lists", ["inputs", "outputs"])
@pytest.mark.parametrize("of", [0, 1, 2])
def test_loops_that_pass_another_number_of_values(lists: str, of: int) -> None:
    graph, _ = loop()
    subgraph = graph.subgraphs[of]
    if of:
        short = replace(subgraph, **{lists: getattr(subgraph, lists)[:-1]})
    else:
        k = next(i for i, op in enumerate(subgraph.operators) if op.name == "WHILE")
        op = replace(subgraph.operators[k], **{lists: getattr(subgraph.operators[k], lists)[:-1]})
        short = replace(subgraph, operators=(*subgraph.operators[:k], op, *subgraph.operators[k + 1 :]))
    assert_not_followed(replace(graph, subgraphs=(*graph.subgraphs[:of], short, *graph.subgraphs[of + 1 :])))


def test_offsets_far_outside_any_arena() -> None:
    graph = build("sine")
    for offset in (-2, -(1 << 31), (1 << 31) - 1):
        judged = judge_plan(set_offline_plan(graph, [offset] * len(graph.main.tensors)), "cortex-m4+cmsis-nn")
        assert not judged.safe


def test_a_loop_of_too_many_turns_is_given_up() -> None:
    s = Sketch()
    x = s.input(1, 4, 2, 1)
    condition, body = Sketch(s.buffers), Sketch(s.buffers)
    for sketch in (condition, body):
        sketch.input(1, dtype=DType.INT32)
        sketch.input(1, 4, 2, 1)
    more = condition.tensor(1, dtype=DType.BOOL)
    condition.into("LESS", [0, condition.constant((2_000_000_000,), (1,))], [more])
    after = body.op("ADD", [0, body.constant((1,), (1,))], (1,))
    done = [s.tensor(1, dtype=DType.INT32), s.tensor(1, 4, 2, 1)]
    s.into("WHILE", [s.constant((0,), (1,)), x], done, cond_subgraph_index=1, body_subgraph_index=2)
    graph = s.graph(done[1], others=[condition.subgraph(more), body.subgraph(after, 1)])
    assert "too many turns" in assert_not_followed(graph)


# -- the shared cases ----------------------------------------------------------------------------------------------


def load(name: str) -> Graph:
    if not SHARED:
        pytest.skip("MCUPLAN_SHARED names no folder of cases")
    return tflite.load(CASES / "hostile" / f"{name}.tflite")


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_tflm_refuses_is_not_the_same_as_itself(name: str) -> None:
    """`verify F F`: the same function, and yet nothing that runs."""
    graph = load(name)
    proof = prove(graph, graph, on_tflm=False, on_litert=False)
    assert not proof.ok
    assert proof.checks[0].name == TAKEN
    assert proof.checks[0].findings
    assert_not_followed(graph)


def custom(name: str) -> Graph:
    s = Sketch()
    x = s.input(1, 8)
    y = s.tensor(1, 8)
    s.into("CUSTOM", [x], [y], custom=name)
    return s.graph(y)


@pytest.mark.parametrize(("name", "ok"), [("mine", True), ("ethos-u", True), ("FlexErf", False)])
def test_custom_operators_that_a_firmware_can_bring(name: str, ok: bool) -> None:
    """An operator of the original's is the firmware's; TensorFlow's own are nobody's on a microcontroller."""
    proof = prove(custom(name), custom(name), on_tflm=False, on_litert=False)
    assert proof.ok is ok
    assert proof.checks[0].name == TAKEN
    assert proof.checks[0].status is (Status.SKIPPED if ok else Status.FAILED)
    other = prove(custom("other"), custom(name), on_tflm=False, on_litert=False)
    assert other.checks[0].status is Status.FAILED


def test_one_constant_changed_so_that_tflm_cannot_allocate() -> None:
    """The paddings of a PAD no longer give the shape that its output has in the file."""
    original, changed = load("vadv-wrong-eb97d7c2-orig"), load("vadv-wrong-eb97d7c2")
    proof = prove(original, changed, on_tflm=False, on_litert=False)
    assert {check.name: check.status for check in proof.checks} == {
        TAKEN: Status.FAILED, STATIC: Status.SKIPPED, SAME: Status.SKIPPED,
    }  # fmt: skip
    assert "PAD gives the shape" in compare_positions(original, changed).reason


@pytest.mark.parametrize("name", ["zero_point_changed", "zero_point_changed_in_loop"])
def test_rows_that_stand_for_0_in_another_kind(name: str) -> None:
    proof = prove(load("zero_point_original"), load(name), on_tflm=False, on_litert=False)
    assert not proof.ok
    assert proof.checks[-1].status is Status.FAILED


def test_no_shared_file_makes_the_proof_raise() -> None:
    if not SHARED:
        pytest.skip("MCUPLAN_SHARED names no folder of cases")
    graphs = []
    for file in sorted(CASES.rglob("*.tflite")):
        try:
            graphs.append(tflite.load(file))
        except ModelError:
            continue
    assert len(graphs) > 40
    for graph, other in itertools.pairwise(graphs):
        prove(graph, graph, on_tflm=False, on_litert=False)
        prove(graph, other, on_tflm=False, on_litert=False)
        compare_positions(graph, graph)
