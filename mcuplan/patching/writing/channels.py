"""A convolution split by its output channels: each part with its own filters, biases and scales, joined again.

Every output channel of a convolution is computed from all of the input with filters of its own, so the parts give the
same values. It is no saving of activations: it is for kernels whose scratch grows with the filters they are given
(Espressif's for the ESP32-S3 copy them all), which no strip of rows makes smaller.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

from mcuplan.graph import Graph, Operator, Quantization, Tensor
from mcuplan.operators import OperatorCall
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.writing.build import MOST_PARTS, NO_ACTIVATION, SubgraphBuilder
from mcuplan.patching.writing.rows import UnsupportedStageError

_CHANNELS = 3


def check_channels(graph: Graph, stage: PatchStage, cuts: Sequence[int]) -> None:
    """Whether a stage can be split into output channels ``[cuts[i], cuts[i + 1])``.

    Raises
    ------
    UnsupportedStageError
        Where it is not one convolution without groups and with constant filters, or has more parts than are joined.
    """
    if stage.last - stage.first != 1:
        raise UnsupportedStageError("only one operator at a time is split by channels")
    op = graph.main.operators[stage.first]
    facts = OperatorCall(graph, graph.main, op)
    if op.name != "CONV_2D":
        raise UnsupportedStageError(f"{op.label} is not split by output channels")
    constants = [facts.inputs[i] for i in range(1, len(facts.inputs)) if facts.inputs[i].present]
    if not all(t.constant and t.tensor is not None and t.tensor.sparsity is None for t in constants):
        raise UnsupportedStageError("a filter that is not constant cannot be split")
    if facts["w"].channels != facts["x"].channels:
        raise UnsupportedStageError("a convolution in groups is not split by output channels")
    if any(t.tensor.quantization and t.tensor.quantization.dimension for t in constants if t.tensor is not None):
        raise UnsupportedStageError("scales that are not by output channel cannot be split")
    if any((t.tensor.dtype.bits or 0) % 8 or not t.tensor.dtype.bits for t in constants if t.tensor is not None):
        raise UnsupportedStageError("filters of packed elements are not split")
    if not 2 < len(cuts) <= MOST_PARTS + 1 or cuts[0] != 0 or cuts[-1] != facts.outputs[0].channels:
        raise UnsupportedStageError(f"{len(cuts) - 1} parts cannot be joined at once")


def write_channels(main: SubgraphBuilder, stage: PatchStage, cuts: Sequence[int]) -> None:
    """Write the convolution in parts, and the CONCATENATION that joins them."""
    graph = main.parent.draft.graph
    check_channels(graph, stage, cuts)
    op = graph.main.operators[stage.first]
    result = main.tensors[stage.result]
    parts = [_part(main, graph, op, result, begin, end) for begin, end in pairwise(cuts)]
    main.operation(
        "CONCATENATION", parts, [stage.result], "ConcatenationOptions",
        axis=_CHANNELS, fused_activation_function=NO_ACTIVATION,
    )  # fmt: skip


def _part(main: SubgraphBuilder, graph: Graph, op: Operator, result: Tensor, begin: int, end: int) -> int:
    """Output channels ``[begin, end)``."""
    inputs = [op.inputs[0], *(t if t < 0 else _piece(main, graph, t, begin, end) for t in op.inputs[1:])]
    out = main.tensor(result, f"{result.name}/channels{begin}", (*result.shape[:_CHANNELS], end - begin), own=False)
    main.add(replace(op, inputs=tuple(inputs), outputs=(out,), debug_metadata_index=-1))
    return out


def _piece(main: SubgraphBuilder, graph: Graph, t: int, begin: int, end: int) -> int:
    """Entries ``[begin, end)`` of a constant along its first dimension, with their scales."""
    tensor = graph.main.tensors[t]
    data = bytes(graph.data(tensor) or b"")
    each = len(data) // tensor.shape[0]
    like = replace(
        tensor, shape=(end - begin, *tensor.shape[1:]), quantization=_scales(tensor.quantization, begin, end)
    )
    return main.constant(like, data[begin * each : end * each])


def _scales(quantization: Quantization | None, begin: int, end: int) -> Quantization | None:
    if quantization is None or not quantization.per_channel:
        return quantization
    zero_points = quantization.zero_points
    if len(zero_points) > 1:
        zero_points = zero_points[begin:end]
    return replace(quantization, scales=quantization.scales[begin:end], zero_points=zero_points)
