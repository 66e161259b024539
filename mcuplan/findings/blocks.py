"""Operators grouped into blocks: the runs that a designer names as one.

A block is an inverted residual (1x1 expand, depthwise, 1x1 project, and the add where there is one), a
depthwise-separable pair (depthwise, 1x1), or a residual unit (the operators between a tensor and the add that it
skips to). Whatever stands alone is a block of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcuplan.graph import Graph, Operator, Subgraph
from mcuplan.operators import Options

INVERTED_RESIDUAL = "inverted residual"
SEPARABLE_PAIR = "depthwise-separable pair"
RESIDUAL_UNIT = "residual unit"

_LONGEST = 16
"""Operators that a block has at most: squeeze-and-excite inside an inverted residual stays below it."""
_LINEAR = 0
"""``ActivationFunctionType.NONE``."""
_JOINS = ("ADD",)
_BEFORE_DEPTHWISE = ("PAD", "RELU", "RELU6", "HARD_SWISH")
"""What may stand between the expanding and the depthwise convolution, where a converter did not fuse it."""


@dataclass(frozen=True, slots=True)
class Block:
    """Operators ``[first, last]`` of one subgraph."""

    kind: str
    first: int
    last: int

    @property
    def operators(self) -> range:
        """Indices of its operators."""
        return range(self.first, self.last + 1)


def blocks(graph: Graph, subgraph: int = 0) -> tuple[Block, ...]:
    """The subgraph's operators in blocks, each operator in exactly one, in order."""
    chosen = graph.subgraphs[subgraph]
    found: list[Block] = []
    at = 0
    while at < len(chosen.operators):
        block = _block_at(graph, chosen, at) or Block(chosen.operators[at].label, at, at)
        found.append(block)
        at = block.last + 1
    return tuple(found)


def _block_at(graph: Graph, subgraph: Subgraph, first: int) -> Block | None:
    """The shortest block of several operators that begins at ``first``; residual ones before others."""
    ends = _closed_ends(graph, subgraph, first)
    for last in ends:
        if _is_residual(graph, subgraph, first, last):
            run = subgraph.operators[first : last + 1]
            return Block(INVERTED_RESIDUAL if _inverted(subgraph, run[:-1]) else RESIDUAL_UNIT, first, last)
    for last in ends:
        run = subgraph.operators[first : last + 1]
        if _depthwise_then_pointwise(subgraph, run):
            linear = _inverted(subgraph, run)
            return Block(
                INVERTED_RESIDUAL if linear or _is_pointwise(subgraph, run[0]) else SEPARABLE_PAIR, first, last
            )
    return None


def _closed_ends(graph: Graph, subgraph: Subgraph, first: int) -> list[int]:
    """Ends of the runs from ``first`` that read one tensor from outside and hand one on.

    That is what makes a run a block: nothing else of the network sees inside it.
    """
    ends: list[int] = []
    produced: set[int] = set()
    entries: set[int] = set()
    for last in range(first, min(first + _LONGEST, len(subgraph.operators))):
        op = subgraph.operators[last]
        entries |= set(_activations(graph, subgraph, op.inputs)) - produced
        produced |= {t for t in op.outputs if t >= 0}
        if len(entries) > 1:
            break
        outward = {t for t in produced if t in subgraph.outputs or any(k > last for k in subgraph.consumers.get(t, ()))}
        if last > first and outward == set(op.outputs) and len(outward) == 1:
            ends.append(last)
    return ends


def _activations(graph: Graph, subgraph: Subgraph, tensors: Sequence[int]) -> list[int]:
    return [t for t in tensors if t >= 0 and not graph.is_constant(subgraph.tensors[t])]


def _is_residual(graph: Graph, subgraph: Subgraph, first: int, last: int) -> bool:
    """Whether the run ends in an add, and its entry reaches that add by two ways."""
    join = subgraph.operators[last]
    sources = _activations(graph, subgraph, join.inputs)
    if join.name not in _JOINS or len(sources) != 2:
        return False
    entry = _activations(graph, subgraph, subgraph.operators[first].inputs)
    readers = [k for k in subgraph.consumers.get(entry[0], ()) if first <= k <= last] if entry else []
    return len(readers) > 1


def _inverted(subgraph: Subgraph, run: Sequence[Operator]) -> bool:
    """Whether a depthwise convolution is followed by a 1x1 convolution without activation (linear bottleneck)."""
    return _depthwise_then_pointwise(subgraph, run) and Options(run[-1]).activation == _LINEAR


def _depthwise_then_pointwise(subgraph: Subgraph, run: Sequence[Operator]) -> bool:
    """Whether the run is at most a pad and a 1x1 convolution, one depthwise, anything, and a last 1x1 convolution."""
    names = [op.name for op in run]
    if names.count("DEPTHWISE_CONV_2D") != 1 or not _is_pointwise(subgraph, run[-1]):
        return False
    before = run[: names.index("DEPTHWISE_CONV_2D")]
    return all(op.name in _BEFORE_DEPTHWISE or _is_pointwise(subgraph, op) for op in before)


def _is_pointwise(subgraph: Subgraph, op: Operator) -> bool:
    if op.name != "CONV_2D" or len(op.inputs) < 2 or op.inputs[1] < 0:
        return False
    shape = subgraph.tensors[op.inputs[1]].shape
    return len(shape) == 4 and shape[1:3] == (1, 1)
