#!/usr/bin/env python3
"""Fits how long measured systems take for work, and prints how far the models are off.

    python tools/fit_latency.py [FOLDER]            writes mcuplan/estimates/data/latency.json
    python tools/fit_latency.py [FOLDER] --errors   prints errors of the fit, and of each network left out of it

FOLDER (default: the environment's MCUPLAN_SHARED) holds ``truth/latency.json`` and the measured networks in ``models``.
Where operators were measured, cycles an instruction are fitted by kind of operator, non-negative, so that the errors in
per cent of each network's time are least. Where only whole networks were, one rate of cycles a MAC holds
(instructions of operators without MACs count by the average), chosen so that the largest error is least.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from fit_instructions import nonnegative_least_squares
from fitting import truth_folder

from mcuplan.estimates.throughput import cycles
from mcuplan.estimates.work import Work, invoke_work
from mcuplan.tflite import load

HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "mcuplan" / "estimates" / "data"

Factors = Mapping[str, float]


@dataclass
class Networks:
    """The measured networks and their work."""

    folder: Path

    def __post_init__(self) -> None:
        self._works: dict[str, Work] = {}

    def work(self, model: str) -> Work:
        """The work of one inference."""
        if model not in self._works:
            self._works[model] = invoke_work(load(str(self.folder / "models" / f"{model}.tflite")))
        return self._works[model]

    def macs(self, model: str) -> int:
        """MACs of one inference."""
        return sum(row.macs for row in self.work(model).operators)


@dataclass(frozen=True)
class ByOperator:
    """Cycles of all operators of one type in one network: ``(model, operator) -> cycles``."""

    networks: Networks
    rows: Mapping[tuple[str, str], float]

    @cached_property
    def totals(self) -> Mapping[str, float]:
        """Cycles of each network."""
        return {model: sum(c for (m, _), c in self.rows.items() if m == model) for model, _ in self.rows}

    def fit(self, models: Sequence[str]) -> Factors:
        """Cycles an instruction by kind of operator, from some networks."""
        rows = {key: c for key, c in self.rows.items() if key[0] in models}
        kinds = sorted({k for key in rows for k in self._instructions(*key)})
        counts = np.array([[self._instructions(*key).get(k, 0.0) for k in kinds] for key in rows])
        weight = np.array([1 / self.totals[model] for model, _ in rows])
        measured = np.array(list(rows.values()))
        found = nonnegative_least_squares(counts * weight[:, None], measured * weight)
        overall = measured.sum() / counts.sum()
        return {**{k: _short(v) for k, v in zip(kinds, found, strict=True) if v > 0}, "all": _short(overall)}

    def _instructions(self, model: str, operator: str) -> dict[str, float]:
        found: dict[str, float] = {}
        for row in self.networks.work(model).operators:
            if row.name == operator:
                found[row.kind] = found.get(row.kind, 0.0) + row.instructions
        return found


@dataclass(frozen=True)
class Whole:
    """Cycles of whole networks."""

    networks: Networks
    totals: Mapping[str, float]

    def fit(self, models: Sequence[str]) -> Factors:
        """Cycles a MAC, and for each instruction of what has none, from some networks."""
        works = [self.networks.work(model) for model in models]
        share = sum(self.networks.macs(m) for m in models) / sum(w.instructions for w in works)
        amounts = {m: cycles(w, {"mac": 1.0, "all": share})[1] for m, w in zip(models, works, strict=True)}
        rate = middle_rate([self.totals[m] / amounts[m] for m in models])
        return {"mac": _short(rate), "all": _short(rate * share)}


Measured = ByOperator | Whole


def middle_rate(rates: Sequence[float]) -> float:
    """The rate whose largest relative error against ``rates`` is least: their harmonic middle."""
    low, high = min(rates), max(rates)
    return 2 * low * high / (low + high)


def _short(value: float) -> float:
    return float(f"{value:.4g}")


def _percent(measured: Measured, factors: Factors, model: str) -> float:
    found = cycles(measured.networks.work(model), factors)[1]
    return round((found / measured.totals[model] - 1) * 100, 1)


def entry(about: Mapping[str, Any], clock: float, measured: Measured) -> dict[str, Any]:
    """One system as the data file holds it."""
    models = list(measured.totals)
    factors = measured.fit(models)
    errors = [
        {
            "model": model, "measured_us": round(measured.totals[model] / clock, 1),
            "percent": _percent(measured, factors, model),
            "left_out_percent": _percent(measured, measured.fit([m for m in models if m != model]), model),
        }
        for model in models
    ]  # fmt: skip
    macs = [measured.networks.macs(model) for model in models]
    return {
        "id": about["id"], "socs": about["socs"], "target": about["target"], "clock_mhz": clock,
        "kernels": about["kernels"], "system": about["says"], "source": about["source"], "factors": dict(factors),
        "macs_range": [min(macs), max(macs)], "errors": errors,
    }  # fmt: skip


def systems(folder: Path) -> list[tuple[Mapping[str, Any], float, Measured]]:
    """Every measured system, its clock in MHz and what was measured."""
    known = json.loads((DATA / "latency_systems.json").read_text())
    truth = json.loads((folder / "truth" / "latency.json").read_text())
    networks = Networks(folder)
    found: list[tuple[Mapping[str, Any], float, Measured]] = []
    for about in known["per_operator"]:
        rows = [row for row in truth["per_operator"]["rows"] if row["board"] == about["board"]]
        clock = rows[0]["clock_mhz"]
        measured = {(row["model"], row["operator"]): row["us_per_inference"] * clock for row in rows}
        found.append((about, clock, ByOperator(networks, measured)))
    for about in known["totals"]:
        whole = {
            row["model"]: 1e6 / row["inferences_per_s"] * about["clock_mhz"]
            for row in truth["mlperf_tiny_v1_1"]["rows"]
            if (row["submitter"], row["system"], row["mode"]) == (about["submitter"], about["system"], "performance")
        }
        found.append((about, about["clock_mhz"], Whole(networks, whole)))
    return found


def fitted(folder: Path) -> dict[str, Any]:
    """The content of ``data/latency.json``."""
    found = systems(folder)
    about = "Written by tools/fit_latency.py: cycles by kind of operator, or a MAC; errors in %, + is too long."
    return {"about": about, "fitted": [entry(*each) for each in found], "spreads": list(spread_rows(found))}


def spread_rows(found: Sequence[tuple[Mapping[str, Any], float, Measured]]) -> list[dict[str, Any]]:
    """Least and most cycles an instruction of whole networks, over the systems of each target."""
    rates: dict[str, dict[str, list[float]]] = {}
    for about, _, measured in found:
        rows = rates.setdefault(about["target"], {}).setdefault(about["id"], [])
        rows += [c / measured.networks.work(m).instructions for m, c in measured.totals.items()]
    return [
        {
            "target": target, "systems": list(by_system), "least": _short(min(map(min, by_system.values()))),
            "most": _short(max(map(max, by_system.values()))),
        }
        for target, by_system in rates.items()
        if len(by_system) > 1
    ]  # fmt: skip


def print_errors(document: Mapping[str, Any]) -> None:
    """A line for each network of each system."""
    for system in document["fitted"]:
        print(f"{system['id']} ({system['clock_mhz']:g} MHz): {system['factors']}")
        for row in system["errors"]:
            print(f"    {row['model']:<22}{row['measured_us'] / 1e3:10,.1f} ms  fitted {row['percent']:+6.1f}%   "
                  f"left out {row['left_out_percent']:+6.1f}%")  # fmt: skip
    for row in document["spreads"]:
        print(
            f"{row['target']}: {row['least']:g} to {row['most']:g} cycles an instruction ({', '.join(row['systems'])})"
        )


def main(arguments: Sequence[str]) -> int:
    """Fit and write, or fit and tell."""
    folder, errors = truth_folder(__doc__, "truth/latency.json and models", arguments)
    document = fitted(folder)
    if errors:
        print_errors(document)
    else:
        (DATA / "latency.json").write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
