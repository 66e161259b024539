"""Find a plan: the order, the aliases and the offsets that need the least arena, step by step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from mcuplan.deadline import Deadline, OutOfTimeError
from mcuplan.errors import McuplanError
from mcuplan.graph import Graph
from mcuplan.planning.arena_problem import ArenaProblem, Layout, Progress
from mcuplan.planning.order import better_orders
from mcuplan.proof.memory.static_check import static_check
from mcuplan.rewriting.cleanup import CleanupStep, clean_up, may_renumber
from mcuplan.rewriting.edit import reorder, set_offline_plan
from mcuplan.tflm.aliasing import AliasOption, Relation
from mcuplan.tflm.arena import predict
from mcuplan.tflm.offline import LARGEST_OFFSET, METADATA_NAME
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


@dataclass(frozen=True, slots=True)
class TargetArena:
    """The arena on one target, before and after planning."""

    target: Target
    before: ArenaPrediction
    after: ArenaPrediction


@dataclass(frozen=True)
class Plan:
    """A model with a plan in it, and how it was found.

    ``graph`` is the model to write. ``arenas`` predicts the arena of the given and the planned model on each target
    that the plan is for; ``before`` and ``after`` are those of the target that needs most. ``lower_bound_bytes``
    bounds the non-persistent section for the plan's order and aliases; ``optimal`` tells that it is met or that no
    better placement exists; ``out_of_time`` that the time limit ended the search.
    """

    graph: Graph
    arenas: tuple[TargetArena, ...]
    order: tuple[int, ...]
    offsets: tuple[int, ...]
    aliases: tuple[AliasOption, ...]
    lower_bound_bytes: int
    optimal: bool
    proof: str
    steps: tuple[PlanStep, ...]
    cleanups: tuple[CleanupStep, ...] = ()
    out_of_time: bool = False

    @property
    def targets(self) -> tuple[Target, ...]:
        """What the plan is for."""
        return tuple(arena.target for arena in self.arenas)

    @property
    def before(self) -> ArenaPrediction:
        """The arena of the given model, on the target where it is largest."""
        return worst([arena.before for arena in self.arenas])

    @property
    def after(self) -> ArenaPrediction:
        """The arena of the planned model, on the target where it is largest."""
        return worst([arena.after for arena in self.arenas])

    @property
    def gain_bytes(self) -> int:
        """Bytes of arena to declare that the plan saves."""
        return self.before.declare_bytes - self.after.declare_bytes


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What a plan may do. ``effort`` is ``fast``, ``default`` or ``best``; ``time_limit`` seconds of CPU time.

    ``deadline`` takes the place of ``time_limit`` where planning is a part of what the time is for.
    """

    effort: str = "default"
    time_limit: float | None = None
    reorder: bool = True
    alias: bool = True
    clean_up: bool = True
    fit_bytes: int | None = None
    """Stop at the first step whose arena to declare is at most this."""
    progress: Progress | None = field(default=None, compare=False)
    deadline: Deadline | None = field(default=None, compare=False)


def worst(arenas: Sequence[ArenaPrediction]) -> ArenaPrediction:
    """The prediction with the most bytes to declare, the first of several."""
    return max(arenas, key=lambda arena: arena.declare_bytes)


def parsed_targets(targets: Target | str | Sequence[Target | str]) -> tuple[Target, ...]:
    """One or several targets, each once."""
    given = (targets,) if isinstance(targets, (Target, str)) else targets
    return tuple(dict.fromkeys(Target.parse(t) if isinstance(t, str) else t for t in given))


def make_plan(
    graph: Graph,
    targets: Target | str | Sequence[Target | str] = DEFAULT_TARGET,
    options: PlanOptions | None = None,
) -> Plan:
    """Find a plan for ``graph`` on ``targets``: on several, one that is safe on all of them.

    Steps, each kept only where it makes the arena smaller: clean-ups that leave the outputs as they are, offsets for
    the order of the file, aliases, another order. A plan that the model has already is taken out first; it stays
    where it is safe and nothing better is found, so that planning again changes nothing. Deterministic for a given
    effort unless the time limit ends it; then the best plan so far is given, at worst the model as it is.

    Examples
    --------
    >>> from mcuplan.zoo import build
    >>> plan = make_plan(build("visual-wake-words"))
    >>> plan.before.declare_bytes, plan.after.declare_bytes, plan.after.nonpersistent_bytes
    (100720, 82192, 55296)
    """
    return _Planner(graph, parsed_targets(targets), options or PlanOptions()).run()


@dataclass(frozen=True)
class _Candidate:
    graph: Graph
    layout: Layout | None
    arenas: tuple[ArenaPrediction, ...]
    order: tuple[int, ...]

    @property
    def declare_bytes(self) -> int:
        """The arena to declare, of the target that needs most."""
        return max(arena.declare_bytes for arena in self.arenas)

    @property
    def rank(self) -> tuple[bool, int, int]:
        """What to compare by, less is better: usable, bytes to declare, bytes of the planned section."""
        unusable = self.layout is not None and not self.layout.usable
        return unusable, self.declare_bytes, max(arena.nonpersistent_bytes for arena in self.arenas)


class _Planner:
    def __init__(self, graph: Graph, targets: tuple[Target, ...], options: PlanOptions) -> None:
        self.targets = targets
        self.options = options
        self.deadline = options.deadline or Deadline(options.time_limit)
        self.steps: list[PlanStep] = []
        self.cleanups: tuple[CleanupStep, ...] = ()
        self.best = self.given = self._unplanned(graph)

    def run(self) -> Plan:
        """The best plan found step by step; the given model where nothing is gained."""
        given, planned = self.given, self.given.graph.metadata_data(METADATA_NAME) is not None
        stands = not planned or self._stands(given.graph)
        expressible = given.declare_bytes <= LARGEST_OFFSET
        if expressible and may_renumber(given.graph) and not (stands and self._fits()):
            if planned:
                self._take_out(stands)
            self._search()
        if stands and given.rank <= self.best.rank:
            if self.best.declare_bytes != given.declare_bytes:
                self._noted("plan in the model", "nothing better was found: it stays", given)
            self.best = given
            self.cleanups = ()
        return self._finish()

    def _take_out(self, stands: bool) -> None:
        """Begin with the model without its plan: where that came from must not matter."""
        why = "taken out, to begin with the clean graph"
        if not stands:
            why = f"overwrites bytes that are needed on {' or '.join(map(str, self.targets))}: taken out"
        self._noted("plan in the model", why, self._unplanned(set_offline_plan(self.given.graph, None)))

    def _noted(self, name: str, detail: str, found: _Candidate) -> None:
        self.steps.append(PlanStep(name, detail, self.best.declare_bytes, found.declare_bytes))
        self.best = found

    def _search(self) -> None:
        for name, search in self._searches():
            if self._fits():
                return
            before = self.best.declare_bytes
            try:
                detail = search()
            except OutOfTimeError as error:
                detail = str(error)
            self.steps.append(PlanStep(name, detail, before, self.best.declare_bytes))
            if self.deadline.struck:
                return

    def _searches(self) -> Iterator[tuple[str, Callable[[], str]]]:
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

    def _stands(self, graph: Graph) -> bool:
        return all(not static_check(graph, target) for target in self.targets)

    def _predicted(self, graph: Graph) -> tuple[ArenaPrediction, ...]:
        return tuple(predict(graph, target) for target in self.targets)

    def _unplanned(self, graph: Graph) -> _Candidate:
        return _Candidate(graph, None, self._predicted(graph), tuple(range(len(graph.main.operators))))

    def _offer(self, found: _Candidate) -> bool:
        """Keep what is better than all before."""
        better = found.rank < self.best.rank
        if better:
            self.best = found
        return better

    def _placed(
        self, problem: ArenaProblem, graph: Graph, aliases: Sequence[AliasOption], effort: str, order: tuple[int, ...]
    ) -> _Candidate:
        layout = problem.layout(aliases, effort, self.options.progress)
        planned = set_offline_plan(graph, layout.offsets)
        return _Candidate(planned, layout, self._predicted(planned), order)

    def _problem(self, graph: Graph) -> ArenaProblem:
        return ArenaProblem(graph, self.targets, deadline=self.deadline)

    def _clean_up(self) -> str:
        cleaned, done = clean_up(self.best.graph)
        if not done:
            return "nothing to clean up"
        if self._offer(self._unplanned(cleaned)):
            self.cleanups = done
        return ", ".join(step.name for step in done)

    def _allocate(self) -> str:
        best = self.best
        found = self._placed(self._problem(best.graph), best.graph, (), self.options.effort, best.order)
        self._offer(found)
        assert found.layout is not None
        return found.layout.proof

    def _alias(self) -> str:
        base = self.best
        problem = self._problem(base.graph)
        best: _Candidate | None = None
        for chosen in alias_choices([o for options in problem.options for o in options]):
            self.deadline.check()
            found = self._placed(problem, base.graph, chosen, self.options.effort, base.order)
            self._offer(found)
            best = found if best is None or found.rank < best.rank else best
        count = len(best.layout.aliases) if best and best.layout else 0
        return "1 tensor shares bytes with another" if count == 1 else f"{count} tensors share bytes with others"

    def _reorder(self) -> str:
        base = set_offline_plan(self.best.graph, None)
        arena = worst(self._predicted(base))
        tried = 0
        for order in better_orders(base, arena, self.options.effort, self.deadline):
            tried += 1
            moved = reorder(base, order)
            problem = self._problem(moved)
            every = [o for options in problem.options for o in options]
            for chosen in alias_choices(every) if self.options.alias else ((),):
                self.deadline.check()
                self._offer(self._placed(problem, moved, chosen, "fast", tuple(order)))
        return f"{tried} other orders tried" if tried else "the order of the file is the best known"

    def _finish(self) -> Plan:
        best, layout = self.best, self.best.layout
        if layout is None:
            bound, optimal, proof = self._as_it_is()
        else:
            bound, optimal, proof = layout.lower_bound_bytes, layout.optimal, layout.proof
        return Plan(
            graph=best.graph,
            arenas=tuple(map(TargetArena, self.targets, self.given.arenas, best.arenas)),
            order=best.order,
            offsets=layout.offsets if layout else (),
            aliases=layout.aliases if layout else (),
            lower_bound_bytes=bound,
            optimal=optimal,
            proof=proof,
            steps=tuple(self.steps),
            cleanups=self.cleanups,
            out_of_time=self.deadline.struck,
        )

    def _as_it_is(self) -> tuple[int, bool, str]:
        """How far from the best the plan is that was there and stays."""
        head = max(arena.nonpersistent_bytes for arena in self.best.arenas)
        try:
            bound = self._problem(self.best.graph).lower_bound()
        except OutOfTimeError as error:
            return 0, False, str(error)
        optimal = head <= bound
        # A plan in the model may let tensors share bytes.
        proof = "the plan that stays meets the lower bound" if optimal else "no better plan was found"
        return min(bound, head), optimal, proof


def alias_choices(options: Sequence[AliasOption]) -> Iterator[Sequence[AliasOption]]:
    """Sets of aliases worth trying, the most promising first: all, copies and overwrites first, moves only, none; and
    all without padded maps over their sources, of which some leave no room for what others would win."""
    if not options:
        return
    share = [o for o in options if o.relation is Relation.SHARE]
    over = [o for o in options if o.relation is Relation.OVERWRITE]
    plain = [o for o in over if o.kind != "padded"]
    seen: list[Sequence[AliasOption]] = []
    for choice in ([*share, *over], [*over, *share], over, share, [*share, *plain]):
        if choice and choice not in seen:
            seen.append(choice)
            yield choice
