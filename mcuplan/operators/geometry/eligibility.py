"""Operators as the patch search sees them: which rows and columns of their inputs their output reads.

An operator gets an :class:`OperatorMap`, or a :class:`Barrier` that says in a sentence why it cannot stand inside a
patch stage.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from functools import cache
from importlib import resources

from mcuplan.graph import Graph, Tensor
from mcuplan.operators.call import OperatorCall
from mcuplan.operators.geometry import axis_maps as maps
from mcuplan.operators.geometry.axis_maps import AxisMap
from mcuplan.operators.table import Trait, operators_that, sliding

_RANK = 4
_CHANNELS = 3


class Direction(IntEnum):
    """A spatial axis; its value is the dimension of an NHWC tensor."""

    ROWS = 1
    COLUMNS = 2


@dataclass(frozen=True, slots=True)
class InputMap:
    """One activation that an operator reads, and how its rows and columns stand to the output's."""

    tensor: int
    rows: AxisMap
    columns: AxisMap

    def along(self, direction: Direction) -> AxisMap:
        """The map of one axis."""
        return self.rows if direction is Direction.ROWS else self.columns


@dataclass(frozen=True, slots=True)
class OperatorMap:
    """The activations that an operator reads (constants are left out) and the tensors that it writes."""

    operator: int
    inputs: tuple[InputMap, ...]
    outputs: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Barrier:
    """An operator that cannot stand inside a patch stage, and why."""

    operator: int
    reason: str


class _RefusedError(Exception):
    """Why an operator is a barrier."""


def operator_maps(graph: Graph, subgraph: int = 0) -> tuple[OperatorMap | Barrier, ...]:
    """Each operator of a subgraph as a map or a barrier, in order."""
    return tuple(operator_map(graph, i, subgraph) for i in range(len(graph.subgraphs[subgraph].operators)))


@cache
def _kinds() -> Mapping[str, str]:
    text = resources.files("mcuplan.operators.geometry").joinpath("data/spatial.json").read_text("utf-8")
    kinds = {
        "window": sliding("conv", "pool"),
        "elementwise": operators_that(Trait.POINTWISE, Trait.ROWS),
        **json.loads(text)["kinds"],
    }
    return {name: kind for kind, names in kinds.items() for name in names}


def operator_map(graph: Graph, index: int, subgraph: int = 0) -> OperatorMap | Barrier:
    """Operator ``index`` of a subgraph as a map or a barrier."""
    chosen = graph.subgraphs[subgraph]
    op = chosen.operators[index]
    kind = _kinds().get(op.name)
    if kind is None:
        return Barrier(index, f"{op.label} does not work row by row")
    facts = OperatorCall(graph, chosen, op)
    try:
        for tensor in facts.outputs:
            _check_feature_map(tensor.tensor, "writes")
        activations = [t.index for t in facts.inputs if t.present and not t.constant]
        for t in activations:
            _check_feature_map(chosen.tensors[t], "reads")
        if not activations:
            raise _RefusedError(f"{op.label} reads no activation")
        return OperatorMap(index, _RULES[kind](facts), op.outputs)
    except _RefusedError as refused:
        return Barrier(index, str(refused))


def _check_feature_map(tensor: Tensor | None, verb: str) -> None:
    if tensor is None or tensor.rank != _RANK:
        raise _RefusedError(f"it {verb} a tensor that is no feature map")
    # Converters leave the batch open in the signature; runtimes take the shape's, which is checked below.
    if tensor.is_dynamic or 0 in tensor.shape or -1 in (tensor.shape_signature or ())[1:]:
        raise _RefusedError(f"it {verb} a tensor whose shape is not fixed")
    if tensor.shape[0] != 1:
        raise _RefusedError(f"it {verb} a batch of {tensor.shape[0]}")
    if tensor.is_variable:
        raise _RefusedError(f"it {verb} a variable")


# -- rules --------------------------------------------------------------------------------------------------------


def _window(facts: OperatorCall) -> tuple[InputMap, ...]:
    window = facts.window
    x = facts["x"]
    constants = [t for t in facts.inputs if t.present and t.index != x.index]
    if window is None or not all(t.constant for t in constants):
        raise _RefusedError(f"the window of {facts.operator.label} is not fixed")
    if facts.hybrid:
        raise _RefusedError(f"{facts.operator.label} with integer weights finds one scale for its whole float input")
    if (window.rows.output, window.columns.output) != facts.outputs[0].dims[1:3]:
        raise _RefusedError(f"the output of {facts.operator.label} does not have the size that its window gives")
    return (InputMap(x.index, maps.windowed(window.rows), maps.windowed(window.columns)),)


def _elementwise(facts: OperatorCall) -> tuple[InputMap, ...]:
    y = facts.outputs[0].dims
    found = []
    for t in facts.inputs:
        if not t.present:
            continue
        if t.constant:
            # A constant with rows of its own would have to be cut up with the feature map.
            if any(size != 1 for size in t.dims[-_CHANNELS:-1]):
                raise _RefusedError(f"{facts.operator.label} reads a constant with rows and columns of its own")
            continue
        rows, columns = (
            maps.identity(size) if given == size else maps.broadcast(size)
            for size, given in zip(y[1:3], t.dims[1:3], strict=True)
        )
        found.append(InputMap(t.index, rows, columns))
    return tuple(found)


def _concatenation(facts: OperatorCall) -> tuple[InputMap, ...]:
    y = facts.outputs[0].dims
    axis = facts.axis
    if not axis or any(t.constant for t in facts.inputs):
        raise _RefusedError("CONCATENATION joins something else than feature maps of the input")
    found, offset = [], 0
    for t in facts.inputs:
        along = {d: maps.identity(y[d]) for d in Direction}
        if axis in (Direction.ROWS, Direction.COLUMNS):
            along[Direction(axis)] = maps.shifted(t.dims[axis], offset, y[axis])
        offset += t.dims[axis]
        found.append(InputMap(t.index, along[Direction.ROWS], along[Direction.COLUMNS]))
    return tuple(found)


def _split(facts: OperatorCall) -> tuple[InputMap, ...]:
    x = facts["x"]
    if facts.axis != _CHANNELS:
        raise _RefusedError("SPLIT does not split channels")
    return (InputMap(x.index, maps.identity(x.dims[1]), maps.identity(x.dims[2])),)


def _paddings(facts: OperatorCall) -> tuple[tuple[int, int], ...]:
    values = facts.constants("paddings")
    if values is None or len(values) != 2 * _RANK:
        raise _RefusedError(f"the amounts of {facts.operator.label} are not fixed")
    pairs = tuple(zip(values[::2], values[1::2], strict=True))
    x, y = facts["x"].dims, facts.outputs[0].dims
    if any(size + sum(pair) != out for size, pair, out in zip(x, pairs, y, strict=True)):
        raise _RefusedError(f"the output of {facts.operator.label} does not have the size that its amounts give")
    return pairs


def _pad(facts: OperatorCall) -> tuple[InputMap, ...]:
    x = facts["x"]
    _, rows, columns, _ = _paddings(facts)
    return (InputMap(x.index, maps.padded(x.dims[1], *rows), maps.padded(x.dims[2], *columns)),)


def _mirror_pad(facts: OperatorCall) -> tuple[InputMap, ...]:
    x = facts["x"]
    border = facts.options.mode == 1
    spatial = _paddings(facts)[1:3]
    reach = 0 if border else 1
    if any(
        amount < 0 or amount > size - reach for size, pair in zip(x.dims[1:3], spatial, strict=True) for amount in pair
    ):
        raise _RefusedError("MIRROR_PAD pads more than there is to mirror")
    rows, columns = (maps.mirrored(size, *pair, border) for size, pair in zip(x.dims[1:3], spatial, strict=True))
    return (InputMap(x.index, rows, columns),)


def _factors(facts: OperatorCall) -> None:
    x, y = facts["x"], facts.outputs[0]
    if any(out % size for size, out in zip(x.dims[1:3], y.dims[1:3], strict=True)):
        raise _RefusedError(f"{facts.operator.label} does not enlarge by a whole factor")


def _resize_nearest(facts: OperatorCall) -> tuple[InputMap, ...]:
    _factors(facts)
    x, y = facts["x"], facts.outputs[0]
    options = facts.options
    align, half = options.align_corners, options.half_pixel_centers
    rows, columns = (
        maps.nearest(size, out, align_corners=align, half_pixel_centers=half)
        for size, out in zip(x.dims[1:3], y.dims[1:3], strict=True)
    )
    return (InputMap(x.index, rows, columns),)


def _resize_bilinear(facts: OperatorCall) -> tuple[InputMap, ...]:
    _factors(facts)
    if facts.options.align_corners:
        raise _RefusedError("RESIZE_BILINEAR with aligned corners does not enlarge by a whole factor")
    x, y = facts["x"], facts.outputs[0]
    half = facts.options.half_pixel_centers
    rows, columns = (
        maps.bilinear(size, out, half_pixel_centers=half) for size, out in zip(x.dims[1:3], y.dims[1:3], strict=True)
    )
    return (InputMap(x.index, rows, columns),)


_RULES: Mapping[str, Callable[[OperatorCall], tuple[InputMap, ...]]] = {
    "window": _window,
    "elementwise": _elementwise,
    "concatenation": _concatenation,
    "split": _split,
    "pad": _pad,
    "mirror_pad": _mirror_pad,
    "resize_nearest": _resize_nearest,
    "resize_bilinear": _resize_bilinear,
}
