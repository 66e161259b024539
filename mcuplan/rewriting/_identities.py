"""Clean-ups of operators that leave the bytes as they are, alone or together with their neighbour."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace

from mcuplan.graph import DType, Graph, Operator, Quantization, Subgraph, Tensor
from mcuplan.operators import Options, Trait, constant_values, operators_that
from mcuplan.rewriting.edit import map_tensors, replace_subgraph

Test = Callable[[Graph, Subgraph, Operator], bool]


def single_assignment(subgraph: Subgraph) -> bool:
    """True where each tensor is written once at most, so that one may stand for another wherever they are equal."""
    written = [t for op in subgraph.operators for t in op.outputs if t >= 0]
    return len({*written, *subgraph.inputs}) == len(written) + len(set(subgraph.inputs))


def renamed(subgraph: Subgraph, stands_for: Mapping[int, int]) -> Subgraph:
    """The subgraph with some tensors replaced by others wherever they are named."""
    return map_tensors(subgraph, lambda t: stands_for.get(t, t))


def same_quantization(x: Tensor, y: Tensor) -> bool:
    """True where both tensors' elements mean the same reals; what min and max say does not matter to a kernel."""
    if x.dtype != y.dtype:
        return False
    return _facts(x.quantization) == _facts(y.quantization)


def _facts(q: Quantization | None) -> tuple[object, ...]:
    if q is None or not (q.scales or q.zero_points or q.details):
        return ()  # an empty table says as much as none
    dimension = q.dimension if q.per_channel else 0
    return q.scales, q.zero_points, dimension, q.details, q.has_scales, q.has_zero_points


# -- identities ----------------------------------------------------------------------------------------------------


def drop_identities(graph: Graph) -> tuple[Graph, int]:
    """Operators whose output is their input, byte for byte: one tensor does for both."""
    dropped = 0
    for index, subgraph in enumerate(graph.subgraphs):
        if not single_assignment(subgraph):
            continue
        k = _removable(graph, subgraph)
        while k is not None:
            subgraph = _without(subgraph, k)
            dropped += 1
            k = _removable(graph, subgraph)
        if subgraph is not graph.subgraphs[index]:
            graph = replace_subgraph(graph, index, subgraph)
    return graph, dropped


def _removable(graph: Graph, subgraph: Subgraph) -> int | None:
    """An identity whose ends are not both fixed: one of them must be free to be replaced by the other."""
    for k, op in enumerate(subgraph.operators):
        if not is_identity(graph, subgraph, op):
            continue
        x, y = _data(op), op.outputs[0]
        if y not in subgraph.outputs or (
            x not in subgraph.inputs and x not in subgraph.outputs and x in subgraph.producers
        ):
            return k
    return None


def _without(subgraph: Subgraph, k: int) -> Subgraph:
    op = subgraph.operators[k]
    x, y = _data(op), op.outputs[0]
    smaller = replace(subgraph, operators=subgraph.operators[:k] + subgraph.operators[k + 1 :])
    return renamed(smaller, {x: y} if y in subgraph.outputs else {y: x})


def _data(op: Operator) -> int:
    """The input that the output is made of; -1 where it is not there."""
    position = 1 if op.name == "SPLIT" else 0
    return op.inputs[position] if position < len(op.inputs) else -1


def constant_input(graph: Graph, subgraph: Subgraph, op: Operator, position: int) -> tuple[int, ...] | None:
    """The integers of a constant input; None where it is absent or no such constant."""
    t = op.inputs[position] if position < len(op.inputs) else -1
    return constant_values(graph, subgraph.tensors[t]) if t >= 0 else None


def is_identity(graph: Graph, subgraph: Subgraph, op: Operator) -> bool:
    """True where the operator's only output is its data input: same type, shape and quantization, and same bytes."""
    test = _IDENTITIES.get(op.name)
    if test is None or len(op.outputs) != 1 or op.outputs[0] < 0 or _data(op) < 0:
        return False
    x, y = subgraph.tensors[_data(op)], subgraph.tensors[op.outputs[0]]
    if x.shape != y.shape or x.is_dynamic or x.is_variable or y.is_variable or not same_quantization(x, y):
        return False
    return test(graph, subgraph, op)


def _always(graph: Graph, subgraph: Subgraph, op: Operator) -> bool:  # noqa: ARG001 - the signature of a Test
    """Moves of bytes in order; of a SLICE only the whole has the same shape."""
    return True


def _unit_strides(graph: Graph, subgraph: Subgraph, op: Operator) -> bool:
    strides = constant_input(graph, subgraph, op, 3)
    options = Options(op)
    masks = options.ellipsis_mask, options.new_axis_mask, options.shrink_axis_mask
    return strides is not None and set(strides) <= {1} and not any(masks)


def _no_padding(graph: Graph, subgraph: Subgraph, op: Operator) -> bool:
    amounts = constant_input(graph, subgraph, op, 1)
    return amounts is not None and not any(amounts)


def _one_input(graph: Graph, subgraph: Subgraph, op: Operator) -> bool:  # noqa: ARG001
    return len(op.inputs) == 1 and Options(op).activation == 0


def _keeps_axes(graph: Graph, subgraph: Subgraph, op: Operator) -> bool:
    order = constant_input(graph, subgraph, op, 1)
    return order is not None and order == tuple(range(len(order)))


def _requantizes_by_one(graph: Graph, subgraph: Subgraph, op: Operator) -> bool:  # noqa: ARG001
    """``(q - zero_point) * 1 + zero_point`` is ``q``.

    QuantizeMultiplier gives 2^30 and a shift of 1 for a scale of exactly one, and MultiplyByQuantizedMultiplier is
    exact for it with either rounding (lite/kernels/internal/common.cc).
    """
    x = subgraph.tensors[op.inputs[0]]
    return x.dtype in (DType.INT8, DType.INT16) and _sound(x)


def _sound(tensor: Tensor) -> bool:
    """One scale, far from where float32 loses bits, and one zero point."""
    q = tensor.quantization
    if q is None or len(q.scales) != 1 or len(q.zero_points) != 1:
        return False
    return math.isfinite(q.scales[0]) and 1e-30 < q.scales[0] < 1e30


_IDENTITIES: Mapping[str, Test] = {
    "RESHAPE": _always,
    "SQUEEZE": _always,
    "SLICE": _always,
    "PAD": _no_padding,
    "BROADCAST_TO": _always,
    "STRIDED_SLICE": _unit_strides,
    "CONCATENATION": _one_input,
    "SPLIT": _always,
    "SPLIT_V": _always,
    "TRANSPOSE": _keeps_axes,
    "QUANTIZE": _requantizes_by_one,
}


# -- pairs ---------------------------------------------------------------------------------------------------------


def skip_reshapes(graph: Graph) -> tuple[Graph, int]:
    """RESHAPE before another RESHAPE or before FULLY_CONNECTED, where nobody else reads what lies between.

    FULLY_CONNECTED takes its input as flat: reference and CMSIS-NN kernels look at the shapes of filter and output
    only (micro/kernels/fully_connected.cc, micro/kernels/cmsis_nn/fully_connected.cc).
    """
    skipped = 0
    for index, subgraph in enumerate(graph.subgraphs):
        if not single_assignment(subgraph):
            continue
        operators = list(subgraph.operators)
        for k, op in enumerate(operators):
            first = subgraph.producers.get(op.inputs[0]) if op.inputs else None
            if first is not None and first < k and _may_skip(subgraph, operators[first], op, k):
                operators[k] = replace(op, inputs=(operators[first].inputs[0], *op.inputs[1:]))
                skipped += 1
        if tuple(operators) != subgraph.operators:
            graph = replace_subgraph(graph, index, replace(subgraph, operators=tuple(operators)))
    return graph, skipped


def _may_skip(subgraph: Subgraph, first: Operator, op: Operator, k: int) -> bool:
    between = op.inputs[0]
    if first.name not in operators_that(Trait.RESHAPES) or op.inputs.count(between) != 1 or not first.inputs:
        return False
    if subgraph.consumers.get(between) != (k,) or between in subgraph.outputs or first.inputs[0] < 0:
        return False
    x, y = subgraph.tensors[first.inputs[0]], subgraph.tensors[between]
    if x.is_variable or y.is_variable or x.is_dynamic or y.is_dynamic or x.elements != y.elements:
        return False
    if op.name == "RESHAPE":
        return x.dtype == y.dtype
    plain = not Options(op).keep_num_dims and Options(op).weights_format == 0
    return op.name == "FULLY_CONNECTED" and plain and same_quantization(x, y) and x.rank > 0


def drop_round_trips(graph: Graph) -> tuple[Graph, int]:
    """DEQUANTIZE followed by QUANTIZE to the quantization that it came from.

    ``round(scale * (q - zero_point) / scale)`` is ``q - zero_point``: two float32 roundings move a number below
    2^16 by less than 2^-6 (lite/kernels/internal/reference/dequantize.h, quantize.h).
    """
    dropped = 0
    for index, subgraph in enumerate(graph.subgraphs):
        found = _round_trip(subgraph) if single_assignment(subgraph) else None
        while found is not None:
            x, k = found
            y = subgraph.operators[k].outputs[0]
            smaller = replace(subgraph, operators=subgraph.operators[:k] + subgraph.operators[k + 1 :])
            subgraph = renamed(smaller, {y: x})
            dropped += 1
            found = _round_trip(subgraph)
        if subgraph is not graph.subgraphs[index]:
            graph = replace_subgraph(graph, index, subgraph)
    return graph, dropped


def _round_trip(subgraph: Subgraph) -> tuple[int, int] | None:
    """The integer tensor and the QUANTIZE that makes it again; None where there is none."""
    for k, op in enumerate(subgraph.operators):
        first = subgraph.producers.get(op.inputs[0]) if op.name == "QUANTIZE" and op.inputs and op.outputs else None
        if first is None or first >= k or subgraph.operators[first].name != "DEQUANTIZE":
            continue
        x, y = _data(subgraph.operators[first]), op.outputs[0]
        if x < 0 or y < 0:
            continue
        a, b, real = (subgraph.tensors[t] for t in (x, y, op.inputs[0]))
        same = a.shape == b.shape == real.shape and same_quantization(a, b) and real.dtype == DType.FLOAT32
        fixed = y in subgraph.outputs or a.is_variable or b.is_variable or a.is_dynamic
        if same and not fixed and a.dtype in (DType.INT8, DType.INT16) and _sound(a):
            return x, k
    return None


# -- constants -----------------------------------------------------------------------------------------------------


def fold_constant_moves(graph: Graph) -> tuple[Graph, int]:
    """RESHAPE, SQUEEZE and EXPAND_DIMS of a constant: the result is the same bytes, so it is a constant too."""
    folded = 0
    for index, subgraph in enumerate(graph.subgraphs):
        if not single_assignment(subgraph):
            continue
        tensors = list(subgraph.tensors)
        kept: list[Operator] = []
        for op in subgraph.operators:
            if op.name in operators_that(Trait.RESHAPES) and _moves_constant(graph, subgraph, tensors, op):
                x, y = tensors[op.inputs[0]], tensors[op.outputs[0]]
                tensors[op.outputs[0]] = replace(y, buffer=x.buffer)
                folded += 1
            else:
                kept.append(op)
        if len(kept) < len(subgraph.operators):
            graph = replace_subgraph(graph, index, replace(subgraph, tensors=tuple(tensors), operators=tuple(kept)))
    return graph, folded


def _moves_constant(graph: Graph, subgraph: Subgraph, tensors: list[Tensor], op: Operator) -> bool:
    if _data(op) < 0 or not op.outputs or op.outputs[0] < 0 or op.outputs[0] in subgraph.outputs:
        return False
    x, y = tensors[op.inputs[0]], tensors[op.outputs[0]]
    constant = graph.data(x) is not None and not x.is_variable and not x.external_buffer and x.sparsity is None
    free = not y.is_dynamic and not y.is_variable and not graph.is_constant(y)
    whole_bytes = (x.dtype.bits or 4) % 8 == 0
    return constant and free and whole_bytes and x.dtype == y.dtype and x.elements == y.elements
