"""Builds Graphs layer by layer: seeded weights, and quantization by TFLite's rules.

A :class:`Builder` keeps the tensors and operators made so far; each layer method takes :class:`Value` handles and
returns the handle of its output. One program builds the int8, int16 and float32 model: the same seed draws the same
real weights, so the quantized model approximates its float twin.

Quantization follows TFLite's 8-bit specification: weights symmetric int8 with one scale a filter for convolutions and
one in all for dense layers, biases int32 (int64 under int16 activations) with scale = input scale x filter scale,
softmax output 1/256 with zero point -128, and no rescaling by operators that only move data.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from mcuplan.graph import Buffer, DType, Graph, Operator, OperatorCode, Quantization, Subgraph, Tensor
from mcuplan.zoo.draws import Draws
from mcuplan.zoo.filters import drawn_filters
from mcuplan.zoo.operators import operator_code, options_record
from mcuplan.zoo.ranges import ACTIVATIONS, Activation, Affine, Spread, affine, float32
from mcuplan.zoo.storage import stored
from mcuplan.zoo.values import Value
from mcuplan.zoo.windows import Padding, Pair, Window

if TYPE_CHECKING:
    from numpy.typing import NDArray

PRECISIONS: dict[str, DType] = {"int8": DType.INT8, "int16": DType.INT16, "float32": DType.FLOAT32}
"""The element types of activations a model can be built with; weights are int8 under int8 and int16."""


class _Role(enum.IntEnum):
    """The order of tensors in the file, as TensorFlow's converter writes it."""

    INPUT = 0
    CONSTANT = 1
    ACTIVATION = 2


class Builder:
    """Makes one subgraph. Not thread-safe; use one Builder a model."""

    def __init__(self, *, precision: str = "int8", seed: int = 0) -> None:
        """``precision`` is a key of PRECISIONS; ``seed`` decides every weight."""
        self.dtype = PRECISIONS[precision]
        self._draws = Draws(seed)
        self._tensors: list[Tensor] = []
        self._roles: list[_Role] = []
        self._buffers: list[Buffer] = [Buffer()]
        self._operators: list[Operator] = []
        self._inputs: list[int] = []

    # -- tensors ------------------------------------------------------------------------------------------------

    def input(
        self,
        shape: Sequence[int],
        *,
        low: float = -1.0,
        high: float = 1.0,
        dtype: DType | None = None,
        name: str = "input",
    ) -> Value:
        """A model input whose elements lie in [low, high]; of the model's precision unless ``dtype`` is given."""
        dtype = self.dtype if dtype is None else dtype
        value = self._value(name, shape, dtype, affine(low, high, dtype), Spread.uniform(low, high), _Role.INPUT)
        self._inputs.append(value.index)
        return value

    def constant(
        self,
        data: NDArray[Any],
        dtype: DType,
        *,
        name: str = "constant",
        quantization: Quantization | None = None,
        has_shape: bool = True,
    ) -> Value:
        """A constant tensor that holds ``data``, converted to ``dtype``, in its own buffer."""
        self._buffers.append(Buffer(stored(data, dtype)))
        shape = tuple(np.shape(data))
        tensor = Tensor(
            name, dtype, shape, buffer=len(self._buffers) - 1, quantization=quantization, has_shape=has_shape
        )
        per_tensor = quantization is not None and len(quantization.scales) == 1
        known = (
            Affine(quantization.scales[0], quantization.zero_points[0])
            if quantization is not None and per_tensor
            else None
        )
        return Value(self._add(tensor, _Role.CONSTANT), shape, dtype, known, Spread(0.0, 1.0))

    def scalar(self, real: float, *, name: str = "constant") -> Value:
        """A constant scalar (no shape in the file) that stands for ``real``."""
        if self.dtype is DType.FLOAT32:
            value = self.constant(np.asarray(real), DType.FLOAT32, name=name, has_shape=False)
        else:
            top = 32767 if self.dtype is DType.INT16 else 127
            scale = Quantization(scales=(float32(abs(real) / top),), zero_points=(0,))
            quantized = np.asarray(math.copysign(top, real))
            value = self.constant(quantized, self.dtype, name=name, quantization=scale, has_shape=False)
        return replace(value, spread=Spread(real, 0.0))

    def indices(self, data: Sequence[Any], *, name: str = "constant") -> Value:
        """A constant int32 tensor: shapes, axes, paddings, permutations."""
        return self.constant(np.asarray(data, dtype=np.int32), DType.INT32, name=name)

    # -- layers with weights ------------------------------------------------------------------------------------

    def conv2d(
        self,
        x: Value,
        filters: int,
        kernel: Pair,
        *,
        stride: Pair = 1,
        padding: Padding = Padding.SAME,
        dilation: Pair = 1,
        activation: str = "NONE",
        name: str = "conv2d",
    ) -> Value:
        """CONV_2D of an NHWC value, weights [filters, rows, columns, channels]."""
        x, window = self._windowed(x, Window.of(kernel, stride, padding, dilation), name)
        shape = (filters, *window.kernel, x.channels)
        weights, bias, spread = self._weighted(x, shape, axis=0, per_channel=True, activation=activation, name=name)
        out = (x.shape[0], *window.output(x.shape[1:3]), filters)
        options = window.options | window.dilation_options
        return self._activated("CONV_2D", (x, weights, bias), out, spread, activation, name, **options)

    def depthwise_conv2d(
        self,
        x: Value,
        kernel: Pair,
        *,
        multiplier: int = 1,
        stride: Pair = 1,
        padding: Padding = Padding.SAME,
        dilation: Pair = 1,
        activation: str = "NONE",
        name: str = "depthwise",
    ) -> Value:
        """DEPTHWISE_CONV_2D of an NHWC value, weights [1, rows, columns, channels x multiplier]."""
        x, window = self._windowed(x, Window.of(kernel, stride, padding, dilation), name)
        filters = x.channels * multiplier
        weights, bias, spread = self._weighted(
            x, (1, *window.kernel, filters), axis=3, per_channel=True, activation=activation, name=name
        )
        out = (x.shape[0], *window.output(x.shape[1:3]), filters)
        options = window.options | window.dilation_options | {"depth_multiplier": multiplier}
        return self._activated("DEPTHWISE_CONV_2D", (x, weights, bias), out, spread, activation, name, **options)

    def fully_connected(
        self,
        x: Value,
        units: int,
        *,
        activation: str = "NONE",
        per_channel: bool = False,
        name: str = "dense",
    ) -> Value:
        """FULLY_CONNECTED of everything but the first dimension, weights [units, inputs]."""
        shape = (units, math.prod(x.shape[1:]))
        weights, bias, spread = self._weighted(
            x, shape, axis=0, per_channel=per_channel, activation=activation, name=name
        )
        return self._activated("FULLY_CONNECTED", (x, weights, bias), (x.shape[0], units), spread, activation, name)

    # -- layers without weights ---------------------------------------------------------------------------------

    def add(self, a: Value, b: Value, *, activation: str = "NONE", name: str = "add") -> Value:
        """ADD with broadcasting."""
        return self._activated("ADD", (a, b), _broadcast(a, b), a.spread.plus(b.spread), activation, name)

    def sub(self, a: Value, b: Value, *, activation: str = "NONE", name: str = "sub") -> Value:
        """SUB with broadcasting."""
        return self._activated("SUB", (a, b), _broadcast(a, b), a.spread.plus(b.spread, -1), activation, name)

    def mul(self, a: Value, b: Value, *, activation: str = "NONE", name: str = "mul") -> Value:
        """MUL with broadcasting."""
        return self._activated("MUL", (a, b), _broadcast(a, b), a.spread.times(b.spread), activation, name)

    def average_pool(
        self, x: Value, kernel: Pair, *, stride: Pair = 1, padding: Padding = Padding.VALID, name: str = "pool"
    ) -> Value:
        """AVERAGE_POOL_2D; the output keeps the input's quantization."""
        window = Window.of(kernel, stride, padding)
        return self._pooled("AVERAGE_POOL_2D", x, window, x.spread.averaged(math.prod(window.kernel)), name)

    def max_pool(
        self, x: Value, kernel: Pair, *, stride: Pair = 1, padding: Padding = Padding.VALID, name: str = "pool"
    ) -> Value:
        """MAX_POOL_2D; the output keeps the input's quantization."""
        return self._pooled("MAX_POOL_2D", x, Window.of(kernel, stride, padding), x.spread, name)

    def pad(self, x: Value, paddings: Sequence[Sequence[int]], *, name: str = "pad") -> Value:
        """PAD with zeros: per dimension (before, after)."""
        table = self.indices(paddings, name=f"{name}/paddings")
        shape = [n + before + after for n, (before, after) in zip(x.shape, paddings, strict=True)]
        return self._moved("PAD", (x, table), shape, name)

    def reshape(self, x: Value, shape: Sequence[int], *, name: str = "reshape") -> Value:
        """RESHAPE; one dimension may be -1. The shape is given both as a tensor and as an option."""
        out = _inferred(shape, math.prod(x.shape))
        return self._moved("RESHAPE", (x, self.indices(out, name=f"{name}/shape")), out, name, new_shape=tuple(shape))

    def squeeze(self, x: Value, axes: Sequence[int], *, name: str = "squeeze") -> Value:
        """SQUEEZE of the given axes."""
        out = [n for axis, n in enumerate(x.shape) if axis not in axes]
        return self._moved("SQUEEZE", (x,), out, name, squeeze_dims=tuple(axes))

    def transpose(self, x: Value, permutation: Sequence[int], *, name: str = "transpose") -> Value:
        """TRANSPOSE by a constant permutation."""
        order = self.indices(permutation, name=f"{name}/permutation")
        return self._moved("TRANSPOSE", (x, order), [x.shape[axis] for axis in permutation], name)

    def mean(self, x: Value, axes: Sequence[int], *, keep_dims: bool = False, name: str = "mean") -> Value:
        """MEAN over constant axes; the output keeps the input's quantization."""
        table = self.indices(axes, name=f"{name}/axes")
        out = [1 if axis in axes else n for axis, n in enumerate(x.shape) if keep_dims or axis not in axes]
        value = self._moved("MEAN", (x, table), out, name, keep_dims=keep_dims)
        return replace(value, spread=x.spread.averaged(math.prod(x.shape[axis] for axis in axes)))

    def concatenation(self, values: Sequence[Value], axis: int, *, name: str = "concatenation") -> Value:
        """CONCATENATION; int8 needs all inputs in one quantization, which the output keeps."""
        out = list(values[0].shape)
        out[axis] = sum(v.shape[axis] for v in values)
        return self._moved("CONCATENATION", values, out, name, axis=axis)

    def slice(self, x: Value, begin: Sequence[int], size: Sequence[int], *, name: str = "slice") -> Value:
        """SLICE of ``size`` elements from ``begin`` on along each axis."""
        first = self.indices(begin, name=f"{name}/begin")
        count = self.indices(size, name=f"{name}/size")
        return self._moved("SLICE", (x, first, count), size, name)

    def relu(self, x: Value, *, name: str = "relu") -> Value:
        """RELU as an operator of its own, in the input's quantization."""
        return self._moved("RELU", (x,), x.shape, name)

    def softmax(self, x: Value, *, name: str = "softmax") -> Value:
        """SOFTMAX over the last dimension, into TFLite's fixed quantization."""
        fixed = {DType.INT8: Affine(1 / 256, -128), DType.INT16: Affine(1 / 32768, 0)}.get(x.dtype)
        out = self._value(name, x.shape, x.dtype, fixed, Spread.uniform(0, 1))
        return self._emit("SOFTMAX", (x,), out, beta=1.0)

    def quantize(self, x: Value, *, low: float, high: float, name: str = "quantize") -> Value:
        """QUANTIZE to the model's precision so that it covers [low, high]."""
        out = self._value(name, x.shape, self.dtype, affine(low, high, self.dtype), x.spread)
        return self._emit("QUANTIZE", (x,), out)

    def dequantize(self, x: Value, *, name: str = "dequantize") -> Value:
        """DEQUANTIZE to float32."""
        return self._emit("DEQUANTIZE", (x,), self._value(name, x.shape, DType.FLOAT32, None, x.spread))

    # -- the model ----------------------------------------------------------------------------------------------

    def graph(self, outputs: Sequence[Value], *, description: str = "mcuplan zoo") -> Graph:
        """The finished model: tensors ordered as inputs, constants, activations in execution order."""
        order = sorted(range(len(self._tensors)), key=self._roles.__getitem__)
        place = {old: new for new, old in enumerate(order)}
        operators = tuple(
            replace(
                op,
                inputs=tuple(place[i] if i >= 0 else -1 for i in op.inputs),
                outputs=tuple(place[i] for i in op.outputs),
            )
            for op in self._operators
        )
        main = Subgraph(
            tensors=tuple(self._tensors[i] for i in order),
            operators=operators,
            inputs=tuple(place[i] for i in self._inputs),
            outputs=tuple(place[value.index] for value in outputs),
            name="main",
        )
        codes: dict[OperatorCode, None] = dict.fromkeys(op.code for op in operators)
        return Graph((main,), tuple(self._buffers), operator_codes=tuple(codes), description=description)

    # -- inside -------------------------------------------------------------------------------------------------

    def _add(self, tensor: Tensor, role: _Role) -> int:
        self._tensors.append(tensor)
        self._roles.append(role)
        return len(self._tensors) - 1

    def _value(
        self,
        name: str,
        shape: Sequence[int],
        dtype: DType,
        quantization: Affine | None,
        spread: Spread,
        role: _Role = _Role.ACTIVATION,
    ) -> Value:
        tensor = Tensor(
            name, dtype, tuple(shape), quantization=None if quantization is None else quantization.quantization
        )
        return Value(self._add(tensor, role), tuple(shape), dtype, quantization, spread)

    def _emit(self, operator: str, inputs: Sequence[Value], output: Value, **options: Any) -> Value:
        self._operators.append(
            Operator(
                code=operator_code(operator, output.dtype),
                inputs=tuple(value.index for value in inputs),
                outputs=(output.index,),
                options=options_record(operator, options),
            )
        )
        return output

    def _moved(self, operator: str, inputs: Sequence[Value], shape: Sequence[int], name: str, **options: Any) -> Value:
        """An operator that only moves data: the output keeps the first input's type and quantization."""
        first = inputs[0]
        return self._emit(
            operator, inputs, self._value(name, shape, first.dtype, first.affine, first.spread), **options
        )

    def _pooled(self, operator: str, x: Value, window: Window, spread: Spread, name: str) -> Value:
        out = (x.shape[0], *window.output(x.shape[1:3]), x.channels)
        options = window.options
        options["filter_height"], options["filter_width"] = window.kernel
        return replace(self._moved(operator, (x,), out, name, **options), spread=spread)

    def _activated(
        self,
        operator: str,
        inputs: Sequence[Value],
        shape: Sequence[int],
        before: Spread,
        activation: str,
        name: str,
        **options: Any,
    ) -> Value:
        """An operator with a fused activation, its output quantized for the spread ``before`` the activation."""
        function: Activation = ACTIVATIONS[activation]
        reach = self._draws.uniform(2, 3.5, 4.5)
        dtype = inputs[0].dtype
        low, high = function.bounds(before, float(reach[0]), float(reach[1]))
        out = self._value(name, shape, dtype, affine(low, high, dtype), function.applied(before))
        return self._emit(operator, inputs, out, fused_activation_function=function.code, **options)

    def _windowed(self, x: Value, window: Window, name: str) -> tuple[Value, Window]:
        """``x`` and ``window`` with symmetric padding turned into SAME, VALID, or a PAD operator and VALID."""
        if window.padding is not Padding.SYMMETRIC:
            return x, window
        rows, columns = (extent // 2 for extent in window.extent)
        valid = replace(window, padding=Padding.VALID)
        if rows == columns == 0:
            return x, valid
        if window.same_padding(x.shape[1:3]) == ((rows, rows), (columns, columns)):
            return x, replace(window, padding=Padding.SAME)
        return self.pad(x, ((0, 0), (rows, rows), (columns, columns), (0, 0)), name=f"{name}/pad"), valid

    def _weighted(
        self, x: Value, shape: tuple[int, ...], *, axis: int, per_channel: bool, activation: str, name: str
    ) -> tuple[Value, Value, Spread]:
        """Weights and bias as constants in the model's precision, and the spread of their layer's sums."""
        drawn = drawn_filters(self._draws, x.spread, shape, axis=axis, per_channel=per_channel, activation=activation)
        names = f"{name}/weights", f"{name}/bias"
        if x.affine is None:
            weights = self.constant(drawn.real, DType.FLOAT32, name=names[0])
            return weights, self.constant(drawn.biases, DType.FLOAT32, name=names[1]), drawn.spread
        zeros = (0,) * len(drawn.scales)
        bias_scales = np.float32(x.affine.scale) * drawn.scales
        weights = self.constant(
            drawn.weights,
            DType.INT8,
            name=names[0],
            quantization=Quantization(tuple(drawn.scales.tolist()), zeros, dimension=axis if per_channel else 0),
        )
        bias = self.constant(
            np.rint(drawn.biases / bias_scales.astype(np.float64)),
            DType.INT64 if x.dtype is DType.INT16 else DType.INT32,
            name=names[1],
            quantization=Quantization(tuple(bias_scales.tolist()), zeros),
        )
        return weights, bias, drawn.spread


def _broadcast(a: Value, b: Value) -> tuple[int, ...]:
    return tuple(np.broadcast_shapes(a.shape, b.shape))


def _inferred(shape: Sequence[int], elements: int) -> tuple[int, ...]:
    known = math.prod(n for n in shape if n != -1)
    return tuple(elements // known if n == -1 else n for n in shape)
