"""A convolution split by its output channels: each part with its own filters, biases and scales, joined again.

Every output channel of a convolution is computed from all of the input with filters of its own, so the parts give the
same values. Operators behind it that take each channel by itself (depthwise convolutions, poolings, PAD, element-wise
ones) may run on a part as well, before all are joined: then what an inverted residual widens to is never there whole,
and scratch that grows with channels is a part's. It is no saving of a convolution's own activations: alone it is split
for kernels whose scratch grows with the filters they are given (Espressif's for the ESP32-S3 copy them all), which no
strip of rows makes smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from mcuplan.graph import Graph, Operator, Quantization
from mcuplan.operators import OperatorCall, TensorFacts, Trait, operators_that, sliding
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.writing.build import MOST_PARTS, NO_ACTIVATION, SubgraphBuilder
from mcuplan.patching.writing.rows import UnsupportedStageError

_CHANNELS = 3
_RANK = 4
_DEPTHWISE = "DEPTHWISE_CONV_2D"
_CHANNELWISE = sliding("pool") | (operators_that(Trait.POINTWISE) - operators_that(Trait.PARTIAL)) | {"PAD"}
"""Operators that take each channel by itself and have no constants by channel."""


def check_channels(graph: Graph, stage: PatchStage, cuts: Sequence[int]) -> None:
    """Whether a stage can be split into output channels ``[cuts[i], cuts[i + 1])``.

    Raises
    ------
    UnsupportedStageError
        Where it is not one convolution without groups and with constant filters, and behind it operators one after the
        other that take each channel by itself; or has more parts than are joined.
    """
    main = graph.main
    facts = OperatorCall(graph, main, main.operators[stage.first])
    if facts.operator.name != "CONV_2D":
        raise UnsupportedStageError(f"{facts.operator.label} is not split by output channels")
    constants = _constants(facts)
    if facts["w"].channels != facts["x"].channels:
        raise UnsupportedStageError("a convolution in groups is not split by output channels")
    if any(t.tensor.quantization and t.tensor.quantization.dimension for t in constants if t.tensor is not None):
        raise UnsupportedStageError("scales that are not by output channel cannot be split")
    if not 2 < len(cuts) <= MOST_PARTS + 1 or cuts[0] != 0 or cuts[-1] != facts.outputs[0].channels:
        raise UnsupportedStageError(f"{len(cuts) - 1} parts cannot be joined at once")
    given = facts.operator.outputs[0]
    for k in range(stage.first + 1, stage.last):
        given = _check_behind(graph, k, given)


def _constants(facts: OperatorCall) -> list[TensorFacts]:
    """Filters and biases. Raises UnsupportedStageError where they cannot be split."""
    constants = [facts.inputs[i] for i in range(1, len(facts.inputs)) if facts.inputs[i].present]
    if not all(t.constant and t.tensor is not None and t.tensor.sparsity is None for t in constants):
        raise UnsupportedStageError("a filter that is not constant cannot be split")
    if any((t.tensor.dtype.bits or 0) % 8 or not t.tensor.dtype.bits for t in constants if t.tensor is not None):
        raise UnsupportedStageError("filters of packed elements are not split")
    return constants


def _check_behind(graph: Graph, k: int, given: int) -> int:
    """Check an operator behind the convolution, which is to read ``given``; returns what it makes."""
    main = graph.main
    op = main.operators[k]
    facts = OperatorCall(graph, main, op)
    maps = [t for t in op.inputs if t >= 0 and not graph.is_constant(main.tensors[t])]
    if maps != [given] or len(main.consumers[given]) != 1 or given in main.outputs:
        raise UnsupportedStageError("operators behind a convolution in parts read one another alone")
    if op.name == _DEPTHWISE:
        weights, *others = _constants(facts)
        alike = weights.dims[-1] == facts["x"].channels == facts.outputs[0].channels
        by_channel = [t.tensor.quantization for t in (weights, *others) if t.tensor is not None]
        ways = [q is None or not q.per_channel or q.dimension == axis
                for q, axis in zip(by_channel, (_CHANNELS, 0), strict=False)]  # fmt: skip
        if not alike or not all(ways):
            raise UnsupportedStageError("a depthwise convolution that makes several channels of one is not split")
    elif op.name not in _CHANNELWISE or any(graph.main.tensors[t].elements > _SIZES for t in op.inputs[1:] if t >= 0):
        raise UnsupportedStageError(f"{op.label} does not take each channel by itself")
    return op.outputs[0]


_SIZES = 2 * _RANK
"""Elements of a PAD's constant, which is the same for every part."""


def write_channels(main: SubgraphBuilder, stage: PatchStage, cuts: Sequence[int]) -> None:
    """Write the operators in parts, and the CONCATENATION that joins them."""
    graph = main.parent.draft.graph
    check_channels(graph, stage, cuts)
    parts = [_part(main, graph, stage, begin, end) for begin, end in pairwise(cuts)]
    main.operation(
        "CONCATENATION", parts, [stage.result], "ConcatenationOptions",
        axis=_CHANNELS, fused_activation_function=NO_ACTIVATION,
    )  # fmt: skip


def _part(main: SubgraphBuilder, graph: Graph, stage: PatchStage, begin: int, end: int) -> int:
    """Output channels ``[begin, end)``."""
    given = stage.source
    for op in graph.main.operators[stage.first : stage.last]:
        split = op.name in ("CONV_2D", _DEPTHWISE)
        constants = (_piece(main, graph, op, t, begin, end) if split and t >= 0 else t for t in op.inputs[1:])
        inputs = (given, *constants)
        like = graph.main.tensors[op.outputs[0]]
        given = main.tensor(like, f"{like.name}/channels{begin}", (*like.shape[:_CHANNELS], end - begin), own=False)
        main.add(replace(op, inputs=inputs, outputs=(given,), debug_metadata_index=-1))
    return given


def _piece(main: SubgraphBuilder, graph: Graph, op: Operator, t: int, begin: int, end: int) -> int:
    """Entries ``[begin, end)`` of a constant by channel, with their scales."""
    tensor = graph.main.tensors[t]
    last = op.name == _DEPTHWISE and tensor.rank == _RANK  # filters of one channel each, side by side
    data = bytes(graph.data(tensor) or b"")
    count = tensor.shape[-1 if last else 0]
    each = len(data) // tensor.elements if last else len(data) // count
    rows = (data[i : i + count * each] for i in range(0, len(data), count * each))
    shape = (*tensor.shape[:-1], end - begin) if last else (end - begin, *tensor.shape[1:])
    like = replace(tensor, shape=shape, quantization=_scales(tensor.quantization, begin, end))
    return main.constant(like, b"".join(row[begin * each : end * each] for row in rows))


def _scales(quantization: Quantization | None, begin: int, end: int) -> Quantization | None:
    if quantization is None or not quantization.per_channel:
        return quantization
    zero_points = quantization.zero_points
    if len(zero_points) > 1:
        zero_points = zero_points[begin:end]
    return replace(quantization, scales=quantization.scales[begin:end], zero_points=zero_points)
