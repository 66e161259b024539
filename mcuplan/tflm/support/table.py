"""The table of what TFLM's kernels take: ``data/<version>/support.json`` (its ``about`` explains each key)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from mcuplan.errors import McuplanError
from mcuplan.graph import DType
from mcuplan.tflm.versions import document

Types = frozenset[DType]

NEWEST = "upstream-2026-08"
"""The version that the table is of; others lack some of it (:mod:`mcuplan.tflm.history`), forks have more."""


@dataclass(frozen=True, slots=True)
class Operand:
    """A named input or output of an operator; a ``variadic`` one stands for all that follow."""

    name: str
    optional: bool = False
    variadic: bool = False


@dataclass(frozen=True, slots=True)
class Column:
    """What one operand may be in one combination of types (None: anything); ``checked``: upstream looks at it."""

    types: Types | None
    checked: bool

    def takes(self, dtype: DType) -> bool:
        """True where the kernel works with this type."""
        return self.types is None or dtype in self.types


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """One further condition of a kernel: a named check, the operands it looks at, and when it holds.

    ``unchecked``: TFLM does not look, so breaking the condition gives garbage instead of an error.
    """

    name: str
    of: tuple[str, ...] = ()
    when: tuple[tuple[str, Types], ...] = ()
    unchecked: bool = False
    args: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Gives:
    """How the shapes of an operator's outputs follow from its call: the name of a rule of ``inference``.

    ``elements``: the kernel looks at the number of elements only. ``checked``: upstream looks at all.
    """

    name: str
    elements: bool
    checked: bool


@dataclass(frozen=True, slots=True)
class OperatorRule:
    """Everything the table says of one operator in one kernel library."""

    inputs: tuple[Operand, ...]
    outputs: tuple[Operand, ...]
    counted: bool
    rows: tuple[tuple[Column, ...], ...]
    checks: tuple[CheckSpec, ...]
    gives: Gives | None
    max_rank: int | None
    sets_shape: str | bool
    weights: str | None
    anchor: str | None


@dataclass(frozen=True)
class SupportTable:
    """The JSON document of one TFLM version; operators are parsed when first asked for."""

    document: Mapping[str, Any]
    unsized: Types

    def remedy(self, rule: str) -> str:
        """What to do about a rule's refusal, in general."""
        return str(self.document["remedies"][rule])

    def type_remedy(self, rule: str, dtype: DType, accepted: Types | None) -> str:
        """What to do about a tensor of ``dtype`` where the kernel takes ``accepted`` (None: unknown)."""
        row = self.document["type_remedies"].get(dtype.label)
        if (
            row
            and rule in ("unsupported-type", "unchecked-type")
            and (accepted is None or any(t.label in row["to"] for t in accepted))
        ):
            return str(row["remedy"])
        return self.remedy(rule)

    def operator_remedy(self, name: str) -> str:
        """What to do about a builtin operator that TFLM does not have."""
        found = self.document["operator_remedies"].get(name)
        general = self.remedy("stablehlo" if name.startswith("STABLEHLO_") else "unsupported-operator")
        return f"{found[0].upper()}{found[1:]}" if found else general

    def custom_remedy(self, code: str) -> str:
        """What to do about a custom operator that neither TFLM nor the user has."""
        return str(self.document["custom_remedies"].get(code) or self.remedy("custom-operator"))


def _types(text: str) -> Types | None:
    return None if text == "*" else frozenset(DType[label.strip().upper()] for label in text.split("|"))


def _column(text: str) -> Column:
    return Column(_types(text.removesuffix("!")), not text.endswith("!"))


def _operand(text: str) -> Operand:
    return Operand(text.rstrip("?."), text.endswith("?"), text.endswith("..."))


def _gives(text: str | None) -> Gives | None:
    return None if text is None else Gives(text.rstrip("~!"), "~" in text, not text.endswith("!"))


def _split(text: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """``"a, b -> c"`` as ``(("a", "b"), ("c",))``."""
    left, _, right = text.partition("->")
    sides = (tuple(part.strip() for part in side.split(",") if part.strip()) for side in (left, right))
    return next(sides), next(sides)


def _check(row: Mapping[str, Any]) -> CheckSpec:
    named = ("check", "of", "when", "kernels", "unchecked")
    when = tuple((name, _types(types) or frozenset()) for name, types in row.get("when", {}).items())
    args = {key: value for key, value in row.items() if key not in named}
    return CheckSpec(row["check"], tuple(row.get("of", ())), when, row.get("unchecked", False), args)


@cache
def support_table(version: str = NEWEST) -> SupportTable:
    """The table of one TFLM version; read on first use only, as it costs more than any verdict."""
    data = document(version, "support")
    return SupportTable(data, frozenset(DType[label.upper()] for label in data["unsized_types"]))


@cache
def operator_rule(name: str, kernels: str, custom: bool = False, version: str = NEWEST) -> OperatorRule | None:
    """The rule of a builtin operator, or of one of TFLM's own custom operators; None where ``version`` has none."""
    table = support_table(version).document
    row = table["custom_operators" if custom else "operators"].get(name)
    if row is None:
        return None
    inputs, outputs = _split(row.get("call", "inputs... -> outputs..."))
    types = row.get(f"types:{kernels}", row.get("types", ()))
    return OperatorRule(
        tuple(map(_operand, inputs)),
        tuple(map(_operand, outputs)),
        "call" in row and row.get("counts") != "unchecked",
        tuple(tuple(_column(column) for side in _split(text) for column in side) for text in types),
        tuple(_check(check) for check in row.get("checks", ()) if check.get("kernels", kernels) == kernels),
        _gives(row.get("gives")),
        None if row.get("any_rank") or "call" not in row else table["max_rank"],
        row.get("sets_shape", False),
        row.get("weights"),
        row.get("anchor"),
    )


def accepted_types(name: str, operand: str) -> Types:
    """Element types that TFLM's own kernel of a builtin operator takes for an operand, in one combination or other."""
    rule = operator_rule(name, "reference")
    if rule is None:
        return frozenset()
    at = [o.name for o in (*rule.inputs, *rule.outputs)].index(operand)
    return frozenset().union(*(row[at].types or DType for row in rule.rows))


def most_operands(name: str, operand: str) -> int | None:
    """How many tensors a builtin operator takes for a variadic operand; None for any number."""
    rule = operator_rule(name, "reference")
    counts = [c for c in rule.checks if c.name == "count" and c.of == (operand,)] if rule is not None else []
    return next((int(c.args["max"]) for c in counts if "max" in c.args), None)


def known_kernels(kernels: str) -> str:
    """``kernels`` if the table has that kernel library.

    Raises
    ------
    McuplanError
        For a library that the table does not know.
    """
    libraries = support_table().document["kernel_libraries"]
    if kernels not in libraries:
        raise McuplanError(f"unknown kernel library {kernels!r}, expected one of: {', '.join(libraries)}")
    return kernels
