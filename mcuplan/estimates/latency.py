"""Time of one inference on a chip whose throughput was measured; no measurement, no figure.

The model: cycles of an operator = sum of (cycles per unit) x (what its work grows with), fitted for each operator,
chip, clock and kernel library by :mod:`mcuplan.estimates.fitting`. Where only whole networks were measured, one rate of
cycles a MAC stands for all operators.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mcuplan.estimates.basis import Basis
from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.throughput import Throughput, features, throughputs
from mcuplan.graph import DType, Graph
from mcuplan.operators import model_macs


@dataclass(frozen=True, slots=True)
class OperatorLatency:
    """One operator's microseconds; None where nothing of its kind was measured (or only totals were)."""

    operator: int
    name: str
    microseconds: float | None


@dataclass(frozen=True, slots=True)
class Latency:
    """One inference on ``system``.

    ``total_us`` is None where some operator was not measured: ``missing`` names those, and ``covered_us`` is what
    the others take. ``percent`` is the largest error on the networks the model was fitted to, and
    ``left_out_percent`` the largest on one that was left out of the fit.
    """

    system: str
    clock_mhz: float
    total_us: float | None
    covered_us: float
    operators: tuple[OperatorLatency, ...]
    missing: tuple[str, ...]
    percent: float
    left_out_percent: float | None
    basis: Basis
    notes: tuple[str, ...] = ()


def find_throughput(soc: str, clock_mhz: float, kernels: str) -> Throughput:
    """The fitted model for a chip at a clock with a kernel library; of several the one with the least error.

    Raises
    ------
    EstimateError
        Where nothing was measured for it.
    """
    known = throughputs()
    fits = [t for t in known if soc in t.socs and t.clock_mhz == clock_mhz and t.kernels == kernels]
    if not fits:
        raise EstimateError(
            f"no latency was measured on {soc} at {clock_mhz:g} MHz with {kernels} kernels, so there is no figure; "
            f"measured are {', '.join(sorted({f'{t.socs[0]} with {t.kernels}' for t in known}))}"
        )
    return min(fits, key=lambda t: t.worst_percent)


def estimate_latency(graph: Graph, throughput: Throughput) -> Latency:
    """Microseconds of one inference, operator by operator where operators were measured.

    Raises
    ------
    EstimateError
        For a model with control flow, whose operators run an unknown number of times.
    """
    if len(graph.subgraphs) > 1:
        raise EstimateError("the model has control flow, so how often its operators run is not known")
    rows = tuple(_operators(graph, throughput) if throughput.cycles else _unmeasured(graph))
    macs = model_macs(graph)
    if throughput.cycles_per_mac is not None:
        missing = tuple(_not_int8(graph))
        covered = 0.0 if missing else macs.total * throughput.cycles_per_mac / throughput.clock_mhz
    else:
        covered = sum(row.microseconds or 0.0 for row in rows)
        missing = tuple(dict.fromkeys(_kind(graph, row.operator) for row in rows if row.microseconds is None))
    return Latency(
        throughput.system, throughput.clock_mhz, None if missing else covered, covered, rows, missing,
        throughput.worst_percent, throughput.worst_left_out_percent, latency_basis(throughput),
        tuple(_notes(macs.total, throughput)),
    )  # fmt: skip


def latency_basis(throughput: Throughput) -> Basis:
    """Source and error of every latency on a system."""
    how = "cycles per operator" if throughput.cycles else "cycles per MAC of whole networks"
    left_out = throughput.worst_left_out_percent
    off = f"at most {throughput.worst_percent:.0f}% on the {len(throughput.errors)} networks it was fitted to"
    said = "" if left_out is None else f", up to {left_out:.0f}% on one left out of the fit"
    return Basis(f"{how} on {throughput.system}: {throughput.source}", off + said)


def _kind(graph: Graph, k: int) -> str:
    op = graph.main.operators[k]
    first = op.inputs[0] if op.inputs else -1
    return f"{op.label} on {graph.main.tensors[first].dtype.label}" if first >= 0 else op.label


def _operators(graph: Graph, throughput: Throughput) -> Iterator[OperatorLatency]:
    for k, op in enumerate(graph.main.operators):
        known, cycles = features(graph, op), throughput.cycles.get(op.label)
        us = None
        if known is not None and cycles is not None:
            us = sum(c * x for c, x in zip(cycles, known, strict=True)) / throughput.clock_mhz
        yield OperatorLatency(k, op.label, us)


def _unmeasured(graph: Graph) -> Iterator[OperatorLatency]:
    yield from (OperatorLatency(k, op.label, None) for k, op in enumerate(graph.main.operators))


def _not_int8(graph: Graph) -> Iterator[str]:
    """Kinds of operators with weights that do not work on int8, which the measured networks all do."""
    kinds: dict[str, None] = {}
    for k, op in enumerate(graph.main.operators):
        first = op.inputs[0] if op.inputs else -1
        if first >= 0 and graph.main.tensors[first].dtype not in (DType.INT8, DType.INT32):
            kinds[_kind(graph, k)] = None
    yield from kinds


def _notes(macs: int, throughput: Throughput) -> Iterator[str]:
    low, high = throughput.macs_range
    if not low / 2 <= macs <= high * 2:
        yield f"the model's {macs:,} MACs are outside what was measured ({low:,} to {high:,}): the error may be larger"
