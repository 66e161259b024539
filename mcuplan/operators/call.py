"""One call of one operator: its operands by role, its options by type, its window, its axis."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any, Generic, TypeVar

from mcuplan.graph import Graph, Operator, Subgraph
from mcuplan.operators.facts import TensorFacts, constant_values
from mcuplan.operators.geometry.axes import Window, window
from mcuplan.operators.options import Options, own_options
from mcuplan.operators.table import operator_info

_JOINS = frozenset({"CONCATENATION", "PACK"})
"""Operators whose axis is one of their output."""

_OF_WINDOW: Mapping[str, Callable[[Window], int]] = {
    name.format(letter): attrgetter(f"{axis}.{value}")
    for letter, axis in (("h", "rows"), ("w", "columns"))
    for name, value in (
        ("k{}", "kernel"), ("stride_{}", "stride"), ("dil_{}", "dilation"), ("pad_{}", "before"), ("pad_{}2", "after"),
    )
}  # fmt: skip
"""What formulas call the window of an operator."""


def from_front(axis: int, rank: int) -> int | None:
    """An axis of a tensor of ``rank`` dimensions counted from the front, a negative one from behind.

    None where the tensor has no such axis: no kernel runs such an operator, so nothing is worked out of it.

    Examples
    --------
    >>> from_front(-1, 4), from_front(0, 4), from_front(4, 4), from_front(-5, 4), from_front(0, 0)
    (3, 0, None, None, None)
    """
    return axis % rank if -rank <= axis < rank else None


def all_from_front(axes: Iterable[int], rank: int) -> frozenset[int] | None:
    """Several axes by the same rule, each once; None where the tensor lacks one of them."""
    found = frozenset(from_front(axis, rank) for axis in axes)
    return None if None in found else frozenset(axis for axis in found if axis is not None)


_Value = TypeVar("_Value")


class _Kept(Generic[_Value]):
    """A property worked out once for all views of one call (``functools.cached_property`` would lock, and for one)."""

    def __init__(self, find: Callable[[Any], _Value]) -> None:
        self.find = find
        self.__doc__ = find.__doc__

    def __get__(self, call: OperatorCall, owner: type[OperatorCall]) -> _Value:
        known = call.known
        if self not in known:
            known[self] = self.find(call)
        value: _Value = known[self]
        return value


class OperatorCall(Mapping[str, Any]):
    """One operator where it stands: its tensors, options and geometry. The one view that rooms share.

    It is a mapping from the names of formulas to values: ``inputs[i]`` and ``outputs[i]`` (:class:`TensorFacts`); the
    roles that the operator table gives to inputs (``x`` data, ``w`` filter, ``b`` bias, ...); ``y`` the first output;
    ``kh kw stride_h stride_w dil_h dil_w`` and the padding before (``pad_h pad_w``) and after (``pad_h2 pad_w2``) of
    operators with a window; every option by its schema name. Unknown names raise KeyError.

    ``known`` is what other views of the same call have found out (:func:`facts_of`).
    """

    def __init__(
        self, graph: Graph, subgraph: Subgraph, operator: Operator, known: dict[Any, Any] | None = None
    ) -> None:
        self.graph = graph
        self.subgraph = subgraph
        self.operator = operator
        self.info = operator_info(operator.label)
        self.known: dict[Any, Any] = {} if known is None else known

    @_Kept
    def options(self) -> Options:
        """The options by name and type; all 0 where the file has none or another operator's."""
        return Options(self.operator)

    @_Kept
    def own_options(self) -> Mapping[str, Any]:
        """The options by their names in the schema; none where the file has none or another operator's."""
        return own_options(self.operator)

    def _tensor(self, index: int) -> TensorFacts:
        tensor = self.subgraph.tensors[index] if index >= 0 else None
        return TensorFacts(self.graph, tensor, index)

    @_Kept
    def inputs(self) -> tuple[TensorFacts, ...]:
        """All inputs, absent optional ones included."""
        return tuple(self._tensor(i) for i in self.operator.inputs)

    @_Kept
    def outputs(self) -> tuple[TensorFacts, ...]:
        """All outputs."""
        return tuple(self._tensor(i) for i in self.operator.outputs)

    @_Kept
    def hybrid(self) -> bool:
        """Whether a float operator has integer weights: then it finds one scale for its whole input as it runs.

        What it gives at a place depends on all of its input (LiteRT's dynamic range quantization; TFLM refuses it).
        """
        if not {"x", "w"} <= set(self.info.inputs):
            return False
        x: TensorFacts = self["x"]
        w: TensorFacts = self["w"]
        return x.dtype.startswith("float") and w.dtype.startswith(("int", "uint"))

    @_Kept
    def window(self) -> Window | None:
        """The spatial window, None for operators without one or with shapes that are not NHWC."""
        kind = self.info.window
        if kind is None:
            return None
        options, x = self.options, self["x"]
        strides, dilations = options.strides, options.dilations
        kernel = options.pool
        if kind != "pool":
            filter_dims = self["w"].dims
            if len(filter_dims) != 4:
                return None
            kernel = (filter_dims[1], filter_dims[2])
        if x.rank != 4 or min(*strides, *dilations, *kernel) < 1:
            return None
        source = self["y"].dims if kind == "transpose" else x.dims
        return window(source, kernel, strides, dilations, options.padding) if len(source) == 4 else None

    @_Kept
    def axis(self) -> int | None:
        """The axis that is joined, split, packed, unpacked or looked up along, counted from the front.

        Of SPLIT and SPLIT_V it is a constant input, of others an option. None where it is not known from the file, or
        where the tensor (the output of what joins, else the data) has no such axis.
        """
        whole: TensorFacts = self["y"] if self.operator.name in _JOINS else self["x"]
        if "axis" not in self.info.inputs:
            return from_front(self.options.axis, whole.rank)
        given = self.constants("axis")
        return from_front(given[0], whole.rank) if given else None

    def constants(self, role: str) -> tuple[int, ...] | None:
        """The constant integers of the input in a role, such as ``axes``; None where it is no constant of integers."""
        tensor: TensorFacts = self[role]
        return None if tensor.tensor is None else constant_values(self.graph, tensor.tensor)

    def _window_name(self, name: str) -> int:
        window = self.window
        if window is None:
            raise KeyError(name)
        return _OF_WINDOW[name](window)

    def _find(self, name: str) -> Any:
        if name == "y":
            return self.outputs[0] if self.outputs else TensorFacts(self.graph, None, -1)
        if name == "inputs":
            return self.inputs
        if name == "outputs":
            return self.outputs
        roles = self.info.inputs
        if name in roles:
            position = roles.index(name)
            return self.inputs[position] if position < len(self.inputs) else TensorFacts(self.graph, None, -1)
        if name in _OF_WINDOW:
            return self._window_name(name)
        return self.own_options[name]

    def __getitem__(self, name: str) -> Any:
        known = self.known
        if name not in known:
            known[name] = self._find(name)
        return known[name]

    def __iter__(self) -> Iterator[str]:
        return (name for name in self.known if isinstance(name, str))

    def __len__(self) -> int:
        return sum(1 for _ in self)


def facts_of(graph: Graph, index: int, place: int) -> dict[Any, Any]:
    """What is known of operator ``place`` of subgraph ``index``, for every view of it, as long as its graph lives."""
    return graph.once(("call", index, place), dict)


def call_at(graph: Graph, index: int, place: int) -> OperatorCall:
    """The call of operator ``place`` of subgraph ``index``, with what was found out of it before."""
    subgraph = graph.subgraphs[index]
    return OperatorCall(graph, subgraph, subgraph.operators[place], facts_of(graph, index, place))
