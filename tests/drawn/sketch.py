"""Small models by hand, for the tests of this room: int8 tensors of one scale unless told otherwise."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from mcuplan.graph import Buffer, DType, Graph, Operator, Quantization, Subgraph, Tensor
from mcuplan.operators.geometry import VALID, window_axis
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflite.schema import operator_code as custom_code
from mcuplan.zoo.operators import operator_code, options_record

AFFINE = Quantization(scales=(0.5,), zero_points=(3,))
FORMATS = {DType.INT8: "b", DType.UINT8: "B", DType.INT16: "h", DType.INT32: "i", DType.INT64: "q",
           DType.FLOAT32: "f", DType.BOOL: "?"}  # fmt: skip


class Sketch:
    """One subgraph while it is drawn; tensors are known by their index."""

    def __init__(self, buffers: list[Buffer] | None = None) -> None:
        self.buffers = [Buffer()] if buffers is None else buffers
        self.tensors: list[Tensor] = []
        self.operators: list[Operator] = []
        self.inputs: list[int] = []

    def tensor(
        self,
        *shape: int,
        dtype: DType = DType.INT8,
        quantization: Quantization | None = AFFINE,
        variable: bool = False,
        name: str | None = None,
    ) -> int:
        integers = (DType.INT8, DType.UINT8, DType.INT16)
        quantization = quantization if dtype in integers else None
        if dtype is DType.INT16 and quantization is AFFINE:
            quantization = replace(AFFINE, zero_points=(0,))
        name = name or f"t{len(self.tensors)}"
        self.tensors.append(Tensor(name, dtype, shape, 0, quantization, variable))
        return len(self.tensors) - 1

    def input(self, *shape: int, **facts: Any) -> int:
        self.inputs.append(self.tensor(*shape, **facts))
        return self.inputs[-1]

    def constant(
        self, values: Sequence[float], shape: Sequence[int] | None = None, dtype: DType = DType.INT32, **facts: Any
    ) -> int:
        t = self.tensor(*((len(values),) if shape is None else shape), dtype=dtype, **facts)
        self.buffers.append(Buffer(struct.pack(f"<{len(values)}{FORMATS[dtype]}", *values)))
        self.tensors[t] = replace(self.tensors[t], buffer=len(self.buffers) - 1)
        return t

    def into(self, operator: str, inputs: Sequence[int], outputs: Sequence[int], **options: Any) -> None:
        """An operator on tensors that are there already; CUSTOM operators by ``custom="name"``."""
        custom = options.pop("custom", None)
        if custom:
            code = custom_code("CUSTOM", custom_code=custom)
            self.operators.append(Operator(code, tuple(inputs), tuple(outputs)))
            return
        dtype = self.tensors[outputs[0]].dtype if outputs else DType.INT8
        code = operator_code(operator, dtype)
        self.operators.append(Operator(code, tuple(inputs), tuple(outputs), options_record(operator, options)))

    def op(self, operator: str, inputs: Sequence[int], shape: Sequence[int], **options: Any) -> int:
        """An operator with one new output of the first input's type."""
        y = self.tensor(*shape, dtype=self.tensors[inputs[0]].dtype)
        self.into(operator, inputs, [y], **options)
        return y

    def op_like(self, operator: str, inputs: Sequence[int], like: int, **options: Any) -> int:
        """An operator whose new output is of the type, shape and quantization of ``like``."""
        self.tensors.append(replace(self.tensors[like], name=f"t{len(self.tensors)}"))
        self.into(operator, inputs, [len(self.tensors) - 1], **options)
        return len(self.tensors) - 1

    def add(self, a: int, b: int, operator: str = "ADD") -> int:
        return self.op(operator, [a, b], self.shape(a))

    def relu(self, x: int) -> int:
        return self.op("RELU", [x], self.shape(x))

    def reshape(self, x: int, *shape: int) -> int:
        return self.op("RESHAPE", [x, self.constant(shape)], shape, new_shape=shape)

    def concat(self, parts: Sequence[int], axis: int) -> int:
        shape = list(self.shape(parts[0]))
        shape[axis] = sum(self.shape(part)[axis] for part in parts)
        return self.op("CONCATENATION", parts, shape, axis=axis)

    def slice(self, x: int, begin: Sequence[int], size: Sequence[int]) -> int:
        return self.op("SLICE", [x, self.constant(begin), self.constant(size)], size)

    def pad(self, x: int, amounts: Sequence[tuple[int, int]]) -> int:
        shape = tuple(n + a + b for n, (a, b) in zip(self.shape(x), amounts, strict=True))
        flat = [n for pair in amounts for n in pair]
        return self.op("PAD", [x, self.constant(flat, (len(amounts), 2))], shape)

    def conv(
        self,
        x: int,
        kernel: tuple[int, int] = (3, 3),
        stride: int = 1,
        padding: int = VALID,
        filters: int = 2,
        operator: str = "CONV_2D",
        dilation: int = 1,
        weights: Sequence[float] | None = None,
    ) -> int:
        """A convolution; depthwise ones keep the channels."""
        n, h, w, c = self.shape(x)
        dtype = self.tensors[x].dtype
        depthwise = operator == "DEPTHWISE_CONV_2D"
        shape = (1, *kernel, c) if depthwise else (filters, *kernel, c)
        if weights is None:
            weights = [((i * 37 + 11) % 23 - 11) for i in range(math.prod(shape))]
        q = Quantization(scales=(0.01,), zero_points=(0,)) if dtype is not DType.FLOAT32 else None
        stored = dtype if dtype is DType.FLOAT32 else DType.INT8
        filter_tensor = self.constant(weights, shape, dtype=stored, quantization=q)
        rows, columns = (
            window_axis(size, k, stride, dilation, padding).output for size, k in zip((h, w), kernel, strict=True)
        )
        channels = c if depthwise else filters
        wide = {DType.FLOAT32: dtype, DType.INT16: DType.INT64}.get(dtype, DType.INT32)
        bias = self.constant([7 * i - 3 for i in range(channels)], dtype=wide)
        y = self.tensor(n, rows, columns, channels, dtype=dtype)
        facts = {"depth_multiplier": 1} if depthwise else {}
        self.into(operator, [x, filter_tensor, bias], [y], padding=padding, stride_h=stride, stride_w=stride,
                  dilation_h_factor=dilation, dilation_w_factor=dilation, **facts)  # fmt: skip
        return y

    def dense(self, x: int, units: int = 3) -> int:
        size = math.prod(self.shape(x))
        dtype = self.tensors[x].dtype
        q = Quantization(scales=(0.01,), zero_points=(0,))
        stored = dtype if dtype is DType.FLOAT32 else DType.INT8
        weights = [((i * 29 + 5) % 19 - 9) for i in range(units * size)]
        w = self.constant(weights, (units, size), dtype=stored, quantization=q)
        return self.op("FULLY_CONNECTED", [x, w, -1], (1, units))

    def opaque(self, *inputs: int, shape: Sequence[int] | None = None) -> int:
        """An operator of which nothing is known to be safe (MAXIMUM of its inputs)."""
        pair = inputs if len(inputs) == 2 else (*inputs, *inputs)
        return self.op("MAXIMUM", pair, shape or self.shape(inputs[0]))

    def shape(self, t: int) -> tuple[int, ...]:
        return self.tensors[t].shape

    def subgraph(self, *outputs: int, name: str | None = None) -> Subgraph:
        return Subgraph(tuple(self.tensors), tuple(self.operators), tuple(self.inputs), outputs, name)

    def graph(self, *outputs: int, others: Sequence[Subgraph] = ()) -> Graph:
        subgraphs = (self.subgraph(*outputs), *others)
        codes = dict.fromkeys(op.code for s in subgraphs for op in s.operators)
        return Graph(subgraphs, tuple(self.buffers), tuple(codes))


def planned(graph: Graph, offsets: dict[int, int], index: int = 0) -> Graph:
    """The graph with some tensors of one subgraph pinned."""
    before = sum(len(s.tensors) for s in graph.subgraphs[:index])
    every = [-1] * sum(len(s.tensors) for s in graph.subgraphs)
    for t, at in offsets.items():
        every[before + t] = at
    return set_offline_plan(graph, every)
