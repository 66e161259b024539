"""The plan in a model, judged on the target at hand: what overwrites live bytes there, how many, and what cannot be
followed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from drawn.calls import chained, nested
from drawn.sketch import Sketch, planned

from mcuplan import tflite, zoo
from mcuplan.graph import Buffer, DType, Graph
from mcuplan.operators import nested_calls
from mcuplan.proof.function.positions import compare_positions
from mcuplan.proof.function.same_function import same_function
from mcuplan.proof.memory.judge import judge_plan
from mcuplan.proof.memory.static_check import static_check
from mcuplan.tflm.target import KernelLibrary, Target, target_names

SHARED = os.environ.get("MCUPLAN_SHARED")


def test_a_model_without_a_plan_is_safe_everywhere() -> None:
    for name in target_names():
        judged = judge_plan(zoo.build("sine"), name)
        assert (judged.planned, judged.safe) == (False, True)


def test_a_plan_is_judged_on_the_target_at_hand() -> None:
    """A sum in place of its input: safe where the kernel was read, lost bytes where nobody knows what it does."""
    s = Sketch()
    x = s.input(1, 32)
    y = s.relu(x)
    z = s.add(x, y)
    graph = planned(s.graph(z), {x: 0, y: 32, z: 0})
    for name in ("cortex-m4+cmsis-nn", "cortex-m55+cmsis-nn", "cortex-m0plus+reference", "riscv32+reference"):
        assert judge_plan(graph, name).safe
    unread = replace(Target.parse("cortex-m4+cmsis-nn"), library=KernelLibrary("other", "other", ()))
    (found,) = judge_plan(graph, unread).overwritten
    assert (found.reader.operator_name, found.reader.tensor, found.lost) == ("ADD", x, 32)


def test_lost_bytes_are_counted() -> None:
    """y lies over bytes 16 to 32 of x, which MAXIMUM still reads: 16 of its 32 bytes."""
    s = Sketch()
    x = s.input(1, 32)
    y = s.relu(x)
    z = s.opaque(x, y)
    judged = judge_plan(planned(s.graph(z), {x: 0, y: 16, z: 64}), "cortex-m4+reference")
    assert [(c.reader.operator_name, c.reader.tensor, c.lost) for c in judged.overwritten] == [
        ("RELU", x, 16),
        ("MAXIMUM", x, 16),
    ]
    assert not judged.faults
    assert not judged.safe


def test_metadata_that_tflm_refuses_is_a_fault() -> None:
    s = Sketch()
    y = s.relu(s.input(1, 32))
    graph = planned(s.graph(y), {})
    cut = replace(graph, buffers=(*graph.buffers[:-1], Buffer(bytes(graph.buffers[-1].data or b"")[:8])))
    judged = judge_plan(cut, "cortex-m4+cmsis-nn")
    assert [c.kind.value for c in judged.faults] == ["refused"]


def test_a_model_that_tflm_refuses_cannot_be_followed() -> None:
    s = Sketch()
    x = s.input(1, 4, 4, 2)
    y = s.tensor(1, 5, 4, 2)
    s.into("PAD", [x, s.constant((0, 0, 2, 0, 0, 0, 0, 0), (4, 2))], [y])
    judged = judge_plan(planned(s.graph(y), {x: 0, y: 64}), "cortex-m4+cmsis-nn")
    assert not judged.safe
    assert judged.not_followed.startswith("TFLM does not run the model: operator 0: PAD")


@pytest.mark.parametrize("depth", [3, 20, 400])
def test_a_call_chain_too_deep_to_follow_raises_nothing(depth: int) -> None:
    """Each IF runs the next subgraph on both its branches: as many paths as 2 to the power of the depth."""
    judged = judge_plan(nested(depth), "cortex-m4+cmsis-nn")
    assert judged.planned
    assert judged.not_followed == ("" if depth == 3 else "there are too many paths through the control flow")


@pytest.mark.parametrize("depth", [150, 151, 500])
def test_calls_inside_calls_are_followed_to_a_depth_and_no_deeper(depth: int) -> None:
    graph = chained(depth)
    assert nested_calls(graph) == depth
    why = f"calls of subgraphs lie {depth} deep in each other, and at most 150 are followed"
    judged = judge_plan(graph, "cortex-m4+cmsis-nn")
    differences = same_function(graph, graph)
    compared = compare_positions(graph, graph)
    assert compared.agree is None  # it has branches
    if depth == 150:
        assert (judged.safe, judged.not_followed, differences) == (True, "", ())
    else:
        assert judged.not_followed == why
        assert [(d.undecided, d.detail) for d in differences] == [(True, why)]
        assert why in compared.reason


# -- Ethos-U -------------------------------------------------------------------------------------------------------


def command_streams(between: int = 0) -> Graph:
    """Two command streams in one scratch, as Vela plans: all tensors lie in it. ``between`` is where the operator
    between them puts its result; the first stream's first output lies at bytes 0 to 64 until the end."""
    s = Sketch()
    x = s.input(1, 64)
    code = s.constant([1] * 16, dtype=DType.UINT8, quantization=None)
    scratch, fast = (s.tensor(512, dtype=DType.UINT8, quantization=None) for _ in range(2))
    first, kept = s.tensor(1, 64), s.tensor(1, 64)
    s.into("CUSTOM", [code, code, scratch, fast, x], [first, kept], custom="ethos-u")
    on_cpu = s.relu(kept)
    last = s.tensor(1, 64)
    s.into("CUSTOM", [code, code, scratch, fast, on_cpu], [last], custom="ethos-u")
    return planned(s.graph(first, last), {x: 256, scratch: 0, fast: 0, first: 0, kept: 64, on_cpu: between, last: 128})


def test_scratch_of_command_streams_is_not_wholly_written() -> None:
    assert static_check(command_streams(between=192)) == ()


def test_what_an_operator_puts_over_a_live_tensor_of_vela_s_is_seen() -> None:
    found = static_check(command_streams(between=0))
    assert [(c.kind.value, c.reader.operator, c.lost) for c in found] == [("overwritten", -1, 64)]


@pytest.mark.skipif(not SHARED, reason="MCUPLAN_SHARED names no folder of models")
@pytest.mark.parametrize("name", ["ethos_u_two_regions", "ethos_u_scratch"])
def test_vela_s_models(name: str) -> None:
    assert SHARED is not None
    graph = tflite.load(Path(SHARED) / "cases" / "field" / f"{name}.tflite")
    assert judge_plan(graph, "cortex-m55+cmsis-nn").safe
