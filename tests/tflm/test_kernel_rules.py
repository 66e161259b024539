"""What is known of each target's kernels: which tensors may share bytes, by library, version and core."""

from __future__ import annotations

import pytest
from drawn.sketch import Sketch, planned

from mcuplan.graph import DType, Graph
from mcuplan.operators.geometry import SAME, VALID
from mcuplan.proof.memory.judge import judge_plan
from mcuplan.proof.memory.static_check import static_check
from mcuplan.proof.prove import STATIC, prove
from mcuplan.tflm import Target
from mcuplan.tflm.aliasing import LoopCopies, alias_options, alias_rules, kernel_rules
from mcuplan.tflm.target import all_targets

S3, P4, PLAIN = "esp32s3+esp-nn", "esp32p4+esp-nn", "esp32+esp-nn"


def test_every_target_has_rules_and_says_what_was_not_run() -> None:
    for target in all_targets():
        rules = kernel_rules(target)
        assert set(rules.operators) == set(alias_rules(target.version))
        assert len(rules.loops) == 1
        assert rules.alignment in (1, 16)
        if rules.alignment == 16:
            assert any("by the source, not run" in note for note in rules.notes), target


@pytest.mark.parametrize(
    ("target", "copies"),
    [
        ("upstream-2026-08/cortex-m4+cmsis-nn", {LoopCopies.BEFORE}),
        ("esp-tflite-micro-1.4.0/esp32+esp-nn", {LoopCopies.AFTER}),
        ("zephyr-2026-02/cortex-m4+cmsis-nn", {LoopCopies.AFTER}),
        ("arduino-2023-02/cortex-m4+cmsis-nn", {LoopCopies.AFTER}),
        ("upstream-2026-05/cortex-m4+cmsis-nn", {LoopCopies.BEFORE, LoopCopies.AFTER}),
    ],
)
def test_when_a_loop_copies_its_inputs(target: str, copies: set[LoopCopies]) -> None:
    """Before its condition runs since 2026-07-20; a version between two known ones has to bear both."""
    assert kernel_rules(Target.parse(target)).loops == copies


def depthwise(channels: int, padding: int, size: int = 8, stride: int = 1) -> Graph:
    s = Sketch()
    x = s.input(1, size, size, channels)
    return s.graph(s.conv(x, (3, 3), stride, padding, operator="DEPTHWISE_CONV_2D"))


@pytest.mark.parametrize(
    ("graph", "offered"),
    [
        (depthwise(32, VALID), False),  # reads the input itself, 16 channels at a time over the whole map
        (depthwise(32, VALID, size=10, stride=2), False),
        (depthwise(32, VALID, size=9, stride=2), True),  # padded by a column that no window reads
        (depthwise(16, VALID), True),  # all of its channels at once
        (depthwise(24, VALID), True),
        (depthwise(32, SAME), True),  # copies its input to scratch first
        (depthwise(32, SAME, stride=2), True),  # padded on the right and below only
    ],
)
def test_depthwise_convolutions_that_take_channels_outermost_on_the_s3(graph: Graph, offered: bool) -> None:
    assert bool(alias_options(graph, 0, Target.parse(S3))) is offered
    assert alias_options(graph, 0, Target.parse(PLAIN))
    assert alias_options(graph, 0, Target.parse(P4))
    (option,) = alias_options(graph, 0, Target.parse(S3)) or alias_options(graph, 0, Target.parse(PLAIN))
    over = planned(graph, {option.outer: -option.at, option.inner: 0})
    assert (static_check(over, S3) == ()) is offered
    assert static_check(over, "esp32s3+esp-nn-ansi") == ()


def test_vector_kernels_want_multiples_of_16() -> None:
    """Rows of 8 bytes: the second row of a map begins at byte 8, where vector loads drop the low bits."""
    s = Sketch()
    x = s.input(1, 4, 2, 4)
    y = s.slice(x, (0, 1, 0, 0), (1, 2, 2, 4))
    graph = s.graph(y)
    inside = planned(graph, {x: 0, y: 8})
    for target in (S3, P4):
        assert not alias_options(graph, 0, Target.parse(target))
        (found,) = judge_plan(inside, target).faults
        assert str(found) == f"tensor {y} 't{y}' begins at byte 8 of the arena, no multiple of 16"
    assert [o.at for o in alias_options(graph, 0, Target.parse(PLAIN))] == [8]
    assert judge_plan(inside, PLAIN).safe
    assert judge_plan(inside, "esp32s3+esp-nn-ansi").safe


def test_an_esp_nn_newer_than_any_that_was_read_shares_nothing() -> None:
    s = Sketch()
    x = s.input(1, 32)
    graph = planned(s.graph(s.relu(x)), {x: 0, 1: 0})
    assert judge_plan(graph, S3).safe
    judged = judge_plan(graph, "esp32s3+esp-nn-1.2.4")
    assert [c.lost for c in judged.overwritten] == [32]
    assert judged.notes == (
        "nobody has read which bytes kernels newer than 1.2.3 touch when: no two live tensors may share any",
    )


def test_what_was_read_and_never_run_is_said() -> None:
    graph = depthwise(16, VALID)
    told = {target: prove(graph, graph, target, on_tflm=False, on_litert=False) for target in (S3, PLAIN)}
    details = {target: next(c.detail for c in proof.checks if c.name == STATIC) for target, proof in told.items()}
    assert details[S3].endswith("ESP-NN's vector kernels of the ESP32-S3 were judged by the source, not run")
    assert "not run" not in details[PLAIN]


def loop_whose_condition_overwrites_its_input() -> Graph:
    """The condition's own tensor lies over the input of the WHILE, which is at an end when it has been copied."""
    s = Sketch()
    x = s.input(1, 32)
    count = s.tensor(1, dtype=DType.INT32)
    types = {"in_data_type": DType.INT8, "out_data_type": DType.INT32}
    flat = s.reshape(x, 32)
    s.into("CAST", [s.slice(flat, (0,), (1,))], [count], **types)
    begun = s.opaque(x)
    condition, body = Sketch(s.buffers), Sketch(s.buffers)
    for sketch in (condition, body):
        sketch.input(1, dtype=DType.INT32)
        sketch.input(1, 32)
    more = condition.op("ADD", [0, condition.constant((1,), (1,))], (1,))
    verdict = condition.tensor(1, dtype=DType.BOOL)
    condition.into("LESS", [more, condition.constant((1000,), (1,))], [verdict])
    after = body.op("ADD", [0, body.constant((400,), (1,))], (1,))
    result = body.opaque(1)
    done = [s.tensor(1, dtype=DType.INT32), s.tensor(1, 32)]
    s.into("WHILE", [count, begun], done, cond_subgraph_index=1, body_subgraph_index=2)
    graph = s.graph(done[1], others=[condition.subgraph(verdict), body.subgraph(after, result)])
    main = len(graph.main.tensors)
    at: dict[int, int] = {begun: 1024}
    places = {t: 2048 + 64 * t for t in range(main) if not graph.is_constant(graph.main.tensors[t])}
    spare = 8192
    for offset, sketch in ((main, condition), (main + len(condition.tensors), body)):
        for t, tensor in enumerate(sketch.tensors):
            if not graph.is_constant(tensor):
                places[offset + t], spare = spare, spare + 64
    places |= at
    places[main + more] = 1024  # over the input of the WHILE
    return planned(graph, places)


def test_a_loops_input_has_to_outlive_the_condition_before_2026_07() -> None:
    graph = loop_whose_condition_overwrites_its_input()
    assert static_check(graph, "upstream-2026-08/cortex-m4+cmsis-nn") == ()
    for target in ("esp-tflite-micro-1.4.0/esp32+esp-nn", "zephyr-2024-05/cortex-m4+cmsis-nn",
                   "upstream-2026-05/cortex-m4+cmsis-nn"):  # fmt: skip
        found = static_check(graph, target)
        assert {c.kind.value for c in found} == {"overwritten"}, target
        assert any(c.reader.operator_name == "MAXIMUM" for c in found)  # the body, whose input the ADD spoiled
