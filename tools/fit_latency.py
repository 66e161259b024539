#!/usr/bin/env python3
"""Fits how long measured systems take for work, and prints how far the models are off.

    python tools/fit_latency.py [FOLDER]            writes mcuplan/estimates/data/latency.json
    python tools/fit_latency.py [FOLDER] --errors   prints errors of the fit, and of each network left out of it

FOLDER (default: the environment's MCUPLAN_SHARED) holds ``truth/latency.json`` and the measured networks in ``models``;
``latency_systems.json`` names the systems, and holds what was published elsewhere. Where operators were measured,
cycles an instruction are fitted by kind of operator, and cycles for each call, non-negative; an error weighs by the
geometric mean of its row and its network, so that what is small in every network is fitted too. Where only whole
networks were, one rate of cycles an instruction holds, chosen so that the largest error is least.
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
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
        """Cycles a call and, by kind of operator, an instruction, from some networks."""
        rows = {key: c for key, c in self.rows.items() if key[0] in models}
        parts = sorted({part for key in rows for part in self._parts(*key)})
        counts = np.array([[self._parts(*key).get(part, 0.0) for part in parts] for key in rows])
        weight = np.array([1 / np.sqrt(c * self.totals[model]) for (model, _), c in rows.items()])
        measured = np.array(list(rows.values()))
        found = nonnegative_least_squares(counts * weight[:, None], measured * weight)
        overall = measured.sum() / counts[:, [part != "call" for part in parts]].sum()
        return {**{k: _short(v) for k, v in zip(parts, found, strict=True) if v > 0}, "all": _short(overall)}

    def _parts(self, model: str, operator: str) -> dict[str, float]:
        """Calls, and instructions by kind, of one type of operator in a network."""
        found: dict[str, float] = {}
        for row in self.networks.work(model).operators:
            if row.name == operator:
                found["call"] = found.get("call", 0.0) + row.calls
                found[row.kind] = found.get(row.kind, 0.0) + row.instructions
        return found


@dataclass(frozen=True)
class Whole:
    """Cycles of whole networks."""

    networks: Networks
    totals: Mapping[str, float]

    def fit(self, models: Sequence[str]) -> Factors:
        """Cycles an instruction, from some networks."""
        return {"all": _short(middle_rate([self.totals[m] / self.networks.work(m).instructions for m in models]))}


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


System = tuple[Mapping[str, Any], float, Measured]
"""What is known of a measured system, its clock in MHz, and what was measured."""


def systems(folder: Path) -> tuple[list[System], list[System]]:
    """The measured systems that figures are fitted to, and those that only give ranges."""
    known = json.loads((DATA / "latency_systems.json").read_text())
    truth = json.loads((folder / "truth" / "latency.json").read_text())
    networks = Networks(folder)
    found: list[System] = []
    for about in known["per_operator"]:
        rows = [row for row in truth["per_operator"]["rows"] if row["board"] == about["board"]]
        clock = rows[0]["clock_mhz"]
        measured = {(row["model"], row["operator"]): row["us_per_inference"] * clock for row in rows}
        found.append((about, clock, ByOperator(networks, measured)))
    published = truth["mlperf_tiny_v1_1"]["rows"]
    found += [(about, about["clock_mhz"], Whole(networks, totals(about, published))) for about in known["totals"]]
    only = [(about, about["clock_mhz"], Whole(networks, totals(about, published))) for about in known["spread_only"]]
    return found, only


def totals(about: Mapping[str, Any], published: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """Cycles of each network on a system of which only whole ones were measured."""
    rates = about.get("inferences_per_s") or {
        row["model"]: row["inferences_per_s"]
        for row in published
        if (row["submitter"], row["system"], row["mode"]) == (about["submitter"], about["system"], "performance")
    }
    return {model: 1e6 / rate * about["clock_mhz"] for model, rate in rates.items()}


def fitted(folder: Path) -> dict[str, Any]:
    """The content of ``data/latency.json``."""
    found, only = systems(folder)
    about = "Written by tools/fit_latency.py: cycles an instruction, by kind of operator where there is 'call', cycles "
    about += "for each call; errors in %, + is too long."
    return {"about": about, "fitted": [entry(*each) for each in found], "spreads": list(spread_rows(found, only))}


def spread_rows(found: Sequence[System], only: Sequence[System]) -> list[dict[str, Any]]:
    """Least and most cycles an instruction of whole networks, over the systems of each target.

    A target with one system that a figure stands for has none: how far another board is from it is not known.
    """
    rates: dict[str, dict[str, list[float]]] = {}
    for about, _, measured in (*found, *only):
        rows = rates.setdefault(about["target"], {}).setdefault(about["id"], [])
        rows += [c / measured.networks.work(m).instructions for m, c in measured.totals.items()]
    alone = {about["target"] for about, _, _ in only}
    return [
        {
            "target": target, "systems": list(by_system),
            "least": math.floor(min(map(min, by_system.values())) * 1e3) / 1e3,
            "most": math.ceil(max(map(max, by_system.values())) * 1e3) / 1e3,
        }
        for target, by_system in rates.items()
        if len(by_system) > 1 or target in alone
    ]  # fmt: skip


def print_errors(document: Mapping[str, Any]) -> None:
    """A line for each network of each system."""
    for system in document["fitted"]:
        print(f"{system['id']} ({system['clock_mhz']:g} MHz): {system['factors']}")
        for row in system["errors"]:
            print(f"    {row['model']:<22}{row['measured_us'] / 1e3:10,.1f} ms  fitted {row['percent']:+6.1f}%   "
                  f"left out {row['left_out_percent']:+6.1f}%")  # fmt: skip
        inside, outside = ([abs(row[name]) for row in system["errors"]] for name in ("percent", "left_out_percent"))
        print(f"    median {median(inside):.1f}%, at most {max(inside):.1f}%; left out {median(outside):.1f}%, "
              f"at most {max(outside):.1f}%")  # fmt: skip
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
