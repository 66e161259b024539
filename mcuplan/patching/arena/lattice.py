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
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from mcuplan.deadline import Deadline
from mcuplan.estimates.instructions import CostModel
from mcuplan.graph import Graph
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.arena.options import Candidate, Option, Options, best_pairs
from mcuplan.patching.arena.outside import Outside
from mcuplan.patching.arena.space import Effort
from mcuplan.patching.writing.floors import Floor
from mcuplan.patching.writing.forms import StageForm
from mcuplan.patching.writing.reader import WINDOWED
from mcuplan.tflm.alignment import aligned
from mcuplan.tflm.target import Target

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


@dataclass(frozen=True, slots=True)
class Limits:
    """Time and MACs that stages may add, and the arena that is to be declared at most (None: as little as possible).

    With an arena given, the least time comes first; otherwise the least arena.
    """

    extra_time: float
    extra_macs: float = math.inf
    fit_bytes: int | None = None
    below_bytes: int | None = None


class _Label:
    """A path to boundary ``at`` by its last edge: ``option`` of the stage ``by`` behind path ``before``.

    Not ``exact`` is one whose last edge is known by its rows only, as a stage in some kind of form, or (``option``
    None) in any form.
    """

    __slots__ = ("at", "before", "by", "exact", "growth", "macs", "option", "peak", "planning", "time")

    def __init__(
        self, at: int, peak: int, growth: int, planning: int, macs: int, time: float,
        before: _Label | None = None, by: Candidate | None = None, option: Option | Floor | None = None,
        exact: bool = True,
    ) -> None:  # fmt: skip
        self.at = at
        self.peak = peak
        self.growth = growth
        self.planning = planning
        self.macs = macs
        self.time = time
        self.before = before
        self.by = by
        self.option = option
        self.exact = exact

    def path(self) -> Path:
        """The path with its stages, first to last."""
        choices: list[StageChoice] = []
        label: _Label | None = self
        while label is not None:
            if label.by is not None and isinstance(label.option, Option):
                choices.append(_choice(label.by, label.option))
            label = label.before
        return Path(
            self.at, self.peak, self.growth, self.planning, self.macs, self.time, tuple(reversed(choices))
        )  # fmt: skip


def _choice(candidate: Candidate, option: Option) -> StageChoice:
    cost = option.cost
    return StageChoice(
        candidate.stage, option.form, cost.macs, cost.whole_macs, option.inside + candidate.passing, option.growth,
        cost.instructions, cost.whole_instructions,
    )  # fmt: skip


class Walk:
    """Every combination of stages that is worth it, best first; it may be narrowed as it goes."""

    def __init__(self, lattice: Lattice, limits: Limits, peak: int = 0) -> None:
        self._lattice = lattice
        self._steps = lattice.steps
        self._limits = limits
        self._most_time = limits.extra_time
        self._counts_macs = limits.extra_macs < math.inf
        self._heap: list[tuple[float, float, int, int, int, _Label]] = []
        self._reached: list[list[_Label]] = [[] for _ in range(lattice.end + 1)]
        self._pushed = 0
        self._yielded: list[tuple[int, Path]] = []
        self._ahead = _Ahead(lattice, limits.extra_time)
        self._push(_Label(0, max(lattice.floor, peak), 0, 0, 0, 0.0))

    def __iter__(self) -> Iterator[tuple[int, Path]]:
        """Paths to the end with the bytes of arena that they take at least.

        Combinations that another one beats in every respect are left out.
        """
        while self._heap and self._steps:
            self._steps -= 1
            found = self._step()
            if found is not None:
                self._yielded.append(found)
                yield found

    @property
    def ended_early(self) -> bool:
        """Whether it has no steps left."""
        return not self._steps

    def best(self, most_time: float) -> tuple[int, Path] | None:
        """The best combination that adds no more than ``most_time`` and any stage; from now on none that adds more."""
        self._most_time = min(self._most_time, most_time)
        self._ahead.sharpen(self._most_time)
        known = (found for found in self._yielded if found[1].choices and found[1].extra_time <= most_time)
        best = min(known, key=lambda found: found[0], default=None)
        if best is not None:
            return best
        return next((found for found in self if found[1].choices), None)

    def _step(self) -> tuple[int, Path] | None:
        """Take the best path so far one step on; itself where it has come to the end."""
        lattice = self._lattice
        lattice.deadline.check()
        *_, known, _, label = heappop(self._heap)
        if label.time > self._most_time or self._beaten(label):
            return None
        if self._ahead.least(label) > known:
            self._push(label)
            return None
        if not label.exact:
            self._refine(label)
            return None
        self._reached[label.at].append(label)
        if label.at == lattice.end:
            path = label.path()
            return lattice.least(path), path
        if not lattice.fed[label.at]:
            whole = max(label.peak, lattice.outside.operator_bytes[label.at])
            self._push(_Label(label.at + 1, whole, label.growth, label.planning, label.macs, label.time, label))
        for candidate in lattice.stages.get(label.at, ()):
            if not candidate.hopeless:
                peak, growth = max(label.peak, candidate.live), label.growth + candidate.growth
                time = label.time + candidate.time
                at, planning = candidate.stage.last, label.planning
                self._push(_Label(at, peak, growth, planning, label.macs, time, label, candidate, None, False))
        return None

    def _refine(self, label: _Label) -> None:
        """Make the last edge of a path more exact."""
        options = self._lattice.options
        candidate, before = label.by, label.before
        assert candidate is not None
        assert before is not None
        if label.option is None:
            self._ahead.sharpen()
            for floor in candidate.unknown:
                self._push(self._lattice.at_least(before, candidate, floor))
            self._go_each(before, candidate, candidate.options)
            return
        if isinstance(label.option, Floor):
            known = options.among(candidate, label.option)
            self._ahead.sharpen()
            self._go_each(before, candidate, known)
            return
        found = options.counted(candidate, label.option)
        if found is not None and label.option.counted:
            found = options.tried(candidate, found)
        if found is None:
            return
        self._go(before, candidate, found)
        if found.tried:
            uneven = candidate.uneven.get(found.form)
            self._go_each(before, candidate, [o for o in candidate.options if o.form == uneven])
            self._lattice.tell(self._ahead.least(self._lattice.behind(before, candidate, found)))

    def _go_each(self, before: _Label, candidate: Candidate, known: Sequence[Option]) -> None:
        exhausted = self._lattice.exhausted
        for option in known:
            if option.tried or option.counted or not exhausted:
                self._go(before, candidate, option)

    def _go(self, before: _Label, candidate: Candidate, option: Option) -> None:
        if before.time + option.extra_time <= self._most_time:
            self._push(self._lattice.behind(before, candidate, option))

    def _push(self, label: _Label) -> None:
        limits = self._limits
        if label.time > self._most_time or label.macs > limits.extra_macs or self._beaten(label):
            return
        least = self._ahead.least(label)
        if limits.below_bytes is not None and least >= limits.below_bytes:
            return
        if limits.fit_bytes is not None and least > limits.fit_bytes:
            return
        key = (least, label.time) if limits.fit_bytes is None else (label.time, least)
        self._pushed += 1
        heappush(self._heap, (*key, -label.at, least, self._pushed, label))

    def _beaten(self, label: _Label) -> bool:
        """Whether no path that goes on from here can be better than one going on from a path that came here before."""
        peak, growth, planning, time = label.peak, label.growth, label.planning, label.time
        for known in self._reached[label.at]:
            if (
                known.peak <= peak
                and known.growth <= growth
                and known.planning <= planning
                and known.time <= time
                and (not self._counts_macs or known.macs <= label.macs)
            ):
                return True
        return False


class Lattice:
    """All combinations of stages of a graph on a target; remembers what was made exact.

    With ``model`` time are instructions, without one MACs. Rows of tensor ``streamed`` come from outside: what reads
    it must be a stage, and what a source has to hold for it counts as growth. Forms that add more than ``limits`` allow
    are left out. ``stages`` are those that can help, by first operator, ``floor`` the bytes in use that every plan has
    at least, ``end`` the boundary behind the last operator; ``fed`` tells which operators read the streamed tensor.
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
        limits: Limits | None = None,
    ) -> None:
        most = limits or Limits(math.inf)
        self.graph = graph
        self.deadline = deadline or Deadline()
        self.steps = effort.steps
        self.outside = Outside(graph, target)
        self.options = Options(
            graph, target, effort, model, self.outside, self.deadline, streamed, plain, most.extra_time, most.extra_macs
        )
        self.fed = [streamed in op.inputs for op in graph.main.operators]
        self.end = len(graph.main.operators)
        self._progress = progress
        self.stages, self.floor = self._useful_stages()

    @property
    def tried(self) -> int:
        """Stages written and counted."""
        return self.options.trials.tried

    @property
    def exhausted(self) -> bool:
        """Whether no stage is tried any more; then only the tried ones are combined."""
        return self.options.exhausted

    def walk(self, limits: Limits, peak: int = 0) -> Walk:
        """Every combination that is worth it, best first; as if ``peak`` bytes were in use anyway."""
        return Walk(self, limits, peak)

    def neighbours(self, path: Path) -> Iterator[tuple[int, Path]]:
        """The same stages with one of them in a form that needs fewer bytes while it runs, as :meth:`walk` tells them.

        :meth:`walk` leaves these out where another stage needs more at its time; they may be easier to place.
        """
        return self._changed(path, lambda old, live, _: live < old.live_bytes)

    def lighter(self, path: Path, peak: int) -> Iterator[tuple[int, Path]]:
        """The same stages with one of them in a form that adds less and has no more than ``peak`` bytes in use."""
        return self._changed(path, lambda old, live, growth: growth < old.growth_bytes and live <= peak)

    def _changed(self, path: Path, wanted: Callable[[StageChoice, int, int], bool]) -> Iterator[tuple[int, Path]]:
        for i, choice in enumerate(path.choices):
            candidate = self.options.candidate(choice.stage)
            for option in sorted(self.options.of(candidate), key=lambda o: o.inside):
                if not wanted(choice, option.inside + candidate.passing, option.growth):
                    continue
                tried = self.options.tried(candidate, option)
                if tried is not None and wanted(choice, tried.inside + candidate.passing, tried.growth):
                    forms = [(c.stage, c.form) for c in path.choices]
                    found = self.combined([*forms[:i], (choice.stage, tried.form), *forms[i + 1 :]])
                    yield self.least(found), found

    def combined(self, stages: Sequence[tuple[PatchStage, StageForm]]) -> Path:
        """The path through stages in forms that were tried."""
        label = _Label(0, self.floor, 0, 0, 0, 0.0)
        for stage, form in stages:
            label = self._whole(label, stage.first)
            candidate = self.options.candidate(stage)
            label = self.behind(label, candidate, self.options.again(stage, form))
        return self._whole(label, self.end).path()

    def _whole(self, label: _Label, at: int) -> _Label:
        """The path gone on to boundary ``at``, all operators run whole."""
        peak = max([label.peak, *self.outside.operator_bytes[label.at : at]])
        return _Label(at, peak, label.growth, label.planning, label.macs, label.time, label)

    def behind(self, before: _Label, candidate: Candidate, option: Option) -> _Label:
        """The path gone on by a stage."""
        return _Label(
            candidate.stage.last,
            max(before.peak, option.inside + candidate.passing),
            before.growth + option.growth,
            before.planning + option.planning,
            before.macs + option.extra_macs,
            before.time + option.extra_time,
            before,
            candidate,
            option,
            option.tried,
        )

    def at_least(self, before: _Label, candidate: Candidate, floor: Floor) -> _Label:
        """The path gone on by a stage in some kind of form."""
        peak, growth = max(before.peak, floor.inside + candidate.passing), before.growth + floor.growth
        at = candidate.stage.last
        return _Label(at, peak, growth, before.planning, before.macs, before.time, before, candidate, floor, False)

    def tell(self, least: int) -> None:
        """Tell how far the search has come."""
        if self._progress is not None:
            self._progress(self.tried, least)

    # -- bounds --------------------------------------------------------------------------------------------------

    def _useful_stages(self) -> tuple[dict[int, list[Candidate]], int]:
        """Stages that can help, by first operator, and the bytes in use that every plan has at least.

        Such a stage has an operator with a window, and one that needs more than any plan must have.
        """
        operators = self.graph.main.operators
        reader = self.options.reader
        windowed = [op.name in WINDOWED for op in operators]
        stages = [s for k in range(self.end) for s in reader.stages(k) if any(windowed[s.first : s.last])]
        every = [self.options.candidate(stage) for stage in stages]
        floor = min((peak for peak, _ in self.rest(_by_first(every), 0.0, math.inf)[0]), default=0)
        needed, streamed = self.outside.operator_bytes, self.options.streamed
        useful = [
            c for c in every if max(needed[c.stage.first : c.stage.last]) > floor or c.stage.source == streamed
        ]  # fmt: skip
        return _by_first(useful), floor

    def rest(
        self, candidates: Mapping[int, Sequence[Candidate]], price: float, most_time: float
    ) -> list[list[tuple[int, float]]]:
        """For each boundary, what may come behind it at least: bytes in use, and persistent growth with the added time
        at ``price`` bytes an instruction; best pairs."""
        operators = self.outside.operator_bytes
        rest: list[list[tuple[int, float]]] = [[]] * self.end + [[(0, 0.0)]]
        for at in reversed(range(self.end)):
            own = operators[at]
            pairs = [] if self.fed[at] else [(peak if peak > own else own, cost) for peak, cost in rest[at + 1]]
            for candidate in candidates.get(at, ()):
                ahead = rest[candidate.stage.last]
                for live, cost in candidate.bounds(price, most_time):
                    pairs += [(peak if peak > live else live, cost + more) for peak, more in ahead]
            rest[at] = best_pairs(pairs)
        return rest

    def least(self, path: Path) -> int:
        """Bytes of arena to declare that a path to the end takes."""
        final = path.peak + self.outside.persistent_bytes + path.growth
        return aligned(max(final, self.outside.planning_bytes + path.planning))


def _by_first(candidates: Sequence[Candidate]) -> dict[int, list[Candidate]]:
    found: dict[int, list[Candidate]] = {}
    for candidate in candidates:
        found.setdefault(candidate.stage.first, []).append(candidate)
    return found


class _Ahead:
    """What comes behind a boundary takes at least, however it is gone on with; sharper as more forms are known.

    Time that is left has a price: of every plan, bytes and added time at some price are no less than the least of both
    together, so its bytes are no less than that without what all the time that is left would cost (a Lagrangian
    relaxation of the limit; M. L. Fisher, "The Lagrangian relaxation method for solving integer programming problems",
    1981). The best of some prices counts.
    """

    def __init__(self, lattice: Lattice, most_time: float) -> None:
        self._lattice = lattice
        self._most_time = most_time
        self._known = 0
        self._rests: list[tuple[float, list[list[tuple[int, float]]]]] = []
        self.sharpen()

    def sharpen(self, most_time: float | None = None) -> None:
        """Take into account what has become known since, and a lower limit, if there is one."""
        looked_at = self._lattice.options.looked_at
        if most_time is not None and most_time < self._most_time:
            self._most_time = most_time
        elif self._rests and looked_at < self._known + max(_NEWS, self._known // _NEWS):
            return
        self._known = looked_at
        operators = self._lattice.outside.operator_bytes
        worth = (
            (max(operators, default=0) - self._lattice.floor) / self._most_time
            if 0 < self._most_time < math.inf
            else 0.0
        )
        prices = (0.0, *(worth * part for part in _PRICES)) if worth > 0 else (0.0,)
        stages = self._lattice.stages
        self._rests = [(price, self._lattice.rest(stages, price, self._most_time)) for price in prices]

    def least(self, label: _Label) -> int:
        """Bytes of arena to declare that every plan takes that begins with a path like this."""
        outside, peak, at = self._lattice.outside, label.peak, label.at
        most, left = 0.0, self._most_time - label.time
        for price, rest in self._rests:
            pairs = rest[at]
            least = min([(p if p > peak else peak) + cost for p, cost in pairs]) if pairs else math.inf
            if price:
                least -= price * left
            if least > most:
                most = least
        if most == math.inf:
            return _NEVER
        final = outside.persistent_bytes + label.growth + math.ceil(most - _ROUNDING)
        return aligned(max(final, outside.planning_bytes + label.planning))


_NEWS = 12
"""Stages whose forms have to become known, or a twelfth of those that are, before bounds are worked out anew."""

_PRICES = (0.125, 0.5, 2.0)
"""Prices of time: what all of it would cost by what stages may save at most."""

_NEVER = 1 << 60
_ROUNDING = 1e-6
"""What sums of prices may be off by."""
