"""Limits and verdicts: what a model may use, and whether it does."""

from __future__ import annotations

from mcuplan.budget.analysis import DEFAULT_BUILD, Analysis, analyse
from mcuplan.budget.limits import (
    RULE_OF_THUMB,
    Asked,
    Counted,
    Limit,
    LimitError,
    Limits,
    Reserve,
    Resource,
    board_reserve,
    limits_on_board,
    limits_without_board,
)
from mcuplan.budget.need import DEFAULT_STACK_BYTES, FlashNeed, Need, RamNeed
from mcuplan.budget.performance import AskedPerformance, Performance, Quantity, estimate_performance
from mcuplan.budget.sharing import Arenas, sections_together, together
from mcuplan.budget.units import UnitError, parse_bytes, parse_count
from mcuplan.budget.verdict import Judgement, Verdict, Violation, judge

__all__ = [
    "DEFAULT_BUILD", "DEFAULT_STACK_BYTES", "RULE_OF_THUMB", "Analysis", "Arenas", "Asked", "AskedPerformance",
    "Counted", "FlashNeed", "Judgement", "Limit", "LimitError", "Limits", "Need", "Performance", "Quantity", "RamNeed",
    "Reserve", "Resource", "UnitError", "Verdict", "Violation", "analyse", "board_reserve", "estimate_performance",
    "judge", "limits_on_board", "limits_without_board", "parse_bytes", "parse_count", "sections_together", "together",
]  # fmt: skip
