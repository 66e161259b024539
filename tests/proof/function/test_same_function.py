"""Structural equivalence: what may change without a word, and what may not."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from drawn.hand_models import OTHER, decorated, loop
from drawn.random_models import control_graph, random_graph
from drawn.sketch import Sketch, planned

from mcuplan import tflite, zoo
from mcuplan.graph import Buffer, DType, Graph, Operator, Record, Subgraph
from mcuplan.proof.function.same_function import Difference, DifferenceKind, same_function
from mcuplan.rewriting.cleanup import clean_up
from mcuplan.rewriting.edit import map_tensors, reorder, replace_subgraph


def sole(original: Graph, changed: Graph) -> Difference:
    (found,) = same_function(original, changed)
    return found


# -- what may change -----------------------------------------------------------------------------------------------


def shuffled(graph: Graph, draw: random.Random) -> Graph:
    """Another order of operators, other numbers and names of tensors, other buffers."""
    for index, subgraph in enumerate(graph.subgraphs):
        graph = reorder(graph, _order(subgraph, draw), index)
        subgraph = graph.subgraphs[index]
        numbers = list(range(len(subgraph.tensors)))
        draw.shuffle(numbers)
        tensors = sorted(range(len(numbers)), key=numbers.__getitem__)
        moved = map_tensors(subgraph, numbers.__getitem__)
        named = [replace(subgraph.tensors[old], name=f"n{draw.random()}") for old in tensors]
        graph = replace_subgraph(graph, index, replace(moved, tensors=tuple(named)))
    count = len(graph.buffers)
    doubled = replace(graph, buffers=(*graph.buffers, *graph.buffers[1:]))
    other = [replace(t, buffer=t.buffer + count - 1) if t.buffer and draw.random() < 0.5 else t
             for t in doubled.main.tensors]  # fmt: skip
    return replace_subgraph(doubled, 0, replace(doubled.main, tensors=tuple(other)))


def _order(subgraph: Subgraph, draw: random.Random) -> list[int]:
    todo, order, made = list(range(len(subgraph.operators))), list[int](), set[int]()
    while todo:
        ready = [
            k for k in todo if all(subgraph.producers.get(t, k) in (*made, k) for t in subgraph.operators[k].inputs)
        ]
        order.append(draw.choice(ready))
        made.add(order[-1])
        todo.remove(order[-1])
    return order


@pytest.mark.parametrize("seed", range(30))
def test_orders_numbers_names_and_buffers_may_change(seed: int) -> None:
    graph = control_graph(seed) if seed % 3 == 0 else random_graph(seed)
    assert same_function(graph, shuffled(graph, random.Random(seed))) == ()


@pytest.mark.parametrize("seed", range(20))
def test_clean_ups_do_not_count(seed: int) -> None:
    graph = decorated(seed)
    cleaned, _ = clean_up(graph)
    assert same_function(graph, cleaned) == ()
    assert same_function(cleaned, shuffled(graph, random.Random(seed))) == ()


def test_a_plan_does_not_count() -> None:
    graph = zoo.build("resnet8")
    assert same_function(graph, planned(graph, {0: 0})) == ()
    assert same_function(planned(graph, {0: 0}), graph) == ()


def test_every_shared_model_is_itself() -> None:
    folder = os.environ.get("MCUPLAN_SHARED")
    if not folder:
        pytest.skip("MCUPLAN_SHARED is not set: the folder with the public reference models")
    for file in sorted(Path(folder, "models").rglob("*.tflite")):
        graph = tflite.load(file)
        again = tflite.read(tflite.write(clean_up(graph)[0]))
        assert same_function(graph, again) == (), file.name


# -- what may not --------------------------------------------------------------------------------------------------


def model() -> Graph:
    """conv -> add(conv, other input) -> output, and a second output."""
    s = Sketch()
    x, y = s.input(1, 6, 6, 3), s.input(1, 6, 6, 2)
    c = s.conv(x, padding=0)
    total = s.add(c, y)
    return s.graph(s.relu(total), s.op("LOGISTIC", [total], s.shape(total)))


def with_operator(graph: Graph, k: int, change: Callable[[Operator], Operator]) -> Graph:
    operators = list(graph.main.operators)
    operators[k] = change(operators[k])
    return replace_subgraph(graph, 0, replace(graph.main, operators=tuple(operators)))


def test_another_option() -> None:
    def faster(op: Operator) -> Operator:
        assert op.options is not None
        return replace(op, options=Record(op.options.table, {**op.options.fields, "fused_activation_function": 1}))

    found = sole(model(), with_operator(model(), 0, faster))
    assert found.kind is DifferenceKind.OPERATOR
    assert str(found) == ("operator 0 (CONV_2D) and operator 0 (CONV_2D): option fused_activation_function 0 became 1")
    assert not found.undecided


def test_another_weight() -> None:
    graph = model()
    weights = graph.main.operators[0].inputs[1]
    at = graph.main.tensors[weights].buffer
    data = bytearray(graph.buffers[at].data or b"")
    data[7] ^= 1
    changed = replace(graph, buffers=(*graph.buffers[:at], Buffer(bytes(data)), *graph.buffers[at + 1 :]))
    found = sole(graph, changed)
    assert (found.kind, found.detail) == (DifferenceKind.CONSTANT, "other bytes")


@pytest.mark.parametrize("which", ["input", "constant", "between", "output"])
def test_another_quantization(which: str) -> None:
    graph = model()
    t = {"input": graph.main.inputs[0], "constant": graph.main.operators[0].inputs[1],
         "between": graph.main.operators[0].outputs[0], "output": graph.main.outputs[0]}[which]  # fmt: skip
    tensors = list(graph.main.tensors)
    tensors[t] = replace(tensors[t], quantization=OTHER)
    found = same_function(graph, replace_subgraph(graph, 0, replace(graph.main, tensors=tuple(tensors))))
    assert found[0].detail.endswith("the quantization differs")
    expected = {"input": DifferenceKind.INTERFACE, "constant": DifferenceKind.CONSTANT,
                "between": DifferenceKind.TENSOR, "output": DifferenceKind.INTERFACE}  # fmt: skip
    assert found[0].kind is expected[which]


def test_swapped_inputs_and_outputs() -> None:
    s = Sketch()
    a, b = s.input(1, 8), s.input(1, 8)
    graph = s.graph(s.add(a, b, "SUB"), s.relu(a))
    swapped = with_operator(graph, 0, lambda op: replace(op, inputs=op.inputs[::-1]))
    assert {d.kind for d in same_function(graph, swapped)} == {DifferenceKind.WIRING}
    outputs = replace_subgraph(graph, 0, replace(graph.main, outputs=graph.main.outputs[::-1]))
    assert {d.kind for d in same_function(graph, outputs)} == {DifferenceKind.POSITIONS}
    inputs = replace_subgraph(graph, 0, replace(graph.main, inputs=graph.main.inputs[::-1]))
    assert {d.kind for d in same_function(graph, inputs)} == {DifferenceKind.WIRING}


def test_other_ends() -> None:
    graph = model()
    fewer = replace_subgraph(graph, 0, replace(graph.main, outputs=graph.main.outputs[:1]))
    found = same_function(graph, fewer)
    assert [(d.kind, d.detail) for d in found] == [(DifferenceKind.INTERFACE, "2 and 1 network outputs")]


def test_reading_before_writing() -> None:
    s = Sketch()
    x = s.input(1, 8)
    graph = s.graph(s.opaque(s.relu(x)))
    backwards = reorder(graph, (1, 0))
    found = sole(graph, backwards)
    assert found.detail == "it is read before anything writes it"


def halves(patched: bool, state: bool = False) -> Graph:
    """A RELU, whole or in two halves; beside it, with ``state``, a variable that counts calls."""
    s = Sketch()
    x = s.input(1, 8, 4, 3)
    outputs = []
    if state:
        count = s.tensor(1, 8, variable=True)
        s.into("ADD", [s.constant([1] * 8, (1, 8), dtype=DType.INT8), count], [count])
        outputs = [s.relu(count)]
    parts = [s.relu(s.slice(x, (0, at, 0, 0), (1, 4, 4, 3))) for at in (0, 4)] if patched else []
    return s.graph(s.concat(parts, 1) if patched else s.relu(x), *outputs)


def test_a_patched_model_is_followed_position_by_position() -> None:
    assert same_function(halves(False), halves(True)) == ()


def test_a_patched_model_that_cannot_be_followed_is_undecided() -> None:
    found = sole(halves(False, state=True), halves(True, state=True))
    assert found.undecided
    assert str(found) == (
        "operator 2 (RELU) and operator 6 (CONCATENATION): other operators compute this value; "
        "the original cannot be followed position by position: ADD writes a constant or a variable"
    )


# -- effects and control flow --------------------------------------------------------------------------------------


def stateful(order: tuple[str, str] = ("first", "second"), shared: bool = False) -> Graph:
    """Two custom operators, then two that read and change a variable each, or both the same."""
    s = Sketch()
    x = s.input(1, 8)
    outs = [s.tensor(1, 8), s.tensor(1, 8)]
    for name in order:
        s.into("CUSTOM", [x], [outs[0 if name == "first" else 1]], custom=name)
    v = s.tensor(1, 8, variable=True)
    w = v if shared else s.tensor(1, 8, variable=True)
    return s.graph(s.add(outs[0], v), s.add(outs[1], w))


def test_operators_with_effects_keep_their_sequence() -> None:
    assert same_function(stateful(), stateful()) == ()
    assert same_function(stateful(), stateful(("second", "first"))) != ()


def test_two_variables_are_not_one() -> None:
    found = same_function(stateful(), stateful(shared=True))
    assert [d.undecided for d in found] == [False]


def test_effects_without_outputs_count() -> None:
    def build(twice: bool) -> Graph:
        s = Sketch()
        x = s.input(1, 8)
        for _ in range(2 if twice else 1):
            s.into("CUSTOM", [x], [], custom="count")
        return s.graph(s.relu(x))

    assert [d.kind for d in same_function(build(False), build(True))] == [DifferenceKind.EFFECTS]


def test_what_a_called_subgraph_computes_counts() -> None:
    graph, _ = loop()
    body = graph.subgraphs[2]
    (k,) = [k for k, op in enumerate(body.operators) if op.outputs[0] == body.outputs[2]]
    operators = list(body.operators)
    operators[k] = replace(operators[k], code=replace(operators[k].code, name="SUB"))
    changed = replace_subgraph(graph, 2, replace(body, operators=tuple(operators)))
    found = sole(graph, changed)
    assert (found.kind, found.original) == (DifferenceKind.OPERATOR, "operator 0 (WHILE)")
    passed = replace_subgraph(graph, 2, replace(body, outputs=(body.outputs[0], body.outputs[2], body.outputs[1])))
    assert sole(graph, passed).kind is DifferenceKind.OPERATOR


# -- damage --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(40))
def test_damage_is_seen(seed: int) -> None:
    """One change somewhere that matters, in a model without dead ends."""
    draw = random.Random(seed)
    graph, _ = clean_up(random_graph(seed))
    bad = shuffled(graph, draw)
    k = draw.randrange(len(bad.main.operators))
    op = bad.main.operators[k]
    match draw.randrange(3):
        case 0:  # another operator altogether
            bad = with_operator(bad, k, lambda op: replace(op, code=replace(op.code, name="FLOOR_DIV")))
        case 1:  # another tensor's numbers mean something else
            t = op.outputs[0]
            tensors = list(bad.main.tensors)
            tensors[t] = replace(tensors[t], quantization=OTHER)
            bad = replace_subgraph(bad, 0, replace(bad.main, tensors=tuple(tensors)))
        case 2:  # an input of another type
            t = bad.main.inputs[0]
            tensors = list(bad.main.tensors)
            tensors[t] = replace(tensors[t], dtype=DType.UINT8)
            bad = replace_subgraph(bad, 0, replace(bad.main, tensors=tuple(tensors)))
    assert same_function(graph, bad) != ()
