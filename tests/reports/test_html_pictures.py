"""Where things lie in the pictures: small arenas worked out by hand."""

from __future__ import annotations

import pytest
from html_samples import chain
from hypothesis import given
from hypothesis import strategies as st
from report_samples import UNUSED, arena, graph

from mcuplan.findings.inspection import BlockRow, OperatorRow
from mcuplan.graph import Buffer, DType, Graph, Operator, OperatorCode, Subgraph, Tensor
from mcuplan.reports.html import arena_map as maps
from mcuplan.reports.html.arena_map import Limit, arena_map, scale_top
from mcuplan.reports.html.axis import fit, nice_ticks, short_bytes
from mcuplan.reports.html.bars import block_bars, kind_bars, occupied, operator_columns, step_columns
from mcuplan.reports.html.flow import flow_picture
from mcuplan.tflm.results import PlannedBuffer

PLOT_WIDTH = maps.WIDTH - 54 - 8
PLOT_HEIGHT = maps.HEIGHT - 16 - 34
GROUND = maps.HEIGHT - 34


def test_a_buffer_lies_at_its_offset_and_steps() -> None:
    # Input: 32 bytes at 64, steps 0 and 1 of four; the arena is 480 bytes high.
    found = arena_map(graph(), arena(), "Stock TFLM")
    box = next(b for b in found.boxes if "network input" in b.details)
    unit = PLOT_HEIGHT / 480
    assert box.x == pytest.approx(54)
    assert box.width == pytest.approx(PLOT_WIDTH / 4 * 2, abs=0.1)
    assert box.height == pytest.approx(32 * unit, abs=0.1)
    assert box.y == pytest.approx(GROUND - 96 * unit, abs=0.1)
    assert box.details == "network input; tensor t0; 1 x 32 int8; 32 bytes; steps [0, 2); offset 64"


def test_scratch_and_peak_are_told() -> None:
    found = arena_map(graph(), arena(), "Stock TFLM")
    # Step 2 has 48 + 16 + 96 bytes live: the most.
    assert found.peak is not None
    assert found.peak.label == "peak: 1 RELU"
    assert sorted(b.details.split(";")[0] for b in found.boxes if b.at_peak) == [
        "output of operator 0, RELU", "output of operator 1, RELU", "scratch of operator 1, RELU",
    ]  # fmt: skip


def test_persistent_section_stands_on_the_planned_one() -> None:
    found = arena_map(graph(), arena(), "Stock TFLM")
    (band,) = found.bands
    unit = PLOT_HEIGHT / 480
    assert band.y == pytest.approx(16, abs=0.1)
    assert band.height == pytest.approx(288 * unit, abs=0.1)
    assert "288 bytes" in band.details


def test_set_up_has_a_band_of_its_own() -> None:
    found = arena_map(graph(), arena(declare_bytes=600), "Stock TFLM")
    assert [band.details.partition(":")[0] for band in found.bands] == ["persistent", "set-up"]
    assert "120 bytes" in found.bands[1].details


@pytest.mark.parametrize(("limit", "drawn", "broken"), [(400, True, True), (500, True, False), (5_000, False, False)])
def test_a_limit_near_the_arena_is_a_line_a_far_one_words(limit: int, drawn: bool, broken: bool) -> None:
    found = arena_map(graph(), arena(), "Stock TFLM", Limit(limit, "board"))
    assert found.limit is not None
    assert (found.limit.y is not None) is drawn
    assert found.limit.broken is broken


def test_maps_that_are_compared_share_their_scale() -> None:
    assert scale_top((arena(), arena(declare_bytes=960)), None) == 960
    assert scale_top((arena(),), Limit(600, "near")) == 600
    assert scale_top((arena(),), Limit(6_000, "far")) == 480


def test_a_tensor_that_nobody_uses_comes_before_the_first_step() -> None:
    found = arena_map(graph(), arena((UNUSED,)), "Stock TFLM")
    assert found.boxes[0].label == "unused"
    assert found.boxes[0].x == pytest.approx(54)


def test_many_buffers_are_drawn_but_not_one_by_one() -> None:
    from mcuplan.tflm import predict

    model = chain(1_000)
    found = arena_map(model, predict(model), "Stock TFLM")
    assert len(found.boxes) == 400
    assert found.crumbs_count == 601
    assert found.crumbs.count("z") == 601


def row(k: int, live: int) -> OperatorRow:
    return OperatorRow(0, k, "RELU", (1, 8), "int8", f"t{k}", 0, 0, live, None)


def test_columns_are_as_high_as_their_bytes() -> None:
    found = operator_columns([row(0, 100), row(1, 50), row(2, 0)])
    assert [c.height for c in found.columns] == [196.0, 98.0, 0.0]
    assert [c.peak for c in found.columns] == [True, False, False]


def test_a_column_of_many_operators_shows_the_most_of_them() -> None:
    found = operator_columns([row(k, k) for k in range(241)])
    assert found.together == 3
    assert len(found.columns) == 81
    assert found.columns[0].details == "the most of 3, operator 2, RELU: 2 bytes"


def test_shared_bytes_are_in_use_once() -> None:
    def buffer(offset: int, size: int) -> PlannedBuffer:
        return PlannedBuffer(offset, size, size, 0, 0, 0, 0)

    assert occupied([]) == 0
    assert occupied([buffer(0, 16), buffer(16, 16), buffer(48, 16)]) == 48
    assert occupied([buffer(0, 64), buffer(16, 16), buffer(48, 32)]) == 80


def test_steps_are_columns_too() -> None:
    found = step_columns(graph(), arena(), 320)
    # Step 2 has 160 bytes in use: half of the scale.
    assert [c.height for c in found.columns] == [19.6, 49.0, 98.0, 19.6]
    assert found.columns[2].details == "step 2, operator 1, RELU: 160 bytes"
    assert [c.peak for c in found.columns] == [False, False, True, False]


def test_blocks_and_kinds_are_rows_with_shares_of_the_largest() -> None:
    blocks = [
        BlockRow(0, "inverted residual", 0, 2, (1, 8, 8, 4), 0, 0, 400),
        BlockRow(0, "ADD", 3, 3, (1,), 0, 0, 100),
    ]
    found = block_bars(blocks)
    assert [(r.label, r.share, r.peak) for r in found] == [("0–2 inverted residual", 100, True), ("3 ADD", 25, False)]
    assert [r.label for r in kind_bars((("a", 3), ("none", 0), ("b", 12)))] == ["a", "b"]


def diamond() -> Graph:
    """x -> 0 -> {1, 2} -> 3, and 0 -> 3 directly."""
    tensors = tuple(Tensor(f"t{i}", DType.INT8, (1, 4)) for i in range(5))
    ends = (((0,), (1,)), ((1,), (2,)), ((1,), (3,)), ((2, 3, 1), (4,)))
    operators = tuple(Operator(OperatorCode("ADD_N"), inputs, outputs) for inputs, outputs in ends)
    return Graph((Subgraph(tensors, operators, (0,), (4,)),), (Buffer(),))


def test_dataflow_puts_readers_below_what_they_read() -> None:
    found = flow_picture(diamond(), [row(k, 4) for k in range(4)])
    a, b, c, d = found.nodes
    assert a.y < b.y == c.y < d.y
    assert b.x < c.x
    assert len(found.paths) == 5


def test_dataflow_of_many_operators_groups_them() -> None:
    found = flow_picture(chain(1_000), [row(k, 64) for k in range(1_000)])
    assert len(found.nodes) == 250
    assert found.grouped == "Each box is a run of 4 operators."


@given(st.integers(0, 10**9))
def test_ticks_are_round_and_within(top: int) -> None:
    ticks = nice_ticks(top)
    assert ticks[0] == 0
    assert ticks[-1] <= top
    assert len(ticks) <= 11
    if len(ticks) > 1:
        assert str(ticks[1]).rstrip("0") in {"1", "2", "5"}


def test_axis_texts() -> None:
    assert [short_bytes(n) for n in (0, 999, 20_000, 999_499, 1_500_000)] == [
        "0 B",
        "999 B",
        "20 kB",
        "999 kB",
        "1.5 MB",
    ]
    assert fit("CONV_2D", 100) == "CONV_2D"
    assert fit("CONV_2D", 40) == "CONV…"
    assert fit("CONV_2D", 10) == ""


def test_a_loop_is_one_box_that_holds_the_peak_of_its_body() -> None:
    """A patched ResNet has its peak inside a loop: the box of that loop is marked, and says what it folds."""
    from mcuplan.budget import analyse
    from mcuplan.findings.inspection import operator_rows
    from mcuplan.findings.peak import live_steps, peak_step
    from mcuplan.patching.arena.search import find_patch_plan
    from mcuplan.tflm import Target
    from mcuplan.zoo import build

    found = find_patch_plan(build("resnet8"), effort="fast")
    assert found is not None
    analysis = analyse(found.graph, Target.parse("cortex-m4+cmsis-nn"))
    top = peak_step(live_steps(analysis.graph, analysis.arena))
    assert top is not None
    picture = flow_picture(analysis.graph, operator_rows(analysis), (), (top.subgraph, top.operator))
    loops = [node for node in picture.nodes if " loop" in node.label]
    assert len(loops) == sum(op.name == "WHILE" for op in analysis.graph.main.operators) > 0
    (marked,) = [node for node in picture.nodes if node.peak]
    assert (marked in loops) is (top.subgraph > 0)
    assert f"{top.live_bytes:,} bytes live" in marked.details
