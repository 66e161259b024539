"""The plans that findings stand on: each worked out once, and one set of limits for how long a look may take."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from mcuplan.graph import Graph
    from mcuplan.patching.arena.search import PatchPlan
    from mcuplan.planning.plan import Plan, PlanOptions
    from mcuplan.tflm import Target

AT_ONCE = 400
"""Buffers up to which offsets are worked out for a verdict's advice: about 10 ms, and only where TFLM's have gaps."""
WHOLE, FAST = 120, 600
"""Operators up to which a plan is sought with the default effort, and with the fast one: seconds; none beyond."""
STAGES = 400
"""Operators up to which patch stages are sought where nobody asked for them: some seconds."""

_KEPT = 16
_Found = TypeVar("_Found")
_known: OrderedDict[tuple[Any, ...], tuple[Graph, Any]] = OrderedDict()


def operators(graph: Graph) -> int:
    """How many operators all of ``graph`` has: what the limits are on."""
    return sum(len(subgraph.operators) for subgraph in graph.subgraphs)


def plan(graph: Graph, target: Target, options: PlanOptions) -> Plan:
    """The plan for ``graph``, as :func:`mcuplan.planning.plan.make_plan` finds it; asked for again, the same."""
    from mcuplan.planning.plan import make_plan

    return _once(graph, ("plan", target, options), lambda: make_plan(graph, target, options))


def patches(
    graph: Graph, target: Target, max_overhead: float, effort: str, least: bool = False, max_macs: float | None = None
) -> PatchPlan | None:
    """Patch stages for ``graph``, as :func:`mcuplan.patching.arena.search.find_patch_plan` finds them, once; the knee
    of the front, as ``mcuplan plan --patch`` takes it, or the ``least`` arena.

    Raises
    ------
    PatchRefusal
        Where there can be none.
    """
    from mcuplan.patching.arena.search import find_patch_plan

    found = ("patches", target, max_overhead, effort, least, max_macs)

    def find() -> PatchPlan | None:
        return find_patch_plan(graph, target, max_overhead, effort=effort, max_macs=max_macs, least=least)

    return _once(graph, found, find)


def _once(graph: Graph, what: tuple[Any, ...], find: Callable[[], _Found]) -> _Found:
    """What ``find`` gives, kept for the last few graphs and questions."""
    # A graph is told by which one it is: to compare all its bytes would cost more than some plans. It is kept with what
    # was found of it, so that no other one takes its place in memory.
    key = (id(graph), *what)
    if key not in _known:
        _known[key] = (graph, find())
        while len(_known) > _KEPT:
            _known.popitem(last=False)
    _known.move_to_end(key)
    kept: _Found = _known[key][1]
    return kept
