"""Block by block, layer by layer against patch by patch."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mcuplan.findings.blocks import blocks
from mcuplan.patching.live.analysis import BlockMemory, analyse, per_block
from mcuplan.patching.live.search import search_graph
from mcuplan.tflite import load
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder


def test_blocks_by_hand() -> None:
    # 8 rows of 32 bytes, twice 3x3, then 1x1 to 1 channel. Layer by layer 512, 512, 320.
    b = Builder()
    x = b.input((1, 8, 8, 4))
    graph = b.graph([b.conv2d(b.conv2d(b.conv2d(x, 4, 3), 4, 3), 1, 1)])
    found = search_graph(graph)
    plan = found.least_ram()
    assert plan is not None
    assert plan.before_bytes == (512, 512, 320)
    memory = per_block(plan, [(0, 1), (2, 2)])
    assert memory[0] == BlockMemory(0, 1, 512, max(plan.operator_bytes[:2]), patched=True)
    assert memory[1].layer_bytes == 320
    assert max(block.patch_bytes for block in memory) == plan.ram_bytes < 512


def test_mobilenet_v2_as_the_lecture_draws_it() -> None:
    """The first blocks stand far above the rest layer by layer; with rows streamed in, all are far below them."""
    graph = build("mobilenet-v2")
    runs = [(block.first, block.last) for block in blocks(graph)]
    found = analyse(graph, runs, max_overhead=1.0, input_rows_streamed=True)
    assert found.plan is not None
    assert found.input_rows_streamed
    bars = {(block.first, block.last): block for block in found.blocks}
    assert bars[6, 8].layer_bytes == 1_505_280
    assert max(block.layer_bytes for block in found.blocks if block.first >= 24) == 244_608
    assert max(block.patch_bytes for block in found.blocks) == found.plan.ram_bytes == 117_376
    assert found.plan.factor == 1.0
    assert bars[6, 8].patched
    assert found.obstacle is not None
    assert found.obstacle.bytes == 117_376


def test_the_input_stands_in_the_way() -> None:
    found = analyse(build("visual-wake-words"))
    assert found.obstacle is not None
    assert found.obstacle.sentence == (
        "the peak is at CONV_2D, operator 0, where 28,032 bytes are live: the network's input (27,648 bytes whole) "
        "goes in or comes out there"
    )
    streamed = analyse(build("visual-wake-words"), input_rows_streamed=True)
    assert streamed.plan is not None
    assert streamed.plan.ram_bytes < 28_032


def test_a_model_without_feature_maps_says_why() -> None:
    found = analyse(build("autoencoder"))
    assert found.plan is not None
    assert found.plan.stages == ()
    assert found.obstacle is not None
    assert found.obstacle.sentence.endswith("FULLY_CONNECTED does not work row by row")
    assert not any(block.patched for block in found.blocks)


def test_a_model_without_operators() -> None:
    b = Builder()
    found = analyse(b.graph([b.input((1, 8, 8, 4))]))
    assert found.plan is not None
    assert (found.plan.ram_bytes, found.plan.factor, found.obstacle, found.blocks) == (0, 1.0, None, ())


def test_limits() -> None:
    graph = build("person-detection")
    fits = analyse(graph, max_ram_bytes=13_000)
    assert fits.plan is not None
    assert fits.plan.ram_bytes <= 13_000
    assert fits.plan.factor > 1.0
    assert analyse(graph, max_ram_bytes=13_000, max_overhead=1.0).plan is None
    assert analyse(graph, max_ram_bytes=100).plan is None
    exact = analyse(graph, max_overhead=1.0)
    assert exact.plan is not None
    assert exact.plan.factor == 1.0
    assert exact.front[-1].ram_bytes == exact.plan.ram_bytes


@pytest.mark.parametrize(
    ("name", "before", "after", "streamed"),
    [
        ("person_detect", 55_296, 12_672, 12_000),
        ("mlperf_vww_int8", 55_296, 28_032, 12_192),
        ("mlperf_resnet8_int8", 49_152, 14_016, 14_016),
        ("mcunet_vww", 161_472, 77_040, 22_320),
        ("mlperf_kws_int8", 16_000, 8_640, 8_640),
    ],
)
def test_real_models(name: str, before: int, after: int, streamed: int) -> None:
    folder = os.environ.get("MCUPLAN_SHARED")
    if not folder:
        pytest.skip("MCUPLAN_SHARED is not set: the real models are not here")
    graph = load(Path(folder) / "models" / f"{name}.tflite")
    found = analyse(graph, max_overhead=1.1)
    assert found.plan is not None
    assert (max(found.plan.before_bytes), found.plan.ram_bytes) == (before, after)
    assert found.plan.factor <= 1.1
    camera = analyse(graph, max_overhead=1.1, input_rows_streamed=True)
    assert camera.plan is not None
    assert camera.plan.ram_bytes == streamed
