"""A plain executor of small models on numpy, tensors apart and no kernel's tricks: what names are judged by.

Integers stand for reals by their scale and zero point where an operator computes; where it moves, bytes are moved.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from mcuplan.graph import DType, Graph, Operator, Subgraph, Tensor
from mcuplan.operators.geometry import SAME

Array = np.ndarray[Any, np.dtype[Any]]

KINDS = {DType.INT8: "<i1", DType.INT16: "<i2", DType.INT32: "<i4", DType.FLOAT32: "<f4", DType.BOOL: "?"}


def _affine(tensor: Tensor) -> tuple[float, int]:
    q = tensor.quantization
    return (q.scales[0], q.zero_points[0]) if q and q.scales else (1.0, 0)


def reals(array: Array, tensor: Tensor) -> Array:
    """What the elements stand for."""
    if tensor.dtype is DType.FLOAT32:
        return array.astype(np.float64)
    scale, zero = _affine(tensor)
    return (array.astype(np.float64) - zero) * scale


def stored(values: Array, tensor: Tensor) -> Array:
    """Reals as the tensor keeps them: rounded, saturated."""
    dtype = np.dtype(KINDS[tensor.dtype])
    if tensor.dtype is DType.FLOAT32:
        return values.astype(dtype)
    scale, zero = _affine(tensor)
    info = np.iinfo(dtype)
    return np.clip(np.floor(values / scale + 0.5) + zero, info.min, info.max).astype(dtype)


class Plain:
    """Runs the main subgraph; ``run`` gives every tensor of it that was read or written."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph

    def run(self, inputs: Sequence[Array]) -> dict[int, Array]:
        return self._subgraph(self.graph.main, inputs)

    def _subgraph(self, subgraph: Subgraph, inputs: Sequence[Array]) -> dict[int, Array]:
        held = {
            t: np.frombuffer(bytes(self.graph.data(tensor) or b""), KINDS[tensor.dtype]).reshape(tensor.shape)
            for t, tensor in enumerate(subgraph.tensors)
            if self.graph.is_constant(tensor)
        }
        for t, value in zip(subgraph.inputs, inputs, strict=True):
            held[t] = value.view(KINDS[subgraph.tensors[t].dtype])  # bytes as they are
        for op in subgraph.operators:
            read = [held[t] for t in op.inputs]
            made = self._while(op, read) if op.name == "WHILE" else [self._one(subgraph, op, read)]
            for t, value in zip(op.outputs, made, strict=True):
                tensor = subgraph.tensors[t]
                assert value.shape == tensor.shape, (op.name, value.shape, tensor.shape)
                held[t] = np.ascontiguousarray(value).view(KINDS[tensor.dtype])
        return held

    def _while(self, op: Operator, read: Sequence[Array]) -> list[Array]:
        condition, body = (self.graph.subgraphs[op.option(f"{name}_subgraph_index")] for name in ("cond", "body"))
        variables = list(read)
        while self._subgraph(condition, variables)[condition.outputs[0]].item():
            held = self._subgraph(body, variables)
            variables = [held[t] for t in body.outputs]
        return variables

    def _one(self, subgraph: Subgraph, op: Operator, read: Sequence[Array]) -> Array:
        tensors = [subgraph.tensors[t] for t in op.inputs]
        out = subgraph.tensors[op.outputs[0]]
        match op.name:
            case "SLICE":
                begin, size = read[1].ravel(), read[2].ravel()
                return read[0][tuple(slice(b, b + s) for b, s in zip(begin, size, strict=True))]
            case "PAD":
                zero = 0 if out.dtype is DType.FLOAT32 else _affine(out)[1]
                return np.pad(read[0], read[1].reshape(-1, 2), constant_values=zero)
            case "CONCATENATION":
                return np.concatenate(read, op.option("axis"))
            case "DYNAMIC_UPDATE_SLICE":
                room = [n - u for n, u in zip(read[0].shape, read[1].shape, strict=True)]
                at = [min(max(int(s), 0), most) for s, most in zip(read[2].ravel(), room, strict=True)]
                found = read[0].copy()
                found[tuple(slice(s, s + n) for s, n in zip(at, read[1].shape, strict=True))] = read[1]
                return found
            case "RESHAPE":
                return read[0].reshape(out.shape)
            case "SELECT_V2":
                return np.where(read[0], read[1], read[2])
            case "LESS":
                return np.asarray(reals(read[0], tensors[0]) < reals(read[1], tensors[1]))
        values = [reals(array, tensor) for array, tensor in zip(read, tensors, strict=True)]
        with np.errstate(all="ignore"):
            return stored(self._computed(op, values, tensors), out)

    def _computed(self, op: Operator, values: Sequence[Array], tensors: Sequence[Tensor]) -> Array:
        match op.name:
            case "ADD":
                return values[0] + values[1]
            case "MUL":
                return values[0] * values[1]
            case "RELU":
                return np.maximum(values[0], 0)
            case "QUANTIZE":
                return values[0]
            case "CONV_2D":
                return _convolved(op, *values)
            case "MAX_POOL_2D":
                return _pooled(op, values[0])
        raise NotImplementedError(op.name)


def _sides(size: int, kernel: int, stride: int, padding: int) -> tuple[int, int, int]:
    """Output positions, and padding before and behind."""
    if padding != SAME:
        return (size - kernel) // stride + 1, 0, 0
    output = math.ceil(size / stride)
    missing = max((output - 1) * stride + kernel - size, 0)
    return output, missing // 2, missing - missing // 2


def _windows(op: Operator, x: Array, kernel: tuple[int, int], outside: float) -> Array:
    """Taps of each position: rows x columns x kernel rows x kernel columns x channels."""
    strides = op.option("stride_h"), op.option("stride_w")
    rows, columns = (_sides(*each, op.option("padding")) for each in zip(x.shape[1:3], kernel, strides, strict=True))
    padded = np.pad(x[0], (rows[1:], columns[1:], (0, 0)), constant_values=outside)
    return np.array(
        [
            [
                padded[r * strides[0] : r * strides[0] + kernel[0], c * strides[1] : c * strides[1] + kernel[1]]
                for c in range(columns[0])
            ]
            for r in range(rows[0])
        ]
    )


def _convolved(op: Operator, x: Array, weights: Array, bias: Array) -> Array:
    taps = _windows(op, x, weights.shape[1:3], 0.0)
    return (np.einsum("rcijk,oijk->rco", taps, weights) + bias)[None]


def _pooled(op: Operator, x: Array) -> Array:
    kernel = op.option("filter_height"), op.option("filter_width")
    return _windows(op, x, kernel, -math.inf).max(axis=(2, 3))[None]
