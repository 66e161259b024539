"""Which tensors may share bytes in the arena, because TFLM's kernels allow it.

Two relations. *Sharing*: two tensors hold the same values in the same bytes (a RESHAPE's ends, a part of a
CONCATENATION and its place in the result, a SLICE and its source), and the kernel copies a range onto itself.
*Overwriting*: an output takes the place of an input that nobody needs any more, and the kernel reads each element
before it writes there; an operator with a window does so where the output lies some rows before the input. The table
of safe operators, each with its reason and upstream file, is a data file; an operator that is not in it is unsafe.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache

from mcuplan.graph import Graph, Operator, Subgraph
from mcuplan.operators import OperatorCall, TensorFacts
from mcuplan.operators.formulas import UNFIT, evaluate
from mcuplan.tflm.alignment import ARENA_ALIGNMENT, SCRATCH_ALIGNMENT
from mcuplan.tflm.target import DEFAULT_TARGET, KernelLibrary, Target
from mcuplan.tflm.versions import document, find_version


class Relation(enum.StrEnum):
    """How two tensors may lie over each other."""

    SHARE = "share"
    OVERWRITE = "overwrite"


@dataclass(frozen=True, slots=True)
class AliasOption:
    """``inner`` may lie at byte ``at`` of ``outer`` while ``operator`` runs; tensors of ``subgraph``.

    With SHARE both hold the same values there. With OVERWRITE ``inner`` is the operator's output, ``outer`` its
    input, and the input's values are gone afterwards; ``at`` is negative where the output begins before the input.
    ``kind`` is that of the rule which allows it.
    """

    subgraph: int
    operator: int
    inner: int
    outer: int
    at: int
    relation: Relation
    reason: str
    kind: str = ""


@dataclass(frozen=True, slots=True)
class AliasRule:
    """A row of the table: the kind of aliasing, the inputs it holds for, why it is safe and where that stands.

    ``when`` is a formula over the operator's facts: the rule holds where it is true, and none of ``unless`` is.
    ``by_rows`` tells of a window that it is only known that whole rows follow one another, not positions in a row.
    """

    kind: str
    reason: str
    source: tuple[str, ...]
    inputs: tuple[str, ...] = ()
    when: str = ""
    unless: tuple[str, ...] = ()
    by_rows: bool = False

    def holds(self, facts: OperatorCall) -> bool:
        """Whether the rule holds for one operator; never where its facts are not what kernels accept."""
        try:
            holds = not self.when or bool(evaluate(self.when, facts))
            return holds and not any(evaluate(exception, facts) for exception in self.unless)
        except UNFIT:
            return False


class LoopCopies(enum.StrEnum):
    """When WHILE has copied its inputs to its outputs: before or after its condition runs for the first time."""

    BEFORE = "before the condition"
    AFTER = "after the condition"


@dataclass(frozen=True, slots=True)
class KernelRules:
    """What is known of a target's kernels: which tensors may share bytes, and how.

    ``operators`` are the safe ones; where nobody has read the kernels there are none. ``alignment`` is what every
    tensor's offset has to be a multiple of (1: its element's size), ``loops`` the ways in which WHILE may copy (all of
    them have to be borne), ``notes`` say what was not run, a sentence each.
    """

    operators: Mapping[str, AliasRule]
    alignment: int
    loops: frozenset[LoopCopies]
    notes: tuple[str, ...] = ()

    @property
    def scratch_alignment(self) -> int:
        """What the offset of every scratch buffer has to be a multiple of."""
        return max(self.alignment, SCRATCH_ALIGNMENT)


def kernel_rules(target: Target) -> KernelRules:
    """The rules of a target's kernels; of one between two known ones, what holds on both."""
    return _kernel_rules(target.version, target.library, target.core.name, target.bounds)


@cache
def _kernel_rules(version: str, library: KernelLibrary, core: str, bounds: tuple[Target, ...]) -> KernelRules:
    if bounds:
        return _on_all([kernel_rules(bound) for bound in bounds])
    data = document(version, "aliasing", library.rules)
    row = data["libraries"].get(library.name)
    loops = frozenset({LoopCopies(data["while"]["copies"])})
    newer = find_version(version).newer_than or library.newer_than
    if row is None or newer:
        why = f"newer than {newer}" if newer else f"of {library.name}"
        note = f"nobody has read which bytes kernels {why} touch when: no two live tensors may share any"
        return KernelRules({}, ARENA_ALIGNMENT, loops, (note,))
    special = row.get("cores", {}).get(core, {})
    unless = special.get("unless", {})
    by_rows = special.get("windows") == "rows"
    rules = {
        name: replace(rule, unless=(unless[name]["when"],) if name in unless else (), by_rows=by_rows)
        for name, rule in alias_rules(version).items()
    }
    notes = tuple(dict.fromkeys(filter(None, (data.get("note"), row.get("note"), special.get("note")))))
    return KernelRules(rules, special.get("alignment", 1), loops, notes)


def _on_all(rules: Sequence[KernelRules]) -> KernelRules:
    names = set(rules[0].operators).intersection(*(r.operators for r in rules))
    operators = {
        name: replace(
            rule,
            unless=tuple(dict.fromkeys(e for r in rules for e in r.operators[name].unless)),
            by_rows=any(r.operators[name].by_rows for r in rules),
        )
        for name, rule in rules[0].operators.items()
        if name in names
    }
    notes = tuple(dict.fromkeys(note for r in rules for note in r.notes))
    return KernelRules(operators, max(r.alignment for r in rules), frozenset().union(*(r.loops for r in rules)), notes)


@cache
def alias_rules(version: str) -> Mapping[str, AliasRule]:
    """Safe operators by name, for one TFLM version."""
    data = document(version, "aliasing")
    return {
        op: AliasRule(
            row["kind"], row["reason"], tuple(row["source"]), tuple(row.get("inputs", ())), row.get("when", "")
        )
        for op, row in data["operators"].items()
    }


@cache
def elementwise_in_place() -> frozenset[str]:
    """Operators whose kernels read each element before they write its place, in the newest TFLM."""
    newest = Target.parse(DEFAULT_TARGET).version
    return frozenset(name for name, rule in alias_rules(newest).items() if rule.kind == "elementwise")


def readable_rules(target: Target) -> Mapping[str, AliasRule]:
    """The table of safe operators; empty for kernels that nobody has read: there nothing is safe."""
    return kernel_rules(target).operators


def alias_options(graph: Graph, subgraph: int, target: Target) -> tuple[AliasOption, ...]:
    """Every alias that the kernels allow in a subgraph, whether or not lifetimes permit it.

    Only tensors in the arena are named: constants and variables have bytes of their own.
    """
    rules = kernel_rules(target)
    found: list[AliasOption] = []
    chosen = graph.subgraphs[subgraph]
    for k, op in enumerate(chosen.operators):
        rule = rules.operators.get(op.name)
        if rule is None:
            continue
        for inner, outer, at, relation in _pairs(graph, chosen, op, rule):
            if at % rules.alignment:
                continue
            if _in_arena(inner) and _in_arena(outer) and inner.index != outer.index:
                found.append(AliasOption(subgraph, k, inner.index, outer.index, at, relation, rule.reason, rule.kind))
    return tuple(found)


def _in_arena(tensor: TensorFacts) -> bool:
    return tensor.present and not tensor.constant and not tensor.variable and tensor.elements > 0


Pair = tuple[TensorFacts, TensorFacts, int, Relation]


def _pairs(graph: Graph, subgraph: Subgraph, op: Operator, rule: AliasRule) -> Iterator[Pair]:
    facts = OperatorCall(graph, subgraph, op)
    match rule.kind:
        case "copy":
            x, y = facts["x"], facts["y"]
            if x.present and x.bytes == y.bytes:
                yield y, x, 0, Relation.SHARE
        case "parts":
            yield from _parts(facts, facts.inputs, facts["y"])
        case "pieces":
            x = facts["x"]
            if op.name in ("SLICE", "STRIDED_SLICE"):
                yield from _slice(facts, x)
            else:
                yield from _parts(facts, facts.outputs, x)
        case "rows":
            yield from _rows(facts)
        case "padded":
            x, y = facts["x"], facts["y"]
            at = padded_at(facts)
            if at is not None and x.bytes < y.bytes:
                yield x, y, at, Relation.SHARE
            ahead = pads_ahead(facts) if at is None else None
            if ahead is not None and max(y.bytes, ahead + x.bytes) < x.bytes + y.bytes:
                yield y, x, -ahead, Relation.OVERWRITE
        case "elementwise":
            yield from _elementwise(facts, rule)
        case "window":
            x, y = facts["x"], facts["y"]
            ahead = trails_by(facts, rule.by_rows) if rule.holds(facts) else None
            if ahead is not None and max(y.bytes, ahead + x.bytes) < x.bytes + y.bytes:
                yield y, x, -ahead, Relation.OVERWRITE
        case "update":
            x, y, update = facts["x"], facts["y"], facts["update"]
            if x.bytes == y.bytes and update.elements < x.elements:
                yield y, x, 0, Relation.OVERWRITE


def _parts(facts: OperatorCall, parts: Sequence[TensorFacts], whole: TensorFacts) -> Iterator[Pair]:
    """Parts that follow one another without a gap: every dimension before the axis has size 1."""
    axis = facts.axis
    if axis is None or math.prod(whole.dims[:axis]) != 1:
        return
    if sum(part.bytes for part in parts) != whole.bytes:
        return
    at = 0
    seen: set[int] = set()
    for part in parts:
        if part.index not in seen:  # a part that is given twice can lie in one place only
            yield part, whole, at, Relation.SHARE
        seen.add(part.index)
        at += part.bytes


def _rows(facts: OperatorCall) -> Iterator[Pair]:
    """A GATHER of indices that follow one another is a consecutive piece of its input."""
    x, y, found, axis = facts["x"], facts["y"], facts.constants("indices"), facts.axis
    if not found or facts.options.batch_dims or axis is None or math.prod(x.dims[:axis]) != 1:
        return
    row = x.bytes // x.dims[axis] if x.dims[axis] else 0
    if list(found) == list(range(found[0], found[0] + len(found))) and found[0] >= 0 and found[-1] < x.dims[axis]:
        yield y, x, found[0] * row, Relation.SHARE


def _sides(facts: OperatorCall) -> list[tuple[int, int]] | None:
    """What a PAD adds before and behind each axis; None where that is unknown, or is not what its output has."""
    x, y = facts["x"], facts["y"]
    values = facts.constants("paddings")
    if values is None or len(values) != 2 * x.rank or x.rank != y.rank or not x.elements or min(values) < 0:
        return None
    sides = list(zip(values[::2], values[1::2], strict=True))
    if any(before + size + behind != out for (before, behind), size, out in zip(sides, x.dims, y.dims, strict=True)):
        return None
    return sides


def padded_at(facts: OperatorCall) -> int | None:
    """The byte of a PAD's output where its input lies in one piece; None where it lies in several."""
    x, sides = facts["x"], _sides(facts)
    if sides is None:
        return None
    padded = [axis for axis, pair in enumerate(sides) if any(pair)]
    if len(padded) != 1 or math.prod(x.dims[: padded[0]]) != 1:
        return None
    inner: int = math.prod(x.dims[padded[0] + 1 :]) * (x.bytes // x.elements)
    return sides[padded[0]][0] * inner


def pads_ahead(facts: OperatorCall) -> int | None:
    """How many bytes before its input a PAD that copies it in several pieces may begin its output, at least.

    Pieces are copied by memcpy, from the first to the last, and padding is filled in between; so the place of each must
    end where its piece begins, or before. The last one is the farthest behind: all the padding lies before it.
    """
    x, y, sides = facts["x"], facts["y"], _sides(facts)
    if sides is None:
        return None
    axis = max((i for i, pair in enumerate(sides) if any(pair)), default=None)
    if axis is None:
        return None
    item = x.bytes // x.elements
    piece: int = math.prod(x.dims[axis:]) * item
    last = 0
    for (before, _), size, out in zip(sides[:axis], x.dims, y.dims, strict=False):
        last = last * out + before + size - 1
    end: int = (last * y.dims[axis] + sides[axis][0]) * math.prod(y.dims[axis + 1 :]) * item + piece
    ahead: int = end - (x.bytes - piece)
    return -(-ahead // 16) * 16


def trails_by(facts: OperatorCall, by_rows: bool = False) -> int | None:
    """How many bytes before its input an operator with a window may begin its output, at least; None where unknown.

    Positions are made row by row: when one is being written, everything is still needed from the first position of
    its window on, and nothing before it. ``by_rows`` where that is only known of whole rows. Source: P. S. Blacker,
    C. Bridges, S. Hadfield, "Diagonal Memory Optimisation for Machine Learning on Micro-controllers", arXiv:2010.01668.
    """
    window = facts.window
    x, y = facts["x"], facts["y"]
    if window is None or not x.elements or x.rank != 4 or y.dims[1:3] != (window.rows.output, window.columns.output):
        return None
    read, written = x.bytes // x.dims[1], y.bytes // y.dims[1]
    rows = window.rows
    if by_rows:
        ahead: int = max((row + 1) * written - rows.needs(row, row + 1)[0] * read for row in range(rows.output))
    else:
        ahead = max(row * written - rows.needs(row, row + 1)[0] * read for row in range(rows.output))
        columns, read, written = window.columns, read // x.dims[2], written // y.dims[2]
        ahead += max((at + 1) * written - columns.needs(at, at + 1)[0] * read for at in range(columns.output))
    return -(-max(ahead, 0) // 16) * 16


def slice_begin(facts: OperatorCall) -> tuple[int, ...] | None:
    """First element along each input axis that a SLICE or unit-stride STRIDED_SLICE reads; None where unknown.

    Source: lite/kernels/internal/reference/strided_slice.h, ``StartForAxis``.
    """
    x = facts["x"]
    begin = facts.constants("begin")
    if begin is None or len(begin) != x.rank:
        return None
    if facts.operator.name == "SLICE":
        return begin
    options, strides = facts.options, facts.constants("strides")
    if strides is None or any(s != 1 for s in strides):
        return None
    if options.ellipsis_mask or options.new_axis_mask or options.offset:
        return None
    starts = []
    for axis, (start, size) in enumerate(zip(begin, x.dims, strict=True)):
        masked = options.begin_mask >> axis & 1
        starts.append(0 if masked else min(max(start + (size if start < 0 else 0), 0), size))
    return tuple(starts)


def _slice(facts: OperatorCall, x: TensorFacts) -> Iterator[Pair]:
    """A slice of consecutive bytes: leading axes give one index, at most one axis a range, the rest is whole."""
    y = facts["y"]
    begin = slice_begin(facts)
    if begin is None or not x.elements or not y.elements:
        return
    sizes = _slice_sizes(facts, x, y)
    if sizes is None:
        return
    ranged = next((i for i, size in enumerate(sizes) if size != 1), x.rank)
    if any(size != whole for size, whole in zip(sizes[ranged + 1 :], x.dims[ranged + 1 :], strict=True)):
        return
    position = 0
    for start, size in zip(begin, x.dims, strict=True):
        position = position * size + start
    yield y, x, position * (x.bytes // x.elements), Relation.SHARE


def _slice_sizes(facts: OperatorCall, x: TensorFacts, y: TensorFacts) -> tuple[int, ...] | None:
    """Elements taken along each input axis; None where the output's shape does not tell."""
    if facts.operator.name == "SLICE":
        return y.dims if y.rank == x.rank else None
    shrink = facts.options.shrink_axis_mask
    kept = iter(y.dims)
    sizes = tuple(1 if shrink >> axis & 1 else next(kept, -1) for axis in range(x.rank))
    return sizes if -1 not in sizes and next(kept, None) is None else None


def _elementwise(facts: OperatorCall, rule: AliasRule) -> Iterator[Pair]:
    y = facts["y"]
    same = all(facts[name].dims == y.dims for name in rule.inputs)
    for name in rule.inputs:
        x = facts[name]
        # A character type may alias anything in C; other pairs of types could be reordered by the compiler.
        types_fit = x.dtype == y.dtype or (y.dtype in ("int8", "uint8") and x.bytes >= y.bytes)
        if same and types_fit:
            yield y, x, 0, Relation.OVERWRITE
