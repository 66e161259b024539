"""The forms of each stage with what they cost: by their rows alone at first, exactly once one was tried."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mcuplan.deadline import Deadline
from mcuplan.estimates.instructions import CostModel
from mcuplan.graph import Graph
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.arena.outside import Outside
from mcuplan.patching.arena.space import Effort, forms
from mcuplan.patching.arena.trials import Trial, Trials
from mcuplan.patching.writing.floors import Floor, floors
from mcuplan.patching.writing.forms import Kind, StageCost, StageForm, balanced, stage_cost, stage_rows
from mcuplan.patching.writing.price import StagePricer
from mcuplan.patching.writing.reader import StageReader, UnsupportedStageError
from mcuplan.tflm.target import Target


class Option(NamedTuple):
    """A form of a stage: bytes in use inside, persistent and planning growth, instructions (MACs where the target has
    no cost model) and MACs that it adds. At least, until it was ``tried``; then exactly. What is ``counted`` was
    written, and only its bytes in use are those by its rows."""

    form: StageForm
    cost: StageCost
    inside: int
    growth: int
    planning: int
    extra_time: float
    extra_macs: int
    tried: bool = False
    counted: bool = False

    @classmethod
    def of(cls, form: StageForm, cost: StageCost, trial: Trial | None = None) -> Option:
        """A form by its rows, or as it was tried."""
        found = trial or Trial(cost.inside, cost.growth, 0)
        time = cost.instructions - cost.whole_instructions if cost.instructions else float(cost.extra_macs)
        growth = found.growth + found.buffer  # what a source of rows has to hold is memory as well
        tried = trial is not None and trial.inside is not None
        inside = cost.inside if found.inside is None else found.inside
        return cls(form, cost, inside, growth, found.planning, time, cost.extra_macs, tried, trial is not None)

    def beats(self, other: Option) -> bool:
        """Whether the other form, whatever it takes exactly, takes no less of anything."""
        return (
            self.inside <= other.inside
            and self.growth <= other.growth
            and self.planning <= other.planning
            and self.extra_time <= other.extra_time
            and self.extra_macs <= other.extra_macs
        )


@dataclass(slots=True, eq=False)
class Candidate:
    """A stage of a graph: bytes that pass it by, the kinds of forms that were not looked at with what they need at
    least, the forms of the others, what the best of all needs of each, and forms with uneven strips by even ones."""

    stage: PatchStage
    passing: int
    unknown: list[Floor]
    options: list[Option] = field(default_factory=list)
    uneven: dict[StageForm, StageForm] = field(default_factory=dict)
    live: int = 0
    growth: int = 0
    time: float = 0.0

    def __post_init__(self) -> None:
        self.set_options([])

    def set_options(self, options: list[Option]) -> None:
        """The forms that are left."""
        self.options = options
        if options or self.unknown:
            inside = min([*[o.inside for o in options], *[floor.inside for floor in self.unknown]])
            self.live = inside + self.passing
            self.growth = min([*[o.growth for o in options], *[floor.growth for floor in self.unknown]])
            self.time = min([*[o.extra_time for o in options], *([0.0] if self.unknown else [])])

    @property
    def hopeless(self) -> bool:
        """Whether no form is left."""
        return not self.options and not self.unknown

    def bounds(self, price: float, most_time: float) -> list[tuple[int, float]]:
        """Bytes in use, and persistent growth with instructions at ``price`` bytes each, at least; the best pairs."""
        passing = self.passing
        pairs = [(floor.inside + passing, float(floor.growth)) for floor in self.unknown]
        for o in self.options:
            if o.extra_time <= most_time:
                pairs.append((o.inside + passing, o.growth + price * o.extra_time))
        return best_pairs(pairs)


_ENDLESS = 1 << 60


class Options:
    """The forms of a graph's stages on a target; stages that recur are worked out once.

    Forms that add more than ``most_time`` or ``most_macs`` are left out. ``looked_at`` counts how often the forms of
    some kinds became known.
    """

    def __init__(
        self,
        graph: Graph,
        target: Target,
        effort: Effort,
        model: CostModel | None,
        outside: Outside,
        deadline: Deadline,
        streamed: int | None = None,
        plain: bool = False,
        most_time: float = math.inf,
        most_macs: float = math.inf,
    ) -> None:
        self.streamed = streamed
        self.reader = StageReader(graph, streamed, plain)
        self.trials = Trials(graph, target, deadline, streamed, plain)
        self.priced = model is not None
        self._graph = graph
        self._effort = effort
        self._outside = outside
        self._deadline = deadline
        self._most_time = most_time
        self._most_macs = most_macs
        self._pricer = StagePricer(self.reader, target, model)
        self._again: dict[tuple[PatchStage, StageForm], Option] = {}
        self._candidates: dict[PatchStage, Candidate] = {}
        self._of_stage: dict[PatchStage, list[StageForm]] = {}
        self._kinds: dict[tuple[int, StageForm], Option | int | None] = {}
        self.looked_at = 0

    @property
    def exhausted(self) -> bool:
        """Whether no stage is tried any more; then only the tried ones are combined."""
        return self.trials.tried >= self._effort.trials

    def candidate(self, stage: PatchStage) -> Candidate:
        """A stage with what is known of its forms."""
        if stage not in self._candidates:
            least = list(floors(self.reader, stage, self._pricer))
            self._candidates[stage] = Candidate(stage, self._outside.passing_bytes(stage), least)
        return self._candidates[stage]

    def of(self, candidate: Candidate) -> Sequence[Option]:
        """The stage's forms that no tried one beats."""
        for floor in tuple(candidate.unknown):
            self.among(candidate, floor)
        return candidate.options

    def within(self, candidate: Candidate, room: int) -> Sequence[Option]:
        """Those that are known once all kinds were looked at that may take less than ``room`` bytes in all."""
        for floor in tuple(candidate.unknown):
            if floor.inside + candidate.passing + floor.growth < room:
                self.among(candidate, floor)
        return candidate.options

    def among(self, candidate: Candidate, floor: Floor) -> list[Option]:
        """Those of some kinds."""
        if floor in candidate.unknown:
            self.looked_at += 1
            candidate.unknown.remove(floor)
            # Where time has a price there are several times as many forms.
            clearly = _CLEARLY if self.priced else math.inf
            found = _undominated(list(self._useful(candidate, floor)), clearly)
            new = [o for o in found if not any(_beats(known, o, clearly) for known in candidate.options)]
            old = [o for o in candidate.options if o.counted or not any(_beats(known, o, clearly) for known in new)]
            candidate.set_options(old + new)
        return [o for o in candidate.options if o.form.kind in floor.kinds]

    def _forms(self, stage: PatchStage) -> list[StageForm]:
        if stage not in self._of_stage:
            found = forms(self._graph, stage, self._effort, self.priced, stage.source == self.streamed)
            self._of_stage[stage] = list(found)
        return self._of_stage[stage]

    def _useful(self, candidate: Candidate, floor: Floor) -> Iterator[Option]:
        """The forms that can be written and need less than the operators run whole, which add nothing."""
        stage = candidate.stage
        room = max(self._outside.operator_bytes[stage.first : stage.last]) - candidate.passing
        room = _ENDLESS if stage.source == self.streamed else room
        full: set[tuple[Kind, str, bool]] = set()
        for form in self._forms(stage):
            family = form.kind, form.padding, form.stream
            if form.kind not in floor.kinds or family in full:
                continue
            self._deadline.check()
            option = self._option(stage, form, room)
            if isinstance(option, int):
                if form.kind not in (Kind.PATCHES, Kind.CHANNELS, Kind.IN_PLACE):
                    full.add(family)  # those that follow are higher
            elif option is not None and option.extra_time <= self._most_time and option.extra_macs <= self._most_macs:
                yield option

    def _option(self, stage: PatchStage, form: StageForm, room: int) -> Option | int | None:
        """A form by its rows alone; its bytes in use where these are not below ``room``, and None where it cannot be
        written."""
        key = self.trials.kind(stage), form
        try:
            found = self._kinds[key] if key in self._kinds else self._made(stage, form, room)
            if isinstance(found, int) and found < room:
                found = self._made(stage, form, room)
        except UnsupportedStageError:
            found = None
        self._kinds[key] = found
        return found if not isinstance(found, Option) or found.inside < room else found.inside

    def _made(self, stage: PatchStage, form: StageForm, room: int = _ENDLESS) -> Option | int:
        inside = stage_rows(self.reader, stage, form, self._pricer).inside
        return self._priced(stage, form) if inside < room else inside

    def _priced(self, stage: PatchStage, form: StageForm) -> Option:
        return Option.of(form, stage_cost(self.reader, stage, form, self._pricer))

    def counted(self, candidate: Candidate, option: Option) -> Option | None:
        """The option written and its persistent bytes counted, or exact as it is known; None where it is gone."""
        options = candidate.options
        known = next((o for o in options if o.form == option.form), None)
        if known is None or known.tried or known.counted:
            return known
        if self.exhausted:
            return None
        trial = self.trials.sections(candidate.stage, option.form)
        if trial is not None and trial.inside is not None:
            return self.tried(candidate, option)
        found = None if trial is None else Option.of(option.form, option.cost, trial)
        others = [o for o in options if o is not known]
        candidate.set_options(others if found is None else [*others, found])
        return found

    def tried(self, candidate: Candidate, option: Option) -> Option | None:
        """The option made exact, if nothing was in the way; the stage's forms lose those that it beats."""
        options = candidate.options
        known = next((o for o in options if o.form == option.form), None)
        if known is None or known.tried:
            return known
        if self.exhausted and not known.counted:
            return None
        trial = self.trials(candidate.stage, option.form)
        found = None if trial is None else Option.of(option.form, option.cost, trial)
        others = [o for o in options if o.form != option.form and not (found is not None and found.beats(o))]
        candidate.set_options(others if found is None else [*others, found])
        if found is not None:
            self._balance(candidate, found)
        return found

    def again(self, stage: PatchStage, form: StageForm) -> Option:
        """A form that was tried before."""
        if (stage, form) not in self._again:
            trial = self.trials(stage, form)
            assert trial is not None
            self._again[stage, form] = Option.of(form, stage_cost(self.reader, stage, form, self._pricer), trial)
        return self._again[stage, form]

    def _balance(self, candidate: Candidate, tried: Option) -> None:
        """A form with uneven strips beside one with even ones that was just tried, where that needs less."""
        if tried.form.kind is not Kind.STRIPS or tried.form in candidate.uneven.values():
            return
        form = balanced(self.reader, candidate.stage, tried.form)
        if form != tried.form:
            candidate.uneven[tried.form] = form
            if all(o.form != form for o in candidate.options):
                candidate.set_options([*candidate.options, self._priced(candidate.stage, form)])


def best_pairs(pairs: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Pairs that no other one beats in both, by the first."""
    found: list[tuple[int, float]] = []
    for pair in sorted(pairs):
        if not found or pair[1] < found[-1][1]:
            found.append(pair)
    return found


def _undominated(options: list[Option], clearly: float) -> list[Option]:
    """Options that no other one clearly beats by its rows alone: as written, a few bytes more or less may turn up."""
    found: list[Option] = []
    for option in sorted(options, key=lambda o: (o.extra_time, o.inside, o.growth)):
        if not any(_beats(known, option, clearly) for known in found):
            found.append(option)
    return found


def _beats(known: Option, option: Option, clearly: float) -> bool:
    """Whether the other option needs not be looked at: it was tried, or it clearly needs less by its rows."""
    return known.beats(option) and (
        known.tried or clearly * known.inside <= option.inside or _alike(known, option)
    )  # fmt: skip


def _alike(known: Option, option: Option) -> bool:
    """Whether two forms differ in name only, as paddings do where there is none."""
    same = known.form.kind, known.form.cuts, known.form.fast, known.inside, known.growth, known.extra_time
    return same == (
        option.form.kind, option.form.cuts, option.form.fast, option.inside, option.growth, option.extra_time
    )  # fmt: skip


_CLEARLY = 1.05
"""By how much a form must need less than another one for that to be left out."""
