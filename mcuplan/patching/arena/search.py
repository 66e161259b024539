"""The patch stages that leave the least tensor arena to declare on a target, persistent growth included.

The best combinations of stages by what they take at least (:mod:`.lattice`) are written into the whole graph, placed,
and replayed as TFLM would plan them, until no other combination can be better than the best one placed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import nsmallest
from itertools import chain, islice
from operator import itemgetter

from mcuplan.deadline import Deadline, OutOfTimeError
from mcuplan.errors import McuplanError
from mcuplan.estimates.instructions import cost_model, model_instructions
from mcuplan.estimates.instructions.graphs import addresses
from mcuplan.graph import Graph
from mcuplan.operators import model_macs
from mcuplan.operators.streamed import rows_buffer_bytes
from mcuplan.patching.arena.lattice import Lattice, Limits, Path, Progress, StageChoice
from mcuplan.patching.arena.near import Near
from mcuplan.patching.arena.parts import InParts, in_parts
from mcuplan.patching.arena.placing import DraftProblem, PlannedDraft
from mcuplan.patching.arena.rows import rows_refusal
from mcuplan.patching.arena.space import EFFORTS, Effort
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.forms import write_stage
from mcuplan.patching.writing.reader import WINDOWED, StageReader
from mcuplan.planning.plan import parsed_targets
from mcuplan.proof.memory.static_check import static_check
from mcuplan.rewriting.cleanup import CleanedUp, CleanupStep, clean_up_mapped, may_renumber
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflm.aliasing import readable_rules
from mcuplan.tflm.arena import predict
from mcuplan.tflm.history import has_operator
from mcuplan.tflm.results import ArenaPrediction
from mcuplan.tflm.support import contradiction
from mcuplan.tflm.target import DEFAULT_TARGET, Target

__all__ = ["FrontPoint", "PatchPlan", "PatchRefusal", "StageChoice", "find_patch_plan", "no_gain", "refusal"]


class PatchRefusal(McuplanError):  # noqa: N818 - a finding about the model, not a failure
    """Why nothing can be gained from patch stages, in one sentence."""


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A plan that no other one found beats in both arena and time.

    Time are instructions; MACs where the target has no cost model (then ``instructions_factor`` is None).
    """

    declare_bytes: int
    macs_factor: float
    stages: tuple[StageChoice, ...]
    instructions_factor: float | None = None

    @property
    def time_factor(self) -> float:
        """What one ``Invoke`` takes by what the given model takes."""
        return self.macs_factor if self.instructions_factor is None else self.instructions_factor


@dataclass(frozen=True)
class PatchPlan:
    """A model with patch stages and its plan in it.

    ``graph`` is the model to write; ``given`` the given model after the ``cleanups``; ``base`` the same with some
    convolutions in parts by output channels, whose operators the stages are, ``origins`` their indices in the given
    model; ``parts`` are (operator of the given model, number of parts);
    ``before`` and ``after`` predict the arena of the given and the written model; ``macs_factor`` is the MACs of one
    ``Invoke`` by those of the given model. ``operator_bytes`` are in use while each operator of the base runs, in a
    stage or whole. ``lower_bound_bytes`` bounds the planned section of these stages. No combination of stages in the
    space searched needs less arena than ``least_declare_bytes``, at no more than the time allowed; None where the
    search ended before it knew. ``instructions_before`` and ``instructions_after`` are of one ``Invoke`` of the given
    and the written model, None where the target has no cost model: then time is counted in MACs. ``out_of_time`` tells
    that the time limit ended the search.
    """

    graph: Graph
    given: Graph
    base: Graph
    cleanups: tuple[CleanupStep, ...]
    origins: tuple[int, ...]
    parts: tuple[tuple[int, int], ...]
    before: ArenaPrediction
    after: ArenaPrediction
    macs_factor: float
    stages: tuple[StageChoice, ...]
    front: tuple[FrontPoint, ...]
    operator_bytes: tuple[int, ...]
    lower_bound_bytes: int
    least_declare_bytes: int | None
    tried: int
    instructions_before: float | None = None
    instructions_after: float | None = None
    out_of_time: bool = False

    @property
    def instructions_factor(self) -> float | None:
        """Instructions of the written model by those of the given one."""
        if self.instructions_before is None or self.instructions_after is None:
            return None
        return self.instructions_after / self.instructions_before

    @property
    def time_factor(self) -> float:
        """What one ``Invoke`` takes by what the given model takes: instructions, or MACs without a cost model."""
        return self.macs_factor if self.instructions_factor is None else self.instructions_factor

    @property
    def price(self) -> str:
        """What the stages cost, in words."""
        macs = f"{self.macs_factor - 1:+.1%} MACs"
        return (
            macs if self.instructions_factor is None else f"{self.instructions_factor - 1:+.1%} instructions ({macs})"
        )

    @property
    def extremes(self) -> tuple[FrontPoint, FrontPoint]:
        """The points of the front with the least arena and with the least time."""
        return self.front[-1], self.front[0]

    @property
    def rows_buffer_bytes(self) -> int:
        """What the source of an input that comes by rows has to hold beside the arena; 0 where none does."""
        return rows_buffer_bytes(self.graph)

    @property
    def gain_bytes(self) -> int:
        """Bytes of arena to declare that the stages save."""
        return self.before.declare_bytes - self.after.declare_bytes


def find_patch_plan(
    graph: Graph,
    targets: Target | str | Sequence[Target | str] = DEFAULT_TARGET,
    max_overhead: float = 1.1,
    fit_bytes: int | None = None,
    effort: str = "default",
    tidy: bool = True,
    progress: Progress | None = None,
    max_macs: float | None = None,
    least: bool = True,
    deadline: Deadline | None = None,
    rows: int | None = None,
) -> PatchPlan | None:
    """Find the patch stages with the least arena to declare at no more than ``max_overhead`` times the time.

    Parameters
    ----------
    graph
        The model; an offline plan in it is dropped.
    targets
        What to predict for; of several targets only what is safe on all counts, and the largest arena.
    max_overhead
        Most instructions of the whole model, as a factor; MACs where a target has no cost model. ``math.inf`` where
        only ``max_macs`` matters.
    fit_bytes
        With it, the least time with which the arena to declare is at most this many bytes; the least arena where
        none is.
    effort
        ``fast``, ``default`` or ``best``.
    tidy
        Whether the model is cleaned up first, as :func:`mcuplan.planning.plan.make_plan` does.
    progress
        Told as the search goes on: stages tried, and the bytes that the best plan takes at least.
    max_macs
        Most MACs of the whole model, as a factor; None for as many as ``max_overhead`` allows.
    least
        Whether to take the least arena; else the knee of the front: behind it little arena costs much time.
    deadline
        When to stop with the best so far.
    rows
        Which input the firmware gives row by row, so that it is never whole in memory; None for none. Then what its
        source has to hold counts with the arena, and a plan is found even where stages alone would gain nothing.

    Returns
    -------
    PatchPlan or None
        None where stages are possible but none makes the arena smaller, or none was found in time.

    Raises
    ------
    PatchRefusal
        Where the model has no operators that strips could run, or contradicts itself; where the input with number
        ``rows`` cannot come row by row.

    Examples
    --------
    >>> from mcuplan.zoo import build
    >>> plan = find_patch_plan(build("ds-cnn"), effort="fast")
    >>> plan.before.declare_bytes, plan.after.declare_bytes < 21_500
    (22832, True)
    """
    chosen = parsed_targets(targets)
    why = contradiction(graph) or refusal(graph)
    unread = [target for target in chosen if not readable_rules(target)]
    if why is None and unread:
        why = f"nothing is known of which tensors may share bytes in the kernels of {unread[0].library.name}"
    if why is not None:
        raise PatchRefusal(why)
    cleaned = clean_up_mapped(graph) if tidy else CleanedUp(graph, (), tuple(range(len(graph.main.operators))))
    if rows is not None and (why := rows_refusal(cleaned.graph, rows)) is not None:
        raise PatchRefusal(why)
    wish = _Wish(max_overhead, max_macs, fit_bytes, least)
    deadline = deadline or Deadline()

    def searched(base: InParts, effort: str, below: PatchPlan | None = None) -> PatchPlan | None:
        most = None if below is None else below.after.declare_bytes + below.rows_buffer_bytes
        with suppress(OutOfTimeError):
            return _Search(graph, cleaned, base, chosen, wish, EFFORTS[effort], progress, deadline, most, rows).run()
        return None

    whole = set_offline_plan(cleaned.graph, None)
    best = searched(InParts(whole, tuple(range(len(whole.main.operators)))), effort)
    for base in in_parts(whole, chosen):
        if best is not None and fit_bytes is not None and best.after.declare_bytes <= fit_bytes:
            break
        best = searched(base, _EFFORT_IN_PARTS[effort], best) or best
        # Each search knows the bound of its own space alone.
        best = best and replace(best, least_declare_bytes=None)
    return best


_EFFORT_IN_PARTS = {"fast": "fast", "default": "fast", "best": "default"}
"""Effort of each further search, with convolutions in parts, by that of the first one."""


_NEAR = 4
"""How often a first combination is sought, each time for the less time the more the last one took."""

_CLIMBED = 2
"""Of how many of the best plans all arrangements near the best are placed."""

_RELAXED = 3
"""How often, and how many each time, plans are placed that make use of gaps."""

_DEARER = 1.5
"""What one plan that takes more time than its rows told tells of others, at most: one that adds next to nothing may be
too dear many times over."""

_TOO_DEAR = 0.25
"""What a plan counts as a try that was placed only to find that it takes more time than its rows told."""


LOOPS = (("DYNAMIC_UPDATE_SLICE", "int8"), ("SLICE", "bool"))
"""Operators, with a type, that loops are written with where every target has them."""


def _lacks(target: Target, operator: tuple[str, str]) -> bool:
    return not has_operator(target, *operator)


@dataclass(frozen=True, slots=True)
class _Wish:
    max_overhead: float
    max_macs: float | None
    fit_bytes: int | None
    least: bool


@dataclass(frozen=True)
class _Placed:
    """A combination of stages, written and placed; its time in instructions or MACs of one ``Invoke``."""

    path: Path
    draft: PlannedDraft
    time: float
    allowed: bool

    @property
    def declare_bytes(self) -> int:
        """The arena to declare."""
        return self.draft.arena.declare_bytes

    @cached_property
    def buffer_bytes(self) -> int:
        """What the source of an input's rows has to hold."""
        return rows_buffer_bytes(self.draft.graph)

    @property
    def need_bytes(self) -> int:
        """The arena, and what the source of rows holds beside it."""
        return self.declare_bytes + self.buffer_bytes

    @property
    def usable(self) -> bool:
        """Whether it can be the result: its scratch lies where kernels can use it, its time and MACs are allowed."""
        return self.draft.usable and self.allowed

    def rank(self) -> tuple[bool, int, float]:
        """To compare by, the least first: usable, bytes, time."""
        return not self.usable, self.need_bytes, self.time

    def fits(self, most_bytes: int) -> bool:
        """Whether it is usable within so many bytes."""
        return self.usable and self.need_bytes <= most_bytes

    def hope(self) -> tuple[bool, int, float]:
        """As it would rank if it could be placed without a gap."""
        least = self.draft.lower_bound_bytes + self.draft.arena.persistent_bytes + self.buffer_bytes
        return not self.allowed, least, self.time


class _Search:
    def __init__(
        self,
        graph: Graph,
        cleaned: CleanedUp,
        base: InParts,
        targets: tuple[Target, ...],
        wish: _Wish,
        effort: Effort,
        progress: Progress | None,
        deadline: Deadline,
        below_bytes: int | None = None,
        rows: int | None = None,
    ) -> None:
        self.graph = base.graph
        self.streamed = None if rows is None else self.graph.main.inputs[rows]
        self.cleaned = cleaned
        self.base = base
        self.targets = targets
        self.wish = wish
        self.effort = effort
        self.deadline = deadline
        self.before, self.target = max(
            ((predict(graph, target), target) for target in targets), key=lambda row: row[0].declare_bytes
        )
        self.below = self.before.declare_bytes if below_bytes is None else below_bytes
        self.model = cost_model(self.target)
        self.macs = max(model_macs(graph).total, 1)
        self.base_macs = model_macs(self.graph).total
        self.time = max(self._time(graph, self.before), 1.0)
        self.most_time = wish.max_overhead * self.time
        self.limits = Limits(
            self.most_time - self._time(self.graph, predict(self.graph, self.target)),
            math.inf if wish.max_macs is None else int(wish.max_macs * self.macs) - self.base_macs,
        )
        self.dearer = 1.0
        # Where time is no matter, MACs are what it is counted in, and slow forms, which take less memory, are enough.
        model = self.model if wish.max_overhead < math.inf else None
        if model is None:
            self.limits = replace(self.limits, extra_time=min(self.limits.extra_time, self.limits.extra_macs))
        self.plain = any(_lacks(target, op) for target in targets for op in LOOPS)
        self.lattice = Lattice(
            self.graph, self.target, self.effort, model, progress, deadline, self.streamed, self.plain, self.limits
        )
        self.walk = self.lattice.walk(replace(self.limits, below_bytes=self.below))
        self.placed: dict[tuple[StageChoice, ...], _Placed] = {}
        self.tried: set[tuple[tuple[StageChoice, ...], str | None, bool]] = set()

    def _time(self, graph: Graph, arena: ArenaPrediction) -> float:
        """Instructions of one ``Invoke``, MACs where there is no cost model."""
        if self.model is None:
            return float(model_macs(graph).total)
        return model_instructions(graph, self.model, addresses(arena.plan)).total

    def run(self) -> PatchPlan | None:
        """The plan that the search ends with; None where none stands."""
        best, least = None, None
        with suppress(OutOfTimeError):
            best = self._fitting(self.wish.fit_bytes)
            if best is None:
                best, least = self._least()
            if best is not None:
                self._cheaper(best)
                if self.streamed is None:
                    self._place(Path(at=self.lattice.end))  # no stages: what costs no time
        if best is None:
            best = self._first_that_stands()
        if best is not None and not self.wish.least and self.wish.fit_bytes is None:
            best = self._knee(best)
        if best is None or best.need_bytes >= self.below:
            return None
        origins = self.cleaned.origins
        return PatchPlan(
            graph=best.draft.graph,
            given=set_offline_plan(self.cleaned.graph, None),
            base=self.graph,
            cleanups=self.cleaned.steps,
            origins=tuple(origins[k] for k in self.base.origins),
            parts=tuple((origins[k], count) for k, count in self.base.parts),
            before=self.before,
            after=best.draft.arena,
            macs_factor=self._factor(best.path),
            stages=best.path.choices,
            front=self._front(),
            operator_bytes=self._operator_bytes(best.path),
            lower_bound_bytes=best.draft.lower_bound_bytes,
            least_declare_bytes=None if self.lattice.exhausted else least,
            tried=self.lattice.tried,
            instructions_before=None if self.model is None else self.time,
            instructions_after=None if self.model is None else best.time,
            out_of_time=self.deadline.struck,
        )

    def _fitting(self, fit_bytes: int | None) -> _Placed | None:
        """The combination with the fewest MACs of those that fit once they are placed."""
        if fit_bytes is None:
            return None
        for tries, (_, path) in enumerate(self.lattice.walk(replace(self.limits, fit_bytes=fit_bytes))):
            if tries == self.effort.placed:
                break
            found = self._place(path)
            if not found.fits(fit_bytes):
                found = self._place(path, self.effort.solver)
            if found.fits(fit_bytes) and self._stands(found):
                return found
        return None

    def _least(self) -> tuple[_Placed | None, int | None]:
        """The least arena of those placed, and what every combination takes at least."""
        best = min(self._near(), key=_Placed.rank, default=None)
        bound: int | None = None
        tries = 0.0
        for least, path in self.walk:
            bound = least if bound is None else bound
            if tries >= self.effort.placed or (best is not None and best.fits(least)):
                break
            if not path.choices:
                continue  # the model as it is, its tensors over one another: that is a plan without stages
            if path.extra_time * self.dearer > self.limits.extra_time:
                continue
            found = self._place(path)
            tries += 1 if found.allowed else _TOO_DEAR
            best = found if best is None else min(best, found, key=_Placed.rank)
        if best is None:
            return None, bound
        hopeful = min(self.placed.values(), key=_Placed.hope)
        for found in (best, self._easier(best), hopeful, self._easier(hopeful)):
            self._place(found.path, self.effort.solver)
        self._relaxed(min(self.placed.values(), key=_Placed.rank))
        for found in nsmallest(_CLIMBED, self.placed.values(), key=_Placed.rank):
            self._place(found.path, self.effort.solver, climbs=True)
        return self._first_that_stands(), bound

    def _near(self) -> Iterator[_Placed]:
        """What is found soon, placed: for the time allowed and, where it took more than its rows told, for less."""
        near = Near(self.lattice, self.limits.extra_macs, self.below)
        for _ in range(_NEAR):
            path = near.best(self.limits.extra_time / self.dearer)
            if path is None:
                return
            yield (found := self._place(path))
            if found.allowed:
                return

    def _relaxed(self, best: _Placed) -> None:
        """Place what adds less where stages may have in use all that the best one takes once it is placed, gaps too."""
        for _ in range(_RELAXED):
            limits, peak = replace(self.limits, below_bytes=best.need_bytes), best.draft.arena.nonpersistent_bytes
            lighter = (found for found in self.lattice.lighter(best.path, peak) if self._within(found[1], limits))
            paths = chain(
                nsmallest(_RELAXED, lighter, key=itemgetter(0)), islice(self.lattice.walk(limits, peak), _RELAXED)
            )
            near = [path for _, path in paths if path.choices and self._within(path, limits)]
            better = min((self._place(path, self.effort.solver) for path in near), key=_Placed.rank, default=best)
            if better.rank() >= best.rank():
                return
            best = better

    def _within(self, path: Path, limits: Limits) -> bool:
        return path.extra_time <= limits.extra_time and path.extra_macs <= limits.extra_macs

    def _first_that_stands(self) -> _Placed | None:
        """The best of those placed whose plan the static check proves."""
        for found in sorted((p for p in self.placed.values() if p.path.choices), key=_Placed.rank):
            if found.need_bytes < self.below and self._stands(found):
                return found
        return None

    def _stands(self, found: _Placed) -> bool:
        """Whether the plan stands the proof that it will have to stand; one that does not is dropped."""
        if found.usable and not any(static_check(found.draft.graph, target) for target in self.targets):
            return True
        self.placed[found.path.choices] = replace(found, draft=replace(found.draft, usable=False))
        return False

    def _easier(self, best: _Placed) -> _Placed:
        """Hill climbing from one that is placed, to forms that leave more room while they run."""
        tries, better = 0, True
        while better:
            better = False
            for least, path in self.lattice.neighbours(best.path):
                if least >= best.need_bytes or not self._within(path, self.limits):
                    continue
                if tries == self.effort.placed:
                    return best
                tries += 1
                found = self._place(path)
                if found.rank() < best.rank():
                    best, better = found, True
                    break
        return best

    def _cheaper(self, best: _Placed) -> None:
        """Place what takes less time than the best, down to none added: the Pareto front behind it."""
        extra, points = best.path.extra_time, self.effort.front
        for left in reversed(range(points)):
            # Closer together towards little time, where most is won.
            most = min(extra - 1, best.path.extra_time * left * left / (points * points))
            path = self._best_within(max(most, 0.0)) if extra > 0 else None
            if path is None:
                return
            self._place(path)
            extra = path.extra_time

    def _best_within(self, most_time: float) -> Path | None:
        """The combination with the least arena that adds no more time, as far as the walk's steps go.

        Where the least arena is taken in any case, what lies between it and none is made of the forms that it took to
        find it: to look at all others, which need more bytes and less time, would take as long again.
        """
        found = None if self.wish.least else self.walk.best(most_time)
        if found is None and (self.wish.least or self.walk.ended_early):
            return Near(self.lattice, self.limits.extra_macs, self.below).known(most_time)
        return None if found is None else found[1]

    def _knee(self, best: _Placed) -> _Placed:
        """The point of the front farthest from the line between its ends: behind it little arena costs much time."""
        front = self._front()
        least, cheapest = front[-1], front[0]
        arena = max(cheapest.declare_bytes - least.declare_bytes, 1)
        time = max(least.time_factor - cheapest.time_factor, 1e-9)

        def saved(point: FrontPoint) -> float:
            return (cheapest.declare_bytes - point.declare_bytes) / arena - (
                point.time_factor - cheapest.time_factor
            ) / time

        for point in sorted(front[1:], key=saved, reverse=True):
            found = self.placed.get(point.stages)
            if found is not None and self._stands(found):
                return found
        return best

    def _place(self, path: Path, solver: str | None = None, climbs: bool = False) -> _Placed:
        """The combination written into the graph and placed, at a glance or by a solver: the best found of it."""
        if (path.choices, solver, climbs) not in self.tried:
            self.tried.add((path.choices, solver, climbs))
            draft = Draft(self.graph, streamed=self.streamed, plain=self.plain)
            for choice in reversed(path.choices):
                draft = write_stage(draft, choice.stage, choice.form)
            problem = DraftProblem(draft.tidy(), self.targets, deadline=self.deadline)
            below = self._goal(problem) if solver else None
            planned = problem.plan(solver or "fast", solver is not None, below, climbs)
            time = self._time(planned.graph, planned.arena)
            macs = path.extra_macs <= self.limits.extra_macs
            if time > self.most_time and path.extra_time > 0:
                # By how much stages take more than their rows tell: others near the limit would be too dear as well.
                extra = self.limits.extra_time + time - self.most_time
                self.dearer = max(self.dearer, min(extra / path.extra_time, _DEARER))
            found = _Placed(path, planned, time, time <= self.most_time and macs)
            known = self.placed.get(path.choices)
            self.placed[path.choices] = found if known is None else min(known, found, key=_Placed.rank)
        return self.placed[path.choices]

    def _goal(self, problem: DraftProblem) -> int | None:
        """Bytes of the planned section below which a draft is better than the best plan that a solver has placed."""
        solved = [
            p.need_bytes for c, p in self.placed.items() if p.usable and (c, self.effort.solver, False) in self.tried
        ]
        taken = max(arena.persistent_bytes for arena in problem.problem.stock) + rows_buffer_bytes(problem.draft.graph)
        return max(min(solved) - taken, 1) if solved else None

    def _factor(self, path: Path) -> float:
        return (self.base_macs + path.extra_macs) / self.macs

    def _time_factor(self, time: float) -> float | None:
        return None if self.model is None else time / self.time

    def _operator_bytes(self, path: Path) -> tuple[int, ...]:
        found = list(self.lattice.outside.operator_bytes)
        for choice in path.choices:
            found[choice.first : choice.last] = [choice.live_bytes] * (choice.last - choice.first)
        return tuple(found)

    def _front(self) -> tuple[FrontPoint, ...]:
        points = [FrontPoint(self.before.declare_bytes, 1.0, (), self._time_factor(self.time))]
        points += [
            FrontPoint(p.declare_bytes, self._factor(p.path), p.path.choices, self._time_factor(p.time))
            for p in self.placed.values()
            if p.usable
        ]
        front: list[FrontPoint] = []
        for point in sorted(points, key=lambda p: (p.time_factor, p.declare_bytes)):
            if not front or point.declare_bytes < front[-1].declare_bytes:
                front.append(point)
        return tuple(front)


def refusal(graph: Graph) -> str | None:
    """Why no part of a model can run by strips; None where some can."""
    if not may_renumber(graph):
        return "another compiler planned the model's tensors, or compressed them by number: they must stay as they are"
    windowed = [op.name in WINDOWED for op in graph.main.operators]
    if not any(windowed):
        return "the model has no convolution or pooling over rows, so that there is nothing to run by strips"
    reasons = _obstacles(graph)
    if len(reasons) < sum(windowed):
        return None
    return f"no operator can run by strips of rows: {_commonest(reasons)}"


def no_gain(graph: Graph) -> str:
    """Why patch stages that are possible may not help, in one sentence."""
    reasons = _obstacles(graph)
    if not reasons:
        return "none makes the arena smaller"
    plural = "s" if len(reasons) > 1 else ""
    return f"none makes the arena smaller; {len(reasons)} operator{plural} cannot be in one, as {_commonest(reasons)}"


def _obstacles(graph: Graph) -> list[str]:
    """Why operators with windows cannot run by strips, one reason for each that cannot."""
    reader = StageReader(graph)
    reasons = (reader.supported(k) for k, op in enumerate(graph.main.operators) if op.name in WINDOWED)
    return [why for why in reasons if why is not None]


def _commonest(reasons: list[str]) -> str:
    return max(sorted(set(reasons)), key=reasons.count)
