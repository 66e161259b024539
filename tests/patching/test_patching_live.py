"""Live bytes of stages in real graphs: by hand, against a trace of rows, and the search against every plan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patching_networks import Read, networks

from mcuplan.graph import Graph
from mcuplan.operators.geometry.eligibility import Direction
from mcuplan.operators.geometry.regions import NOTHING, Span, even
from mcuplan.operators.geometry.stages import MappedStage, PatchError, cuts, stages, strips
from mcuplan.patching.inputs import NetworkInput
from mcuplan.patching.live.cost import LiveAccounting, LiveCost, LiveModel
from mcuplan.patching.live.search import DEFAULT_GRAPH_SPACE, GraphSpace, Halos, search_graph
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder

WHOLE = LiveAccounting(rows_die=False)
STREAMED = LiveAccounting(NetworkInput.STREAMED)
REREAD = LiveAccounting(NetworkInput.REREAD)


def two_convolutions() -> tuple[Graph, MappedStage]:
    b = Builder()
    x = b.input((1, 8, 8, 4))
    graph = b.graph([b.conv2d(b.conv2d(x, 4, 3), 4, 3)])
    return graph, next(s for s in stages(graph) if s.last - s.first == 2)


# -- by hand ------------------------------------------------------------------------------------------------------


def test_layer_by_layer() -> None:
    graph, _ = two_convolutions()
    assert LiveModel(graph).layer_by_layer == (512, 512)


def test_strips_with_the_middle_map_recomputed() -> None:
    # 8 rows of 32 bytes. Strips of 2 need 3, 4, 4, 3 rows of the middle map. Input and output count whole.
    graph, stage = two_convolutions()
    cost = LiveModel(graph, accounting=WHOLE).cost(stage, (2,) * 4)
    assert cost.operator_bytes == (512 + 4 * 32, 512 + 4 * 32)
    assert cost.macs == (14 + 8) * 8 * 9 * 16


def test_strips_with_the_middle_map_kept() -> None:
    # The same rows are there (2 kept, 2 new; in the first strip 3 new ones), but each is computed once.
    graph, stage = two_convolutions()
    cost = LiveModel(graph, accounting=WHOLE).cost(stage, (2,) * 4, kept=stage.inner)
    assert cost.operator_bytes == (512 + 4 * 32, 512 + 4 * 32)
    assert cost.macs == 16 * 8 * 9 * 16


def test_rows_of_the_input_die() -> None:
    # Before strip i = 0, 1, 2, 3 rows 0, 2, 4, 6 of the input and later ones are still read while the first operator
    # runs (kept middle rows 2 back), 2 i rows of the output are written. While the second runs, the input's rows are
    # those of the next strip and 2 i + 2 of the output are written.
    graph, stage = two_convolutions()
    cost = LiveModel(graph).cost(stage, (2,) * 4, kept=stage.inner)
    first = [(8 - 0) + 3 + 0, (8 - 2) + 4 + 2, (8 - 4) + 4 + 4, (8 - 6) + 3 + 6]
    second = [(8 - 2) + 3 + 2, (8 - 4) + 4 + 4, (8 - 6) + 4 + 6, 0 + 3 + 8]
    assert cost.operator_bytes == (32 * max(first), 32 * max(second))


def test_streamed_input_keeps_what_is_read_again() -> None:
    # Of the input 4 rows come for the first strip, of which rows 2 and 3 are read again.
    graph, stage = two_convolutions()
    cost = LiveModel(graph, accounting=STREAMED).cost(stage, (2,) * 4, kept=stage.inner)
    first = [4 + 3 + 0, (6 - 2) + 4 + 2, (8 - 4) + 4 + 4, (8 - 6) + 3 + 6]
    second = [(4 - 2) + 3 + 2, (6 - 4) + 4 + 4, (8 - 6) + 4 + 6, 0 + 3 + 8]
    assert cost.operator_bytes == (32 * max(first), 32 * max(second))


def test_patches() -> None:
    # 4x4 patches of 8x8, all at corners: 5x5 of the middle map. Whole input and output.
    graph, stage = two_convolutions()
    cost = LiveModel(graph, accounting=WHOLE).cost(stage, (4, 4), (4, 4))
    assert cost.operator_bytes == (512 + 25 * 4, 512 + 25 * 4)
    assert cost.macs == (4 * 25 + 64) * 9 * 16
    with pytest.raises(PatchError, match="cannot keep rows"):
        LiveModel(graph).cost(stage, (4, 4), (4, 4), stage.inner)


def test_shortcuts_count_while_a_stage_runs_beside_them() -> None:
    b = Builder()
    x = b.input((1, 8, 8, 4))
    graph = b.graph([b.add(b.conv2d(b.conv2d(x, 4, 3), 4, 3), x)])
    branch = next(s for s in stages(graph) if (s.first, s.last) == (0, 2))
    cost = LiveModel(graph).cost(branch, (2,) * 4)
    # The whole input stays for the add; before the last strip 6 rows of the output are written, after it all 8.
    assert cost.operator_bytes == (32 * (8 + 3 + 6), 32 * (8 + 3 + 8))


# -- against a trace of rows --------------------------------------------------------------------------------------


def traced(
    model: LiveModel, stage: MappedStage, heights: tuple[int, ...], kept: set[int], reads: tuple[Read, ...]
) -> int:
    """Live bytes of the stage's inner tensors at most: every computed row from its operator to its last read."""
    steps = strips(stage, heights, kept)
    births: dict[tuple[int, int, int], int] = {}
    deaths: dict[tuple[int, int, int], int] = {}
    time = 0
    for number, step in enumerate(steps):
        for op in stage.operators:
            time += 1
            out = op.outputs[0]
            for read in (r for r in reads if r.output == out and r.input != stage.source):
                own = -1 if read.input in kept else number
                for o in range(step.computed[out].begin, step.computed[out].end):
                    for row in read.rows[o]:
                        deaths[read.input, row, own] = time
            for row in range(step.computed[out].begin, step.computed[out].end):
                own = -1 if out in kept else number
                births[out, row, own] = time
    (columns,) = strips(stage, (stage.columns,), direction=Direction.COLUMNS)
    change: dict[int, int] = defaultdict(int)
    for key, end in deaths.items():
        a_row = model.position_bytes(key[0]) * len(columns.computed[key[0]])
        change[births[key]] += a_row
        change[end + 1] -= a_row
    total = worst = 0
    for at in sorted(change):
        total += change[at]
        worst = max(worst, total)
    return worst


@settings(max_examples=50, deadline=None)
@given(networks(), st.data())
def test_no_more_rows_are_live_than_counted(case: tuple[Graph, tuple[Read, ...]], data: st.DataObject) -> None:
    graph, reads = case
    model = LiveModel(graph, accounting=LiveAccounting(NetworkInput.WHOLE, rows_die=False))
    stage = data.draw(st.sampled_from(stages(graph)))
    kept = data.draw(st.sets(st.sampled_from(stage.inner))) if stage.inner else set()
    heights = even(stage.rows, data.draw(st.integers(1, stage.rows)))
    cost = model.cost(stage, heights, kept=kept)
    ends = (stage.source, stage.result)
    fixed = sum(map(model.bytes_of, ends)) + model.passing_bytes(stage.first, stage.last - 1, ends)
    assert traced(model, stage, heights, kept, reads) <= cost.ram_bytes - fixed
    assert cost.ram_bytes <= fixed + sum(map(model.bytes_of, stage.inner))
    if kept == set(stage.inner) and every_row_is_read(stage):
        assert cost.macs == sum(model.macs[stage.first : stage.last])


def every_row_is_read(stage: MappedStage) -> bool:
    (step,) = strips(stage, (stage.rows,))
    rows = {op.outputs[0]: op.inputs[0].rows.output for op in stage.operators}
    columns = strips(stage, (stage.columns,), direction=Direction.COLUMNS)[0]
    widths = {op.outputs[0]: op.inputs[0].columns.output for op in stage.operators}
    return all(len(step.computed[t]) == n for t, n in rows.items()) and all(
        len(columns.computed[t]) == n for t, n in widths.items()
    )


# -- the search ---------------------------------------------------------------------------------------------------

SPACE = GraphSpace(heights=(1, 2, 3), parts=(2,))


def ways(model: LiveModel, stage: MappedStage, space: GraphSpace) -> Iterator[LiveCost]:
    for height in space.heights:
        if height < stage.rows:
            for halos in space.halos:
                kept = {Halos.KEPT: stage.inner, Halos.BETWEEN_BLOCKS: cuts(stage), Halos.RECOMPUTED: ()}[halos]
                yield model.cost(stage, even(stage.rows, height), kept=kept)
    if stage.rows > 1 and stage.columns > 1 and not model.comes_once(stage):
        yield model.cost(stage, even(stage.rows, -(-stage.rows // 2)), even(stage.columns, -(-stage.columns // 2)))


def every_plan(model: LiveModel, space: GraphSpace) -> list[tuple[int, int]]:
    """Live bytes and MACs of every plan that no other beats."""
    count = len(model.subgraph.operators)
    choices: dict[tuple[int, int], set[tuple[int, int]]] = defaultdict(set)
    for k in range(count):
        choices[k, k + 1].add((model.layer_by_layer[k], model.macs[k]))
    for stage in stages(model.graph):
        choices[stage.first, stage.last] |= {(c.ram_bytes, c.macs) for c in ways(model, stage, space)}
    best: dict[int, set[tuple[int, int]]] = {0: {(0, 0)}}
    for end in range(1, count + 1):
        best[end] = set()
        for (first, last), costs in choices.items():
            if last == end:
                best[end] |= {(max(a, c), b + d) for (a, b), (c, d) in product(best[first], costs)}
        best[end] = set(pareto(best[end]))
    return pareto(best[count])


def pareto(points: set[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for ram, macs in sorted(points):
        if not found or macs < found[-1][1]:
            found.append((ram, macs))
    return found


@settings(max_examples=30, deadline=None)
@given(networks(longest=4), st.sampled_from([LiveAccounting(), WHOLE, STREAMED, REREAD]))
def test_front_is_that_of_every_plan(case: tuple[Graph, tuple[Read, ...]], accounting: LiveAccounting) -> None:
    graph, _ = case
    found = search_graph(graph, accounting=accounting, space=SPACE)
    assert [(p.ram_bytes, p.macs) for p in found.front.points] == every_plan(found.model, SPACE)
    for point in found.front.points:
        plan = found.plan(point)
        assert plan.ram_bytes == point.ram_bytes
        inside = {k for cost in plan.stages for k in range(cost.stage.first, cost.stage.last)}
        outside = sum(macs for k, macs in enumerate(found.model.macs) if k not in inside)
        assert sum(cost.macs for cost in plan.stages) + outside == point.macs


def test_front_where_the_border_reads_further_in_than_its_neighbour() -> None:
    # 2 taps 2 rows apart with 1 row of padding: output row 0 reads row 1, output row 1 reads rows 0 and 2.
    b = Builder()
    graph = b.graph([b.conv2d(b.conv2d(b.input((1, 4, 3, 2)), 3, (2, 1), dilation=2), 3, (1, 1), stride=(3, 1))])
    found = search_graph(graph, space=SPACE)
    assert [(p.ram_bytes, p.macs) for p in found.front.points] == every_plan(found.model, SPACE)


@pytest.mark.parametrize(
    ("name", "before", "after"), [("visual-wake-words", 55_296, 28_032), ("resnet8", 49_152, 14_016)]
)
def test_streaming_of_real_networks_costs_no_macs(name: str, before: int, after: int) -> None:
    found = search_graph(build(name), space=DEFAULT_GRAPH_SPACE)
    plan = found.least_ram(max_factor=1.0)
    assert plan is not None
    assert (max(plan.before_bytes), plan.ram_bytes, plan.factor) == (before, after, 1.0)


def test_nothing_to_gain_without_feature_maps() -> None:
    found = search_graph(build("autoencoder"))
    (point,) = found.front.points
    plan = found.plan(point)
    assert plan.stages == ()
    assert plan.operator_bytes == plan.before_bytes


def test_progress_and_limits() -> None:
    told: list[tuple[int, int]] = []
    found = search_graph(build("ds-cnn"), progress=lambda done, of: told.append((done, of)))
    assert told[-1][0] == told[-1][1] == len(told)
    assert found.fewest_macs(1) is None
    plan = found.fewest_macs(16_000)
    assert plan is not None
    assert plan.ram_bytes <= 16_000


def test_a_span_is_empty_or_not() -> None:
    assert not NOTHING
    assert not Span(4, 2)
    assert len(Span(4, 2)) == 0
