"""Whether two models compute the same function, read off their structure."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from dataclasses import dataclass, replace

from mcuplan.graph import Graph, Tensor
from mcuplan.proof.function.positions import compare_positions
from mcuplan.proof.function.value_numbers import Model, Numbers, Source, Valued, tensor_facts
from mcuplan.proof.interface import network_inputs, network_outputs
from mcuplan.proof.nesting import too_deep
from mcuplan.rewriting.cleanup import clean_up

MOST_DIFFERENCES = 10
"""Differences told; the first ones say what is wrong."""


class DifferenceKind(enum.StrEnum):
    """What differs. All but STRUCTURE say that the models are not the same function as far as anyone can see."""

    INTERFACE = "interface"
    OPERATOR = "operator"
    CONSTANT = "constant"
    TENSOR = "tensor"
    WIRING = "wiring"
    POSITIONS = "positions"
    EFFECTS = "effects"
    STRUCTURE = "structure"


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. ``original`` and ``planned`` name the places, by indices in the graphs after clean-up.

    Tensor names are the models': untrusted text.
    """

    kind: DifferenceKind
    original: str
    planned: str
    detail: str

    @property
    def undecided(self) -> bool:
        """True where other operators compute the value, perhaps the same: only running both models can tell."""
        return self.kind is DifferenceKind.STRUCTURE

    def __str__(self) -> str:
        return f"{self.original} and {self.planned}: {self.detail}"


def same_function(original: Graph, planned: Graph) -> tuple[Difference, ...]:
    """How ``planned`` differs from ``original`` in what it computes; empty where it provably does not.

    Both have the same inputs and outputs, and each output is computed by the same operators with the same options
    from the same constants, types, shapes and quantizations, whatever the order of operators, the numbers and names
    of tensors and the sharing of buffers. Lossless clean-ups do not count: both models are compared after
    :func:`mcuplan.rewriting.cleanup.clean_up`. Operators with effects must keep their sequence.

    A patched model computes its outputs with other operators. So models that differ are followed position by position
    (:mod:`mcuplan.proof.function.positions`): where every position of every output is computed alike, from the same
    positions of the inputs, they are the same function too. Where that cannot be followed the differences may be
    :attr:`Difference.undecided`: then only running both models can tell whether they agree, and the last of them says
    why they could not be followed.

    Never raises, whatever the models are: they are untrusted.
    """
    deep = too_deep(original) or too_deep(planned)
    if deep:
        return (Difference(DifferenceKind.STRUCTURE, "the original", "the planned model", deep),)
    numbers = Numbers()
    a, b = (Model(clean_up(graph)[0], numbers) for graph in (original, planned))
    found: list[Difference] = []
    for difference in _differences(a, b):
        if difference not in found:
            found.append(difference)
        if len(found) == MOST_DIFFERENCES:
            break
    if not found or any(difference.kind is DifferenceKind.INTERFACE for difference in found):
        return tuple(found)
    compared = compare_positions(a.graph, b.graph)
    if compared.agree:
        return ()
    if all(difference.undecided for difference in found):
        if compared.agree is False:
            detail = "a position of an output is computed from other positions, or in another way"
            return (Difference(DifferenceKind.POSITIONS, "the original", "the planned model", detail),)
        found[-1] = replace(found[-1], detail=f"{found[-1].detail}; {compared.reason}")
    return tuple(found)


def _differences(a: Model, b: Model) -> Iterator[Difference]:
    yield from _interface(a.graph, b.graph)
    seen: set[tuple[Source, Source]] = set()
    for i, (x, y) in enumerate(zip(a.main.outputs, b.main.outputs, strict=False)):
        if x != y:
            sources = a.main.output_sources[i], b.main.output_sources[i]
            yield from _explain(a, b, a.main, b.main, *sources, seen)
    if a.main.effects != b.main.effects and a.main.outputs == b.main.outputs:
        detail = "operators with effects differ, or come in another order"
        yield Difference(DifferenceKind.EFFECTS, "the original", "the planned model", detail)


def _interface(a: Graph, b: Graph) -> Iterator[Difference]:
    inputs = ([tensor for tensor, _ in network_inputs(graph)] for graph in (a, b))
    outputs = (network_outputs(graph) for graph in (a, b))
    for side, (ours, theirs) in (("input", inputs), ("output", outputs)):
        if len(ours) != len(theirs):
            detail = f"{len(ours)} and {len(theirs)} network {side}s"
            yield Difference(DifferenceKind.INTERFACE, "the original", "the planned model", detail)
        for i, (x, y) in enumerate(zip(ours, theirs, strict=False)):
            changed = _changed(x, y)
            if changed:
                yield Difference(DifferenceKind.INTERFACE, f"{side} {i}", f"{side} {i}", changed)


def _changed(x: Tensor, y: Tensor) -> str:
    """How two tensors differ in what a kernel sees; empty where they do not."""
    if x.dtype != y.dtype:
        return f"{x.dtype.label} became {y.dtype.label}"
    if x.shape != y.shape:
        return f"shape {list(x.shape)} became {list(y.shape)}"
    return "" if tensor_facts(x) == tensor_facts(y) else "the quantization differs"


def _name(valued: Valued, source: Source) -> str:
    if source.operator < 0:
        name = valued.subgraph.tensors[source.tensor].name if source.tensor >= 0 else ""
        return f"{source.what} {name!r}" if name else source.what
    return f"operator {source.operator} ({valued.subgraph.operators[source.operator].label})"


def _explain(
    a: Model, b: Model, ours: Valued, theirs: Valued, x: Source, y: Source, seen: set[tuple[Source, Source]]
) -> Iterator[Difference]:
    """Why two values differ: follow both backwards, side by side, until something is not alike."""
    todo = [(x, y)]
    while todo:
        x, y = todo.pop()
        if (x, y) in seen:
            continue
        seen.add((x, y))
        if x.operator < 0 or y.operator < 0:
            yield _beginnings(ours, theirs, x, y)
            continue
        one, other = ours.subgraph.operators[x.operator], theirs.subgraph.operators[y.operator]
        names = _name(ours, x), _name(theirs, y)
        if one.label != other.label or x.position != y.position:
            yield Difference(DifferenceKind.STRUCTURE, *names, "other operators compute this value")
            continue
        changed = _changed(ours.subgraph.tensors[x.tensor], theirs.subgraph.tensors[y.tensor])
        if changed:
            yield Difference(DifferenceKind.TENSOR, *names, f"output {x.position}: {changed}")
            continue
        if len(one.inputs) != len(other.inputs):
            yield Difference(DifferenceKind.WIRING, *names, "another number of inputs")
            continue
        if ours.operations[x.operator] != theirs.operations[y.operator]:
            yield Difference(DifferenceKind.OPERATOR, *names, _operation(a, b, x.operator, y.operator))
            continue
        reads = zip(ours.read[x.operator], theirs.read[y.operator], strict=True)
        sources = list(zip(ours.sources[x.operator], theirs.sources[y.operator], strict=True))
        todo += [sources[i] for i, (m, n) in enumerate(reads) if m != n]


def _operation(a: Model, b: Model, k: int, m: int) -> str:
    one, other = a.graph.main.operators[k], b.graph.main.operators[m]
    if one.options != other.options and one.options and other.options:
        for name in one.options.fields:
            if one.options.fields[name] != other.options.fields.get(name) and not name.endswith("subgraph_index"):
                return f"option {name} {one.options.fields[name]!r} became {other.options.fields.get(name)!r}"
    if one.code.version != other.code.version:
        return f"version {one.code.version} became {other.code.version}"
    if one.custom_options != other.custom_options:
        return "custom options differ"
    return "options, a subgraph it runs, or the operators with effects before it differ"


def _beginnings(ours: Valued, theirs: Valued, x: Source, y: Source) -> Difference:
    names = _name(ours, x), _name(theirs, y)
    if x.what == y.what == "constant":
        changed = _changed(ours.subgraph.tensors[x.tensor], theirs.subgraph.tensors[y.tensor])
        return Difference(DifferenceKind.CONSTANT, *names, changed or "other bytes")
    if x.what == y.what == "input":
        return Difference(DifferenceKind.WIRING, *names, "another input of the network")
    if "unwritten" in (x.what, y.what):
        return Difference(DifferenceKind.WIRING, *names, "it is read before anything writes it")
    if x.operator >= 0 or y.operator >= 0:
        return Difference(DifferenceKind.STRUCTURE, *names, "computed here, given there")
    return Difference(DifferenceKind.WIRING, *names, "another kind of value")
