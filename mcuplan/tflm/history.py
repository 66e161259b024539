"""What the TFLM of a target does not take that the newest does, by date; ``data/history.json`` says since when.

The support table is the newest TFLM's. A target stands on the upstream code of some day; each rule of the history
that was mended after that day holds for it, so an operator can be missing, a type, or a condition be computed wrongly.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache, partial
from typing import Any

from mcuplan.graph import Graph
from mcuplan.operators import call_at, kinds
from mcuplan.operators.formulas import evaluate
from mcuplan.tflm.results import UNNOTICED, Refusal
from mcuplan.tflm.target import Target
from mcuplan.tflm.versions import known_versions, shared_document

NEEDS_NEWER = "needs-newer-tflm"
"""The rule of a refusal by version."""


@dataclass(frozen=True, slots=True)
class DatedRule:
    """A row of the history; its file's ``about`` explains each key."""

    operators: frozenset[str]
    types: frozenset[str]
    of: str
    when: str
    what: str
    why: str
    begins: str
    since: str
    commit: str
    targets: tuple[str, ...]
    unless: tuple[str, ...]
    libraries: tuple[str, ...]
    unnoticed: bool
    unnoticed_before: str
    warning: bool

    def concerns(self, target: Target) -> bool:
        """Whether the target's TFLM is one that the rule holds for."""
        date, name = target.tflm.upstream, str(target)
        return (
            (not self.since or date < self.since)
            and (not self.begins or date >= self.begins)
            and (not self.libraries or target.library.name in self.libraries)
            and (not self.targets or any(fnmatchcase(name, pattern) for pattern in self.targets))
            and not any(fnmatchcase(name, pattern) for pattern in self.unless)
        )

    def holds(self, facts: Mapping[str, Any]) -> bool:
        """Whether an operator with these facts runs into it; not where its facts are not what kernels accept."""
        try:
            if self.types:
                return evaluate(self.of, facts).dtype in self.types
            return not self.when or bool(evaluate(self.when, facts))
        except (AttributeError, IndexError, KeyError, NameError, TypeError):
            return False

    def silent(self, target: Target) -> bool:
        """Whether the target's TFLM goes wrong instead of refusing."""
        return self.unnoticed or bool(self.unnoticed_before and target.tflm.upstream < self.unnoticed_before)


@cache
def dated_rules() -> tuple[DatedRule, ...]:
    """The history, as the file has it."""
    return tuple(map(_rule, shared_document("history")["rules"]))


def _rule(row: Mapping[str, Any]) -> DatedRule:
    return DatedRule(
        frozenset(row["operators"]),
        frozenset(row.get("types", ())),
        row.get("of", "inputs[0]"),
        row.get("when", ""),
        row.get("what", ""),
        row.get("why", ""),
        row.get("from", ""),
        row.get("since", ""),
        row.get("commit", ""),
        tuple(row.get("targets", ())),
        tuple(row.get("unless", ())),
        tuple(row.get("libraries", ())),
        row.get("unnoticed", False),
        row.get("unnoticed_before", ""),
        row.get("warning", False),
    )


@cache
def _rules_of(target: Target) -> tuple[DatedRule, ...]:
    """The rules that hold for a target; for one between two known ones those that hold for either."""
    known = (target, *target.bounds) if target.tflm.alike and not target.tflm.dated else (target,)
    return tuple(rule for rule in dated_rules() if any(rule.concerns(t) for t in known))


@cache
def _by_label(target: Target, warning: bool) -> Mapping[str, Sequence[DatedRule]]:
    """The rules that hold for a target, by the names of the operators that they are about."""
    rules = [rule for rule in _rules_of(target) if rule.warning == warning]
    return {label: [rule for rule in rules if label in rule.operators] for rule in rules for label in rule.operators}


def has_operator(target: Target, name: str, dtype: str = "") -> bool:
    """Whether a target's TFLM has an operator, and takes ``dtype`` for the operand that chooses its kernel.

    Only what the newest TFLM has is told apart: for an operator that no TFLM has the answer is True, and
    :func:`mcuplan.tflm.support.unsupported` refuses it.

    Examples
    --------
    >>> has_operator(Target.parse("pico-2024-12/cortex-m0plus+cmsis-nn"), "DYNAMIC_UPDATE_SLICE")
    False
    >>> has_operator(Target.parse("pico-2024-12/cortex-m0plus+cmsis-nn"), "SUB", "int32")
    False
    """
    for rule in _rules_of(target):
        plain = not rule.when and not rule.warning
        if plain and name in rule.operators and (not rule.types or dtype in rule.types):
            return False
    return True


def while_copies_unconditionally(target: Target) -> bool:
    """Whether WHILE runs its condition first and then copies its inputs, also onto themselves (before 2026-07-20).

    A plan for such a target must keep WHILE's inputs intact while the condition runs for the first time.
    Source: micro/kernels/while.cc before 8f1f3b262.
    """
    since: str = shared_document("history")["behaviour"]["while_copies_unconditionally"]["since"]
    return target.tflm.upstream < since


def refusals(graph: Graph, target: Target) -> Iterator[Refusal]:
    """What a target's TFLM does not take, or computes wrongly, that the newest takes: one a rule and operator."""
    for rule, s, k, label in _matches(graph, target, warning=False):
        yield Refusal(_reason(rule, label, target), _remedy(rule, target), NEEDS_NEWER, s, k, label)


def warnings(graph: Graph, target: Target) -> tuple[str, ...]:
    """What a target's TFLM runs and may compute wrongly, a sentence for each kind and operator name."""
    found = {
        f"{label} {rule.what} may go wrong on {target.version}: {rule.why}": None
        for rule, _, _, label in _matches(graph, target, warning=True)
    }
    return tuple(found)


def _matches(graph: Graph, target: Target, warning: bool) -> Iterator[tuple[DatedRule, int, int, str]]:
    by_label = _by_label(target, warning)
    if not by_label:
        return
    asked, known = ("dated", target, warning), kinds(graph)
    for s, k, op in graph.operators():
        concerning, kind = by_label.get(op.label), known[s][k]
        if not concerning:
            continue
        first = partial(_first, concerning, graph, s, k)
        found = first() if kind is None else kind.work.once(asked, first)
        if found is not None:
            yield found, s, k, op.label


def _first(rules: Sequence[DatedRule], graph: Graph, index: int, place: int) -> DatedRule | None:
    facts = call_at(graph, index, place)
    return next((rule for rule in rules if rule.holds(facts)), None)


def _reason(rule: DatedRule, label: str, target: Target) -> str:
    tflm = target.tflm
    stands = f"{tflm.name} has TFLM of {tflm.upstream}"
    what = f" of {' or '.join(sorted(rule.types))}" if rule.types else f" {rule.what}" if rule.when else ""
    silent = UNNOTICED if rule.silent(target) else ""
    if not rule.since:
        return f"{label}{what} does not work on {tflm.name} with {target.library}: {rule.why}{silent}"
    why = f" ({rule.why})" if rule.why else ""
    return f"{label}{what} works since {rule.since} ({rule.commit}), and {stands}{why}{silent}"


def _remedy(rule: DatedRule, target: Target) -> str:
    if not rule.since:
        return "Build another TFLM or kernel library, or change the model."
    newer = [v.name for v in known_versions().values() if v.upstream >= rule.since]
    own = [name for name in newer if known_versions()[name].family == target.tflm.family]
    named = f" ({', '.join(own or newer[:3])})" if newer else ""
    return f"Build a TFLM of {rule.since} or later{named}, or change the model."
