"""Rows of odd width end anywhere, and TFLM puts scratch where tensors end: plans must keep it aligned all the same."""

from __future__ import annotations

import math
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from mcuplan.graph import Graph
from mcuplan.patching.arena.search import find_patch_plan
from mcuplan.planning.arena_problem import ArenaProblem
from mcuplan.proof.function.same_function import same_function
from mcuplan.proof.memory.static_check import static_check
from mcuplan.tflite import load
from mcuplan.tflm import predict
from mcuplan.tflm.alignment import SCRATCH_ALIGNMENT
from mcuplan.tflm.target import Target
from mcuplan.zoo.builder import Builder

SHARED = os.environ.get("MCUPLAN_SHARED")


def odd_network(seed: int) -> Graph:
    """Convolutions with scratch over maps of odd widths and channels."""
    draw = random.Random(seed)
    b = Builder(seed=seed)
    x = b.input((1, draw.choice((17, 19, 21, 23, 29, 31)), draw.choice((7, 9, 11, 13, 15, 17)), draw.choice((1, 3))))
    x = b.conv2d(x, draw.choice((5, 7, 9)), 3, activation="RELU6", name="first")
    for number in range(draw.randint(1, 3)):
        if draw.random() < 0.5:
            x = b.depthwise_conv2d(x, 3, name=f"deep{number}")
        x = b.conv2d(x, draw.choice((5, 7, 9, 11)), 3, stride=draw.choice((1, 2)), name=f"wide{number}")
    return b.graph([b.fully_connected(b.mean(x, (1, 2)), 3)])


@pytest.mark.parametrize("seed", [5, 20, 35, 37, 48])
def test_scratch_is_aligned_beside_rows_of_odd_width(seed: int) -> None:
    """Networks of which the plan with the least arena by live bytes alone leaves scratch at an odd address."""
    graph = odd_network(seed)
    plan = find_patch_plan(graph, max_overhead=math.inf, max_macs=1.1, effort="fast")
    assert plan is not None
    assert not any(b.tensor < 0 and b.offset % SCRATCH_ALIGNMENT for b in plan.after.plan)
    assert static_check(plan.graph) == ()
    assert same_function(graph, plan.graph) == ()


@pytest.mark.parametrize("seed", [5, 37])
def test_kernels_with_vector_loads_get_every_buffer_aligned(seed: int) -> None:
    """ESP-NN's kernels of the ESP32-S3 drop the low bits of addresses: the proof passes no other plan."""
    graph = odd_network(seed)
    plan = find_patch_plan(graph, "esp32s3+esp-nn", effort="fast")
    assert plan is not None
    assert all(b.offset % 16 == 0 for b in plan.after.plan if b.bytes)
    assert static_check(plan.graph, "esp32s3+esp-nn") == ()
    assert plan.after.declare_bytes < 0.7 * plan.before.declare_bytes


def test_scratch_at_an_odd_address_costs_the_head_once_more() -> None:
    b = Builder()
    x = b.input((1, 8, 8, 3), name="x")
    graph = b.graph([b.conv2d(x, 4, 3, name="c")])
    problem = ArenaProblem(graph, Target.parse("cortex-m4+cmsis-nn"))
    (scratch,) = [i for i, buffer in enumerate(problem.stock[0].plan) if buffer.tensor < 0]
    at = dict.fromkeys(range(len(graph.main.tensors)), -1)
    x_number, c_number = graph.main.inputs[0], graph.main.outputs[0]
    even = [{**at, x_number: 0, c_number: 192}[t] for t in at]
    odd = [{**at, x_number: 0, c_number: 193}[t] for t in at]
    # 192 bytes of x, 256 of c, and behind them 108 of scratch, which TFLM rounds up to 112.
    assert problem.replay(even)[scratch].offset == 448
    assert problem.score(even) == problem.head(even) == 560
    assert problem.replay(odd)[scratch].offset == 449
    assert problem.head(odd) == 561
    assert problem.score(odd) == 2 * 561


@pytest.mark.skipif(SHARED is None, reason="MCUPLAN_SHARED does not name the folder of shared models")
@pytest.mark.parametrize(
    ("name", "limits", "most"),
    [
        # Of the given model's 18,976 bytes, at no more than a tenth more MACs, and at no more than a tenth more time.
        ("patch_unaligned_scratch", ("--max-macs", "1.1"), 13_600),
        ("patch_unaligned_scratch", (), 14_320),
        # Measured on an emulated Cortex-M4: a head that ends at an odd address needs no sixteen bytes to itself.
        ("patched_declare_16_too_many", (), 7_504),
    ],
)
def test_cases(name: str, limits: tuple[str, ...], most: int, tmp_path: Path) -> None:
    assert SHARED is not None
    model, planned = Path(SHARED) / "cases" / "target" / f"{name}.tflite", tmp_path / "planned.tflite"
    command = [sys.executable, "-m", "mcuplan", "plan", "--patch", "--least", *limits, str(model), "-o", str(planned)]
    done = subprocess.run(command, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert predict(load(planned)).declare_bytes <= most
    assert static_check(load(planned)) == ()
