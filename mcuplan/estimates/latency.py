"""Time of one inference on a system that was measured; elsewhere a range, or no figure.

Time = work x factor / clock. Work is counted operator by operator, loops turn by turn (:mod:`mcuplan.estimates.work`);
factors are fitted to what was published of a board, toolchain and kernel library by ``tools/fit_latency.py``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from mcuplan.estimates.basis import Basis
from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.throughput import Spread, Throughput, cycles, spreads, throughputs
from mcuplan.estimates.work import Work, invoke_work
from mcuplan.frozen import quick
from mcuplan.graph import Graph
from mcuplan.text import counted
from mcuplan.tflm import PlannedBuffer
from mcuplan.tflm.target import Target


@quick
@dataclass(frozen=True, slots=True)
class OperatorLatency:
    """One operator's microseconds in one inference, over all its calls; None where only totals were measured."""

    operator: int
    name: str
    microseconds: float | None
    subgraph: int = 0


@dataclass(frozen=True, slots=True)
class Latency:
    """One inference on ``system``.

    ``total_us`` is None where an operator is like none that was measured (``missing`` names those), and where only a
    range is known: ``range_us``, from the least to the most that systems of this core and kernel library took.
    ``covered_us`` is what the operators without the missing ones take. ``percent`` is the largest error on the
    networks the model was fitted to, ``left_out_percent`` the largest on one that was left out of the fit, and
    ``error_percent`` the larger of the two, which all verdicts count; None for a range.
    """

    system: str
    clock_mhz: float
    total_us: float | None
    covered_us: float
    operators: tuple[OperatorLatency, ...]
    missing: tuple[str, ...]
    percent: float | None
    left_out_percent: float | None
    basis: Basis
    notes: tuple[str, ...] = ()
    range_us: tuple[float, float] | None = None

    @property
    def error_percent(self) -> float | None:
        """How far ``total_us`` may be off."""
        known = [p for p in (self.percent, self.left_out_percent) if p is not None]
        return max(known, default=None)


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
    return min(fits, key=lambda t: t.error_percent)


def estimate_latency(graph: Graph, throughput: Throughput, plan: Sequence[PlannedBuffer] | None = None) -> Latency:
    """Microseconds of one inference, operator by operator where operators were measured.

    ``plan`` is the memory plan, where it is known.
    """
    work = invoke_work(graph, plan)
    own, total = cycles(work, throughput.factors)
    rows = tuple(
        OperatorLatency(
            row.operator, row.name, one / throughput.clock_mhz if throughput.by_operator and not row.foreign else None,
            row.subgraph,
        )
        for row, one in zip(work.operators, own, strict=True)
    )  # fmt: skip
    missing = tuple(dict.fromkeys(row.foreign for row in work.operators if row.foreign))
    foreign = sum(one for row, one in zip(work.operators, own, strict=True) if row.foreign)
    covered = (total - foreign) / throughput.clock_mhz
    return Latency(
        throughput.system, throughput.clock_mhz, None if missing else covered, covered, rows, missing,
        throughput.worst_percent, throughput.worst_left_out_percent, latency_basis(throughput),
        tuple(_notes(work, throughput)),
    )  # fmt: skip


def find_latency(
    graph: Graph, soc: str, clock_mhz: float, target: Target, plan: Sequence[PlannedBuffer] | None = None
) -> Latency:
    """Microseconds of one inference on a board that was measured; a range where others of its core and library were.

    ``plan`` is the memory plan, where it is known already.

    Raises
    ------
    EstimateError
        Where nothing was measured that says anything of it.
    """
    try:
        return estimate_latency(graph, find_throughput(soc, clock_mhz, target.library.name), plan)
    except EstimateError:
        spread = find_spread(f"{target.core.name}+{target.library.name}")
        if spread is None:
            raise
        return latency_range(graph, clock_mhz, spread, plan)


def find_spread(target: str) -> Spread | None:
    """What the systems of a target (``cortex-m4+cmsis-nn``) took for an instruction; None where none was measured."""
    return next((spread for spread in spreads() if spread.target == target), None)


def latency_range(
    graph: Graph, clock_mhz: float, spread: Spread, plan: Sequence[PlannedBuffer] | None = None
) -> Latency:
    """A range for a board that was not measured, from what others with its core and kernel library took."""
    work = invoke_work(graph, plan)
    missing = tuple(dict.fromkeys(row.foreign for row in work.operators if row.foreign))
    low, high = (work.instructions * factor / clock_mhz for factor in (spread.least, spread.most))
    basis = Basis(
        f"instructions, and {spread.least:.2g} to {spread.most:.2g} cycles for each, as "
        f"{counted(len(spread.systems), 'measured system')} of {spread.target} took: {', '.join(spread.systems)}",
        "a range over other boards, not a figure for this one: flash, caches and compiler decide where in it",
    )
    return Latency(
        f"not measured: {spread.target} at {clock_mhz:g} MHz", clock_mhz, None, 0.0, (), missing, None, None, basis,
        tuple(_inexact(work)), None if missing else (low, high),
    )  # fmt: skip


def latency_basis(throughput: Throughput) -> Basis:
    """Source and error of every latency on a system."""
    rate = "by kind of operator, and for each call" if throughput.by_operator else "of whole networks"
    how = f"cycles an instruction {rate}"
    off = f"at most {throughput.worst_percent:.0f}% on the {len(throughput.errors)} networks it was fitted to"
    said = f", up to {throughput.worst_left_out_percent:.0f}% on one left out of the fit"
    return Basis(f"{how} on {throughput.system}: {throughput.source}", off + said)


def _notes(work: Work, throughput: Throughput) -> Iterator[str]:
    low, high = throughput.macs_range
    macs = sum(row.macs for row in work.operators)
    if not low / 2 <= macs <= high * 2:
        yield f"the model's {macs:,} MACs are outside what was measured ({low:,} to {high:,}): the error may be larger"
    yield from _inexact(work)


def _inexact(work: Work) -> Iterator[str]:
    if not work.exact:
        yield "how often a loop turns, or what an operator takes, is not known: a loop counts one turn"
