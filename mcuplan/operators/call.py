"""One call of one operator: its operands by role, its options by type, its window, its axis."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any

from mcuplan.graph import Graph, Operator, Subgraph
from mcuplan.operators.facts import TensorFacts
from mcuplan.operators.geometry.axes import Window, window
from mcuplan.operators.table import operator_info

_NO_WINDOW = frozenset({"kh", "kw", "stride_h", "stride_w", "dil_h", "dil_w", "pad_h", "pad_w", "pad_h2", "pad_w2"})


class OperatorCall(Mapping[str, Any]):
    """One operator's tensors, options and geometry as a mapping from formula names to values.

    Names: ``inputs[i]`` and ``outputs[i]`` (:class:`TensorFacts`); the roles that the operator table gives to inputs
    (``x`` data, ``w`` filter, ``b`` bias, ...); ``y`` the first output; ``kh kw stride_h stride_w dil_h dil_w`` and
    the padding before (``pad_h pad_w``) and after (``pad_h2 pad_w2``) of operators with a window; every option by its
    schema name. Unknown names raise KeyError.
    """

    def __init__(self, graph: Graph, subgraph: Subgraph, operator: Operator) -> None:
        self.graph = graph
        self.subgraph = subgraph
        self.operator = operator
        self.info = operator_info(operator.label)
        self._cache: dict[str, Any] = {}

    def _tensor(self, index: int) -> TensorFacts:
        tensor = self.subgraph.tensors[index] if index >= 0 else None
        return TensorFacts(self.graph, tensor, index)

    @cached_property
    def inputs(self) -> tuple[TensorFacts, ...]:
        """All inputs, absent optional ones included."""
        return tuple(self._tensor(i) for i in self.operator.inputs)

    @cached_property
    def outputs(self) -> tuple[TensorFacts, ...]:
        """All outputs."""
        return tuple(self._tensor(i) for i in self.operator.outputs)

    @cached_property
    def hybrid(self) -> bool:
        """Whether a float operator has integer weights: then it finds one scale for its whole input as it runs.

        What it gives at a place depends on all of its input (LiteRT's dynamic range quantization; TFLM refuses it).
        """
        if not {"x", "w"} <= set(self.info.inputs):
            return False
        x: TensorFacts = self["x"]
        w: TensorFacts = self["w"]
        return x.dtype.startswith("float") and w.dtype.startswith(("int", "uint"))

    @cached_property
    def window(self) -> Window | None:
        """The spatial window, None for operators without one or with shapes that are not NHWC."""
        kind = self.info.window
        if kind is None:
            return None
        option = self.operator.option
        strides = (option("stride_h", 1), option("stride_w", 1))
        dilations = (option("dilation_h_factor", 1), option("dilation_w_factor", 1))
        padding = option("padding", 0)
        x = self["x"]
        if kind == "pool":
            kernel = (option("filter_height", 1), option("filter_width", 1))
        else:
            filter_dims = self["w"].dims
            if len(filter_dims) != 4:
                return None
            kernel = (filter_dims[1], filter_dims[2])
        if x.rank != 4 or min(*strides, *dilations, *kernel) < 1:
            return None
        source = self["y"].dims if kind == "transpose" else x.dims
        return window(source, kernel, strides, dilations, padding) if len(source) == 4 else None

    def _window_name(self, name: str) -> int:
        if self.window is None:
            raise KeyError(name)
        axis = self.window.rows if "h" in name else self.window.columns
        if name.startswith("k"):
            return axis.kernel
        if name.startswith("stride"):
            return axis.stride
        if name.startswith("dil"):
            return axis.dilation
        return axis.after if name.endswith("2") else axis.before

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
        if name in _NO_WINDOW:
            return self._window_name(name)
        if self.operator.options is not None and name in self.operator.options.fields:
            return self.operator.options.fields[name]
        raise KeyError(name)

    def __getitem__(self, name: str) -> Any:
        if name not in self._cache:
            self._cache[name] = self._find(name)
        return self._cache[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._cache)

    def __len__(self) -> int:
        return len(self._cache)
