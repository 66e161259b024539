"""What shape an operator gives, worked out from its call as each kernel works it out or takes it for granted.

A rule has a name, which the table's ``gives`` calls it by. It answers with the shape of the (first) output, with one
shape for each output, with a :class:`Finding` where the inputs do not go together at all, or with None where something
that it needs is not known from the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

from mcuplan.graph import Graph, Subgraph
from mcuplan.tflm.support.call import Finding, KernelCall, Shape
from mcuplan.tflm.support.table import Gives, OperatorRule

Inferred = Shape | list[Shape] | Finding | None

Rule = Callable[[KernelCall], Inferred]

RULES: dict[str, Rule] = {}


def rule(name: str) -> Callable[[Rule], Rule]:
    """Register a function under the name that the table calls it by."""

    def register(function: Rule) -> Rule:
        RULES[name] = function
        return function

    return register


def inferred_shapes(call: KernelCall) -> list[Shape] | Finding | None:
    """The shapes of the outputs, in order (perhaps of the first only); None where they are not known."""
    if call.rule.gives is None:
        return None
    found = RULES[call.rule.gives.name](call)
    return [found] if isinstance(found, tuple) else found


def output_findings(call: KernelCall) -> Iterator[Finding]:
    """Where the outputs' shapes in the file are not those that the operator gives."""
    gives, found = call.rule.gives, inferred_shapes(call)
    if gives is None or found is None:
        return
    if isinstance(found, Finding):
        yield found
        return
    for index, wanted in zip(call.operator.outputs, found, strict=False):
        declared = call.subgraph.tensors[index].shape if index >= 0 else None
        if declared is not None and not _fits(declared, wanted, gives):
            text = f"gives the shape {list(wanted)}, but its output has {list(declared)}"
            yield Finding("shape-mismatch", text, index, not gives.checked)


def _fits(declared: Shape, wanted: Shape, gives: Gives) -> bool:
    """A dimension that the file leaves open is filled in, among as many as the file has."""
    if min(declared, default=0) >= 0:
        return math.prod(declared) == math.prod(wanted) if gives.elements else declared == wanted
    return len(declared) == len(wanted) and all(d in (-1, size) for d, size in zip(declared, wanted, strict=True))


def mismatch(text: str, tensor: int = -1) -> Finding:
    """Inputs whose shapes do not go together: TFLM does not look, and goes wrong."""
    return Finding("shape-mismatch", text, tensor, True)


def index_range(text: str, tensor: int) -> Finding:
    """A place or an axis that a tensor does not have: TFLM does not look, and goes wrong."""
    return Finding("index-range", text, tensor, True)


def broadcast(*shapes: Shape) -> Shape | None:
    """The common shape by the rules of broadcasting; None where there is none."""
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    common = []
    for sizes in zip(*padded, strict=True):
        widest = 0 if 0 in sizes else max(sizes)
        if any(size not in (1, widest) for size in sizes):
            return None
        common.append(widest)
    return tuple(common)


# -- what Prepare fills in ------------------------------------------------------------------------------------------


def resolved_shapes(graph: Graph, subgraph: Subgraph, rule_of: Sequence[OperatorRule | None]) -> list[Shape | None]:
    """Each tensor's shape after Prepare: operators that set their output's shape fill in what the file leaves open.

    None where that shape is not worked out here (so that no conclusion is drawn from it).
    """
    shapes: list[Shape | None] = [None if t.is_dynamic else t.shape for t in subgraph.tensors]
    for op, row in zip(subgraph.operators, rule_of, strict=True):
        if (
            row is None
            or not row.sets_shape
            or not op.outputs
            or op.outputs[0] < 0
            or shapes[op.outputs[0]] is not None
        ):
            continue
        out = op.outputs[0]
        if row.sets_shape != "one":
            found = inferred_shapes(KernelCall(graph, subgraph, op, row, shapes))
            shapes[out] = found[0] if isinstance(found, list) else None
        elif op.inputs and op.inputs[0] >= 0:
            shapes[out] = _filled(subgraph.tensors[out].shape, shapes[op.inputs[0]])
    return shapes


def _filled(shape: Shape, source: Shape | None) -> Shape | None:
    """``shape`` with its single -1 worked out from the number of elements of ``source``."""
    known = math.prod(d for d in shape if d != -1)
    if source is None or shape.count(-1) != 1 or known <= 0:
        return None
    return tuple(math.prod(source) // known if d == -1 else d for d in shape)
