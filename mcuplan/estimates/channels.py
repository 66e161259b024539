"""Which channels belong together: what must shrink or grow with what.

A filter of a convolution makes one channel; depthwise layers, activations and pools keep channels; residual additions
tie the channels of their inputs; concatenations put them side by side; a flattened picture repeats them at every
position. Channels that the model's inputs or outputs hold, or that an operator reads in a way not listed in
``data/channel_flow.json``, are fixed.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources

from mcuplan.estimates.errors import EstimateError
from mcuplan.graph import Graph, Operator, Tensor
from mcuplan.operators import Options, Trait, constant_values, operators_that, sliding
from mcuplan.operators.call import all_from_front, from_front
from mcuplan.tflm.support import contradiction


@cache
def flow() -> Mapping[str, frozenset[str]]:
    """Names of operators by what they do to channels."""
    text = resources.files("mcuplan.estimates").joinpath("data/channel_flow.json").read_text("utf-8")
    return {kind: frozenset(names) for kind, names in json.loads(text).items() if kind != "about"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """The channels of group ``group`` (an index into the union-find), ``size`` of them in the given model."""

    group: int
    size: int


@dataclass(frozen=True, slots=True)
class Concatenated:
    """Channels of several layouts side by side."""

    parts: tuple[Layout, ...]


@dataclass(frozen=True, slots=True)
class Repeated:
    """Each channel ``times`` times in a row, as a depthwise multiplier makes it."""

    of: Layout
    times: int


@dataclass(frozen=True, slots=True)
class Flattened:
    """All channels at each of rows x columns positions of tensor ``tensor``, as one dimension."""

    of: Layout
    tensor: int
    rows: int
    columns: int


Layout = Leaf | Concatenated | Repeated | Flattened


def leaves(layout: Layout) -> Iterator[Leaf]:
    """The groups a layout is made of."""
    match layout:
        case Leaf():
            yield layout
        case Concatenated(parts):
            for part in parts:
                yield from leaves(part)
        case Repeated(of, _) | Flattened(of, _, _, _):
            yield from leaves(of)


@dataclass
class ChannelGroups:
    """The layout of each activation, the groups they are made of, and the operators whose filters make each group."""

    layouts: dict[int, Layout] = field(default_factory=dict)
    sizes: list[int] = field(default_factory=list)
    makers: dict[int, list[int]] = field(default_factory=dict)
    _parents: list[int] = field(default_factory=list)
    _fixed: set[int] = field(default_factory=set)

    def new(self, size: int, fixed: bool = False, maker: int | None = None) -> Leaf:
        """A group of its own."""
        group = len(self._parents)
        self._parents.append(group)
        self.sizes.append(size)
        if fixed:
            self._fixed.add(group)
        if maker is not None:
            self.makers[group] = [maker]
        return Leaf(group, size)

    def find(self, group: int) -> int:
        """The group that stands for all that ``group`` is tied to."""
        while self._parents[group] != group:
            self._parents[group] = self._parents[self._parents[group]]
            group = self._parents[group]
        return group

    def fix(self, layout: Layout) -> None:
        """Make every channel of ``layout`` stay."""
        self._fixed.update(self.find(leaf.group) for leaf in leaves(layout))

    def tie(self, a: Layout, b: Layout) -> None:
        """Let two layouts keep the same channels; where they are not built alike, both stay as they are."""
        match a, b:
            case Leaf(), Leaf() if a.size == b.size:
                self._union(a.group, b.group)
            case Concatenated(p), Concatenated(q) if [*map(_width, p)] == [*map(_width, q)]:
                for x, y in zip(p, q, strict=True):
                    self.tie(x, y)
            case Repeated(x, n), Repeated(y, m) if n == m:
                self.tie(x, y)
            case Flattened(x, _, r, c), Flattened(y, _, s, d) if (r, c) == (s, d):
                self.tie(x, y)
            case _:
                self.fix(a)
                self.fix(b)

    def _union(self, a: int, b: int) -> None:
        a, b = self.find(a), self.find(b)
        if a != b:
            self._parents[b] = a
            if b in self._fixed:
                self._fixed.add(a)
            self.makers[a] = sorted({*self.makers.get(a, []), *self.makers.pop(b, [])})

    def free(self) -> tuple[int, ...]:
        """The groups that filters make and that nothing fixes, in the order of their first operator."""
        roots = {self.find(g) for g in range(len(self._parents))}
        chosen = [g for g in roots if g not in self._fixed and self.makers.get(g)]
        return tuple(sorted(chosen, key=lambda g: self.makers[g]))


def _width(layout: Layout) -> int:
    match layout:
        case Leaf(_, size):
            return size
        case Concatenated(parts):
            return sum(map(_width, parts))
        case Repeated(of, times):
            return _width(of) * times
        case Flattened(of, _, rows, columns):
            return _width(of) * rows * columns


def channel_groups(graph: Graph) -> ChannelGroups:
    """The groups of a model with one subgraph.

    Raises
    ------
    EstimateError
        Where the model has more than one subgraph, or its parts contradict each other.
    """
    if len(graph.subgraphs) > 1:
        raise EstimateError(f"a model with {len(graph.subgraphs)} subgraphs cannot be pruned or resized")
    if problem := contradiction(graph):
        raise EstimateError(f"the network cannot be rebuilt: {problem}")
    groups, main = ChannelGroups(), graph.main
    for t in main.inputs:
        groups.layouts[t] = groups.new(_last(main.tensors[t]), fixed=True)
    for k, op in enumerate(main.operators):
        _flow(graph, groups, k, op)
    for t in main.outputs:
        if t in groups.layouts:
            groups.fix(groups.layouts[t])
    return groups


def _last(tensor: Tensor) -> int:
    return tensor.shape[-1] if tensor.shape else 1


def _flow(graph: Graph, groups: ChannelGroups, k: int, op: Operator) -> None:
    """Give the outputs of operator ``k`` their layouts, and tie or fix those of its inputs."""
    tensors = graph.main.tensors
    known = [groups.layouts[t] for t in op.inputs if t in groups.layouts]
    layout = _layout(graph, groups, k, op, known) if op.outputs else None
    if layout is None:
        for read in known:
            groups.fix(read)
        for t in op.outputs:
            groups.layouts[t] = groups.new(_last(tensors[t]), fixed=True)
    else:
        groups.layouts[op.outputs[0]] = layout


def _layout(graph: Graph, groups: ChannelGroups, k: int, op: Operator, known: list[Layout]) -> Layout | None:
    """The layout of the first output; None where the operator fixes what it reads."""
    tensors = graph.main.tensors
    x, y = (tensors[op.inputs[0]] if op.inputs and op.inputs[0] >= 0 else None), tensors[op.outputs[0]]
    first = groups.layouts.get(op.inputs[0]) if op.inputs else None
    if x is None or len(op.outputs) != 1:
        return None
    if op.name in ("CONV_2D", "FULLY_CONNECTED", "DEPTHWISE_CONV_2D"):
        return _weighted(graph, groups, k, op, first)
    joins = op.name == "CONCATENATION" and len(known) == len(op.inputs)
    if joins and from_front(Options(op).axis, y.rank) == y.rank - 1:
        return Concatenated(tuple(known))
    if first is None and op.name not in flow()["binary"]:
        return None
    if op.name in flow()["binary"] or op.name == "CONCATENATION":
        return _tied(graph, groups, op, known)
    if op.name in flow()["same"] or op.name in sliding("pool"):
        return first
    if op.name in ("PAD", "PADV2", "MIRROR_PAD"):
        amounts = constant_values(graph, tensors[op.inputs[1]])
        return first if amounts and len(amounts) == 2 * x.rank and amounts[-2:] == (0, 0) else None
    if op.name in flow()["reduce"]:
        axes = constant_values(graph, tensors[op.inputs[1]])
        gone = None if axes is None else all_from_front(axes, x.rank)
        return None if gone is None or x.rank - 1 in gone else first
    if op.name in operators_that(Trait.RESHAPES):
        return _reshaped(x, y, op.inputs[0], first)
    return None


def _weighted(graph: Graph, groups: ChannelGroups, k: int, op: Operator, first: Layout | None) -> Layout | None:
    tensors = graph.main.tensors
    x, w, y = tensors[op.inputs[0]], tensors[op.inputs[1]], tensors[op.outputs[0]]
    if first is None or not graph.is_constant(w) or w.rank not in (2, 4):
        return None
    if op.name == "DEPTHWISE_CONV_2D":
        times = _last(y) // max(_last(x), 1)
        return first if times == 1 else Repeated(first, times) if times > 1 else None
    if op.name == "CONV_2D" and w.shape[3] != _last(x):
        return None  # grouped: its filters read fixed runs of channels
    if op.name == "FULLY_CONNECTED":
        flat = x.elements // max(x.shape[0], 1) if x.rank == 4 else _last(x)
        if w.shape[1] not in (_last(x), flat):
            return None
    return groups.new(_last(y), maker=k)


def _tied(graph: Graph, groups: ChannelGroups, op: Operator, known: list[Layout]) -> Layout | None:
    """Inputs that share channels; a constant follows, an activation of one channel is spread over them."""
    y = graph.main.tensors[op.outputs[0]]
    wide = [
        groups.layouts[t] for t in op.inputs if t in groups.layouts and _last(graph.main.tensors[t]) == _last(y)
    ]  # fmt: skip
    if not wide:
        return None
    for other in wide[1:]:
        groups.tie(wide[0], other)
    for narrow in known:
        if narrow not in wide:
            groups.fix(narrow)
    return wide[0]


def _reshaped(x: Tensor, y: Tensor, source: int, first: Layout | None) -> Layout | None:
    if first is None:
        return None
    if [n for n in x.shape if n != 1] == [n for n in y.shape if n != 1] and _last(x) == _last(y):
        return first
    if x.rank == 4 and y.rank == 2 and y.shape[0] == x.shape[0] and y.shape[1] == x.elements // max(x.shape[0], 1):
        return Flattened(first, source, x.shape[1], x.shape[2])
    return None
