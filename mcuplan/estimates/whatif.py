"""What-ifs one after the other, each with what the model takes then."""

from __future__ import annotations

from dataclasses import dataclass

from mcuplan.estimates.basis import Basis
from mcuplan.estimates.footprint import Footprint
from mcuplan.estimates.sparsity import Sparsity
from mcuplan.estimates.weights import WeightError
from mcuplan.estimates.worth import LayerWorth


@dataclass(frozen=True, slots=True)
class Step:
    """The model after one change: ``name`` says which, ``basis`` where its figures come from and their error."""

    name: str
    footprint: Footprint
    basis: Basis
    notes: tuple[str, ...] = ()


MEASURED = Basis("the given file", "MACs and file size are exact; arena and code as in `mcuplan check`")
"""Of the model as it is."""


@dataclass(frozen=True, slots=True)
class WhatIf:
    """One model on one target: ``steps`` begins with the given model, each later one adds a change."""

    model: str
    target: str
    tflm_version: str
    steps: tuple[Step, ...]
    weights: tuple[WeightError, ...] = ()
    layers: tuple[LayerWorth, ...] = ()
    sparsity: Sparsity | None = None
    notes: tuple[str, ...] = ()
