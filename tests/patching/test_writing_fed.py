"""Stages whose rows come from the firmware: written, proven, and run with each row taken from a whole input."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace

import pytest
from random_networks import random_network
from runtimes import require, run_litert_each, run_tflm_each

from mcuplan.graph import CUSTOM, Graph
from mcuplan.operators.input_rows import InputRows, input_rows
from mcuplan.operators.row_calls import misordered, row_calls
from mcuplan.operators.streamed import streamed_inputs
from mcuplan.patching.arena.placing import DraftProblem
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.forms import Kind, StageForm, even_cuts, write_stage
from mcuplan.patching.writing.reader import StageReader, UnsupportedStageError
from mcuplan.proof.function.same_function import same_function
from mcuplan.proof.memory.static_check import static_check
from mcuplan.proof.whole_inputs import with_whole_inputs
from mcuplan.tflite import read, write
from mcuplan.tflm import Target
from mcuplan.tflm.support import unsupported
from mcuplan.zoo.builder import Builder

REFERENCE = Target.parse("cortex-m4+reference")
KINDS = (Kind.STRIPS, Kind.BORDERED_LOOP, Kind.LOOP, Kind.HEADED_LOOP, Kind.CASCADE)
GROUP_SIZE = 24


@pytest.fixture(autouse=True)
def _any_rows_are_gathered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mcuplan.patching.writing.build._GATHERED_ELEMENTS", 1)


def fed(seed: int) -> Iterator[tuple[str, Graph, Graph]]:
    """One random first stage of one random network in one form of each kind, planned, its input by rows."""
    graph = random_network(seed)
    draw = random.Random(seed)
    source = graph.main.inputs[0]
    stages = list(StageReader(graph, source).stages(0))
    if not stages or max(graph.main.consumers[source]) >= stages[-1].last:
        return
    for kind in KINDS:
        stage = draw.choice([s for s in stages if max(graph.main.consumers[source]) < s.last])
        height = graph.main.tensors[stage.result].shape[1]
        rows = draw.randint(1, max(height // 3, 1))
        stream = kind is Kind.LOOP or draw.random() < 0.7
        form = StageForm(kind, even_cuts(height, rows), draw.choice(("pad", "crop")), stream, fast=seed % 3 > 0)
        try:
            draft = write_stage(Draft(graph, streamed=source), stage, form).tidy()
        except UnsupportedStageError:
            continue
        planned = DraftProblem(draft, REFERENCE, aliases=seed % 2 == 0).plan("fast")
        yield f"seed {seed}, {stage}, {form}", graph, planned.graph


def cases(group: int) -> list[tuple[str, Graph, Graph]]:
    return [case for seed in range(group * GROUP_SIZE, (group + 1) * GROUP_SIZE) for case in fed(seed)]


def test_every_kind_is_among_them_and_none_keeps_the_input() -> None:
    found = cases(0)
    assert all(sum(repr(kind) in name for name, _, _ in found) >= 6 for kind in KINDS)
    for name, _, after in found:
        assert after.main.inputs == (), name
        assert list(streamed_inputs(after)) == [0], name
        assert read(write(after)).main.has_inputs
        assert not unsupported(after, REFERENCE), name


def test_they_are_proven_and_rows_come_in_order() -> None:
    for name, before, after in cases(0):
        assert not static_check(after, REFERENCE), name
        assert not same_function(before, after), name
        calls = row_calls(after)
        assert calls
        assert misordered(calls) is None
        if "bordered" not in name and "strips" not in name:  # loops through which rows flow keep what they need again
            assert {call.options.back for call in calls} == {0}
            ends = [call.begin[0] + call.count for call in calls]
            assert [call.begin[0] for call in calls[1:]] == ends[:-1]


@pytest.mark.parametrize("group", range(2))
def test_they_give_the_same_outputs(group: int) -> None:
    require("tflm")
    found = cases(group)
    models = [write(graph) for _, before, after in found for graph in (before, with_whole_inputs(after))]
    runs = run_tflm_each(models, seed=group + 1)
    wrong = [
        (name, a.message, b.message)
        for (name, _, _), a, b in zip(found, runs[::2], runs[1::2], strict=True)
        if not a.ok or not b.ok or a.outputs != b.outputs
    ]
    assert not wrong


def test_they_give_the_same_outputs_on_litert() -> None:
    require("litert")
    found = cases(0)
    models = [write(graph) for _, before, after in found for graph in (before, with_whole_inputs(after))]
    runs = run_litert_each(models, seed=1)
    pairs = [(name, a, b) for (name, _, _), a, b in zip(found, runs[::2], runs[1::2], strict=True) if a.ok]
    assert len(pairs) > GROUP_SIZE
    assert not [(name, b.message) for name, a, b in pairs if not b.ok or a.outputs != b.outputs]


def _three_rows() -> tuple[Graph, Graph]:
    """A 3 x 3 convolution with a stride of 2 over 8 rows, two strips of two rows of its result."""
    b = Builder()
    graph = b.graph([b.conv2d(b.input((1, 8, 6, 2)), 3, 3, stride=2)])
    (stage,) = StageReader(graph).stages(0)
    draft = Draft(graph, streamed=graph.main.inputs[0])
    return graph, write_stage(draft, stage, StageForm(Kind.STRIPS, (0, 2, 4), "pad")).tidy().graph


def test_rows_by_hand() -> None:
    """Output rows 0 and 1 read rows 0 to 4, 2 and 3 rows 4 to 8: row 8 is padding, as is the column on the right."""
    _, after = _three_rows()
    calls = row_calls(after)
    assert calls is not None
    assert [(call.begin, call.count, call.columns, call.asked) for call in calls] == [
        ((0, 0), 5, 7, (0, 5)),
        ((4, 0), 5, 7, (4, 8)),
    ]
    fill = calls[0].options.fill
    assert calls[0].options == InputRows(0, 8, 6, 2, back=1, fill=fill)
    point = after.main.tensors[after.main.operators[0].outputs[0]].quantization
    assert point is not None
    assert fill == point.zero_points[0] % 256
    assert [op.label for op in after.main.operators] == [
        "MCUPLAN_ROWS", "CONV_2D", "MCUPLAN_ROWS", "CONV_2D", "CONCATENATION",
    ]  # fmt: skip
    streamed = streamed_inputs(after)[0]
    assert (streamed.most_rows, streamed.buffer_rows, streamed.buffer_bytes) == (5, 6, 6 * 12)


def _with_options(graph: Graph, index: int, options: InputRows) -> Graph:
    operators = list(graph.main.operators)
    operators[index] = replace(operators[index], custom_options=options.encoded())
    return replace(graph, subgraphs=(replace(graph.main, operators=tuple(operators)), *graph.subgraphs[1:]))


def test_rows_that_are_asked_for_out_of_order_are_refused() -> None:
    _, after = _three_rows()
    options = input_rows(after.main.operators[2])
    assert options is not None
    once = _with_options(after, 2, replace(options, back=0))
    (refused,) = unsupported(once, REFERENCE)
    assert "asks for row 4 where rows up to 5 were given, and none may be asked for again" in refused.reason


def test_rows_of_another_picture_are_refused_or_no_proof() -> None:
    before, after = _three_rows()
    options = input_rows(after.main.operators[2])
    assert options is not None
    for wrong in (
        replace(options, rows=9), replace(options, columns=7), replace(options, fill=options.fill ^ 1),
        replace(options, input=1), replace(options, pixel_bytes=4),
    ):  # fmt: skip
        changed = _with_options(after, 2, wrong)
        assert unsupported(changed, REFERENCE) or same_function(before, changed), wrong


def test_options_are_seven_integers() -> None:
    options = InputRows(1, 96, 64, 3, 2, 0x80)
    assert options.encoded().hex() == "01000000010000006000000040000000030000000200000080000000"
    _, after = _three_rows()
    op = replace(after.main.operators[0], custom_options=options.encoded())
    assert input_rows(op) == options
    assert op.name == CUSTOM
    for data in (None, b"", options.encoded()[:-1], b"\x02" + options.encoded()[1:], b"\xff" * 28):
        assert input_rows(replace(op, custom_options=data)) is None
