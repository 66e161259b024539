"""The same network narrower, wider, with filters removed, or at another resolution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mcuplan.estimates.arrays import array_of
from mcuplan.estimates.channels import ChannelGroups, channel_groups
from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.rebuild import Wanted, rebuild
from mcuplan.graph import Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

DIVISOR = 8
"""Widths are multiples of this, as in MobileNetV2."""

WIDEST = 8.0


@dataclass(frozen=True, slots=True)
class Prunable:
    """Filters that go together: those of ``operators``, ``filters`` of each."""

    group: int
    operators: tuple[int, ...]
    filters: int


def prunable(groups: ChannelGroups) -> tuple[Prunable, ...]:
    """The filters of a model that can be removed."""
    return tuple(Prunable(g, tuple(groups.makers[g]), groups.sizes[g]) for g in groups.free())


def importance(graph: Graph, operators: tuple[int, ...]) -> NDArray[np.float64]:
    """For each filter the sum over ``operators`` of its L1 norm, relative to the layer's mean.

    Removing filters of least L1 norm: Li et al., "Pruning filters for efficient ConvNets", ICLR 2017.
    """
    total = np.zeros(0)
    for k in operators:
        tensor = graph.main.tensors[graph.main.operators[k].inputs[1]]
        values = array_of(graph, tensor).astype(np.float64)
        q = tensor.quantization
        norms = np.abs(values).reshape(values.shape[0], -1).sum(axis=1)
        if q is not None and q.per_channel and q.dimension == 0:
            norms = norms * np.array(q.scales)
        mean = norms.mean()
        total = (total if total.size else np.zeros(len(norms))) + (norms / mean if mean > 0 else norms)
    return total


def checked_fraction(fraction: float) -> float:
    """``fraction``, where it is one of filters that can be removed.

    Raises
    ------
    EstimateError
        For 0, 1 and everything outside.
    """
    if fraction == 0:
        raise EstimateError("a pruning factor of 0 removes nothing: state a fraction between 0 and 1, such as 0.5")
    if fraction == 1:
        raise EstimateError("a pruning factor of 1 removes every filter: state a fraction between 0 and 1, such as 0.5")
    if not 0 < fraction < 1:
        raise EstimateError(f"{fraction:g} is no pruning factor: state a fraction between 0 and 1, such as 0.5")
    return fraction


def _kept(graph: Graph, item: Prunable, fraction: float) -> tuple[int, ...]:
    keep = max(item.filters - round(item.filters * fraction), 1)
    order = np.argsort(-importance(graph, item.operators), kind="stable")
    return tuple(sorted(int(i) for i in order[:keep]))


def prune(graph: Graph, fraction: float | None = None, layers: Mapping[int, float] | None = None) -> Graph:
    """Remove the filters of least L1 norm: ``fraction`` of every layer's, or as ``layers`` (by operator) says.

    Layers whose channels are tied (by residual additions) lose the same ones; what reads the channels loses its inputs.
    At least one filter stays. The output layer and the input keep their channels.

    Raises
    ------
    EstimateError
        For a fraction outside (0, 1), an operator whose filters cannot be removed, or a model with none.
    """
    groups = channel_groups(graph)
    items = prunable(groups)
    if not items:
        raise EstimateError("the model has no filters that can be removed: its outputs or inputs hold all channels")
    asked = {k: checked_fraction(f) for k, f in (layers or {}).items()}
    chosen = {} if fraction is None else {item.group: checked_fraction(fraction) for item in items}
    for k, part in asked.items():
        chosen[_group_of(graph, items, k)] = part
    kept = {item.group: _kept(graph, item, chosen[item.group]) for item in items if item.group in chosen}
    return rebuild(graph, Wanted(kept), groups)


def _group_of(graph: Graph, items: tuple[Prunable, ...], k: int) -> int:
    for item in items:
        if k in item.operators:
            return item.group
    if not 0 <= k < len(graph.main.operators):
        raise EstimateError(f"there is no operator {k}: the model has {len(graph.main.operators)}, counted from 0")
    label = graph.main.operators[k].label
    raise EstimateError(
        f"operator {k} ({label}) makes no filters that can be removed: `mcuplan whatif --prune` lists those"
    )


def divisible(channels: int, factor: float) -> int:
    """``channels`` x ``factor`` as MobileNetV2 rounds: a multiple of 8 that loses at most 10%, at least 8.

    Layers of fewer than 8 channels round to a whole number, at least 1.
    """
    wanted = channels * factor
    if channels < DIVISOR:
        return max(1, round(wanted))
    rounded = max(DIVISOR, int(wanted + DIVISOR / 2) // DIVISOR * DIVISOR)
    return rounded + DIVISOR if rounded < 0.9 * wanted else rounded


def widen(graph: Graph, factor: float) -> Graph:
    """Every free layer with ``factor`` times its filters, rounded by :func:`divisible`.

    Raises
    ------
    EstimateError
        For a factor that is not above 0 and at most 8, or a model without free layers.
    """
    if not 0 < factor <= WIDEST:
        raise EstimateError(f"{factor:g} is no width: state a factor above 0 and at most {WIDEST:g}")
    groups = channel_groups(graph)
    items = prunable(groups)
    if not items:
        raise EstimateError("the model has no layers whose width could change: its outputs or inputs hold all channels")
    sizes = {item.group: (item.filters, divisible(item.filters, factor)) for item in items}
    kept = {g: tuple(i % old for i in range(new)) for g, (old, new) in sizes.items()}
    return rebuild(graph, Wanted(kept), groups)


def resize(graph: Graph, rows: int, columns: int) -> Graph:
    """The network over an input of ``rows`` x ``columns``: windows slide further, dense layers get other inputs.

    A pool over the whole picture stays one.

    Raises
    ------
    EstimateError
        Where an operator fixes the resolution, or the input is too small for a stride or window.
    """
    if rows < 1 or columns < 1:
        raise EstimateError(f"{rows}x{columns} is no resolution: both must be at least 1")
    return rebuild(graph, Wanted({}, (rows, columns)))
