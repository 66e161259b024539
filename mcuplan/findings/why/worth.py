"""What a change is worth: the verdict after it, what it gains, and which of two is better."""

from __future__ import annotations

from mcuplan import budget
from mcuplan.budget import Need, Resource
from mcuplan.budget.limits import Limit
from mcuplan.budget.verdict import figure_for
from mcuplan.findings.change import Change, Outcome
from mcuplan.findings.why.case import Case, Way
from mcuplan.text import show_share

_ORDER = (
    "plan", "export", "strip", "lean", "lean-plan", "build", "int8-io", "patch", "together", "int8",
    "int8-plan", "board", "operator", "narrower",
)  # fmt: skip
"""Changes from the cheapest to the dearest for those who make them: the file, other code, another conversion of the
same network, then what changes the product: other hardware, another network."""
_LABELS = {Resource.RAM: "RAM", Resource.ARENA: "the arena", Resource.FLASH: "flash", Resource.MACS: "MACs"}


def verdict_after(case: Case, way: Way) -> Outcome:
    """The verdict once the change is made."""
    judged: Outcome = "unsupported" if way.refusals else "pass"
    if judged == "pass" and budget.judge(way.need, way.limits).violations:
        judged = "fail"
    # Limits on time or energy stay as they are: what they say of the changed model is not known.
    return "fail" if case.situation.judgement.overruns and judged == "pass" else judged


def over(limit: Limit | None, need: Need) -> int:
    """Bytes or MACs that must go; negative: room that is left."""
    return 0 if limit is None else figure_for(limit, need) - limit.amount + int(limit.strict)


def gain_of(case: Case, way: Way, resource: Resource) -> int:
    """Bytes or MACs by which ``resource`` comes closer to keeping its limit; negative: further from it."""
    before: Limit | None = getattr(case.limits, resource.value)
    after: Limit | None = getattr(way.limits, resource.value)
    if before is not None and after is not None:
        return over(before, case.need) - over(after, way.need)
    return _total(case.need, resource) - _total(way.need, resource)


def _total(need: Need, resource: Resource) -> int:
    totals = {
        Resource.RAM: need.ram.total_bytes, Resource.ARENA: need.ram.arena_bytes,
        Resource.FLASH: need.flash.total_bytes, Resource.MACS: need.macs,
    }  # fmt: skip
    return totals[resource]


def helps(case: Case, way: Way) -> bool:
    """Whether the change brings any limit that matters closer, or leaves fewer reasons to refuse the model."""
    if case.analysis.refusals:
        return len(way.refusals) < len(case.analysis.refusals)
    wanted = case.broken or {limit.resource for limit in case.limits}
    return any(gain_of(case, way, resource) > 0 for resource in wanted)


def rank(case: Case, way: Way) -> tuple[int, float, int, float]:
    """Smaller is better: passes, how far over the limits it stays, how dear it is, how much it gains."""
    passes = verdict_after(case, way) == "pass"
    excess = sum(max(over(limit, way.need), 0) / limit.amount for limit in way.limits)
    gain = sum(gain_of(case, way, limit.resource) / limit.amount for limit in case.limits)
    if not case.broken and not case.analysis.refusals:
        return 0, 0.0, 0, -gain  # nothing to mend: the most room first
    return 0 if passes else 1, excess, _ORDER.index(way.name), -gain


def effect_of(case: Case, way: Way) -> str:
    """What becomes of the limits that were broken or are broken now; of none, the fullest."""
    if way.refusals:
        return "TFLM still refuses the model"
    said = []
    for limit in way.limits:
        excess, label = over(limit, way.need), _LABELS[limit.resource]
        unit = "MACs" if limit.resource is Resource.MACS else "bytes"
        if excess > 0:
            said.append(f"{label} {'still' if limit.resource in case.broken else 'then'} {excess:,} {unit} too many")
        elif limit.resource in case.broken:
            said.append(f"{label} then fits")
    if not said and case.analysis.refusals:
        return "TFLM then runs the model"
    return ", ".join(said) or _room(case, way)


def _room(case: Case, way: Way) -> str:
    """How full the limit that gains most is before and after."""
    pairs = [(limit, getattr(case.limits, limit.resource.value)) for limit in way.limits]
    after, before = max(pairs, key=lambda pair: gain_of(case, way, pair[0].resource) / pair[0].amount)
    then, now = figure_for(after, way.need) / after.amount, figure_for(before, case.need) / before.amount
    return f"{_LABELS[after.resource]} at {show_share(then)} of its limit, now {show_share(now)}"


def change_of(case: Case, way: Way) -> Change:
    """The change as reports hold it."""
    verdict = verdict_after(case, way)
    ram, flash, macs = (gain_of(case, way, resource) for resource in (Resource.RAM, Resource.FLASH, Resource.MACS))
    return Change(way.name, way.text, way.cost, way.command, verdict, effect_of(case, way), ram, flash, macs)
