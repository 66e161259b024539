"""A 1x1 convolution by the kernel that goes position by position, so that its result may lie over its source.

Kernels of their own for 1x1 windows go channel by channel over the whole map. A dilation, which a single tap does not
feel, sends a convolution to the kernel of wider windows (``arm_convolve_wrapper_s8`` of CMSIS-NN), which reads each
position before it writes it. It takes some more instructions and scratch for two positions, and no operator more.
"""

from __future__ import annotations

from dataclasses import replace

from mcuplan.graph import Graph, Operator
from mcuplan.operators import OperatorCall
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.writing.build import SubgraphBuilder
from mcuplan.patching.writing.rows import UnsupportedStageError

UNFELT_DILATION = 2
_ONES = ("kh", "kw", "dil_h", "dil_w", "stride_h", "stride_w")
_FIELDS = ("dilation_h_factor", "dilation_w_factor")


def goes_by_channels(graph: Graph, operator: int) -> bool:
    """Whether an operator is a 1x1 convolution of whole int8 channels, which kernels of its own may run; with strides
    it has little to win."""
    op = graph.main.operators[operator]
    if op.name != "CONV_2D":
        return False
    facts = OperatorCall(graph, graph.main, op)
    if facts.window is None or any(facts[name] != 1 for name in _ONES):
        return False
    x, w = facts["x"], facts["w"]
    return bool(w.constant and w.channels == x.channels and x.dtype == facts["y"].dtype == "int8")


def check_in_place(graph: Graph, stage: PatchStage) -> None:
    """Whether a stage can be written in place.

    Raises
    ------
    UnsupportedStageError
        Where it is not one 1x1 convolution that kernels run channel by channel.
    """
    if stage.last - stage.first != 1 or not goes_by_channels(graph, stage.first):
        raise UnsupportedStageError("only a 1x1 convolution of int8 is written in place")


def position_by_position(op: Operator) -> Operator:
    """The convolution with a dilation."""
    assert op.options is not None
    return replace(
        op, options=replace(op.options, fields={**op.options.fields, **dict.fromkeys(_FIELDS, UNFELT_DILATION)})
    )


def write_in_place(main: SubgraphBuilder, stage: PatchStage) -> None:
    """Write the convolution with a dilation; that its result may lie over its source follows from the kernel."""
    graph = main.parent.draft.graph
    check_in_place(graph, stage)
    main.operators.append(position_by_position(graph.main.operators[stage.first]))
