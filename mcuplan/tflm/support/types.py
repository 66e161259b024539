"""Does any combination of types that a kernel takes fit an operator? If none does, which tensor is at fault."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mcuplan.graph import DType
from mcuplan.tflm.support.call import Finding, KernelCall, words
from mcuplan.tflm.support.table import Column, Types


@dataclass(frozen=True, slots=True)
class TypeMismatch:
    """The operand that fits no combination, whether TFLM looks at it, and what it may be (None: not known)."""

    finding: Finding
    unchecked: bool
    accepted: Types | None


@dataclass(frozen=True, slots=True)
class _Misfit:
    """A tensor that a row's column does not take."""

    operand: str
    column: Column
    tensor: int


def type_mismatch(call: KernelCall) -> TypeMismatch | None:
    """Compare an operator with the rows of its rule; None where one fits (or the rule has none)."""
    names = [operand.name for operand in (*call.rule.inputs, *call.rule.outputs)]
    anchor = call.rule.anchor or next((name for name in names if call.operands.get(name)), "")
    nearest: tuple[tuple[bool, int, int], list[_Misfit]] | None = None
    types = [[call.subgraph.tensors[i].dtype for i in call.operands.get(name, ())] for name in names]
    if any(_fits(types, row) for row in call.rule.rows):
        return None
    for row in call.rule.rows:
        misfits = _misfits(call, names, row)
        # The combination that was meant: the operand that chooses it fits, and few others do not.
        cost = (any(m.operand == anchor for m in misfits), sum(m.column.checked for m in misfits), len(misfits))
        if nearest is None or cost < nearest[0]:
            nearest = cost, misfits
    return _explain(call, names, anchor, nearest[1]) if nearest else None


def _fits(types: Sequence[Sequence[DType]], row: Sequence[Column]) -> bool:
    """Whether a row takes the types of all operands."""
    for given, column in zip(types, row, strict=False):
        if column.types is not None:
            for dtype in given:
                if dtype not in column.types:
                    return False
    return True


def _misfits(call: KernelCall, names: Sequence[str], row: Sequence[Column]) -> list[_Misfit]:
    tensors = call.subgraph.tensors
    return [
        _Misfit(name, column, i)
        for name, column in zip(names, row, strict=False)
        if column.types is not None
        for i in call.operands.get(name, ())
        if tensors[i].dtype not in column.types
    ]


def _explain(call: KernelCall, names: Sequence[str], anchor: str, misfits: Sequence[_Misfit]) -> TypeMismatch:
    misfit = next((m for m in misfits if m.column.checked), misfits[0])
    name, dtype = misfit.operand, call.subgraph.tensors[misfit.tensor].dtype
    chooser = call.tensor(anchor)
    chosen = chooser.dtype if chooser is not None and name != anchor else None
    accepted = misfit.column.types if chosen is not None else _anywhere(call, names, name)
    if chosen is DType.FLOAT32 and name == call.rule.weights:
        rule = "float16-weights" if dtype is DType.FLOAT16 else "hybrid-weights"
        text = f"has {chosen.label} {words(anchor)} and {dtype.label} {words(name)}"
        finding = Finding(rule, f"{text}, and hybrid (dynamic-range) operators do not run on TFLM", misfit.tensor)
        return TypeMismatch(finding, not misfit.column.checked, accepted)
    text = f"takes {either(accepted)} as its {words(name)}, not {dtype.label}"
    if chosen is not None:
        text = f"with {chosen.label} {words(anchor)} {text}"
    rule = "unsupported-type" if misfit.column.checked else "unchecked-type"
    if call.operator.name == "DEQUANTIZE" and dtype is DType.FLOAT16:
        rule = "float16-weights"
    return TypeMismatch(Finding(rule, text, misfit.tensor), not misfit.column.checked, accepted)


def _anywhere(call: KernelCall, names: Sequence[str], name: str) -> Types:
    """What an operand may be in some combination."""
    position = names.index(name)
    columns = (row[position].types for row in call.rule.rows if position < len(row))
    return frozenset(dtype for types in columns if types for dtype in types)


def either(types: Iterable[DType] | None) -> str:
    """``float32, int8 or int16``: the types in words, the usual ones first."""
    labels = [dtype.label for dtype in sorted(types or (), key=lambda t: (t is not DType.FLOAT32, int(t)))]
    return f"{', '.join(labels[:-1])} or {labels[-1]}" if len(labels) > 1 else "".join(labels)
