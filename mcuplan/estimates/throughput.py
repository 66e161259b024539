"""What was measured and fitted: cycles per feature of each operator, by chip, clock and kernel library."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from mcuplan.graph import DType, Graph, Operator
from mcuplan.operators import OperatorFacts
from mcuplan.operators.formulas import UNFIT, evaluate


@dataclass(frozen=True, slots=True)
class ModelError:
    """How far the fitted model is off on one measured network, in per cent of the measured total (+: too long).

    ``left_out_percent`` is the error where that network was left out of the fit, of the operators that the others
    have (``left_out_covered`` of its measured time); None where nothing could be fitted.
    """

    model: str
    measured_us: float
    percent: float
    left_out_percent: float | None
    left_out_covered: float


@dataclass(frozen=True, slots=True)
class Throughput:
    """The fitted model for one chip: ``cycles[operator]`` are cycles per unit of each of its features.

    Where only totals were measured ``cycles`` is empty and ``cycles_per_mac`` holds for the whole network.
    """

    id: str
    socs: tuple[str, ...]
    clock_mhz: float
    kernels: str
    system: str
    source: str
    cycles: Mapping[str, tuple[float, ...]]
    cycles_per_mac: float | None
    macs_range: tuple[int, int]
    errors: tuple[ModelError, ...]

    @property
    def worst_percent(self) -> float:
        """The largest error on a measured network, per cent."""
        return max(abs(e.percent) for e in self.errors)

    @property
    def worst_left_out_percent(self) -> float | None:
        """The largest error on a network that was left out of the fit, per cent."""
        known = [abs(e.left_out_percent) for e in self.errors if e.left_out_percent is not None]
        return max(known, default=None)


def _read(name: str) -> Any:
    return json.loads(resources.files("mcuplan.estimates").joinpath(f"data/{name}").read_text("utf-8"))


@cache
def feature_formulas() -> Mapping[str, tuple[str, ...]]:
    """For each operator, the formulas that its cycles grow with."""
    return {name: tuple(rows) for name, rows in _read("latency_features.json")["operators"].items()}


@cache
def throughputs() -> tuple[Throughput, ...]:
    """Every fitted model that mcuplan comes with."""
    return tuple(
        Throughput(
            row["id"], tuple(row["socs"]), row["clock_mhz"], row["kernels"], row["system"], row["source"],
            {name: tuple(cycles) for name, cycles in row["cycles"].items()}, row["cycles_per_mac"],
            (row["macs_range"][0], row["macs_range"][1]), tuple(ModelError(**e) for e in row["errors"]),
        )
        for row in _read("latency.json")["fitted"]
    )  # fmt: skip


def features(graph: Graph, operator: Operator) -> Sequence[int] | None:
    """The features of an int8 operator of the main subgraph; None for another type or an operator without any."""
    formulas = feature_formulas().get(operator.label)
    first = operator.inputs[0] if operator.inputs else -1
    if formulas is None or first < 0 or graph.main.tensors[first].dtype is not DType.INT8:
        return None
    facts = OperatorFacts(graph, graph.main, operator)
    try:
        return [int(evaluate(formula, facts)) for formula in formulas]
    except UNFIT:
        return None
