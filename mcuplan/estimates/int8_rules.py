"""How the converter turns each operator into int8: the table ``data/int8.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from typing import Any

from mcuplan.estimates.basis import Basis
from mcuplan.graph import DType


@dataclass(frozen=True, slots=True)
class Int8Rule:
    """One operator's int8 form.

    ``weights`` maps an input's position to the quantized dimension (None: one scale for the tensor), ``biases`` one to
    the position of the weights whose scales it shares, ``types`` inputs that are not int8, ``output`` is a fixed
    (scale, zero point), ``intermediates`` names tensors that only the int8 operator has, of which
    ``quantized_intermediates`` carry a scale.
    """

    version: int
    weights: Mapping[int, int | None] = field(default_factory=dict)
    biases: Mapping[int, int] = field(default_factory=dict)
    types: Mapping[int, DType] = field(default_factory=dict)
    output: tuple[float, int] | None = None
    intermediates: tuple[str, ...] = ()
    quantized_intermediates: tuple[int, ...] = ()


@cache
def _data() -> Mapping[str, Any]:
    text = resources.files("mcuplan.estimates").joinpath("data/int8.json").read_text("utf-8")
    data: Mapping[str, Any] = json.loads(text)
    return data


def int8_basis() -> Basis:
    """Where int8 figures come from, and how far they were off on real conversions."""
    return Basis(_data()["source"], _data()["error"])


@cache
def int8_rules() -> Mapping[str, Int8Rule]:
    """Every operator that has an int8 form, by its schema name."""
    rules = {}
    for name, row in _data()["operators"].items():
        fixed = row.get("output")
        rules[name] = Int8Rule(
            row["version"],
            {int(k): axis for k, axis in row.get("weights", {}).items()},
            {int(k): weights for k, weights in row.get("biases", {}).items()},
            {int(k): DType[kind] for k, kind in row.get("types", {}).items()},
            (fixed[0], fixed[1]) if fixed else None,
            tuple(row.get("intermediates", ())),
            tuple(row.get("quantized_intermediates", ())),
        )
    return rules
