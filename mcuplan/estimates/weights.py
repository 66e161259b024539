"""How well the weights of a float model survive quantization, layer by layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mcuplan.estimates.arrays import array_of
from mcuplan.estimates.int8_rules import int8_rules
from mcuplan.estimates.rounding import sqnr_db, symmetric
from mcuplan.graph import DType, Graph

if TYPE_CHECKING:
    from numpy.typing import NDArray

HISTOGRAM_BINS = 41


@dataclass(frozen=True, slots=True)
class WeightError:
    """Signal-to-quantization-noise ratios (dB) of one constant, with one scale for the tensor or one a channel.

    ``histogram`` counts the weights in equal bins between ``low`` and ``high``. Ratios are None for a constant whose
    weights are all 0, which loses nothing.
    """

    operator: int
    operator_name: str
    tensor: int
    tensor_name: str
    elements: int
    int8_tensor_db: float | None
    int8_channel_db: float | None
    int4_tensor_db: float | None
    int4_channel_db: float | None
    low: float
    high: float
    histogram: tuple[int, ...]


def weight_errors(graph: Graph) -> tuple[WeightError, ...]:
    """Every float32 weight of the main subgraph, the worst under int8 with one scale a tensor first.

    Channels are those of the converter's per-channel quantization, the first dimension where it has none. Biases are
    left out: as int32 they lose next to nothing. Exactly representable weights come last.
    """
    rows, seen = [], set()
    for k, op in enumerate(graph.main.operators):
        rule = int8_rules().get(op.label)
        for position, axis in rule.weights.items() if rule else ():
            t = op.inputs[position] if position < len(op.inputs) else -1
            if t < 0 or t in seen:
                continue
            tensor = graph.main.tensors[t]
            if tensor.dtype is DType.FLOAT32 and graph.is_constant(tensor) and tensor.elements:
                seen.add(t)
                rows.append(_row(k, op.label, t, tensor.name, array_of(graph, tensor), axis or 0))
    return tuple(sorted(rows, key=_badness))


def _badness(row: WeightError) -> tuple[float, int]:
    return (float("inf") if row.int8_tensor_db is None else row.int8_tensor_db, row.operator)


def _row(k: int, label: str, t: int, name: str, values: NDArray[Any], axis: int) -> WeightError:
    reals = values.astype(np.float64)  # the spread of float32 may be beyond float32
    counts, edges = np.histogram(reals, bins=HISTOGRAM_BINS, range=_spread(reals))
    return WeightError(
        k, label, t, name, values.size, _ratio(values, 8, None), _ratio(values, 8, axis), _ratio(values, 4, None),
        _ratio(values, 4, axis), float(edges[0]), float(edges[-1]), tuple(counts.tolist()),
    )  # fmt: skip


def _spread(reals: NDArray[np.float64]) -> tuple[float, float]:
    """The least and the greatest weight, apart enough for numbers of that size to be told apart in bins."""
    low, high = float(reals.min()), float(reals.max())
    apart = max(abs(low), abs(high)) * 1e-9
    return (low, high) if high - low > apart else (low - (apart or 0.5), high + (apart or 0.5))


def _ratio(values: NDArray[Any], bits: int, axis: int | None) -> float | None:
    ratio = sqnr_db(values, symmetric(values, bits, axis))
    return ratio if np.isfinite(ratio) else None
