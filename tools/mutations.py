"""Random changes of a model, each of one field: what a broken converter, a bad edit or an enemy may have done.

:func:`mutant` makes one to three changes of a graph. A change may make a file that no reader takes, one that TFLM
refuses, or one that still runs: which it is, is for the caller to find out.
"""

from __future__ import annotations

import math
import random
import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from mcuplan.graph import Buffer, DType, Graph, Operator, Quantization, Record, Subgraph, Tensor
from mcuplan.tflite import operator_code
from mcuplan.tflite.schema import builtin_codes

Change = Callable[[Graph, random.Random], tuple[str, Graph] | None]

SIZES = (0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 17, 64, 255, 256, 1000, 4097, 65_536, 917_504, 1_000_000)
HUGE = (2**24, 2**28, 2**31 - 1)
SCALES = (0.0, -0.0, math.nan, math.inf, -0.5, 1e-45, 1e-30, 1e-8, 2**-26, 1 / 256, 1 / 128, 1 / 32768, 0.5, 1.0, 2.0,
          100.0, 1e8, 3e38)  # fmt: skip
ZERO_POINTS = (0, 1, -1, 3, 127, 128, -128, -129, 255, 32767, -32768, 2**31 - 1, -(2**31), 2**40)
WHOLE = (-(2**31), -65_536, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4, 5, 7, 8, 127, 255, 65_536, 2**31 - 1)
FORMATS = {
    DType.FLOAT32: "f", DType.FLOAT16: "e", DType.INT32: "i", DType.UINT8: "B", DType.INT64: "q", DType.INT16: "h",
    DType.INT8: "b", DType.FLOAT64: "d", DType.UINT64: "Q", DType.UINT32: "I", DType.UINT16: "H",
}  # fmt: skip

ALIKE = (
    "ABS SIN COS LOG SQRT SQUARE RSQRT NEG EXP FLOOR CEIL ROUND ELU HARD_SWISH RELU RELU6 LOGISTIC TANH SOFTMAX "
    "LOG_SOFTMAX L2_NORMALIZATION LEAKY_RELU CAST QUANTIZE DEQUANTIZE ZEROS_LIKE SHAPE RESHAPE SQUEEZE",
    "ADD SUB MUL DIV SQUARED_DIFFERENCE FLOOR_DIV FLOOR_MOD MAXIMUM MINIMUM EQUAL NOT_EQUAL GREATER GREATER_EQUAL "
    "LESS LESS_EQUAL LOGICAL_AND LOGICAL_OR PRELU BATCH_MATMUL BROADCAST_ARGS PACK CONCATENATION ADD_N GATHER",
    "MEAN SUM REDUCE_MAX REDUCE_MIN REDUCE_ALL ARG_MAX ARG_MIN CUMSUM EXPAND_DIMS REVERSE_V2 TRANSPOSE PAD MIRROR_PAD "
    "BROADCAST_TO RESHAPE GATHER GATHER_ND",
    "CONV_2D DEPTHWISE_CONV_2D FULLY_CONNECTED",
    "AVERAGE_POOL_2D MAX_POOL_2D L2_POOL_2D",
    "DEPTH_TO_SPACE SPACE_TO_DEPTH",
    "BATCH_TO_SPACE_ND SPACE_TO_BATCH_ND",
    "SPLIT SPLIT_V UNPACK",
    "SLICE DYNAMIC_UPDATE_SLICE",
    "RESIZE_BILINEAR RESIZE_NEAREST_NEIGHBOR",
)
"""Operators that take each other's operands, so that one in place of another may still run."""


# -- places in a graph ----------------------------------------------------------------------------------------------


def _with_subgraph(graph: Graph, s: int, **fields: Any) -> Graph:
    subgraphs = list(graph.subgraphs)
    subgraphs[s] = replace(subgraphs[s], **fields)
    return replace(graph, subgraphs=tuple(subgraphs))


def _with_tensor(graph: Graph, s: int, i: int, **fields: Any) -> Graph:
    tensors = list(graph.subgraphs[s].tensors)
    tensors[i] = replace(tensors[i], **fields)
    return _with_subgraph(graph, s, tensors=tuple(tensors))


def _with_operator(graph: Graph, s: int, k: int, **fields: Any) -> Graph:
    operators = list(graph.subgraphs[s].operators)
    operators[k] = replace(operators[k], **fields)
    return _with_subgraph(graph, s, operators=tuple(operators))


def _with_data(graph: Graph, s: int, i: int, data: bytes | None) -> Graph:
    """The tensor with constant data of its own (None: an empty buffer)."""
    graph = replace(graph, buffers=(*graph.buffers, Buffer(data)))
    return _with_tensor(graph, s, i, buffer=len(graph.buffers) - 1)


def _subgraph(graph: Graph, rng: random.Random) -> int:
    return rng.randrange(len(graph.subgraphs))


def _some_tensor(graph: Graph, rng: random.Random) -> tuple[int, int, Tensor] | None:
    s = _subgraph(graph, rng)
    tensors = graph.subgraphs[s].tensors
    if not tensors:
        return None
    i = rng.randrange(len(tensors))
    return s, i, tensors[i]


def _some_constant(graph: Graph, rng: random.Random) -> tuple[int, int, Tensor] | None:
    found = [
        (s, i, t) for s, sub in enumerate(graph.subgraphs) for i, t in enumerate(sub.tensors) if graph.is_constant(t)
    ]
    return rng.choice(found) if found else None


def _some_operator(graph: Graph, rng: random.Random) -> tuple[int, int, Operator] | None:
    found = [(s, k, op) for s, k, op in graph.operators()]
    return rng.choice(found) if found else None


# -- tensors --------------------------------------------------------------------------------------------------------


def shape(graph: Graph, rng: random.Random) -> tuple[str, Graph] | None:
    """Another size of an axis, an axis more or less, the axes in another order, or a shape of another tensor."""
    place = _some_tensor(graph, rng)
    if place is None:
        return None
    s, i, tensor = place
    old = list(tensor.shape)
    new = list(old)
    kind = rng.randrange(9)
    if kind <= 2 and old:
        axis = rng.randrange(len(old))
        new[axis] = rng.choice(
            (old[axis] + 1, old[axis] - 1, old[axis] * 2, *rng.sample(SIZES, 4), rng.choice((-1, 0)))
        )
        if rng.random() < 0.02:
            new[axis] = rng.choice(HUGE)
    elif kind == 3:
        new.insert(rng.randint(0, len(old)), rng.choice((1, 1, 1, 2, 3)))
    elif kind == 4 and old:
        new.pop(rng.randrange(len(old)))
    elif kind == 5:
        rng.shuffle(new)
    elif kind == 6:
        new = list(rng.choice(graph.subgraphs[s].tensors).shape)
    elif kind == 7:
        new = [rng.choice((1, 2, 3, 4)) for _ in range(rng.choice((0, 1, 2, 3, 4, 5, 6, 7)))]
    else:
        new = [math.prod(old)] if rng.random() < 0.5 else [1] * rng.randint(1, 3) + old
    fields: dict[str, Any] = {"shape": tuple(new)}
    if rng.random() < 0.03:
        fields = {"shape": (), "has_shape": False}
    elif rng.random() < 0.03:
        fields["shape_signature"] = tuple(rng.choice((-1, d)) for d in new)
    graph = _with_tensor(graph, s, i, **fields)
    if graph.is_constant(tensor) and rng.random() < 0.7:
        graph = _fitting(graph, s, i, rng)
    return f"shape of tensor {i}: {old} -> {new}", graph


def _fitting(graph: Graph, s: int, i: int, rng: random.Random) -> Graph:
    """Constant data that fit the tensor's shape and type: the old ones repeated, so that most readers go on."""
    tensor = graph.subgraphs[s].tensors[i]
    size = tensor.stored_bytes
    old = bytes(graph.data(tensor) or b"")
    if size is None or not 0 <= size <= 1 << 22 or tensor.is_dynamic:
        return graph
    if not old:
        old = rng.randbytes(64)
    return _with_data(graph, s, i, (old * (size // len(old) + 1))[:size])


def dtype(graph: Graph, rng: random.Random) -> tuple[str, Graph] | None:
    """Another element type, of one tensor or of all that share it."""
    place = _some_tensor(graph, rng)
    if place is None:
        return None
    s, i, tensor = place
    usual = (DType.INT8, DType.INT16, DType.FLOAT32, DType.INT32, DType.INT64, DType.BOOL, DType.UINT8)
    new = rng.choice(usual) if rng.random() < 0.7 else rng.choice(list(DType))
    chosen = [i]
    if rng.random() < 0.4:
        chosen = [k for k, t in enumerate(graph.subgraphs[s].tensors) if t.dtype is tensor.dtype]
    for k in chosen:
        graph = _with_tensor(graph, s, k, dtype=new)
        if graph.is_constant(tensor) and rng.random() < 0.8:
            graph = _fitting(graph, s, k, rng)
    return f"type of tensors {chosen}: {tensor.dtype.label} -> {new.label}", graph


def variable(graph: Graph, rng: random.Random) -> tuple[str, Graph] | None:
    """A variable tensor that was none, or the other way round."""
    place = _some_tensor(graph, rng)
    if place is None:
        return None
    s, i, tensor = place
    return f"tensor {i} variable: {not tensor.is_variable}", _with_tensor(
        graph, s, i, is_variable=not tensor.is_variable
    )


def scale(graph: Graph, rng: random.Random) -> tuple[str, Graph] | None:
    """Another scale, or another number of them."""
    place = _some_tensor(graph, rng)
    if place is None:
        return None
    s, i, tensor = place
    found = tensor.quantization or Quantization((0.5,), (0,))
    old = list(found.scales) or [0.5]
    kind = rng.randrange(5)
    if kind == 0:
        new = [rng.choice(SCALES)] * len(old)
    elif kind == 1:
        new = [value * rng.choice((0.5, 2, 1.01, 1e-3, 1e3, 1e-8, 1e8, -1)) for value in old]
    elif kind == 2:
        new = list(old)
        new[rng.randrange(len(new))] = rng.choice(SCALES)
    elif kind == 3:
        axes = tensor.shape or (1,)
        new = [old[0]] * min(rng.choice((*axes, 0, 2)), 4096)
    else:
        other = rng.choice(graph.subgraphs[s].tensors).quantization
        new = list(other.scales) if other else []
    zero_points = found.zero_points
    if len(zero_points) > 1 or rng.random() < 0.5:
        zero_points = (zero_points[0] if zero_points else 0,) * rng.choice((1, len(new), len(new)))
    axis = rng.choice((found.dimension, found.dimension, 0, 1, 3, len(tensor.shape) - 1, -1, 5))
    new_quantization = replace(found, scales=tuple(new), zero_points=zero_points, dimension=axis)
    return f"scales of tensor {i}: {old[:3]} -> {new[:3]}", _with_tensor(graph, s, i, quantization=new_quantization)


def zero_point(graph: Graph, rng: random.Random) -> tuple[str, Graph] | None:
    """Another zero point, or another number of them."""
    place = _some_tensor(graph, rng)
    if place is None:
        return None
    s, i, tensor = place
    found = tensor.quantization or Quantization((0.5,), (0,))
    count = rng.choice((len(found.zero_points) or 1, len(found.scales), 0, 1))
    new = (
        tuple(rng.choice(ZERO_POINTS) for _ in range(count))
        if rng.random() < 0.3
        else (rng.choice(ZERO_POINTS),) * count
    )
    quantization = replace(found, zero_points=new)
    return f"zero points of tensor {i}: {found.zero_points[:3]} -> {new[:3]}", _with_tensor(
        graph, s, i, quantization=quantization
    )


def quantization(graph: Graph, rng: random.Random) -> tuple[str, Graph] | None:
    """No quantization, one without its vectors, or that of another tensor."""
    place = _some_tensor(graph, rng)
    if place is None:
        return None
    s, i, tensor = place
    found = tensor.quantization or Quantization((0.5,), (0,))
    other = rng.choice(graph.subgraphs[s].tensors).quantization
    new = rng.choice((None, Quantization(has_scales=False, has_zero_points=False), replace(found, scales=()),
                      replace(found, zero_points=(), has_zero_points=False), other, other))  # fmt: skip
    return f"quantization of tensor {i}", _with_tensor(graph, s, i, quantization=new)


# -- constants ------------------------------------------------------------------------------------------------------


def values(graph: Graph, rng: random.Random) -> tuple[str, Graph] | None:
    """Other constant values: one or all, extreme, near the old ones, or random bytes."""
    place = _some_constant(graph, rng)
    if place is None:
        return None
    s, i, tensor = place
    old = bytes(graph.data(tensor) or b"")
    letter = FORMATS.get(tensor.dtype)
    if letter is None or rng.random() < 0.15:
        return f"bytes of tensor {i}", _with_data(graph, s, i, rng.randbytes(len(old)))
    count = len(old) // struct.calcsize(letter)
    numbers: list[Any] = list(struct.unpack_from(f"<{count}{letter}", old))
    if not numbers:
        return None
    real = letter in "fde"
    places = range(count) if rng.random() < 0.2 else [rng.randrange(count) for _ in range(rng.randint(1, 2))]
    for place_ in places:
        numbers[place_] = rng.choice(
            (math.nan, math.inf, -math.inf, 0.0, -0.0, 1e30, -1.0, 3.0)
            if real
            else (
                *rng.sample(WHOLE, 3),
                numbers[place_] + 1,
                numbers[place_] - 1,
                -numbers[place_],
                0,
                rng.randint(-6, 6),
            )
        )
    low, high = _limits(letter)
    packed = [n if real else max(low, min(high, int(n))) for n in numbers]
    try:
        data = struct.pack(f"<{count}{letter}", *packed) + old[count * struct.calcsize(letter) :]
    except (OverflowError, struct.error):
        return None
    return f"values of tensor {i}: {packed[:6]}", _with_data(graph, s, i, data)


def _limits(letter: str) -> tuple[int, int]:
    bits = 8 * struct.calcsize(letter)
    return (-(1 << bits - 1), (1 << bits - 1) - 1) if letter.islower() else (0, (1 << bits) - 1)


def constness(graph: Graph, rng: random.Random) -> tuple[str, Graph] | None:
    """A constant without its bytes (fed or not), with too few, or an activation that becomes one."""
    place = _some_tensor(graph, rng)
    if place is None:
        return None
    s, i, tensor = place
    if not graph.is_constant(tensor):
        size = tensor.stored_bytes or 0
        if not 0 < size < 1 << 20:
            return None
        return f"tensor {i} constant", _with_data(graph, s, i, rng.randbytes(size))
    old = bytes(graph.data(tensor) or b"")
    kind = rng.randrange(4)
    if kind == 0:
        return f"tensor {i} cut short", _with_data(graph, s, i, old[: rng.randrange(len(old) + 1)])
    if kind == 1:
        return f"tensor {i} made longer", _with_data(graph, s, i, old + rng.randbytes(rng.randint(1, 64)))
    graph = (
        _with_tensor(graph, s, i, buffer=0) if rng.random() < 0.5 else _with_data(graph, s, i, rng.choice((None, b"")))
    )
    if kind == 2:
        graph = _with_subgraph(graph, s, inputs=(*graph.subgraphs[s].inputs, i))
    return f"tensor {i} without data{' but fed' if kind == 2 else ''}", graph


# -- operators ------------------------------------------------------------------------------------------------------


def option(graph: Graph, rng: random.Random) -> tuple[str, Graph] | None:
    """Another value of an option, no options at all, or those of another operator."""
    place = _some_operator(graph, rng)
    if place is None:
        return None
    s, k, op = place
    if op.options is None or not op.options.fields or rng.random() < 0.05:
        others = [other.options for _, _, other in graph.operators() if other.options is not op.options]
        new = rng.choice([None, Record("ReshapeOptions", {"new_shape": (1,)}), *others])
        return f"options of {op.label}: {new and new.table}", _with_operator(graph, s, k, options=new)
    name = rng.choice(list(op.options.fields))
    old = op.options.fields[name]
    value = _option_value(old, rng, len(graph.subgraphs))
    fields = {**op.options.fields, name: value}
    return f"{op.label} {name} = {value!r}", _with_operator(graph, s, k, options=Record(op.options.table, fields))


def _option_value(old: Any, rng: random.Random, subgraphs: int) -> Any:
    if isinstance(old, bool):
        return not old
    if isinstance(old, float):
        return rng.choice((*SCALES, -1.0, 0.25, 4.0))
    if isinstance(old, int):
        small = (old + 1, old - 1, -old, 0, 1, 2, 3, 4, 5, 6, -1, -2, -4, rng.randrange(subgraphs + 1))
        return rng.choice(small) if rng.random() < 0.85 else rng.choice((100, 127, -128, 255))
    if isinstance(old, tuple):
        return rng.choice((None, (), old[:-1], (*old, 1), tuple(rng.choice(WHOLE) for _ in old)))
    return rng.choice((None, (1,), (0, 1))) if old is None else old


def operands(graph: Graph, rng: random.Random) -> tuple[str, Graph] | None:
    """Inputs or outputs of an operator: left out, replaced, swapped, fewer, more, none."""
    place = _some_operator(graph, rng)
    if place is None:
        return None
    s, k, op = place
    side = rng.choice(("inputs", "inputs", "outputs"))
    new = list(getattr(op, side))
    count, kind = len(graph.subgraphs[s].tensors), rng.randrange(8)
    if kind == 0 and new:
        new[rng.randrange(len(new))] = -1
    elif kind <= 2 and new and count:
        new[rng.randrange(len(new))] = rng.randrange(count)
    elif kind == 3 and new:
        new.pop(rng.randrange(len(new)))
    elif kind == 4 and count:
        new.insert(rng.randint(0, len(new)), rng.choice((-1, rng.randrange(count), rng.randrange(count))))
    elif kind == 5:
        rng.shuffle(new)
    elif kind == 6 and op.inputs and op.outputs:
        new[-1:] = [rng.choice(op.inputs if side == "outputs" else op.outputs)]
    else:
        new = []
    fields: dict[str, Any] = {side: tuple(new)}
    if not new and rng.random() < 0.5:
        fields[f"has_{side}"] = False
    return f"{op.label} {side}: {list(getattr(op, side))} -> {new}", _with_operator(graph, s, k, **fields)


def another_operator(graph: Graph, rng: random.Random) -> tuple[str, Graph] | None:
    """The same operands for an operator of another kind."""
    place = _some_operator(graph, rng)
    if place is None:
        return None
    s, k, op = place
    alike = [name for row in ALIKE if op.name in row.split() for name in row.split() if name != op.name]
    name = rng.choice(alike) if alike and rng.random() < 0.85 else rng.choice(sorted(builtin_codes()))
    if name in ("CUSTOM", "PLACEHOLDER_FOR_GREATER_OP_CODES"):
        return None
    from mcuplan.zoo.operators import options_record

    options = rng.choice((op.options, options_record(name, {}), options_record(name, {})))
    return f"{op.label} -> {name}", _with_operator(graph, s, k, code=operator_code(name), options=options)


def extras(graph: Graph, rng: random.Random) -> tuple[str, Graph] | None:
    """Custom options of a builtin operator, intermediates, marks of variables."""
    place = _some_operator(graph, rng)
    if place is None:
        return None
    s, k, op = place
    count = len(graph.subgraphs[s].tensors)
    fields: dict[str, Any] = rng.choice((
        {"custom_options": rng.randbytes(rng.choice((0, 1, 8)))},
        {"intermediates": tuple(rng.randrange(-1, count) for _ in range(rng.randint(0, 2)))},
        {"mutating_variable_inputs": tuple(rng.random() < 0.5 for _ in op.inputs)},
    ))  # fmt: skip
    return f"{op.label} {fields}", _with_operator(graph, s, k, **fields)


def chain(graph: Graph, rng: random.Random) -> tuple[str, Graph] | None:
    """One operator once more: behind itself, before itself, or an operator less, or two in the other order."""
    place = _some_operator(graph, rng)
    if place is None:
        return None
    s, k, op = place
    subgraph = graph.subgraphs[s]
    kind = rng.randrange(5)
    operators = list(subgraph.operators)
    if kind <= 1 and op.inputs and op.outputs and op.outputs[0] >= 0:
        out = subgraph.tensors[op.outputs[0]]
        tensors = (*subgraph.tensors, replace(out, name=f"{out.name} again", buffer=0))
        last = len(tensors) - 1
        place_of_data = next(
            (j for j, t in enumerate(op.inputs) if t >= 0 and not graph.is_constant(subgraph.tensors[t])), 0
        )
        inputs = tuple(op.outputs[0] if j == place_of_data else t for j, t in enumerate(op.inputs))
        operators.insert(k + 1, replace(op, inputs=inputs, outputs=(last, *op.outputs[1:])))
        outputs = tuple(last if t == op.outputs[0] else t for t in subgraph.outputs)
        return f"{op.label} behind itself", _with_subgraph(
            graph, s, tensors=tensors, operators=tuple(operators), outputs=outputs
        )
    if kind == 2:
        operators.insert(k, op)
    elif kind == 3:
        operators.pop(k)
    else:
        rng.shuffle(operators)
    return f"operators of subgraph {s}: {[o.label for o in operators][:4]}", _with_subgraph(
        graph, s, operators=tuple(operators)
    )


# -- subgraphs ------------------------------------------------------------------------------------------------------


def ends(graph: Graph, rng: random.Random) -> tuple[str, Graph] | None:
    """Inputs or outputs of a subgraph: fewer, more, twice, other tensors, no vector at all."""
    s = _subgraph(graph, rng)
    subgraph = graph.subgraphs[s]
    side = rng.choice(("inputs", "outputs"))
    old = list(getattr(subgraph, side))
    new, count, kind = list(old), len(subgraph.tensors), rng.randrange(6)
    if kind == 0 and new:
        new.pop(rng.randrange(len(new)))
    elif kind == 1 and count:
        new.append(rng.randrange(count))
    elif kind == 2 and new and count:
        new[rng.randrange(len(new))] = rng.randrange(count)
    elif kind == 3:
        new = new + new
    elif kind == 4:
        rng.shuffle(new)
    else:
        new = []
    fields: dict[str, Any] = {side: tuple(new)}
    if not new and rng.random() < 0.7:
        fields[f"has_{side}"] = False
    return f"{side} of subgraph {s}: {old} -> {new}", _with_subgraph(graph, s, **fields)


def callee(graph: Graph, rng: random.Random) -> tuple[str, Graph] | None:
    """A subgraph more (a copy, an empty one), or the subgraphs in another order."""
    kind = rng.randrange(3)
    if kind == 0:
        return "a subgraph more", replace(graph, subgraphs=(*graph.subgraphs, rng.choice(graph.subgraphs)))
    if kind == 1:
        return "an empty subgraph more", replace(graph, subgraphs=(*graph.subgraphs, Subgraph((), (), (), ())))
    first, *others = graph.subgraphs
    rng.shuffle(others)
    return "subgraphs in another order", replace(graph, subgraphs=(first, *others)) if others else None  # type: ignore[return-value]


def broken(graph: Graph) -> Iterator[tuple[str, Graph]]:
    """Every way to take something away from the first operator of a model that code likes to take for granted."""
    op, tensors = graph.main.operators[0], graph.main.tensors
    for side in ("inputs", "outputs"):
        given = getattr(op, side)
        yield f"no list of {side}", _with_operator(graph, 0, 0, **{side: (), f"has_{side}": False})
        yield f"no {side} of the model", _with_subgraph(graph, 0, **{side: ()})
        for k in range(len(given)):
            yield f"{side} up to {k}", _with_operator(graph, 0, 0, **{side: given[:k]})
            yield f"{side} without {k}", _with_operator(graph, 0, 0, **{side: (*given[:k], -1, *given[k + 1 :])})
    yield "no options", _with_operator(graph, 0, 0, options=None)
    yield "other options", _with_operator(graph, 0, 0, options=Record("ReshapeOptions", {"new_shape": (1,)}))
    for i, tensor in enumerate(tensors):
        for shape in ((), (0,), (-1, *tensor.shape[1:]), (1, *tensor.shape), tensor.shape[1:]):
            changed = _with_tensor(graph, 0, i, shape=shape)
            yield f"tensor {i} of {shape}", _fitting(changed, 0, i, random.Random(1)) if tensor.buffer else changed
        yield f"tensor {i} without data", _with_tensor(graph, 0, i, buffer=0)


CHANGES: Sequence[tuple[int, Change]] = (
    (6, shape), (4, dtype), (1, variable), (3, scale), (2, zero_point), (2, quantization), (5, values), (2, constness),
    (5, option), (5, operands), (2, another_operator), (1, extras), (2, chain), (2, ends),
)  # fmt: skip


def mutant(graph: Graph, rng: random.Random) -> tuple[str, Graph]:
    """One to three changes of ``graph``, named one after the other."""
    names: list[str] = []
    wanted = rng.randint(1, 3)
    weights = [weight for weight, _ in CHANGES]
    while len(names) < wanted:
        ((_, change),) = rng.choices(CHANGES, weights)
        if len(graph.subgraphs) > 1 and rng.random() < 0.1:
            change = callee
        found = change(graph, rng)
        if found is not None and found[1] is not None:
            names.append(found[0])
            graph = found[1]
    return "; ".join(names), graph
