"""Changes to a model, applied one after the other, each with what the model takes then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mcuplan.estimates.basis import Basis
from mcuplan.estimates.footprint import footprint
from mcuplan.estimates.int8_rules import int8_basis
from mcuplan.estimates.quantize import to_int8, writes_ranges
from mcuplan.estimates.weights import WeightError, weight_errors
from mcuplan.estimates.whatif import MEASURED, Step, WhatIf
from mcuplan.graph import Graph
from mcuplan.tflm.target import Target

_INT8 = "int8"


@dataclass(frozen=True, slots=True)
class Changes:
    """What to change. ``ranges`` is None for what the model's converter does."""

    int8: bool = False
    float_io: bool = False
    ranges: bool | None = None

    @property
    def any(self) -> bool:
        """True where something changes."""
        return self.int8


@dataclass(frozen=True, slots=True)
class _Edit:
    """One change: its name, what it does, where its figures come from."""

    name: str
    apply: Callable[[Graph], Graph]
    basis: Basis
    notes: tuple[str, ...] = ()


def what_if(graph: Graph, model: str, target: Target, build: str, changes: Changes) -> WhatIf:
    """``graph`` after each of ``changes``, on ``target``; ``model`` is what to call it.

    Raises
    ------
    EstimateError
        Where a change does not apply to the model.
    """
    steps = [Step("as it is", footprint(graph, target, build), MEASURED)]
    weights: tuple[WeightError, ...] = ()
    for edit in _edits(graph, changes):
        if edit.name == _INT8:
            weights = weight_errors(graph)
        graph = edit.apply(graph)
        steps.append(Step(edit.name, footprint(graph, target, build), edit.basis, edit.notes))
    return WhatIf(model, str(target), target.version, tuple(steps), weights)


def _edits(graph: Graph, changes: Changes) -> Iterator[_Edit]:
    if changes.int8:
        yield _int8(graph, changes)


def _int8(graph: Graph, changes: Changes) -> _Edit:
    ranges = writes_ranges(graph) if changes.ranges is None else changes.ranges
    ends = "float inputs and outputs" if changes.float_io else "int8 inputs and outputs (--float-io keeps them float)"
    notes = (
        "scales of activations are placeholders, on which no size depends; the int8 model is never written",
        f"counted with {ends}",
        "counted with min and max beside the scales, as converters before TensorFlow 2.8 write"
        if ranges
        else "counted without min and max beside the scales, as converters from TensorFlow 2.8 on write",
    )
    return _Edit(_INT8, lambda g: to_int8(g, float_io=changes.float_io, ranges=ranges), int8_basis(), notes)
