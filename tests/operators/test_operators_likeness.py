"""What operators have in common, and that nothing is taken from one that is not alike."""

from __future__ import annotations

import dataclasses
import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcuplan import check
from mcuplan.graph import Graph
from mcuplan.operators import kinds, likeness, model_macs
from mcuplan.tflm import Target, predict
from mcuplan.tflm.support import unsupported
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder

M4 = Target.parse("cortex-m4+cmsis-nn")


def convolution(*, filters: int = 4, stride: int = 1, seed: int = 1, side: int = 8, precision: str = "int8") -> Graph:
    b = Builder(seed=seed, precision=precision)
    return b.graph([b.conv2d(b.input((1, side, side, 3)), filters, 3, stride=stride)])


def transposed(permutation: tuple[int, ...]) -> Graph:
    b = Builder()
    return b.graph([b.transpose(b.input((1, 4, 4, 4)), permutation)])


def only(graph: Graph) -> likeness.Kind:
    (kind,) = kinds(graph)[0]
    assert kind is not None
    return kind


@pytest.fixture(autouse=True)
def fresh():
    likeness._met.clear()


def test_one_kind_whatever_the_weights_are():
    graph = convolution()
    weights = graph.buffers[graph.main.tensors[graph.main.operators[0].inputs[1]].buffer]
    other = bytes(b ^ 1 for b in weights.data)
    changed = dataclasses.replace(
        graph, buffers=tuple(dataclasses.replace(b, data=other) if b is weights else b for b in graph.buffers)
    )
    assert only(changed) == only(graph)


def test_other_scales_are_another_kind_of_one_form():
    a, b = only(convolution(seed=1)), only(convolution(seed=2))
    assert a.alike is not b.alike
    assert (a.form, a.work) == (b.form, b.work)


@pytest.mark.parametrize("other", [{"filters": 5}, {"stride": 2}, {"side": 9}, {"precision": "float32"}])
def test_other_shapes_options_and_types_are_another_form(other):
    assert only(convolution(**other)).form is not only(convolution()).form


def test_constants_that_kernels_read_are_compared():
    a, b = transposed((0, 2, 1, 3)), transposed((0, 3, 1, 2))
    assert only(a).form is only(b).form
    assert only(a).work is not only(b).work


def test_operands_that_are_one_tensor_are_told_from_two():
    b = Builder()
    x, y = b.input((1, 4)), b.input((1, 4))
    twice, both = b.graph([b.add(x, x)]), b.graph([b.add(x, y)])
    assert kinds(twice)[0][0].form is not kinds(both)[0][-1].form


def test_control_flow_and_open_shapes_have_none():
    graph = convolution()
    tensors = list(graph.main.tensors)
    result = graph.main.operators[0].outputs[0]
    tensors[result] = dataclasses.replace(tensors[result], shape=(-1, 8, 8, 4))
    opened = dataclasses.replace(graph, subgraphs=(dataclasses.replace(graph.main, tensors=tuple(tensors)),))
    assert kinds(opened) == ((None,),)


def test_no_more_is_kept_than_is_said(monkeypatch):
    monkeypatch.setattr(likeness, "_KEPT", 10)
    for filters in range(1, 30):
        model_macs(convolution(filters=filters))
    assert len(likeness._met) == 10


def test_a_pickled_graph_takes_nothing_along():
    graph = convolution()
    kinds(graph)
    again = pickle.loads(pickle.dumps(graph))
    assert set(vars(again)) == {field.name for field in dataclasses.fields(Graph)}


def test_refusals_name_their_own_tensors():
    """Two operators that are refused for one reason each say so of their own output."""
    graph = convolution()
    broken = dataclasses.replace(
        graph,
        subgraphs=(
            dataclasses.replace(
                graph.main,
                tensors=tuple(
                    dataclasses.replace(t, shape=(1, 8, 8, 5)) if i in graph.main.outputs else t
                    for i, t in enumerate(graph.main.tensors)
                ),
            ),
        ),
    )
    renamed = dataclasses.replace(
        broken,
        subgraphs=(
            dataclasses.replace(
                broken.main, tensors=tuple(dataclasses.replace(t, name=f"my {t.name}") for t in broken.main.tensors)
            ),
        ),
    )
    first, second = unsupported(broken, M4), unsupported(renamed, M4)
    assert first
    assert [f"my {refusal.tensor_name}" for refusal in first] == [refusal.tensor_name for refusal in second]
    assert [refusal.rule for refusal in first] == [refusal.rule for refusal in second]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(["sine", "micro-speech", "ds-cnn", "resnet8"]), min_size=2, max_size=4),
       st.sampled_from(["cortex-m4+cmsis-nn", "cortex-m4+reference", "esp32s3+esp-nn"]))  # fmt: skip
def test_what_is_remembered_is_what_is_worked_out(names, target):
    """Whatever was asked before, the answers are those of a process that was asked nothing."""
    chosen = Target.parse(target)
    for name in names:
        graph = build(name)
        warm = predict(graph, chosen), unsupported(graph, chosen), model_macs(graph)
        likeness._met.clear()
        fresh = dataclasses.replace(graph)
        assert (predict(fresh, chosen), unsupported(fresh, chosen), model_macs(fresh)) == warm


def test_a_second_check_says_the_same():
    first, second = (check("zoo:visual-wake-words", board="sparkfun-edge") for _ in range(2))
    assert first.report == second.report
