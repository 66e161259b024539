"""A network as a chain of layers: no residual adds; activations and padding belong to the layer they stand beside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from mcuplan.graph import Graph, Operator, Subgraph
from mcuplan.operators import OperatorCall, Trait, operator_macs, operators_that
from mcuplan.operators.geometry import Axis
from mcuplan.operators.geometry.axis_maps import AxisMap, windowed
from mcuplan.operators.geometry.eligibility import Barrier, OperatorMap, operator_maps
from mcuplan.operators.geometry.stages import PatchError


@dataclass(frozen=True, slots=True)
class ChainLayer:
    """One layer: its windows along rows and columns, bytes of one input and one output position, and its MACs.

    ``operator`` is the operator's index in the graph that the chain was taken from, -1 where there is none.
    """

    rows: Axis
    columns: Axis
    input_bytes: int
    output_bytes: int
    macs: int
    label: str = ""
    operator: int = -1

    @property
    def input_total(self) -> int:
        """Bytes of its whole input."""
        return self.rows.input * self.columns.input * self.input_bytes

    @property
    def output_total(self) -> int:
        """Bytes of its whole output."""
        return self.rows.output * self.columns.output * self.output_bytes

    @property
    def macs_a_position(self) -> int:
        """MACs of one output position, all channels included."""
        return self.macs // (self.rows.output * self.columns.output)

    @property
    def macs_a_row(self) -> int:
        """MACs of one output row."""
        return self.macs_a_position * self.columns.output

    @property
    def row_map(self) -> AxisMap:
        """What its output rows read."""
        return windowed(self.rows)

    @property
    def column_map(self) -> AxisMap:
        """What its output columns read."""
        return windowed(self.columns)


@dataclass(frozen=True)
class Chain:
    """Layers in order; each reads what the one before writes."""

    layers: tuple[ChainLayer, ...]

    def __post_init__(self) -> None:
        for before, layer in zip(self.layers, self.layers[1:], strict=False):
            if (before.rows.output, before.columns.output, before.output_bytes) != (
                layer.rows.input, layer.columns.input, layer.input_bytes,
            ):  # fmt: skip
                raise PatchError(f"{layer.label or 'a layer'} does not read what the layer before it writes")

    def __len__(self) -> int:
        return len(self.layers)

    @cached_property
    def macs(self) -> int:
        """MACs of one inference, layer by layer."""
        return sum(layer.macs for layer in self.layers)


def chain_of(graph: Graph, subgraph: int = 0) -> Chain:
    """The spatial layers of a graph as a chain, one byte an element, as the papers count.

    Residual adds are left out, explicit padding joins the window behind it, element-wise operators join the layer
    before them, and the chain ends before the first operator that is not spatial or pools a whole feature map.

    Raises
    ------
    PatchError
        Where the main input is no feature map, or the network has branches that are more than shortcuts.
    """
    chosen = graph.subgraphs[subgraph]
    found = operator_maps(graph, subgraph)
    layers: list[ChainLayer] = []
    padding: OperatorMap | None = None
    tensor = _entry(chosen, found)
    while (step := _next(chosen, found, tensor)) is not None:
        op = chosen.operators[step.operator]
        tensor = op.outputs[0]
        facts = OperatorCall(graph, chosen, op)
        if facts.window is not None and _pools_everything(op, step):
            break
        if facts.window is not None:
            layers.append(_layer(graph, chosen, step, facts, padding))
            padding = None
        elif op.name in operators_that(Trait.PADS):
            padding = step
        elif padding is not None or not _keeps_size(step):
            raise PatchError(f"{op.label}, operator {step.operator}, has no place in a chain of layers")
    if not layers:
        raise PatchError("the model does not begin with layers that slide over a feature map")
    return Chain(tuple(layers))


def _entry(subgraph: Subgraph, found: Sequence[OperatorMap | Barrier]) -> int:
    read = {i.tensor for step in found if isinstance(step, OperatorMap) for i in step.inputs}
    entries = [t for t in subgraph.inputs if t in read]
    if len(entries) != 1:
        raise PatchError("the model does not have one input that is a feature map")
    return entries[0]


def _next(subgraph: Subgraph, found: Sequence[OperatorMap | Barrier], tensor: int) -> OperatorMap | None:
    """The operator behind ``tensor`` on the main path, None where the spatial part ends."""
    readers = [found[k] for k in subgraph.consumers.get(tensor, ())]
    steps = [step for step in readers if isinstance(step, OperatorMap)]
    if not steps or len(steps) != len(readers) or tensor in subgraph.outputs:
        return None
    for shortcut in steps[1:]:
        if len({i.tensor for i in shortcut.inputs}) != 2 or not _keeps_size(shortcut):
            name = subgraph.operators[shortcut.operator].label
            raise PatchError(f"the model is no chain: {name}, operator {shortcut.operator}, is a branch of its own")
    return steps[0]


def _keeps_size(step: OperatorMap) -> bool:
    return all(i.rows.input == i.rows.output and i.columns.input == i.columns.output for i in step.inputs)


def _pools_everything(op: Operator, step: OperatorMap) -> bool:
    rows, columns = step.inputs[0].rows, step.inputs[0].columns
    return "POOL" in op.name and (rows.output, columns.output) == (1, 1) and (rows.input, columns.input) != (1, 1)


def _layer(
    graph: Graph, subgraph: Subgraph, step: OperatorMap, facts: OperatorCall, padding: OperatorMap | None
) -> ChainLayer:
    window = facts.window
    assert window is not None
    rows, columns = window.rows, window.columns
    if padding is not None:
        before = padding.inputs[0]
        rows, columns = _padded(rows, before.rows), _padded(columns, before.columns)
    x, y = facts["x"], facts.outputs[0]
    op = subgraph.operators[step.operator]
    label = f"{op.label} {rows.kernel}x{columns.kernel} (operator {step.operator})"
    macs = operator_macs(graph, subgraph, op) or 0
    return ChainLayer(rows, columns, x.channels, y.channels, macs, label, step.operator)


def _padded(axis: Axis, padding: AxisMap) -> Axis:
    """``axis`` over the input of a PAD that stands before it."""
    before = next((o for o, low in enumerate(padding.high) if low), 0)
    after = padding.output - padding.input - before
    return replace(axis, input=padding.input, before=axis.before + before, after=axis.after + after)
