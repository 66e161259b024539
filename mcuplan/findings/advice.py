"""What would help a model that does not fit, or is close to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from mcuplan.budget.limits import Counted, Resource
from mcuplan.budget.verdict import figure_for
from mcuplan.findings import plans
from mcuplan.findings.costs import ResourceName, place
from mcuplan.findings.situation import Situation
from mcuplan.graph import DType
from mcuplan.text import show_bytes, show_share
from mcuplan.tflm.alignment import aligned

if TYPE_CHECKING:
    from pydantic import ConfigDict

_CONFIG: ConfigDict = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}


@dataclass(frozen=True, slots=True)
class Help:
    """Something that would help."""

    __pydantic_config__ = _CONFIG

    text: str
    resource: ResourceName | None = None
    saves: int | None = None
    """Bytes or MACs it saves at most; null where mcuplan does not know."""
    command: str = ""
    """The command that does it or tells more."""


def advice(situation: Situation, count: int = 3) -> tuple[Help, ...]:
    """At most ``count`` things that would help, those for broken limits first; nothing that is only a guess."""
    found = [tip for rule in _RULES for tip in rule(situation)]

    def urgency(tip: Help) -> int:
        if tip.resource is None:
            return 1
        if tip.resource == "ram" and situation.short_of_ram:
            return 0
        return 0 if Resource(tip.resource) in situation.broken else 1 if situation.tight(Resource(tip.resource)) else 2

    return tuple(sorted(found, key=urgency)[:count])


def _better_plan(it: Situation) -> Iterator[Help]:
    arena = it.analysis.arena
    if arena.nonpersistent_bytes <= it.lower_bound or len(arena.plan) > plans.AT_ONCE or it.judgement.refusals:
        return
    from mcuplan.planning.plan import PlanOptions

    options = PlanOptions(effort="fast", reorder=False, clean_up=False)
    saves = plans.plan(it.analysis.graph, it.analysis.target, options).gain_bytes
    if saves > 0:
        yield Help(
            f"`mcuplan plan -o OUT.tflite`: the same operators with a better memory plan take {show_bytes(saves)} less",
            "ram",
            saves,
        )


def _unused_tensors(it: Situation) -> Iterator[Help]:
    unused = [b for b in it.analysis.arena.plan if b.first < 0 and b.last < 0]
    size = sum(b.size for b in unused)
    others = max((b.end for b in it.analysis.arena.plan if b.last >= 0), default=0)
    saves = _declared_saving(it, it.analysis.arena.nonpersistent_bytes - others)
    if unused and saves > 0:
        yield Help(f"drop the {len(unused)} tensors nothing uses: TFLM plans {show_bytes(size)} for them", "ram", saves)


def _quantize(it: Situation) -> Iterator[Help]:
    if not (it.tight(Resource.RAM) or it.tight(Resource.FLASH)) or it.judgement.refusals:
        return
    graph = it.analysis.graph
    if any(t.dtype is DType.FLOAT32 and graph.is_constant(t) and t.elements > 16 for t in graph.main.tensors):
        resource: ResourceName = "ram" if it.short_of_ram or Resource.FLASH not in it.broken else "flash"
        yield Help("quantize to int8: weights and activations take a quarter of their float32 bytes", resource)


def _smaller_peak(it: Situation) -> Iterator[Help]:
    if not it.tight(Resource.RAM) or it.peak is None or it.peak.operator < 0:
        return
    op = it.analysis.graph.subgraphs[it.peak.subgraph].operators[it.peak.operator]
    yield Help(
        f"shrink operator {place(it.peak.subgraph, it.peak.operator)}, {op.label} (input size or channels): "
        f"while it runs, {show_bytes(it.peak.live_bytes)} are live",
        "ram",
    )


def _smaller_weights(it: Situation) -> Iterator[Help]:
    limit = it.limits.flash
    if limit is None or not it.tight(Resource.FLASH):
        return
    share = it.need.flash.weights_bytes / max(figure_for(limit, it.need), 1)
    if share >= 0.5:
        whole = "the model" if limit.counted is Counted.MODEL else "model and code"
        yield Help(f"fewer channels or layers: weights are {show_share(share)} of {whole}", "flash")


def _fewer_macs(it: Situation) -> Iterator[Help]:
    if it.tight(Resource.MACS):
        rows = max(it.analysis.macs.per_operator, key=lambda row: row.macs or 0)
        label = it.analysis.graph.subgraphs[rows.subgraph].operators[rows.operator].label
        share = (rows.macs or 0) / max(it.need.macs, 1)
        yield Help(
            f"a smaller input or fewer channels: operator {place(rows.subgraph, rows.operator)}, {label} alone is "
            f"{show_share(share)} of the MACs",
            "macs",
        )


def _other_board(it: Situation) -> Iterator[Help]:
    if it.board is not None and it.judgement.violations and not it.judgement.refusals:
        yield Help("another board: the cheapest that passes", command=f"mcuplan compare {quote(it.model)} --cheapest")


def _declared_saving(it: Situation, nonpersistent: int) -> int:
    """Bytes of the declared arena that go when the non-persistent section loses ``nonpersistent``.

    Set-up needs may keep the arena from shrinking as far.
    """
    arena = it.analysis.arena
    floor = max(arena.final_bytes - nonpersistent, arena.planning_peak_bytes, arena.prepare_peak_bytes)
    return arena.declare_bytes - aligned(floor)


_RULES: tuple[Callable[[Situation], Iterator[Help]], ...] = (
    _better_plan,
    _unused_tensors,
    _quantize,
    _smaller_peak,
    _smaller_weights,
    _fewer_macs,
    _other_board,
)
