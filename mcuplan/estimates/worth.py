"""Which layers are worth pruning: each alone, with what it would save and what it would lose."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mcuplan.estimates.channels import channel_groups
from mcuplan.estimates.footprint import Footprint, footprint
from mcuplan.estimates.resize import importance, prunable, prune
from mcuplan.graph import Graph
from mcuplan.tflm.target import Target


@dataclass(frozen=True, slots=True)
class LayerWorth:
    """Pruning ``operators`` (which lose the same filters) alone: bytes and MACs saved.

    ``norm_lost`` is the share of the filters' L1 norm that goes with them: the less, the better a layer to prune.
    """

    operators: tuple[int, ...]
    operator_names: tuple[str, ...]
    filters: int
    removed: int
    arena_saved: int
    flash_saved: int
    macs_saved: int
    norm_lost: float


def layers_worth(graph: Graph, fraction: float, target: Target, before: Footprint) -> tuple[LayerWorth, ...]:
    """Every layer that can be pruned, the one that saves most arena first, then most flash."""
    rows = []
    for item in prunable(channel_groups(graph)):
        after = footprint(prune(graph, None, {item.operators[0]: fraction}), target)
        norms = np.sort(importance(graph, item.operators))
        removed = min(round(item.filters * fraction), item.filters - 1)
        names = tuple(graph.main.operators[k].label for k in item.operators)
        rows.append(
            LayerWorth(
                item.operators, names, item.filters, removed, before.arena_bytes - after.arena_bytes,
                before.flash_bytes - after.flash_bytes, before.macs - after.macs,
                float(norms[:removed].sum() / norms.sum()) if norms.sum() > 0 else 0.0,
            )
        )  # fmt: skip
    return tuple(sorted(rows, key=lambda row: (-row.arena_saved, -row.flash_saved, row.operators)))
