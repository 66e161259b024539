"""Lossless clean-ups: rewrites that leave every output as it is, bit for bit, and need less arena or flash.

Each is applied only where it is exactly equal; the reason stands with its code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from mcuplan.graph import CUSTOM, Graph, Operator, Record, Subgraph, Tensor
from mcuplan.operators import OperatorFacts, constant_values, reachable_subgraphs, window_axis
from mcuplan.operators.geometry import SAME, VALID
from mcuplan.rewriting.edit import (
    compact_buffers,
    drop_unreferenced_tensors,
    keep_subgraphs,
    map_tensors,
    replace_subgraph,
)

_EFFECTS = frozenset({"ASSIGN_VARIABLE", "CALL_ONCE", "WHILE", "IF", "VAR_HANDLE"})
"""Operators that may change more than their outputs: never dropped."""


@dataclass(frozen=True, slots=True)
class CleanupStep:
    """One clean-up that was applied: its name, and how often."""

    name: str
    count: int


def clean_up(graph: Graph) -> tuple[Graph, tuple[CleanupStep, ...]]:
    """Apply every clean-up until none applies; returns the graph and what was done."""
    counts: dict[str, int] = {}
    changed = True
    while changed:
        changed = False
        for name, rule in _RULES.items():
            graph, count = rule(graph)
            if count:
                counts[name] = counts.get(name, 0) + count
                changed = True
    return graph, tuple(CleanupStep(name, count) for name, count in counts.items())


def _drop_subgraphs(graph: Graph) -> tuple[Graph, int]:
    """Subgraphs that neither control flow nor a signature reaches: TFLM plans their tensors all the same."""
    named = {s.get("subgraph_index", 0) for s in graph.signatures}
    keep = reachable_subgraphs(graph) | {i for i in named if i < len(graph.subgraphs)}
    dropped = len(graph.subgraphs) - len(keep)
    return (keep_subgraphs(graph, keep), dropped) if dropped else (graph, 0)


def _has_effects(subgraph: Subgraph, op: Operator) -> bool:
    touched = (i for i in (*op.inputs, *op.outputs) if i >= 0)
    return (
        op.name in _EFFECTS
        or op.name == CUSTOM
        or op.name.startswith("BUILTIN_")
        or any(subgraph.tensors[i].is_variable for i in touched)
    )


def _drop_operators(graph: Graph) -> tuple[Graph, int]:
    """Operators whose outputs nobody reads."""
    dropped = 0
    for index, subgraph in enumerate(graph.subgraphs):
        needed = set(subgraph.outputs)
        kept: list[Operator] = []
        for op in reversed(subgraph.operators):
            if _has_effects(subgraph, op) or needed.intersection(op.outputs):
                kept.append(op)
                needed.update(op.inputs)
        if len(kept) < len(subgraph.operators):
            dropped += len(subgraph.operators) - len(kept)
            graph = replace_subgraph(graph, index, replace(subgraph, operators=tuple(reversed(kept))))
    return graph, dropped


def _drop_tensors(graph: Graph) -> tuple[Graph, int]:
    """Tensors that nothing names: TFLM gives each of them arena space and an eval tensor."""
    smaller = drop_unreferenced_tensors(graph)
    count = sum(len(s.tensors) for s in graph.subgraphs) - sum(len(s.tensors) for s in smaller.subgraphs)
    return (compact_buffers(smaller), count) if count else (graph, 0)


def _is_identity(subgraph: Subgraph, op: Operator) -> bool:
    """RESHAPE to the shape it has, or QUANTIZE to the quantization it has.

    TFLM requantizes ``(q - zero_point) * 1 + zero_point`` with a multiplier of exactly one, which is ``q``
    (QuantizeMultiplier gives 2^30 and a shift of 1; MultiplyByQuantizedMultiplier is exact for it).
    """
    if op.name not in ("RESHAPE", "QUANTIZE") or not op.outputs or not op.inputs or op.inputs[0] < 0:
        return False
    x, y = subgraph.tensors[op.inputs[0]], subgraph.tensors[op.outputs[0]]
    if (x.dtype, x.shape) != (y.dtype, y.shape) or x.is_variable or y.is_variable:
        return False
    if op.name == "RESHAPE":
        return True
    p, q = x.quantization, y.quantization
    return p is not None and q is not None and (p.scales, p.zero_points) == (q.scales, q.zero_points)


def _drop_identities(graph: Graph) -> tuple[Graph, int]:
    dropped = 0
    for index, subgraph in enumerate(graph.subgraphs):
        k = _removable_identity(subgraph)
        while k is not None:
            subgraph = _without_identity(subgraph, k)
            dropped += 1
            k = _removable_identity(subgraph)
        if subgraph is not graph.subgraphs[index]:
            graph = replace_subgraph(graph, index, subgraph)
    return graph, dropped


def _removable_identity(subgraph: Subgraph) -> int | None:
    """An identity whose ends are not both fixed: one of them must be free to be replaced by the other."""
    for k, op in enumerate(subgraph.operators):
        if _is_identity(subgraph, op):
            x, y = op.inputs[0], op.outputs[0]
            if y not in subgraph.outputs or (
                x not in subgraph.inputs and x not in subgraph.outputs and x in subgraph.producers
            ):
                return k
    return None


def _without_identity(subgraph: Subgraph, k: int) -> Subgraph:
    op = subgraph.operators[k]
    x, y = op.inputs[0], op.outputs[0]
    smaller = replace(subgraph, operators=subgraph.operators[:k] + subgraph.operators[k + 1 :])
    gone, stays = (x, y) if y in subgraph.outputs else (y, x)
    return map_tensors(smaller, lambda t: stays if t == gone else t)


def _fold_pads(graph: Graph) -> tuple[Graph, int]:
    """PAD before a VALID convolution that pads exactly as SAME would.

    SAME leaves out taps that fall outside; PAD fills them with the zero point (or 0.0), whose product with any
    weight is 0 after the input offset is taken off. Pooling is different and stays.
    """
    folded = 0
    for index in range(len(graph.subgraphs)):
        while (found := _foldable_pad(graph, index)) is not None:
            graph = replace_subgraph(graph, index, _fold(graph.subgraphs[index], *found))
            folded += 1
    return graph, folded


def _foldable_pad(graph: Graph, index: int) -> tuple[int, int] | None:
    subgraph = graph.subgraphs[index]
    for k, conv in enumerate(subgraph.operators):
        if conv.name not in ("CONV_2D", "DEPTHWISE_CONV_2D") or conv.option("padding") != VALID:
            continue
        p = subgraph.producers.get(conv.inputs[0])
        if p is None or subgraph.operators[p].name != "PAD":
            continue
        padded = subgraph.operators[p].outputs[0]
        if (
            subgraph.consumers[padded] == (k,)
            and padded not in subgraph.outputs
            and _pads_as_same(graph, subgraph, p, k)
        ):
            return p, k
    return None


def _pads_as_same(graph: Graph, subgraph: Subgraph, p: int, k: int) -> bool:
    pad = subgraph.operators[p]
    amounts = _paddings(graph, subgraph, pad)
    x, padded = subgraph.tensors[pad.inputs[0]], subgraph.tensors[pad.outputs[0]]
    if amounts is None or len(amounts) != 4 or amounts[0] != (0, 0) or amounts[3] != (0, 0):
        return False
    if not _same_quantization(x, padded):
        return False
    window = OperatorFacts(graph, subgraph, subgraph.operators[k]).window
    if window is None:
        return False
    for size, axis, amount in zip(x.shape[1:3], (window.rows, window.columns), amounts[1:3], strict=True):
        same = window_axis(size, axis.kernel, axis.stride, axis.dilation, SAME)
        if (same.before, same.after, same.output) != (*amount, axis.output):
            return False
    return True


def _paddings(graph: Graph, subgraph: Subgraph, pad: Operator) -> list[tuple[int, int]] | None:
    values = constant_values(graph, subgraph.tensors[pad.inputs[1]]) if len(pad.inputs) > 1 else None
    return None if values is None else list(zip(values[::2], values[1::2], strict=True))


def _same_quantization(x: Tensor, y: Tensor) -> bool:
    if x.dtype != y.dtype:
        return False
    p, q = x.quantization, y.quantization
    if p is None or q is None:
        return p is q
    return (p.scales, p.zero_points) == (q.scales, q.zero_points)


def _fold(subgraph: Subgraph, p: int, k: int) -> Subgraph:
    pad, conv = subgraph.operators[p], subgraph.operators[k]
    assert conv.options is not None
    options = Record(conv.options.table, {**conv.options.fields, "padding": SAME})
    folded = replace(conv, inputs=(pad.inputs[0], *conv.inputs[1:]), options=options)
    operators = list(subgraph.operators)
    operators[k] = folded
    del operators[p]
    return replace(subgraph, operators=tuple(operators))


def _share_constants(graph: Graph) -> tuple[Graph, int]:
    """Buffers with the same bytes become one: smaller file, same values."""
    first: dict[bytes, int] = {}
    same: dict[int, int] = {}
    for i, buffer in enumerate(graph.buffers):
        if i and len(buffer) and not buffer.external:
            same[i] = first.setdefault(bytes(buffer.data or b""), i)
    moved = {i: to for i, to in same.items() if i != to}
    used = [t.buffer for s in graph.subgraphs for t in s.tensors if t.buffer in moved and not t.is_variable]
    if not used:
        return graph, 0
    subgraphs = tuple(
        replace(
            s,
            tensors=tuple(
                replace(t, buffer=moved[t.buffer]) if t.buffer in moved and not t.is_variable else t for t in s.tensors
            ),
        )
        for s in graph.subgraphs
    )
    return compact_buffers(replace(graph, subgraphs=subgraphs)), len(set(used))


_RULES: dict[str, Callable[[Graph], tuple[Graph, int]]] = {
    "subgraphs never reached dropped": _drop_subgraphs,
    "operators without effect dropped": _drop_operators,
    "padding folded into convolutions": _fold_pads,
    "identities removed": _drop_identities,
    "tensors nobody uses dropped": _drop_tensors,
    "duplicate constants shared": _share_constants,
}


def rule_names() -> Iterator[str]:
    """The names of all clean-ups, in the order they are tried."""
    yield from _RULES
