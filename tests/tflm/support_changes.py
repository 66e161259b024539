"""Single changes of a one-operator model: what TFLM may refuse besides types."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from support_models import FORMATS, numbers

from mcuplan.graph import Buffer, DType, Graph, Operator, Quantization, Tensor

Change = tuple[str, Graph]


def changes(graph: Graph) -> Iterator[Change]:
    """Every change of the operator, its operands and its options, with a name for it."""
    for i, tensor in enumerate(graph.main.tensors):
        for name, changed in _tensor(tensor):
            yield f"{name} {tensor.name}", _with_tensor(graph, i, changed)
        if tensor.buffer:
            for value in (0, 1, 2, 5, -1):
                data = _data(tensor, value)
                if data is not None:
                    buffers = [*graph.buffers[: tensor.buffer], Buffer(data), *graph.buffers[tensor.buffer + 1 :]]
                    yield f"value {value} {tensor.name}", replace(graph, buffers=tuple(buffers))
    for extra in (1, 2, 3, 4):
        tensors = [
            t if t.buffer or t.is_variable else replace(t, shape=(1,) * extra + t.shape) for t in graph.main.tensors
        ]
        yield f"all ranks +{extra}", _with_tensors(graph, tensors)
    for name, op in _operator(graph.main.operators[0]):
        yield name, replace(graph, subgraphs=(replace(graph.main, operators=(op,)),))


def _with_tensors(graph: Graph, tensors: Sequence[Tensor]) -> Graph:
    return replace(graph, subgraphs=(replace(graph.main, tensors=tuple(tensors)),))


def _with_tensor(graph: Graph, i: int, tensor: Tensor) -> Graph:
    return _with_tensors(graph, [*graph.main.tensors[:i], tensor, *graph.main.tensors[i + 1 :]])


def _data(tensor: Tensor, value: int) -> bytes | None:
    letter = FORMATS.get(tensor.dtype)
    unfit = letter is None or letter == "?" or (value < 0 and letter in "BHIQ")
    return None if unfit else numbers((value,), tensor.dtype, tensor.elements)


def _tensor(tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    yield from _quantization(tensor)
    if tensor.buffer:
        yield "not constant", replace(tensor, buffer=0)
    if tensor.is_variable:
        yield "not variable", replace(tensor, is_variable=False)
    for extra in (1, 2, 3):
        yield f"rank +{extra}", replace(tensor, shape=(1,) * extra + tensor.shape)
    for axis, size in enumerate(tensor.shape):
        if axis == 0:
            yield "rank -1", replace(tensor, shape=tensor.shape[1:])
        for other in {-1, size + 1, max(1, size - 1)} - {size}:
            shape = (*tensor.shape[:axis], other, *tensor.shape[axis + 1 :])
            yield f"size {other} of axis {axis} of", replace(tensor, shape=shape)


def _quantization(tensor: Tensor) -> Iterator[tuple[str, Tensor]]:
    found = tensor.quantization
    if found is None:
        if tensor.dtype is DType.INT32:
            yield "a scale on", replace(tensor, quantization=Quantization((0.125,), (0,)))
        return
    yield "no scale on", replace(tensor, quantization=None)
    yield "no zero point on", replace(tensor, quantization=replace(found, zero_points=()))
    for zero_point in (3, -128, 127, 200):
        yield f"zero point {zero_point} on", replace(tensor, quantization=replace(found, zero_points=(zero_point,)))
    for factor in (1.01, 3, 100, 1e4, 1e7, 0.3, 1e-2, 1e-5, 1e-7):
        scales = (found.scales[0] * factor,)
        yield f"scale x {factor:g} on", replace(tensor, quantization=replace(found, scales=scales))
    for count in {2, *tensor.shape}:
        for axis in {0, max(0, len(tensor.shape) - 1)}:
            many = replace(found, scales=found.scales * count, zero_points=(0,) * count, dimension=axis)
            yield f"{count} scales along {axis} on", replace(tensor, quantization=many)


def _operator(op: Operator) -> Iterator[tuple[str, Operator]]:
    if op.options is not None:
        yield "no options", replace(op, options=None)
        for name, value in op.options.fields.items():
            others = {bool: (not value,), int: (0, 1, 2, 7), float: (0.0, -1.0, 1e-9, 1e9)}.get(type(value), ())
            for other in others:
                fields = {**op.options.fields, name: other}
                yield f"option {name} = {other}", replace(op, options=replace(op.options, fields=fields))
    for k in range(len(op.inputs)):
        yield f"input {k} left out", replace(op, inputs=(*op.inputs[:k], -1, *op.inputs[k + 1 :]))
    yield "an input less", replace(op, inputs=op.inputs[:-1])
    yield "an input more", replace(op, inputs=op.inputs + op.inputs[:1])
    yield "nine inputs more", replace(op, inputs=op.inputs + op.inputs[:1] * 9)
    yield "an output more", replace(op, outputs=op.outputs + op.outputs[:1])
    yield "custom options", replace(op, custom_options=b"any")
    yield "an intermediate", replace(op, intermediates=(0,))
