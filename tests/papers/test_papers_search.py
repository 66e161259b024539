"""The search against every plan there is, on chains small enough to try them all."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise, product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcuplan.findings.chains import Chain
from mcuplan.operators.geometry.regions import even
from mcuplan.patching.inputs import NetworkInput
from papers.accounting import PAPERS, Accounting, fusion, patches
from papers.chain import LayerSpec, chain
from papers.search import DEFAULT_SPACE, Space, search
from papers.test_papers_accounting import chains

SMALL = Space(heights=(1, 2), parts=(1, 2))


def stage_costs(
    network: Chain, first: int, last: int, space: Space, accounting: Accounting
) -> Iterator[tuple[int, int]]:
    layer = network.layers[last]
    looked_at = first == 0 and accounting.network_input is not NetworkInput.WHOLE
    inner = range(first if looked_at else first + 1, last + 1)
    for height in space.sizes(layer.rows.output):
        heights = even(layer.rows.output, height)
        for count in range(len(inner) + 1):
            for kept in combinations(inner, count):
                if (last > first and not space.fusion) or not allowed(kept, tuple(inner), looked_at, space, accounting):
                    continue
                cost = fusion(network, first, last, heights, kept, accounting)
                yield cost.ram_bytes, cost.macs
        if not space.patches or (accounting.network_input is NetworkInput.STREAMED and first == 0):
            continue
        for width in space.sizes(layer.columns.output):
            cost = patches(network, first, last, heights, even(layer.columns.output, width), accounting)
            yield cost.ram_bytes, cost.macs


def allowed(
    kept: tuple[int, ...], inner: tuple[int, ...], looked_at: bool, space: Space, accounting: Accounting
) -> bool:
    if looked_at and accounting.network_input is NetworkInput.STREAMED and 0 not in kept:
        return False
    own = set(kept) - {0} if looked_at and accounting.network_input is NetworkInput.STREAMED else set(kept)
    if not space.line_buffers and own:
        return False
    return space.recompute or kept == inner


def every_plan(network: Chain, space: Space, accounting: Accounting) -> list[tuple[int, int]]:
    """RAM and MACs of every plan that no other beats."""
    count = len(network)
    costs = {
        (a, b): sorted(set(stage_costs(network, a, b - 1, space, accounting)))
        for a in range(count)
        for b in range(a + 1, count + 1)
    }
    found = set()
    for inside in product((False, True), repeat=count - 1):
        cut = (0, *(i + 1 for i, at in enumerate(inside) if at), count)
        for choice in product(*(costs[a, b] for a, b in pairwise(cut))):
            found.add((max(ram for ram, _ in choice), sum(macs for _, macs in choice)))
    best: list[tuple[int, int]] = []
    for ram, macs in sorted(found):
        if not best or macs < best[-1][1]:
            best.append((ram, macs))
    return best


SPACES = [
    SMALL,
    Space(heights=(1, 2), parts=(1,), line_buffers=False, patches=False),
    Space(heights=(1, 3), parts=(1,), recompute=False, patches=False),
    Space(heights=(2,), parts=(1, 2), line_buffers=False),
    Space(heights=(2,), parts=(1, 2), fusion=False),
]
ACCOUNTINGS = [PAPERS, Accounting(), Accounting(NetworkInput.STREAMED, network_output=False)]


@settings(max_examples=40, deadline=None)
@given(chains(longest=3), st.sampled_from(SPACES), st.sampled_from(ACCOUNTINGS))
def test_front_is_that_of_every_plan(network: Chain, space: Space, accounting: Accounting) -> None:
    found = search(network, accounting, space)
    assert [(p.ram_bytes, p.macs) for p in found.front.points] == every_plan(network, space, accounting)
    for point in found.front.points:
        plan = found.plan(point)
        assert (plan.ram_bytes, plan.macs) == (point.ram_bytes, point.macs)
        assert [stage.first for stage in plan.stages] == [0, *(stage.last + 1 for stage in plan.stages[:-1])]
        assert plan.stages[-1].last == len(network) - 1


NETWORK = chain(
    48, 48, 3,
    [LayerSpec(3, 2, 1, 16), LayerSpec(3, 1, 1, 16, True), LayerSpec(1, 1, 0, 8), LayerSpec(1, 1, 0, 48),
     LayerSpec(3, 2, 1, 48, True), LayerSpec(1, 1, 0, 16)],
)  # fmt: skip


def test_limits() -> None:
    found = search(NETWORK)
    points = found.front.points
    assert len(points) > 3
    least, fewest = points[0], points[-1]
    assert fewest.macs == NETWORK.macs
    plan = found.least_ram()
    assert plan is not None
    assert plan.ram_bytes == least.ram_bytes
    exact = found.least_ram(max_factor=1.0)
    assert exact is not None
    assert (exact.ram_bytes, exact.factor) == (fewest.ram_bytes, 1.0)
    middle = found.fewest_macs(points[1].ram_bytes + 1)
    assert middle is not None
    assert middle.macs == points[1].macs
    assert found.fewest_macs(least.ram_bytes - 1) is None
    assert found.least_ram(max_factor=0.99) is None


def test_deterministic_and_tells_its_progress() -> None:
    told: list[tuple[int, int]] = []
    first = search(NETWORK, progress=lambda done, of: told.append((done, of)))
    again = search(NETWORK)
    assert told == [(i + 1, 6) for i in range(6)]
    assert first.front.points == again.front.points
    assert [first.plan(p) for p in first.front.points] == [again.plan(p) for p in again.front.points]


def test_larger_spaces_are_never_worse() -> None:
    everything = search(NETWORK, space=DEFAULT_SPACE).front
    for space in (
        Space(fusion=False),
        Space(line_buffers=False),
        Space(recompute=False, patches=False),
        Space(longest=2),
    ):
        for point in search(NETWORK, space=space).front.points:
            better = everything.fewest_macs(point.ram_bytes)
            assert better is not None
            assert better.macs <= point.macs


def test_line_buffers_compute_nothing_twice() -> None:
    (point,) = search(NETWORK, space=Space(recompute=False, patches=False)).front.points
    assert point.macs == NETWORK.macs


@pytest.mark.parametrize("size", [1, 2, 7])
def test_sizes_hold_every_part(size: int) -> None:
    assert Space(heights=(1, 4), parts=(1, 2, 3)).sizes(size) == {1: (1,), 2: (1, 2), 7: (1, 3, 4, 7)}[size]
