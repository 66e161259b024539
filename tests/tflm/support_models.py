"""One-operator models for the tests of TFLM's support table: every operator, with operands of any type.

A recipe says the shapes, constants and options of an operator once; types come from outside, so that one recipe gives
a model for every combination. Scales are such that the combinations of the table are runnable.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from mcuplan.graph import Buffer, DType, Graph, Operator, Quantization, Subgraph, Tensor
from mcuplan.tflite import operator_code, record
from mcuplan.tflm.support.table import OperatorRule

FORMATS = {
    DType.FLOAT32: "f", DType.FLOAT16: "e", DType.INT32: "i", DType.UINT8: "B", DType.INT64: "q", DType.BOOL: "?",
    DType.INT16: "h", DType.INT8: "b", DType.FLOAT64: "d", DType.UINT64: "Q", DType.UINT32: "I", DType.UINT16: "H",
}  # fmt: skip


@dataclass(frozen=True)
class Part:
    """One operand: its shape, and its numbers where it is constant (one number stands for all)."""

    shape: tuple[int, ...]
    values: tuple[int, ...] | None = None
    variable: bool = False


@dataclass(frozen=True)
class Recipe:
    """Everything about an operator but its types; ``parts`` by the names of the support table."""

    name: str
    parts: Mapping[str, Part]
    options: tuple[str, Mapping[str, Any]] | None = None
    repeat: Mapping[str, int] = field(default_factory=dict)


def _act(*shape: int) -> Part:
    return Part(shape)


def _const(shape: Sequence[int], *values: int) -> Part:
    return Part(tuple(shape), values or (1,))


V = (1, 4)
IMAGE = (1, 4, 4, 2)

RECIPES: dict[str, Recipe] = {}


def _recipe(name: str, options: tuple[str, Mapping[str, Any]] | None = None, **parts: Part) -> None:
    RECIPES[name] = Recipe(name, parts, options)


def _repeated(part: str, count: int, *names: str) -> None:
    """These operators have several tensors for a part."""
    for name in names:
        RECIPES[name] = Recipe(name, RECIPES[name].parts, RECIPES[name].options, {part: count})


UNARY = """ABS SIN COS LOG SQRT SQUARE LOGICAL_NOT CEIL ROUND EXP FLOOR NEG ELU HARD_SWISH RELU RELU6 LOGISTIC TANH
LOG_SOFTMAX DEQUANTIZE QUANTIZE ZEROS_LIKE"""
BINARY = """ADD SUB MUL DIV SQUARED_DIFFERENCE FLOOR_DIV FLOOR_MOD MAXIMUM MINIMUM LOGICAL_AND LOGICAL_OR EQUAL
NOT_EQUAL GREATER GREATER_EQUAL LESS LESS_EQUAL"""
BINARY_OPTIONS = {"ADD": "AddOptions", "SUB": "SubOptions", "MUL": "MulOptions", "DIV": "DivOptions"}

for _name in UNARY.split():
    _recipe(_name, input=_act(*V), output=_act(*V))
for _name in BINARY.split():
    _options = (BINARY_OPTIONS[_name], {}) if _name in BINARY_OPTIONS else None
    _recipe(_name, _options, first_input=_act(*V), second_input=_const(V, 1), output=_act(*V))
_recipe("RSQRT", input=_const(V, 1), output=_act(*V))
_recipe("CAST", ("CastOptions", {}), input=_act(*V), output=_act(*V))
_recipe("LEAKY_RELU", ("LeakyReluOptions", {"alpha": 0.5}), input=_act(*V), output=_act(*V))
_recipe("SOFTMAX", ("SoftmaxOptions", {"beta": 1.0}), input=_act(*V), output=_act(*V))
_recipe("L2_NORMALIZATION", ("L2NormOptions", {}), input=_act(*V), output=_act(*V))
_recipe("SHAPE", ("ShapeOptions", {"out_type": 2}), input=_act(*V), output=_act(2))
_recipe("PRELU", input=_act(*V), alpha=_const((4,), 1), output=_act(*V))
_recipe("SELECT_V2", condition=_act(*V), first_input=_act(*V), second_input=_act(*V), output=_act(*V))
_recipe("ADD_N", values=_act(*V), output=_act(*V))
_repeated("values", 3, "ADD_N")

_strides = {"stride_w": 1, "stride_h": 1, "dilation_w_factor": 1, "dilation_h_factor": 1}
_recipe(
    "CONV_2D", ("Conv2DOptions", _strides),
    input=_act(*IMAGE), filter=_const((3, 2, 2, 2), 1), bias=_const((3,), 1), output=_act(1, 4, 4, 3),
)  # fmt: skip
_recipe(
    "DEPTHWISE_CONV_2D", ("DepthwiseConv2DOptions", {"depth_multiplier": 1, **_strides}),
    input=_act(*IMAGE), filter=_const((1, 2, 2, 2), 1), bias=_const((2,), 1), output=_act(*IMAGE),
)  # fmt: skip
_recipe(
    "TRANSPOSE_CONV", ("TransposeConvOptions", {"stride_w": 1, "stride_h": 1}),
    shape=_const((4,), 1, 4, 4, 3), filter=_const((3, 2, 2, 2), 1), input=_act(*IMAGE), bias=_const((3,), 1),
    output=_act(1, 4, 4, 3),
)  # fmt: skip
_recipe(
    "FULLY_CONNECTED", ("FullyConnectedOptions", {}),
    input=_act(*V), filter=_const((3, 4), 1), bias=_const((3,), 1), output=_act(1, 3),
)  # fmt: skip
_recipe(
    "BATCH_MATMUL", ("BatchMatMulOptions", {}),
    first_input=_act(2, 3, 4), second_input=_act(2, 4, 5), output=_act(2, 3, 5),
)  # fmt: skip
_recipe(
    "SVDF", ("SVDFOptions", {"rank": 1}),
    input=_act(1, 4), weights_feature=_const((3, 4), 1), weights_time=_const((3, 2), 1), bias=_const((3,), 1),
    state=Part((1, 6), variable=True), output=_act(1, 3),
)  # fmt: skip
_gates = {
    f"{source}_to_{gate}": _const((3, 4) if source == "input" else (3, 3), 1)
    for source in ("input", "recurrent")
    for gate in ("input", "forget", "cell", "output")
}
_biases = {f"{gate}_bias": _const((3,), 1) for gate in ("input", "forget", "cell", "output")}
_recipe(
    "UNIDIRECTIONAL_SEQUENCE_LSTM", ("UnidirectionalSequenceLSTMOptions", {"fused_activation_function": 4}),
    input=_act(1, 2, 4), **_gates, **_biases,
    hidden_state=Part((1, 3), variable=True), cell_state=Part((1, 3), variable=True), output=_act(1, 2, 3),
)  # fmt: skip

for _name in ("AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"):
    _pool = {"stride_w": 2, "stride_h": 2, "filter_width": 2, "filter_height": 2, "padding": 1}
    _recipe(_name, ("Pool2DOptions", _pool), input=_act(*IMAGE), output=_act(1, 2, 2, 2))

for _name in ("MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_ALL"):
    _recipe(_name, ("ReducerOptions", {}), input=_act(*V), axis=_const((1,), 1), output=_act(1))
_recipe("ARG_MAX", ("ArgMaxOptions", {"output_type": 2}), input=_act(*V), axis=_const((), 1), output=_act(1))
_recipe("ARG_MIN", ("ArgMinOptions", {"output_type": 2}), input=_act(*V), axis=_const((), 1), output=_act(1))
_recipe("CUMSUM", ("CumsumOptions", {}), input=_act(*V), axis=_const((), 1), output=_act(*V))

_recipe("RESHAPE", ("ReshapeOptions", {"new_shape": (2, 2)}), input=_act(*V), shape=_const((2,), 2), output=_act(2, 2))
_recipe("SQUEEZE", ("SqueezeOptions", {"squeeze_dims": (0,)}), input=_act(*V), output=_act(4))
_recipe("EXPAND_DIMS", ("ExpandDimsOptions", {}), input=_act(4), axis=_const((), 0), output=_act(1, 4))
_recipe("CONCATENATION", ("ConcatenationOptions", {"axis": 0}), values=_act(*V), output=_act(3, 4))
_recipe("PACK", ("PackOptions", {"values_count": 3, "axis": 0}), values=_act(4), output=_act(3, 4))
_repeated("values", 3, "CONCATENATION", "PACK")
_recipe("UNPACK", ("UnpackOptions", {"num": 2, "axis": 0}), input=_act(2, 4), outputs=_act(4))
_recipe("SPLIT", ("SplitOptions", {"num_splits": 2}), axis=_const((), 0), input=_act(2, 4), outputs=_act(1, 4))
_recipe(
    "SPLIT_V", ("SplitVOptions", {"num_splits": 2}),
    input=_act(2, 4), sizes=_const((2,), 1), axis=_const((), 0), outputs=_act(1, 4),
)  # fmt: skip
_repeated("outputs", 2, "UNPACK", "SPLIT", "SPLIT_V")
_recipe("SLICE", input=_act(*V), begin=_const((2,), 0), size=_const((2,), 1), output=_act(1, 1))
_recipe(
    "STRIDED_SLICE", ("StridedSliceOptions", {}),
    input=_act(*V), begin=_const((2,), 0), end=_const((2,), 1, 2), strides=_const((2,), 1), output=_act(1, 2),
)  # fmt: skip
_recipe("DYNAMIC_UPDATE_SLICE", operand=_act(2, 4), update=_act(1, 4), start=_const((2,), 0), output=_act(2, 4))
_recipe("GATHER", ("GatherOptions", {"axis": 0}), input=_act(3, 4), positions=_const((2,), 0), output=_act(2, 4))
_recipe("GATHER_ND", input=_act(3, 4), indices=_const((2, 1), 0), output=_act(2, 4))
_recipe("EMBEDDING_LOOKUP", indices=_const((2,), 0), values=_const((3, 4), 1), output=_act(2, 4))
_padding = _const((2, 2), 0, 0, 1, 1)
_recipe("PAD", input=_act(*V), paddings=_padding, output=_act(1, 6))
_recipe("PADV2", input=_act(*V), paddings=_padding, value=_const((1,), 1), output=_act(1, 6))
_recipe("MIRROR_PAD", ("MirrorPadOptions", {}), input=_act(*V), paddings=_padding, output=_act(1, 6))
_recipe("TRANSPOSE", input=_act(*V), perm=_const((2,), 1, 0), output=_act(4, 1))
_recipe("REVERSE_V2", input=_act(*V), axis=_const((1,), 1), output=_act(*V))
_recipe("BROADCAST_TO", input=_act(*V), shape=_const((2,), 3, 4), output=_act(3, 4))
_recipe("BROADCAST_ARGS", first_input=_const((2,), 1), second_input=_const((2,), 1), output=_act(2))
_recipe("FILL", dims=_const((2,), 2), value=_const((), 1), output=_act(2, 2))
_recipe("DEPTH_TO_SPACE", ("DepthToSpaceOptions", {"block_size": 2}), input=_act(1, 2, 2, 4), output=_act(1, 4, 4, 1))
_recipe("SPACE_TO_DEPTH", ("SpaceToDepthOptions", {"block_size": 2}), input=_act(1, 4, 4, 1), output=_act(1, 2, 2, 4))
_block, _none = _const((2,), 2), _const((2, 2), 0)
_recipe("BATCH_TO_SPACE_ND", input=_act(4, 2, 2, 1), block_shape=_block, crops=_none, output=_act(1, 4, 4, 1))
_recipe("SPACE_TO_BATCH_ND", input=_act(1, 4, 4, 1), block_shape=_block, paddings=_none, output=_act(4, 2, 2, 1))
_size, _resized = _const((2,), 8), _act(1, 8, 8, 2)
_recipe("RESIZE_BILINEAR", ("ResizeBilinearOptions", {}), input=_act(*IMAGE), size=_size, output=_resized)
_recipe(
    "RESIZE_NEAREST_NEIGHBOR", ("ResizeNearestNeighborOptions", {}), input=_act(*IMAGE), size=_size, output=_resized
)

SCALES: Mapping[tuple[str, str, DType], tuple[float, int]] = {
    ("SOFTMAX", "output", DType.INT8): (1 / 256, -128),
    ("SOFTMAX", "output", DType.INT16): (1 / 32768, 0),
    ("SOFTMAX of int8", "output", DType.INT16): (1 / 65536, -32768),
    ("LOG_SOFTMAX", "output", DType.INT8): (1 / 16, 127),
    ("LOGISTIC", "output", DType.INT8): (1 / 256, -128),
    ("LOGISTIC", "output", DType.INT16): (1 / 32768, 0),
    ("TANH", "output", DType.INT16): (1 / 32768, 0),
    ("UNIDIRECTIONAL_SEQUENCE_LSTM", "cell_state", DType.INT16): (1 / 2048, 0),
}
"""Scale and zero point that a kernel insists on; 0.125 and 0 for all others."""

QUANTIZED = (DType.INT8, DType.UINT8, DType.INT16, DType.INT4)


def quantization(op: str, part: str, dtype: DType) -> Quantization | None:
    """The quantization of an operand of an operator at that type."""
    if dtype in QUANTIZED:
        scale, zero_point = SCALES.get((op, part, dtype), (0.125, 0))
        return Quantization((scale,), (zero_point,))
    if part.endswith("bias") and dtype in (DType.INT32, DType.INT64):
        return Quantization((0.125 * 0.125,), (0,))
    if op == "QUANTIZE" and dtype is DType.INT32:
        return Quantization((0.125,), (0,))
    return None


def numbers(values: Sequence[int], dtype: DType, elements: int) -> bytes:
    """Constant data of a tensor, zeros for types that Python cannot pack."""
    letter = FORMATS.get(dtype)
    if letter is None:
        return bytes(max(1, (elements * (dtype.bits or 32) + 7) // 8))
    full = [values[i] if i < len(values) else values[-1] for i in range(elements)]
    return struct.pack(f"<{elements}{letter}", *full)


def operands(rule: OperatorRule) -> list[str]:
    """Names of a rule's inputs and outputs, in the order of its columns."""
    return [operand.name for operand in (*rule.inputs, *rule.outputs)]


def bases(rule: OperatorRule) -> list[dict[str, DType]]:
    """One choice of types for each combination that the rule accepts; float32 where it takes anything."""
    names = operands(rule)
    return [
        {name: min(column.types) if column.types else DType.FLOAT32 for name, column in zip(names, row, strict=True)}
        for row in rule.rows
    ]


def model(recipe: Recipe, rule: OperatorRule, types: Mapping[str, DType]) -> Graph:
    """A model of one operator with a type for every operand; operands without a part are left out (-1)."""
    order = [operand.name for operand in rule.inputs]
    outputs = [operand.name for operand in rule.outputs]
    tensors: list[Tensor] = []
    buffers = [Buffer()]
    widened = recipe.name == "SOFTMAX" and types["input"] is DType.INT8 and types["output"] is DType.INT16
    kind = "SOFTMAX of int8" if widened else recipe.name

    def place(part_name: str) -> list[int]:
        part = recipe.parts.get(part_name)
        if part is None:
            return [-1]
        dtype, first = types[part_name], len(tensors)
        for i in range(recipe.repeat.get(part_name, 1)):
            quant = quantization(kind, part_name, dtype)
            tensor = Tensor(f"{part_name}{i}", dtype, part.shape, 0, quant, part.variable)
            if part.values is not None:
                buffers.append(Buffer(numbers(part.values, dtype, tensor.elements)))
                tensor = Tensor(tensor.name, dtype, part.shape, len(buffers) - 1, quant)
            tensors.append(tensor)
        return list(range(first, len(tensors)))

    ins = [i for part_name in order for i in place(part_name)]
    while ins and ins[-1] < 0 and len(order) < 24:
        ins.pop()
    outs = [i for part_name in outputs for i in place(part_name)]
    options = record(recipe.options[0], **recipe.options[1]) if recipe.options else None
    op = Operator(operator_code(recipe.name), tuple(ins), tuple(outs), options)
    fed = tuple(i for i in ins if i >= 0 and tensors[i].buffer == 0 and not tensors[i].is_variable)
    return Graph((Subgraph(tuple(tensors), (op,), fed, tuple(outs)),), tuple(buffers), (op.code,))


def plain(*operators: Operator, tensors: Sequence[Tensor], feeds: Sequence[int], results: Sequence[int]) -> Subgraph:
    """A subgraph of tensors without constants."""
    return Subgraph(tuple(tensors), operators, tuple(feeds), tuple(results))


def whole(*subgraphs: Subgraph) -> Graph:
    """A model of these subgraphs, without constants."""
    codes = tuple(dict.fromkeys(op.code for subgraph in subgraphs for op in subgraph.operators))
    return Graph(subgraphs, (Buffer(),), codes)


def operator(name: str, inputs: Sequence[int], outputs: Sequence[int], options: str = "", **values: Any) -> Operator:
    """A builtin operator; ``options`` names its table, ``values`` its fields."""
    return Operator(operator_code(name), tuple(inputs), tuple(outputs), record(options, **values) if options else None)


def custom(code: str, inputs: Sequence[int], outputs: Sequence[int]) -> Operator:
    """A custom operator."""
    return Operator(operator_code("CUSTOM", custom_code=code), tuple(inputs), tuple(outputs))


def values(*shapes: tuple[int, ...], dtype: DType = DType.FLOAT32) -> tuple[Tensor, ...]:
    """Activations of one type, named by their position."""
    return tuple(Tensor(f"t{i}", dtype, shape) for i, shape in enumerate(shapes))


def double(shape: tuple[int, ...]) -> Subgraph:
    """A subgraph that adds its float input to itself."""
    return plain(operator("ADD", (0, 0), (1,), "AddOptions"), tensors=values(shape, shape), feeds=(0,), results=(1,))


def conditional(then: Subgraph, otherwise: Subgraph, condition: DType = DType.BOOL, then_index: int = 1) -> Graph:
    """A model of one IF on two values."""
    tensors = (Tensor("condition", condition, (1,)), *values((1, 4), (1, 4)))
    op = operator("IF", (0, 1), (2,), "IfOptions", then_subgraph_index=then_index, else_subgraph_index=2)
    return whole(plain(op, tensors=tensors, feeds=(0, 1), results=(2,)), then, otherwise)


def loop(condition_type: DType, body: Subgraph, body_index: int = 2) -> Graph:
    """A model of one WHILE whose condition compares its value with itself (so that it never holds)."""
    options = {"cond_subgraph_index": 1, "body_subgraph_index": body_index}
    main = plain(
        operator("WHILE", (0,), (1,), "WhileOptions", **options),
        tensors=values((1, 1), (1, 1)),
        feeds=(0,),
        results=(1,),
    )
    kept = Tensor("go on", condition_type, (1, 1))
    condition = plain(operator("LESS", (0, 0), (1,)), tensors=(*values((1, 1)), kept), feeds=(0,), results=(1,))
    return whole(main, condition, body)


def variables(resource: DType, value: DType) -> Graph:
    """A model that assigns a resource variable and reads it back."""
    tensors = (Tensor("handle", resource, (1,)), *values((1, 4), (1, 4), dtype=value))
    operators = (
        operator("VAR_HANDLE", (), (0,), "VarHandleOptions", container="c", shared_name="v"),
        operator("ASSIGN_VARIABLE", (0, 1), ()),
        operator("READ_VARIABLE", (0,), (2,)),
    )
    return whole(plain(*operators, tensors=tensors, feeds=(1,), results=(2,)))
