"""The planned section in two RAMs: what moves, which buffers go where, and the proof with regions."""

from __future__ import annotations

from dataclasses import replace

import pytest
from drawn.sketch import Sketch
from hypothesis import given, settings
from hypothesis import strategies as st

from mcuplan import zoo
from mcuplan.graph import Graph
from mcuplan.planning.regions import RegionPlan, bytes_moved, region_plan
from mcuplan.proof.memory.clobbers import ClobberKind
from mcuplan.proof.memory.static_check import region_check
from mcuplan.tflm import Target, predict
from mcuplan.tflm.results import PlannedBuffer

TARGET = Target.parse("cortex-m4+cmsis-nn")


def buffer(size: int, first: int, last: int, tensor: int = 0) -> PlannedBuffer:
    return PlannedBuffer(0, size, size, first, last, 0, tensor=tensor)


def test_the_most_touched_bytes_go_into_the_fast_region() -> None:
    """Of 80 bytes: S (20 times each byte), B (10 times), then neither C nor A beside B."""
    a, b, c, s = buffer(64, 0, 1), buffer(32, 1, 2), buffer(64, 2, 3), buffer(16, 1, 1)
    found = region_plan([a, b, c, s], [128, 320, 192, 320], 80)
    assert found.fast == (False, True, False, True)
    assert [x.offset for x in found.buffers] == [0, 0, 0, 32]
    assert (found.fast_bytes, found.other_bytes) == (48, 64)
    assert (found.fast_moved_bytes, found.moved_bytes) == (640, 960)
    assert [x.offset for x in found.side_by_side()] == [0, 64, 0, 96]


def test_a_large_buffer_that_moves_more_than_many_small_ones() -> None:
    """By the byte the small one comes first and leaves no room for the large one, which moves more."""
    found = region_plan([buffer(16, 0, 1), buffer(64, 0, 1)], [48, 128], 64)
    assert found.fast == (False, True)


def test_what_an_operator_with_a_window_moves() -> None:
    """The application writes 16 bytes; 16 positions read 9 each; 32 are written and read again."""
    sketch = Sketch()
    x = sketch.input(1, 4, 4, 1)
    y = sketch.conv(x, padding=0)  # SAME
    graph = sketch.graph(y)
    plan = predict(graph, TARGET).plan
    moved = dict(zip(((b.tensor, b.operator) for b in plan), bytes_moved(graph, plan), strict=True))
    assert moved[x, -1] == 16 + 16 * 9
    assert moved[y, -1] == 32 + 32
    assert all(amount == 2 * 16 * 9 for (tensor, _), amount in moved.items() if tensor < 0)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.integers(1, 8), st.integers(0, 6), st.integers(0, 4), st.integers(0, 500)), min_size=1, max_size=8
    ),
    st.integers(0, 300),
)
def test_every_plan_keeps_within_the_room_and_loses_nothing(drawn: list[tuple[int, int, int, int]], room: int) -> None:
    buffers = [buffer(16 * size, first, first + more) for size, first, more, _ in drawn]
    found = region_plan(buffers, [moved for *_, moved in drawn], room)
    assert found.fast_bytes <= room
    for i, p in enumerate(found.buffers):
        for q, fast in list(zip(found.buffers, found.fast, strict=True))[:i]:
            together = fast == found.fast[i] and p.first <= q.last and q.first <= p.last
            assert not together or p.end <= q.offset or q.end <= p.offset
    assert found.fast_moved_bytes == sum(m for (*_, m), fast in zip(drawn, found.fast, strict=True) if fast)


def planned() -> tuple[Graph, RegionPlan]:
    graph = zoo.build("ds-cnn")
    plan = predict(graph, TARGET).plan
    return graph, region_plan(plan, bytes_moved(graph, plan), 8_192)


def test_the_proof_with_regions() -> None:
    graph, found = planned()
    behind = found.other_bytes
    regions = ((0, behind), (behind, behind + found.fast_bytes))
    placed = list(found.side_by_side())
    assert any(found.fast)
    assert not all(found.fast)
    assert region_check(graph, TARGET, placed, regions) == ()
    out = found.fast.index(True)
    over = [*placed[:out], replace(placed[out], offset=behind - 16), *placed[out + 1 :]]
    assert ClobberKind.OUTSIDE in {fault.kind for fault in region_check(graph, TARGET, over, regions)}
    # Two that live together, in one place of the same region.
    one, two = next(
        (i, k) for i, p in enumerate(placed) for k, q in enumerate(placed)
        if i < k and found.fast[i] == found.fast[k] and p.tensor >= 0 and q.tensor >= 0
        and p.first <= q.last and q.first <= p.last
    )  # fmt: skip
    same = [*placed[:two], replace(placed[two], offset=placed[one].offset), *placed[two + 1 :]]
    assert region_check(graph, TARGET, same, ((0, 1 << 20),))


@pytest.mark.parametrize("room", [0, 15])
def test_no_room_is_no_fast_buffer(room: int) -> None:
    found = region_plan([buffer(16, 0, 1)], [32], room)
    assert (found.fast, found.fast_bytes, found.fast_moved_bytes) == ((False,), 0, 0)
