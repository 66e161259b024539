"""The widths and resolutions of a network that fit a board."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from mcuplan import budget
from mcuplan.api.models import load_model
from mcuplan.estimates.frontier import WIDTHS, Frontier, Size, frontier
from mcuplan.tflite import write

if TYPE_CHECKING:
    from mcuplan.api.criteria import Deployment
    from mcuplan.budget import Limits
    from mcuplan.graph import Graph


def fit_search(model: str, place: Deployment, widths: tuple[float, ...], step: int, int8: bool) -> Frontier:
    """For each width (none: the usual ones) the largest resolution, in steps of ``step`` rows, that fits."""
    limits = place.limits()
    graph = load_model(model)
    if int8:
        from mcuplan.estimates.quantize import to_int8

        graph = to_int8(graph)
    said = tuple(f"{limit.resource.value} {limit.amount:,} ({limit.source})" for limit in limits)
    return frontier(graph, model, said, _measure(place, limits), widths or WIDTHS, step)


def _measure(place: Deployment, limits: Limits) -> Callable[[Graph], Size]:
    def measure(graph: Graph) -> Size:
        sized = graph if graph.file_bytes else replace(graph, file_bytes=len(write(graph)))
        need = place.analyse(sized).need(place.stack)
        fits = not budget.judge(need, limits).violations
        return Size(need.ram.total_bytes, need.flash.total_bytes, need.macs, fits)

    return measure
