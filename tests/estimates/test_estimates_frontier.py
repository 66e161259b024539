"""The largest network that fits: against every network tried one by one."""

from __future__ import annotations

import pytest

from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.frontier import Size, frontier, resolutions
from mcuplan.estimates.resize import resize, widen
from mcuplan.graph import Graph
from mcuplan.operators import model_macs
from mcuplan.tflm import predict
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder


def network() -> Graph:
    b = Builder()
    x = b.conv2d(b.input((1, 32, 16, 3)), 16, 3, stride=2)
    x = b.conv2d(x, 32, 3, stride=2)
    return b.graph([b.fully_connected(b.average_pool(x, (8, 4)), 4)])


def under(limit: int) -> tuple[Graph, object]:
    def measure(graph: Graph) -> Size:
        arena = predict(graph).declare_bytes
        return Size(arena, 0, model_macs(graph).total, arena <= limit)

    return network(), measure


def test_resolutions_keep_proportions() -> None:
    assert resolutions(network()) == ((16, 8), (32, 16), (48, 24), (64, 32))
    assert resolutions(build("sine")) == ()


@pytest.mark.parametrize("limit", [5_000, 9_000, 20_000, 60_000])
def test_against_every_network(limit: int) -> None:
    graph, measure = under(limit)
    widths = (0.5, 1.0, 2.0)
    result = frontier(graph, "m", ("limit",), measure, widths)  # type: ignore[arg-type]
    fitting = {
        (w, r)
        for w in widths
        for r in resolutions(graph)
        if predict(resize(widen(graph, w) if w != 1 else graph, *r)).declare_bytes <= limit
    }
    best = {
        (w, r) for w, r in fitting if not any((v, q) != (w, r) and v >= w and q[0] >= r[0] for v, q in fitting)
    }  # fmt: skip
    assert {(p.width, p.resolution) for p in result.points} == best
    assert set(result.too_wide) == set(widths) - {w for w, _ in fitting}
    assert all(p.size.ram_bytes <= limit for p in result.points)
    assert result.given.size.fits is (predict(graph).declare_bytes <= limit)


def test_only_widths_where_there_is_no_picture() -> None:
    measure = lambda g: Size(0, 0, model_macs(g).total, model_macs(g).total < 300_000)  # noqa: E731
    result = frontier(build("autoencoder"), "m", (), measure, (0.5, 1.0, 2.0))
    assert [(p.width, p.resolution) for p in result.points] == [(1.0, None)]
    assert result.too_wide == (2.0,)


def test_nothing_can_change() -> None:
    b = Builder()
    graph = b.graph([b.fully_connected(b.input((1, 4)), 3)])
    with pytest.raises(EstimateError, match="no layers whose width could change"):
        frontier(graph, "m", (), lambda g: Size(0, 0, 0, True), (0.5,))
