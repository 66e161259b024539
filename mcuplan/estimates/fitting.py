"""Fits the latency model to measurements and writes ``data/latency.json``.

Run as ``python -m mcuplan.estimates.fitting FOLDER``, where ``FOLDER`` holds ``truth/latency.json`` (microseconds by
operator type, MLPerf Tiny rates) and ``models/``. Each operator's cycles are a non-negative combination of its features
that makes the least sum of squared relative errors; where only totals are known, one rate a MAC makes the least
largest relative error.
"""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mcuplan import files
from mcuplan.estimates.throughput import feature_formulas, features
from mcuplan.graph import Graph
from mcuplan.operators import model_macs
from mcuplan.tflite import load

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TRUTH_LIMIT = 64 << 20

Cycles = Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Row:
    """Measured cycles of all operators of one type in one network."""

    model: str
    operator: str
    cycles: float


def nonnegative_least_squares(a: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.float64]:
    """The x >= 0 that makes |a x - y| least, by trying every set of positive unknowns (there are few)."""
    best, best_error = np.zeros(a.shape[1]), float(np.square(y).sum())
    for count in range(1, a.shape[1] + 1):
        for chosen in itertools.combinations(range(a.shape[1]), count):
            x = np.linalg.lstsq(a[:, chosen], y, rcond=None)[0]
            error = float(np.square(a[:, chosen] @ x - y).sum())
            if (x >= 0).all() and error < best_error - 1e-12:
                best, best_error = np.zeros(a.shape[1]), error
                best[list(chosen)] = x
    return best


class Networks:
    """The measured networks and the features of their operators, added up by type."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._graphs: dict[str, Graph] = {}

    def graph(self, model: str) -> Graph:
        """The network of that name."""
        if model not in self._graphs:
            self._graphs[model] = load(str(self._folder / f"{model}.tflite"))
        return self._graphs[model]

    def features(self, model: str, operator: str) -> list[int]:
        """The sum of the features of all operators of one type."""
        graph = self.graph(model)
        rows = [features(graph, op) for op in graph.main.operators if op.label == operator]
        return [sum(column) for column in zip(*(row for row in rows if row is not None), strict=True)]

    def macs(self, model: str) -> int:
        """MACs of one inference."""
        return model_macs(self.graph(model)).total


@dataclass(frozen=True)
class OperatorFit:
    """Measurements by operator type on one chip, and the model fitted to them."""

    networks: Networks
    rows: Sequence[Row]

    @cached_property
    def models(self) -> tuple[str, ...]:
        """The networks, in order."""
        return tuple(dict.fromkeys(row.model for row in self.rows))

    def fit(self, left_out: str | None = None) -> Cycles:
        """Cycles per feature, from every network but ``left_out``."""
        fitted = {}
        for operator in feature_formulas():
            rows = [row for row in self.rows if row.operator == operator and row.model != left_out]
            if rows:
                measured = np.array([row.cycles for row in rows])
                known = np.array([self.networks.features(row.model, operator) for row in rows], dtype=np.float64)
                x = nonnegative_least_squares(known / measured[:, None], np.ones(len(rows)))
                fitted[operator] = tuple(float(f"{value:.5g}") for value in x)
        return fitted

    def error(self, model: str, cycles: Cycles) -> tuple[float | None, float]:
        """Per cent by which the covered part of ``model`` is over what was measured, and the share covered."""
        rows = [row for row in self.rows if row.model == model]
        covered = [row for row in rows if any(cycles.get(row.operator, ()))]
        if not covered:
            return None, 0.0
        measured = sum(row.cycles for row in covered)
        predicted = sum(
            float(np.dot(cycles[row.operator], self.networks.features(model, row.operator))) for row in covered
        )
        return (predicted / measured - 1) * 100, measured / sum(row.cycles for row in rows)


def _operator_entry(networks: Networks, about: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    mine = [row for row in rows if row["board"] == about["board"]]
    clock = mine[0]["clock_mhz"]
    measured = [Row(row["model"], row["operator"], row["us_per_inference"] * clock) for row in mine]
    fit = OperatorFit(networks, measured)
    cycles = fit.fit()
    errors = []
    for model in fit.models:
        left_out, covered = fit.error(model, fit.fit(left_out=model))
        percent, _ = fit.error(model, cycles)
        total = sum(row.cycles for row in measured if row.model == model) / clock
        errors.append(_error(model, total, percent, left_out, covered))
    return _entry(networks, about, clock, errors, cycles=cycles)


def middle_rate(rates: Sequence[float]) -> float:
    """The rate whose largest relative error against ``rates`` is least: their harmonic middle."""
    low, high = min(rates), max(rates)
    return 2 * low * high / (low + high)


def _total_entry(networks: Networks, about: Mapping[str, Any], rows: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    clock = about["clock_mhz"]
    times = {
        row["model"]: 1e6 / row["inferences_per_s"]
        for row in rows
        if (row["submitter"], row["system"], row["mode"]) == (about["submitter"], about["system"], "performance")
    }
    rates = {model: us * clock / networks.macs(model) for model, us in times.items()}
    rate = float(f"{middle_rate(list(rates.values())):.4g}")
    errors = []
    for model, us in times.items():
        others = middle_rate([r for other, r in rates.items() if other != model])
        errors.append(_error(model, us, (rate / rates[model] - 1) * 100, (others / rates[model] - 1) * 100, 1.0))
    return _entry(networks, about, clock, errors, rate=rate)


def _error(model: str, us: float, percent: float | None, left_out: float | None, covered: float) -> dict[str, Any]:
    return {
        "model": model, "measured_us": round(us, 1), "percent": None if percent is None else round(percent, 1),
        "left_out_percent": None if left_out is None else round(left_out, 1), "left_out_covered": round(covered, 3),
    }  # fmt: skip


def _entry(
    networks: Networks,
    about: Mapping[str, Any],
    clock: float,
    errors: Sequence[Mapping[str, Any]],
    cycles: Cycles | None = None,
    rate: float | None = None,
) -> dict[str, Any]:
    macs = [networks.macs(error["model"]) for error in errors]
    return {
        "id": about["id"], "socs": about["socs"], "clock_mhz": clock, "kernels": about["kernels"],
        "system": about["says"], "source": about["source"], "cycles": cycles or {}, "cycles_per_mac": rate,
        "macs_range": [min(macs), max(macs)], "errors": list(errors),
    }  # fmt: skip


def fitted(folder: Path) -> dict[str, Any]:
    """The content of ``data/latency.json``, from the measurements in ``folder``."""
    systems = json.loads(resources.files("mcuplan.estimates").joinpath("data/latency_systems.json").read_text("utf-8"))
    truth = json.loads(files.read(folder / "truth" / "latency.json", _TRUTH_LIMIT))
    networks = Networks(folder / "models")
    entries = [_operator_entry(networks, about, truth["per_operator"]["rows"]) for about in systems["per_operator"]]
    entries += [_total_entry(networks, about, truth["mlperf_tiny_v1_1"]["rows"]) for about in systems["totals"]]
    about = "Written by `python -m mcuplan.estimates.fitting`: cycles per feature (latency_features.json), errors in %."
    return {"about": about, "fitted": entries}


if __name__ == "__main__":
    files.write_text(
        Path(__file__).parent / "data" / "latency.json", json.dumps(fitted(Path(sys.argv[1])), indent=1) + "\n"
    )
