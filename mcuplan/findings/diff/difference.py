"""What changed between two models and what made it so: attributions that add up to the total change.

Each resource is split into items on both sides; items that belong together (the same operator, the same tensor) are
set against each other. Both sides add up to their totals, so that the changes add up to the change. Sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.budget.analysis import Analysis
from mcuplan.errors import McuplanError
from mcuplan.findings.diff.boards import BoardChange
from mcuplan.findings.diff.changes import OperatorChange, QuantizationChange, operator_changes, quantization_changes
from mcuplan.findings.diff.items import Item, Key, arena_items, flash_items, instructions_items, macs_items, ram_items
from mcuplan.findings.diff.matching import Matching, match
from mcuplan.findings.diff.parts import Growth, Measure, Part
from mcuplan.findings.rows import rows_told
from mcuplan.findings.tool import Tool
from mcuplan.rewriting.origin import PlanOrigin, plan_origin
from mcuplan.version import __version__

if TYPE_CHECKING:
    from pydantic import ConfigDict

DIFF_SCHEMA_VERSION = "1.3"
_CONFIG: ConfigDict = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two models."""

    __pydantic_config__ = _CONFIG

    model: str
    operators: int
    model_bytes: int
    exact: bool
    """False: its arena is an upper bound."""
    planned: PlanOrigin | None = None
    """Null where the model does not say that `mcuplan plan` wrote it. Since 1.1."""
    plan_faults: tuple[str, ...] = ()
    """What is wrong with the memory plan that the model brings, on this target. Since 1.1."""
    refusals: tuple[str, ...] = ()
    """Why this target's TFLM does not run it. Since 1.1."""
    rows: str = ""
    """What is to be said of an input that the firmware gives row by row; empty where none does. Since 1.2."""


@dataclass(frozen=True, slots=True)
class Change:
    """One resource in both models; the changes of ``parts`` (those that changed, the largest first) add up."""

    __pydantic_config__ = _CONFIG

    resource: Measure
    old: int
    new: int
    change: int
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Diff:
    """The document of ``mcuplan diff``."""

    __pydantic_config__ = _CONFIG

    tool: Tool
    old: Side
    new: Side
    target: str
    tflm_version: str
    changes: tuple[Change, ...]
    operators: tuple[OperatorChange, ...]
    quantization: tuple[QuantizationChange, ...]
    growth: tuple[Growth, ...] = ()
    boards: tuple[BoardChange, ...] = ()
    """Verdicts before and after on the boards that are configured, or named. Since 1.3."""
    schema_version: str = DIFF_SCHEMA_VERSION

    @property
    def exit_code(self) -> int:
        """1 where a limit on growth is broken, else 0."""
        return int(any(growth.broken for growth in self.growth))


def diff(
    old_name: str, old: Analysis, new_name: str, new: Analysis, growth: Mapping[Measure, int] | None = None
) -> Diff:
    """The difference of two analyses; ``growth`` limits how much each resource may grow.

    They are for one target, or for two: then what a change of TFLM or kernel library does is part of the difference.
    """
    matching = match(old.graph, new.graph)
    changes = tuple(_changes(old, new, matching))
    by_name = {change.resource: change.change for change in changes}
    if "instructions" in (growth or {}) and "instructions" not in by_name:
        raise McuplanError(f"there are no cost data for {new.target}: instructions cannot be limited there")
    return Diff(
        tool=Tool("mcuplan", __version__),
        old=_side(old_name, old),
        new=_side(new_name, new),
        target=str(new.target) if old.target == new.target else f"{old.target} -> {new.target}",
        tflm_version=new.arena.tflm_version,
        changes=changes,
        operators=operator_changes(old.graph, new.graph, matching),
        quantization=quantization_changes(old.graph, new.graph, matching),
        growth=tuple(Growth(m, limit, by_name[m], by_name[m] > limit) for m, limit in (growth or {}).items()),
    )


def _side(name: str, analysis: Analysis) -> Side:
    count = sum(len(subgraph.operators) for subgraph in analysis.graph.subgraphs)
    faults = tuple(map(str, analysis.plan_faults))
    refusals = tuple(refusal.reason for refusal in analysis.refusals)
    origin = plan_origin(analysis.graph)
    return Side(name, count, analysis.graph.file_bytes, analysis.arena.exact, origin, faults, refusals,
                rows_told(analysis.graph))  # fmt: skip


def _changes(old: Analysis, new: Analysis, matching: Matching) -> Iterable[Change]:
    yield _change("arena", arena_items(old), arena_items(new), matching)
    yield _change("ram", ram_items(old), ram_items(new), matching)
    yield _change("flash", flash_items(old), flash_items(new), matching)
    yield _change("macs", macs_items(old), macs_items(new), matching)
    if old.instructions and new.instructions:
        olds, news = instructions_items(old, old.instructions), instructions_items(new, new.instructions)
        yield _change("instructions", olds, news, matching)


def _change(resource: Measure, before: Iterable[Item], after: Iterable[Item], matching: Matching) -> Change:
    """Set the items of both sides against each other; an old operator's items go by its new index where it has one."""
    olds: dict[tuple[str, Key], Item] = {}
    news: dict[tuple[str, Key], Item] = {}
    for item in before:
        where = matching.new_of(item.key) if item.of_operator else item.key
        side = "new" if where is not None else "old"
        _add(olds, (side, where if where is not None else item.key), item)
    for item in after:
        _add(news, ("new", item.key), item)
    parts = []
    for key in dict.fromkeys([*news, *olds]):
        was, now = olds.get(key), news.get(key)
        shown = now or was
        assert shown is not None
        a, b = was.amount if was else 0, now.amount if now else 0
        if a != b:
            gone = " (removed)" if now is None and shown.of_operator and key[0] == "old" else ""
            parts.append(Part(f"{shown.what}{gone}", shown.name, a, b, b - a))
    total = [sum(item.amount for item in side.values()) for side in (olds, news)]
    parts.sort(key=lambda part: (-abs(part.change), part.what))
    return Change(resource, total[0], total[1], total[1] - total[0], tuple(parts))


def _add(items: dict[tuple[str, Key], Item], key: tuple[str, Key], item: Item) -> None:
    known = items.get(key)
    items[key] = item if known is None else known.plus(item.amount)
