"""Operators that came, went or changed, and tensors whose quantization did."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mcuplan.findings.costs import place
from mcuplan.findings.diff.matching import Matching
from mcuplan.graph import Graph, Operator, Subgraph, Tensor

if TYPE_CHECKING:
    from pydantic import ConfigDict

_CONFIG: ConfigDict = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}


Kind = Literal["added", "removed", "changed", "moved"]


@dataclass(frozen=True, slots=True)
class OperatorChange:
    """An operator that is new, gone, runs at another time, or has another output shape or other options."""

    __pydantic_config__ = _CONFIG

    kind: Kind
    place: str
    """Its index in the new model; in the old one where it is gone."""
    operator_name: str
    name: str
    """The name of its output."""
    detail: str = ""


@dataclass(frozen=True, slots=True)
class QuantizationChange:
    """A tensor of a matched operator whose element type, scales or zero points changed."""

    __pydantic_config__ = _CONFIG

    place: str
    operator_name: str
    role: str
    """``output 0``, ``input 1``, ..."""
    name: str
    detail: str


def operator_changes(old: Graph, new: Graph, matching: Matching) -> tuple[OperatorChange, ...]:
    """Every change of operators, in the new model's order; those that are gone last."""
    back = {b: a for a, b in matching.pairs.items()}
    found = []
    for s, k, op in new.operators():
        if (s, k) not in back:
            found.append(OperatorChange("added", place(s, k), op.label, _name(new.subgraphs[s], op)))
        else:
            was_s, was_k = back[s, k]
            was = old.subgraphs[was_s]
            detail = "; ".join(_details(was, was.operators[was_k], new.subgraphs[s], op))
            moved = (s, k) in matching.moved
            if moved:
                detail = "; ".join(filter(None, (f"from {place(was_s, was_k)}", detail)))
            if detail:
                kind: Kind = "moved" if moved else "changed"
                found.append(OperatorChange(kind, place(s, k), op.label, _name(new.subgraphs[s], op), detail))
    for s, k, op in old.operators():
        if (s, k) not in matching.pairs:
            found.append(OperatorChange("removed", place(s, k), op.label, _name(old.subgraphs[s], op)))
    return tuple(found)


def _details(was: Subgraph, a: Operator, now: Subgraph, b: Operator) -> Iterator[str]:
    for i, (x, y) in enumerate(zip(a.outputs, b.outputs, strict=False)):
        if x >= 0 and y >= 0 and was.tensors[x].shape != now.tensors[y].shape:
            yield f"output {i} {_shape(was.tensors[x])} -> {_shape(now.tensors[y])}"
    before, after = dict(a.options.fields) if a.options else {}, dict(b.options.fields) if b.options else {}
    for name in dict.fromkeys([*before, *after]):
        if before.get(name) != after.get(name):
            yield f"{name} {_value(before.get(name))} -> {_value(after.get(name))}"
    if a.custom_options != b.custom_options:
        yield "custom options"


def _shape(tensor: Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _value(value: object) -> str:
    text = str(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def quantization_changes(old: Graph, new: Graph, matching: Matching) -> tuple[QuantizationChange, ...]:
    """Every tensor of matched operators that is quantized in another way; one that several use once."""
    found = []
    seen: set[tuple[int, int]] = set()
    for (s, k), (t, j) in sorted(matching.pairs.items(), key=lambda pair: pair[1]):
        was, now = old.subgraphs[s], new.subgraphs[t]
        a, b = was.operators[k], now.operators[j]
        for role, olds, news in (("input", a.inputs, b.inputs), ("output", a.outputs, b.outputs)):
            for i, (x, y) in enumerate(zip(olds, news, strict=False)):
                if x < 0 or y < 0 or (t, y) in seen:
                    continue
                seen.add((t, y))
                detail = "; ".join(_quantization(was.tensors[x], now.tensors[y]))
                if detail:
                    name = now.tensors[y].name
                    found.append(QuantizationChange(place(t, j), b.label, f"{role} {i}", name, detail))
    return tuple(found)


def _quantization(a: Tensor, b: Tensor) -> Iterator[str]:
    if a.dtype is not b.dtype:
        yield f"{a.dtype.label} -> {b.dtype.label}"
    for what in ("scale", "zero point"):
        x, y = (_parameters(tensor, what) for tensor in (a, b))
        if x == y:
            continue
        if len(x) == len(y) == 1:
            yield f"{what} {x[0]:.6g} -> {y[0]:.6g}"
        elif len(x) == len(y):
            yield f"{sum(p != q for p, q in zip(x, y, strict=True))} of {len(x)} {what}s"
        elif what == "scale" or len(_parameters(a, "scale")) == len(_parameters(b, "scale")):
            # Zero points come in the same number as scales: said once.
            yield f"{len(x)} -> {len(y)} {what}s"


def _parameters(tensor: Tensor, what: str) -> tuple[float, ...]:
    q = tensor.quantization
    if q is None:
        return ()
    return q.scales if what == "scale" else tuple(map(float, q.zero_points))


def _name(subgraph: Subgraph, op: Operator) -> str:
    first = next((t for t in op.outputs if t >= 0), -1)
    return subgraph.tensors[first].name if first >= 0 else ""
