"""Changes to a model, applied one after the other, each with what the model takes then."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from mcuplan.estimates.basis import Basis
from mcuplan.estimates.footprint import footprint
from mcuplan.estimates.int8_rules import int8_basis
from mcuplan.estimates.quantize import dense_per_channel, to_int8, writes_ranges
from mcuplan.estimates.resize import DIVISOR, prune, resize, widen
from mcuplan.estimates.sparsity import sparsity
from mcuplan.estimates.weights import WeightError, weight_errors
from mcuplan.estimates.whatif import MEASURED, Step, WhatIf
from mcuplan.estimates.worth import LayerWorth, layers_worth
from mcuplan.graph import Graph
from mcuplan.tflm.target import Target

_INT8, _PRUNED = "int8", "pruned"


@dataclass(frozen=True, slots=True)
class Changes:
    """What to change, in this order: resolution, width, filters, types.

    ``resolution`` is (rows, columns), ``width`` a factor, ``prune`` the fraction of filters removed everywhere and
    ``prune_layers`` that of single layers by operator, ``sparsity`` a magnitude threshold to count weights below.
    ``ranges`` and ``per_unit`` (scales of dense layers) are None for what the model's converter does.
    """

    resolution: tuple[int, int] | None = None
    width: float | None = None
    prune: float | None = None
    prune_layers: tuple[tuple[int, float], ...] = ()
    int8: bool = False
    float_io: bool = False
    ranges: bool | None = None
    per_unit: bool | None = None
    sparsity: float | None = None

    @property
    def any(self) -> bool:
        """True where something is asked for."""
        asked = (self.resolution, self.width, self.prune, self.sparsity)
        return self.int8 or bool(self.prune_layers) or any(value is not None for value in asked)


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
    layers: tuple[LayerWorth, ...] = ()
    counted = None if changes.sparsity is None else sparsity(graph, changes.sparsity)
    for make in _edits(changes):
        edit = make(graph)
        if edit.name == _INT8:
            weights = weight_errors(graph)
        if edit.name == _PRUNED and changes.prune is not None:
            layers = layers_worth(graph, changes.prune, target, steps[-1].footprint)
        graph = edit.apply(graph)
        steps.append(Step(edit.name, footprint(graph, target, build), edit.basis, edit.notes))
    return WhatIf(model, str(target), target.version, tuple(steps), weights, layers, counted)


REBUILT = Basis(
    "the graph rebuilt with other shapes and constants, TFLM replayed on it",
    "exact for the network described, whose weights have yet to be trained; equal to the byte on twins of MobileNetV2",
)


def _edits(changes: Changes) -> Iterator[Callable[[Graph], _Edit]]:
    """The changes asked for, each to be made from the graph that the one before leaves."""
    if changes.resolution is not None:
        yield partial(_resized, *changes.resolution)
    if changes.width is not None:
        yield partial(_widened, changes.width)
    if changes.prune is not None or changes.prune_layers:
        yield partial(_pruned, changes)
    if changes.int8:
        yield partial(_int8, changes)


def _resized(rows: int, columns: int, _: Graph) -> _Edit:
    note = "pools over the whole picture stay so; dense layers that read a flattened picture get other inputs"
    return _Edit(f"input {rows}x{columns}", lambda g: resize(g, rows, columns), REBUILT, (note,))


def _widened(factor: float, _: Graph) -> _Edit:
    note = f"filters are rounded to multiples of {DIVISOR} as in MobileNetV2; input and output channels stay"
    return _Edit(f"width {factor:g}", lambda g: widen(g, factor), REBUILT, (note,))


def _pruned(changes: Changes, _: Graph) -> _Edit:
    note = "removed are the filters of least L1 norm (Li et al., ICLR 2017); how much accuracy that costs is not known"
    return _Edit(_PRUNED, lambda g: prune(g, changes.prune, dict(changes.prune_layers)), REBUILT, (note,))


def _int8(changes: Changes, graph: Graph) -> _Edit:
    ranges = writes_ranges(graph) if changes.ranges is None else changes.ranges
    per_unit = dense_per_channel(graph) if changes.per_unit is None else changes.per_unit
    age, other = ("older", "--no-ranges") if ranges else ("newer", "--ranges")
    dense_age, dense_other = ("newer", "--dense-per-tensor") if per_unit else ("older", "--dense-per-channel")
    ends = "float inputs and outputs" if changes.float_io else "int8 inputs and outputs (--float-io keeps them float)"
    notes = (
        "scales of activations are placeholders, on which no size depends; the int8 model is never written",
        f"counted with {ends}",
        f"counted {'with' if ranges else 'without'} min and max beside the scales, as {age} converters write ({other}"
        " is the other way)",
        f"counted with {'a scale for each unit' if per_unit else 'one scale'} of a dense layer, as {dense_age} "
        f"converters write ({dense_other} is the other way)",
        *(["no real conversion with a scale for each unit was at hand to check against"] if per_unit else []),
    )
    return _Edit(
        _INT8, lambda g: to_int8(g, float_io=changes.float_io, ranges=ranges, per_unit=per_unit), int8_basis(), notes
    )
