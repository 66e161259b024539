"""``check --why``: what would change the verdict on a model, worked out one change at a time.

Nothing is estimated from rules: each change is made to the model (or the board is taken), TFLM is replayed on the
result, and the verdict is given anew.
"""

from __future__ import annotations

from mcuplan.findings.change import Change
from mcuplan.findings.why.boards import board_ways
from mcuplan.findings.why.case import Case
from mcuplan.findings.why.model import model_ways, together
from mcuplan.findings.why.network import network_ways
from mcuplan.findings.why.worth import change_of, helps, rank, verdict_after

__all__ = ["MOST", "Case", "why"]

MOST = 6
"""Changes that are told."""


def why(case: Case, most: int = MOST) -> tuple[Change, ...]:
    """At most ``most`` changes that would change the verdict, best first.

    Changes after which the model passes come first, the cheapest to make before others; then those that leave least
    over the limits. Of a model that passes, those that make most room. What brings no limit closer is not told.

    Examples
    --------
    >>> from mcuplan import budget
    >>> from mcuplan.findings.situation import Situation
    >>> from mcuplan.tflite import read, write
    >>> from mcuplan.tflm import Target
    >>> from mcuplan.zoo import build
    >>> graph = read(write(build("ds-cnn")), "kws.tflite")
    >>> found = budget.analyse(graph, Target.parse("cortex-m4+cmsis-nn"))
    >>> limits = budget.limits_without_board(budget.Asked(ram=24_000, flash=500_000))
    >>> judgement = budget.judge(found.need(), limits)
    >>> best = why(Case(Situation("kws.tflite", found, found.need(), limits, judgement)))[0]
    >>> best.name, best.ram_bytes, best.effect
    ('lean', 4524, 'RAM then fits')
    """
    ways = list(model_ways(case))
    if not any(verdict_after(case, way) == "pass" for way in ways) and case.broken:
        ways += together(case)
    ways += network_ways(case)
    if case.broken and not case.analysis.refusals:
        ways += board_ways(case)
    helpful = [way for way in ways if helps(case, way)]
    helpful.sort(key=lambda way: rank(case, way))
    return tuple(change_of(case, way) for way in helpful[:most])
