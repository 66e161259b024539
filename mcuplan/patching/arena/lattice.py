"""The best combination of stages: paths over the boundaries between operators, from the first to the last.

Each edge of a path is one operator run whole or one stage in one form. The bytes in use are the maximum along a path;
persistent bytes, TFLM's peak while it plans, and MACs add up. Paths are followed best first, by what the whole plan
takes at least; an edge is made exact only when its path comes first: a stage before its forms are looked at, a form
from its rows alone, and at last the stage as it was written. So the first path that comes to the end is the best of
the whole space, and next to nothing of the space has been written.

Source of the scheme: R. Dechter and J. Pearl, "Generalized best-first search strategies and the optimality of A*",
1985; edges made exact late, as in B. Cohen et al., "Planning single-arm manipulations with n-arm robots" (Lazy
weighted A*), 2014.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from heapq import heappop, heappush
from itertools import count

from mcuplan.deadline import Deadline
from mcuplan.estimates.instructions import CostModel
from mcuplan.graph import Graph
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.arena.outside import Outside
from mcuplan.patching.arena.space import Effort, forms
from mcuplan.patching.arena.trials import Trial, Trials
from mcuplan.patching.writing.forms import Kind, StageCost, StageForm, balanced, stage_cost
from mcuplan.patching.writing.price import StagePricer
from mcuplan.patching.writing.reader import WINDOWED, StageReader, UnsupportedStageError
from mcuplan.tflm.alignment import aligned
from mcuplan.tflm.target import Target

_LEAST_GROWTH = 200
"""Persistent bytes that any stage adds at least: the operators that bring strips together."""

_ENDLESS = 1 << 60

Progress = Callable[[int, int], None]
"""Told after each trial: stages tried, and bytes that the best plan takes at least."""


@dataclass(frozen=True, slots=True)
class StageChoice:
    """A stage in a form: operators ``[first, last)``, its MACs, and those of the same operators run whole; instructions
    of both where the target has a cost model, else 0.

    ``live_bytes`` are in use while it runs, what passes it by included; ``growth_bytes`` is what it adds to TFLM's
    persistent section.
    """

    stage: PatchStage
    form: StageForm
    macs: int
    whole_macs: int
    live_bytes: int
    growth_bytes: int
    instructions: float = 0.0
    whole_instructions: float = 0.0

    @property
    def first(self) -> int:
        """Its first operator."""
        return self.stage.first

    @property
    def last(self) -> int:
        """The operator behind its last one."""
        return self.stage.last

    @property
    def overhead(self) -> float:
        """MACs of the stage by those of its operators run whole."""
        return self.macs / self.whole_macs if self.whole_macs else 1.0


@dataclass(frozen=True, slots=True)
class Path:
    """What runs before boundary ``at``: bytes in use at most, what is added to the given model, and the stages.

    ``extra_time`` are instructions, or MACs where the target has no cost model.
    """

    at: int = 0
    peak: int = 0
    growth: int = 0
    planning: int = 0
    extra_macs: int = 0
    extra_time: float = 0.0
    choices: tuple[StageChoice, ...] = ()

    def beats(self, other: Path, macs: bool = True) -> bool:
        """Whether no path that goes on from ``other`` can be better than the same going on from this one.

        Without ``macs`` these do not count.
        """
        return (
            self.peak <= other.peak
            and self.growth <= other.growth
            and self.planning <= other.planning
            and self.extra_time <= other.extra_time
            and (not macs or self.extra_macs <= other.extra_macs)
        )


@dataclass(frozen=True, slots=True)
class Limits:
    """Time and MACs that stages may add, and the arena that is to be declared at most (None: as little as possible).

    With an arena given, the least time comes first; otherwise the least arena.
    """

    extra_time: float
    extra_macs: float = math.inf
    fit_bytes: int | None = None
    below_bytes: int | None = None


class Lattice:
    """All combinations of stages of a graph on a target; remembers what was made exact.

    With ``model`` time are instructions, without one MACs. Rows of tensor ``streamed`` come from outside: what reads
    it must be a stage, and what a source has to hold for it counts as growth.
    """

    def __init__(
        self,
        graph: Graph,
        target: Target,
        effort: Effort,
        model: CostModel | None = None,
        progress: Progress | None = None,
        deadline: Deadline | None = None,
        streamed: int | None = None,
        plain: bool = False,
    ) -> None:
        self.graph = graph
        self.effort = effort
        self.streamed = streamed
        self.reader = StageReader(graph, streamed, plain)
        self.outside = Outside(graph, target)
        self.trials = Trials(graph, target, deadline, streamed, plain)
        self.pricer = StagePricer.of(self.reader, model) if model is not None else None
        self._deadline = deadline or Deadline()
        self._progress = progress
        self._forms: dict[PatchStage, list[_Option]] = {}
        self._kinds: dict[object, _Option | None] = {}
        self._balanced: set[tuple[PatchStage, StageForm]] = set()
        self._passing: dict[PatchStage, int] = {}
        self._stages, self._floor = self._useful_stages()

    @property
    def exhausted(self) -> bool:
        """Whether no stage is tried any more; then only the tried ones are combined."""
        return self.trials.tried >= self.effort.trials

    def paths(self, limits: Limits) -> Iterator[tuple[int, Path]]:
        """Every combination that is worth it, best first, with the bytes of arena that it takes at least.

        Combinations that another one beats in every respect are left out.
        """
        order = count()
        heap: list[tuple[tuple[float, float], int, int, Path, _Edge | None]] = []
        reached: dict[int, list[Path]] = {}

        def push(path: Path, edge: _Edge | None) -> None:
            least = self._least(path)
            if path.extra_time > limits.extra_time or path.extra_macs > limits.extra_macs:
                return
            if limits.below_bytes is not None and least >= limits.below_bytes:
                return
            if limits.fit_bytes is not None and least > limits.fit_bytes:
                return
            key = (least, path.extra_time) if limits.fit_bytes is None else (path.extra_time, least)
            heappush(heap, (key, -path.at, next(order), path, edge))

        push(Path(peak=self._floor), None)
        macs = limits.extra_macs < math.inf
        while heap:
            self._deadline.check()
            _, _, _, path, edge = heappop(heap)
            if any(known.beats(path, macs) for known in reached.get(path.at, ())):
                continue
            if edge is not None:
                for finer, what in self._refined(edge):
                    push(finer, what)
                continue
            reached.setdefault(path.at, []).append(path)
            if path.at == len(self.graph.main.operators):
                yield self._least(path), path
                continue
            for onward, what in self._onward(path):
                push(onward, what)

    def neighbours(self, path: Path) -> Iterator[tuple[int, Path]]:
        """The same stages with one of them in a form that needs fewer bytes while it runs, as :meth:`paths` tells them.

        :meth:`paths` leaves these out where another stage needs more at its time; they may be easier to place.
        """
        for i, choice in enumerate(path.choices):
            for option in sorted(self._options(choice.stage), key=lambda o: o.least.inside):
                if option.least.inside + self._passing_bytes(choice.stage) >= choice.live_bytes:
                    break
                tried = self._tried(choice.stage, option)
                if tried is not None:
                    forms = [(c.stage, c.form) for c in path.choices]
                    found = self._combined([*forms[:i], (choice.stage, tried.form), *forms[i + 1 :]])
                    if found.choices[i].live_bytes < choice.live_bytes:
                        yield self._least(found), found

    def _combined(self, stages: Sequence[tuple[PatchStage, StageForm]]) -> Path:
        """The path through stages in forms that were tried."""
        path = Path(peak=self._floor)
        for stage, form in stages:
            trial = self.trials(stage, form)
            assert trial is not None
            option = _Option(form, self._cost(stage, form), trial)
            path = self._behind(_Edge(self._whole(path, stage.first), stage), option, trial)
        return self._whole(path, len(self.graph.main.operators))

    # -- edges ---------------------------------------------------------------------------------------------------

    def _onward(self, path: Path) -> Iterator[tuple[Path, _Edge | None]]:
        if self.streamed not in self.graph.main.operators[path.at].inputs:  # which is nowhere whole
            yield self._whole(path, path.at + 1), None
        for stage in self._stages.get(path.at, ()):
            peak = max(path.peak, self._stage_least(stage))
            least = replace(path, at=stage.last, peak=peak, growth=path.growth + _LEAST_GROWTH)
            yield least, _Edge(path, stage)

    def _whole(self, path: Path, at: int) -> Path:
        """The path gone on to boundary ``at``, all operators run whole."""
        return replace(path, at=at, peak=max([path.peak, *self.outside.operator_bytes[path.at : at]]))

    def _refined(self, edge: _Edge) -> Iterator[tuple[Path, _Edge | None]]:
        path, stage = edge.path, edge.stage
        if edge.option is None:
            for option in self._options(stage):
                if option.trial is not None:
                    yield self._behind(edge, option, option.trial), None
                elif not self.exhausted:
                    yield self._behind(edge, option, option.least), _Edge(path, stage, option)
            return
        tried = self._tried(stage, edge.option)
        for option in self._uneven(stage, tried):
            yield self._behind(edge, option, option.least), _Edge(path, stage, option)
        if tried is not None and tried.trial is not None:
            behind = self._behind(edge, tried, tried.trial)
            if self._progress is not None:
                self._progress(self.trials.tried, self._least(behind))
            yield behind, None

    def _behind(self, edge: _Edge, option: _Option, trial: Trial) -> Path:
        path, stage, cost = edge.path, edge.stage, option.cost
        live = trial.inside + self._passing_bytes(stage)
        return Path(
            stage.last,
            max(path.peak, live),
            path.growth + trial.growth + trial.buffer,
            path.planning + trial.planning,
            path.extra_macs + cost.extra_macs,
            path.extra_time + option.extra_time,
            (
                *path.choices,
                StageChoice(
                    stage, option.form, cost.macs, cost.whole_macs, live, trial.growth,
                    cost.instructions, cost.whole_instructions,
                ),
            ),
        )  # fmt: skip

    def _cost(self, stage: PatchStage, form: StageForm) -> StageCost:
        return stage_cost(self.reader, stage, form, self.pricer)

    def _options(self, stage: PatchStage) -> Sequence[_Option]:
        """The stage's forms that no tried one beats."""
        if stage not in self._forms:
            found = list(self._useful_forms(stage))
            # Where time has a price there are several times as many forms.
            self._forms[stage] = found if self.pricer is None else _undominated(found)
        return self._forms[stage]

    def _useful_forms(self, stage: PatchStage) -> Iterator[_Option]:
        """The stage's forms that can be written and need less than its operators run whole, which add nothing."""
        room = max(self.outside.operator_bytes[stage.first : stage.last]) - self._passing_bytes(stage)
        room = _ENDLESS if stage.source == self.streamed else room
        full: set[tuple[Kind, str, bool]] = set()
        priced, headed = self.pricer is not None, stage.source == self.streamed
        for form in forms(self.graph, stage, self.effort, priced, headed):
            self._deadline.check()
            family = form.kind, form.padding, form.stream
            if family in full:
                continue
            option = self._option(stage, form)
            if option is None:
                continue
            if option.least.inside < room:
                yield option
            elif form.kind not in (Kind.PATCHES, Kind.CHANNELS):
                full.add(family)  # those that follow are higher

    def _option(self, stage: PatchStage, form: StageForm) -> _Option | None:
        """A form by its rows alone, of stages that recur worked out once; None where it cannot be written."""
        key = self.trials.kind(stage), form
        if key not in self._kinds:
            try:
                self._kinds[key] = _Option(form, self._cost(stage, form))
            except UnsupportedStageError:
                self._kinds[key] = None
        return self._kinds[key]

    def _tried(self, stage: PatchStage, option: _Option) -> _Option | None:
        """The option made exact, if nothing was in the way; its forms lose those that it beats."""
        options = self._forms[stage]
        known = next((o for o in options if o.form == option.form), None)
        if known is None or known.trial is not None or self.exhausted:
            return known if known is not None and known.trial is not None else None
        trial = self.trials(stage, option.form)
        tried = None if trial is None else replace(option, trial=trial)
        others = [o for o in options if o.form != option.form and not (tried is not None and tried.beats(o))]
        self._forms[stage] = others if tried is None else [*others, tried]
        return tried

    def _uneven(self, stage: PatchStage, tried: _Option | None) -> Iterator[_Option]:
        """A form with uneven strips beside one with even ones that was just tried, where that needs less."""
        if tried is None or tried.form.kind is not Kind.STRIPS or (stage, tried.form) in self._balanced:
            return
        self._balanced.add((stage, tried.form))
        form = balanced(self.reader, stage, tried.form)
        if form != tried.form:
            self._balanced.add((stage, form))
            option = _Option(form, self._cost(stage, form))
            self._forms[stage].append(option)
            yield option

    # -- bounds --------------------------------------------------------------------------------------------------

    def _useful_stages(self) -> tuple[dict[int, list[PatchStage]], int]:
        """Stages that can help, by first operator, and the bytes in use that every plan has at least.

        Such a stage has an operator with a window, and one that needs more than any plan must have.
        """
        operators = self.graph.main.operators
        windowed = [op.name in WINDOWED for op in operators]
        every = [s for k in range(len(operators)) for s in self.reader.stages(k) if any(windowed[s.first : s.last])]
        floor = min(peak for peak, _ in self._rest(every)[0])
        found: dict[int, list[PatchStage]] = {}
        for stage in every:
            hungry = max(self.outside.operator_bytes[stage.first : stage.last]) > floor
            if hungry or stage.source == self.streamed:
                found.setdefault(stage.first, []).append(stage)
        return found, floor

    @cached_property
    def _ahead(self) -> list[list[tuple[int, int]]]:
        return self._rest([stage for stages in self._stages.values() for stage in stages])

    def _rest(self, stages: list[PatchStage]) -> list[list[tuple[int, int]]]:
        """For each boundary, (bytes in use, persistent growth) of what may come behind it, at least; best pairs."""
        operators = self.outside.operator_bytes
        by_first: dict[int, list[PatchStage]] = {}
        for stage in stages:
            by_first.setdefault(stage.first, []).append(stage)
        rest: list[list[tuple[int, int]]] = [[(0, 0)]]
        for at in reversed(range(len(operators))):
            behind = len(operators) - at - 1  # rest[i] is that of boundary len(operators) - i
            pairs = [(max(peak, operators[at]), growth) for peak, growth in rest[behind]]
            for stage in by_first.get(at, ()):
                least = self._stage_least(stage)
                pairs += [(max(p, least), g + _LEAST_GROWTH) for p, g in rest[len(operators) - stage.last]]
            rest.append(_best_pairs(pairs))
        return rest[::-1]

    def _stage_least(self, stage: PatchStage) -> int:
        return self._passing_bytes(stage) + self.outside.ends_bytes(stage, self.streamed)

    def _passing_bytes(self, stage: PatchStage) -> int:
        if stage not in self._passing:
            self._passing[stage] = self.outside.passing_bytes(stage)
        return self._passing[stage]

    def _least(self, path: Path) -> int:
        """Bytes of arena to declare that every plan beginning with ``path`` takes."""
        persistent = self.outside.persistent_bytes + path.growth
        final = min(aligned(max(path.peak, peak) + persistent + growth) for peak, growth in self._ahead[path.at])
        return max(final, aligned(self.outside.planning_bytes + path.planning))


@dataclass(frozen=True, slots=True)
class _Option:
    """A form of a stage: what it costs at least, and exactly once it was tried."""

    form: StageForm
    cost: StageCost
    trial: Trial | None = None

    @property
    def extra_time(self) -> float:
        """Instructions that the form adds, or MACs where there is no cost model."""
        cost = self.cost
        return cost.instructions - cost.whole_instructions if cost.instructions else float(cost.extra_macs)

    @property
    def least(self) -> Trial:
        """The best that a trial could find."""
        return self.trial or Trial(self.cost.least.inside, max(self.cost.least.growth, _LEAST_GROWTH), 0)

    def beats(self, other: _Option) -> bool:
        """Whether the other form, whatever it takes exactly, takes no less of anything."""
        mine, theirs = self.least, other.least
        return (
            mine.inside <= theirs.inside
            and mine.growth <= theirs.growth
            and mine.planning <= theirs.planning
            and self.extra_time <= other.extra_time
            and self.cost.extra_macs <= other.cost.extra_macs
        )


@dataclass(frozen=True, slots=True)
class _Edge:
    """A stage behind a path that is not exact yet: as it is, or in a form of which the rows are known."""

    path: Path
    stage: PatchStage
    option: _Option | None = None


def _undominated(options: list[_Option]) -> list[_Option]:
    """Options that no other one clearly beats by its rows alone: as written, a few bytes more or less may turn up."""
    found: list[_Option] = []
    for option in sorted(options, key=lambda o: (o.extra_time, o.least.inside, o.least.growth)):
        if not any(known.beats(option) and _CLEARLY * known.least.inside <= option.least.inside for known in found):
            found.append(option)
    return found


_CLEARLY = 1.05
"""By how much a form must need less than another one for that to be left out."""


def _best_pairs(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    for peak, growth in sorted(pairs):
        if not found or growth < found[-1][1]:
            found.append((peak, growth))
    return found
