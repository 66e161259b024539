"""Find a plan: the order, the aliases and the offsets that need the least arena, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import process_time

from mcuplan.errors import McuplanError
from mcuplan.graph import Graph
from mcuplan.planning.allocation import ArenaProblem, Layout, Progress
from mcuplan.planning.order import better_orders
from mcuplan.rewriting.cleanup import CleanupStep, clean_up, may_renumber
from mcuplan.rewriting.edit import reorder, set_offline_plan
from mcuplan.tflm.aliasing import AliasOption, Relation
from mcuplan.tflm.arena import predict
from mcuplan.tflm.results import ArenaPrediction
from mcuplan.tflm.target import DEFAULT_TARGET, Target


class PlanError(McuplanError):
    """A model for which no plan can be made or written."""


@dataclass(frozen=True, slots=True)
class PlanStep:
    """One step of a plan and what it gained: bytes of the arena to declare before and after it."""

    name: str
    detail: str
    before_bytes: int
    after_bytes: int

    @property
    def gain_bytes(self) -> int:
        """Bytes of arena the step saved."""
        return self.before_bytes - self.after_bytes


@dataclass(frozen=True)
class Plan:
    """A model with a plan in it, and how it was found.

    ``graph`` is the model to write. ``before`` and ``after`` predict the arena of the given and the planned model.
    ``lower_bound_bytes`` bounds the non-persistent section for the plan's order and aliases; ``optimal`` tells that
    it is met or that no better placement exists.
    """

    graph: Graph
    before: ArenaPrediction
    after: ArenaPrediction
    order: tuple[int, ...]
    offsets: tuple[int, ...]
    aliases: tuple[AliasOption, ...]
    lower_bound_bytes: int
    optimal: bool
    proof: str
    steps: tuple[PlanStep, ...]
    cleanups: tuple[CleanupStep, ...] = ()

    @property
    def gain_bytes(self) -> int:
        """Bytes of arena to declare that the plan saves."""
        return self.before.declare_bytes - self.after.declare_bytes


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What a plan may do. ``effort`` is ``fast``, ``default`` or ``best``; ``time_limit`` seconds of CPU time."""

    effort: str = "default"
    time_limit: float | None = None
    reorder: bool = True
    alias: bool = True
    clean_up: bool = True
    fit_bytes: int | None = None
    """Stop at the first step whose arena to declare is at most this."""
    progress: Progress | None = field(default=None, compare=False)


def make_plan(graph: Graph, target: Target | str = DEFAULT_TARGET, options: PlanOptions | None = None) -> Plan:
    """Find a plan for ``graph`` on ``target``.

    Steps, each kept only where it makes the arena smaller: clean-ups that leave the outputs as they are, offsets for
    the order of the file, aliases, another order. Deterministic for a given effort unless the time limit ends it.

    Examples
    --------
    >>> from mcuplan.zoo import build
    >>> plan = make_plan(build("visual-wake-words"))
    >>> plan.before.declare_bytes, plan.after.declare_bytes, plan.after.nonpersistent_bytes
    (100720, 82192, 55296)
    """
    return _Planner(graph, Target.parse(target) if isinstance(target, str) else target, options or PlanOptions()).run()


@dataclass(frozen=True)
class _Candidate:
    graph: Graph
    layout: Layout | None
    declare_bytes: int
    head_bytes: int
    order: tuple[int, ...]

    @property
    def rank(self) -> tuple[int, int]:
        return self.declare_bytes, self.head_bytes


class _Planner:
    def __init__(self, graph: Graph, target: Target, options: PlanOptions) -> None:
        self.original = graph
        self.target = target
        self.options = options
        self.start = process_time()
        self.steps: list[PlanStep] = []
        self.before = predict(graph, target)
        file_order = tuple(range(len(graph.main.operators)))
        self.best = self.given = _Candidate(
            graph, None, self.before.declare_bytes, self.before.nonpersistent_bytes, file_order
        )

    def run(self) -> Plan:
        cleanups: tuple[CleanupStep, ...] = ()
        for name, search in self._searches():
            if self._fits():
                break
            before = self.best.declare_bytes
            found, detail = search()
            if found is not None and found.rank < self.best.rank:
                self.best = found
            self.steps.append(PlanStep(name, detail, before, self.best.declare_bytes))
        if self.best.declare_bytes >= self.before.declare_bytes:
            self.best = self.given  # what gains nothing is left alone
        elif self.options.clean_up:
            cleanups = self.cleanups
        return self._finish(cleanups)

    def _searches(self) -> Iterator[tuple[str, Callable[[], tuple[_Candidate | None, str]]]]:
        self.cleanups: tuple[CleanupStep, ...] = ()
        if not may_renumber(self.original):
            return  # what lies where means something to others: an accelerator, a decompressor
        if self.options.clean_up:
            yield "clean-up", self._clean_up
        yield "allocation", self._allocate
        if self.options.alias:
            yield "aliasing", self._alias
        if self.options.reorder:
            yield "order", self._reorder

    def _fits(self) -> bool:
        fit = self.options.fit_bytes
        return fit is not None and self.best.declare_bytes <= fit

    def _remaining(self) -> float | None:
        limit = self.options.time_limit
        return None if limit is None else max(limit - (process_time() - self.start), 0.0)

    def _candidate(self, graph: Graph, layout: Layout, order: tuple[int, ...]) -> _Candidate:
        planned = set_offline_plan(graph, layout.offsets)
        arena = predict(planned, self.target)
        return _Candidate(planned, layout, arena.declare_bytes, arena.nonpersistent_bytes, order)

    def _solve(self, problem: ArenaProblem, aliases: Sequence[AliasOption], effort: str) -> Layout:
        return problem.layout(aliases, effort, self._remaining(), self.options.progress)

    def _clean_up(self) -> tuple[_Candidate | None, str]:
        cleaned, done = clean_up(self.best.graph)
        if not done:
            return None, "nothing to clean up"
        arena = predict(cleaned, self.target)
        self.cleanups = done
        order = tuple(range(len(cleaned.main.operators)))
        return (
            _Candidate(cleaned, None, arena.declare_bytes, arena.nonpersistent_bytes, order),
            ", ".join(step.name for step in done),
        )

    def _allocate(self) -> tuple[_Candidate | None, str]:
        problem = ArenaProblem(self.best.graph, self.target)
        layout = self._solve(problem, (), self.options.effort)
        return self._candidate(self.best.graph, layout, self.best.order), layout.proof

    def _alias(self) -> tuple[_Candidate | None, str]:
        problem = ArenaProblem(self.best.graph, self.target)
        best: _Candidate | None = None
        for chosen in alias_choices([o for options in problem.options for o in options]):
            layout = self._solve(problem, chosen, self.options.effort)
            found = self._candidate(self.best.graph, layout, self.best.order)
            if best is None or found.rank < best.rank:
                best = found
        count = len(best.layout.aliases) if best and best.layout else 0
        return best, "1 tensor shares bytes with another" if count == 1 else f"{count} tensors share bytes with others"

    def _reorder(self) -> tuple[_Candidate | None, str]:
        base = set_offline_plan(self.best.graph, None)
        best: _Candidate | None = None
        tried = 0
        for order in better_orders(base, predict(base, self.target), self.options.effort, self._remaining()):
            tried += 1
            moved = reorder(base, order)
            problem = ArenaProblem(moved, self.target)
            every = [o for options in problem.options for o in options]
            for chosen in alias_choices(every) if self.options.alias else ((),):
                found = self._candidate(moved, self._solve(problem, chosen, "fast"), tuple(order))
                if best is None or found.rank < best.rank:
                    best = found
        return best, f"{tried} other orders tried" if tried else "the order of the file is the best known"

    def _finish(self, cleanups: tuple[CleanupStep, ...]) -> Plan:
        best = self.best
        after = predict(best.graph, self.target)
        layout = best.layout
        if layout is None:
            # The plan that was there stays: say how far from the best it is.
            bound = ArenaProblem(best.graph, self.target).lower_bound()
            optimal = after.nonpersistent_bytes <= bound
            bound = min(bound, after.nonpersistent_bytes)  # a plan in the model may let tensors share bytes
            proof = "the plan that stays meets the lower bound" if optimal else "no better plan was found"
        else:
            bound, optimal, proof = layout.lower_bound_bytes, layout.optimal, layout.proof
        return Plan(
            graph=best.graph,
            before=self.before,
            after=after,
            order=best.order,
            offsets=layout.offsets if layout else (),
            aliases=layout.aliases if layout else (),
            lower_bound_bytes=bound,
            optimal=optimal,
            proof=proof,
            steps=tuple(self.steps),
            cleanups=cleanups if best.graph is not self.original else (),
        )


def alias_choices(options: Sequence[AliasOption]) -> Iterator[Sequence[AliasOption]]:
    """Sets of aliases worth trying, the most promising first: all, copies and overwrites first, moves only, none."""
    if not options:
        return
    share = [o for o in options if o.relation is Relation.SHARE]
    over = [o for o in options if o.relation is Relation.OVERWRITE]
    seen: list[Sequence[AliasOption]] = []
    for choice in ([*share, *over], [*over, *share], over, share):
        if choice and choice not in seen:
            seen.append(choice)
            yield choice
