"""The patch stages that leave the least tensor arena to declare on a target, persistent growth included.

Every candidate is written as a graph, and a lower bound of its arena is worked out from that graph itself: the most
bytes in use at one step, and the persistent section as TFLM will allocate it. The best by that bound are placed and
replayed. Stages are added one at a time as long as they gain.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from mcuplan.errors import McuplanError
from mcuplan.graph import Graph
from mcuplan.operators import model_macs
from mcuplan.patching.arena.placing import DraftProblem, PlannedDraft
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.forms import StageForm, even_cuts, stage_cost, write_stage
from mcuplan.patching.writing.reader import POINTWISE, WINDOWED, Form, Stage, StageReader, UnsupportedStageError
from mcuplan.rewriting._accesses import readable_rules
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflm.arena import predict
from mcuplan.tflm.results import ArenaPrediction
from mcuplan.tflm.target import DEFAULT_TARGET, Target

Progress = Callable[[str, int], None]
"""Called with what is being done and the least arena found so far, in bytes."""


class PatchRefusal(McuplanError):  # noqa: N818 - a finding about the model, not a failure
    """Why nothing can be gained from patch stages, in one sentence."""


@dataclass(frozen=True, slots=True)
class StageChoice:
    """A stage as it was written: operators ``[first, last)`` of the given model, and in what form."""

    first: int
    last: int
    form: StageForm
    macs: int
    """MACs of the stage run by strips."""
    whole_macs: int
    """MACs of the same operators in the given model."""

    @property
    def overhead(self) -> float:
        """MACs of the stage by those of its operators run whole."""
        return self.macs / self.whole_macs if self.whole_macs else 1.0


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A candidate that no other one beats in both arena and MACs."""

    declare_bytes: int
    macs_factor: float
    stages: tuple[StageChoice, ...]


@dataclass(frozen=True)
class PatchPlan:
    """A model with patch stages and its plan in it.

    ``graph`` is the model to write; ``before`` and ``after`` predict the arena of the given and the written model;
    ``macs_factor`` is the MACs of one ``Invoke`` by those of the given model.
    """

    graph: Graph
    before: ArenaPrediction
    after: ArenaPrediction
    macs_factor: float
    stages: tuple[StageChoice, ...]
    front: tuple[FrontPoint, ...]
    lower_bound_bytes: int
    tried: int

    @property
    def gain_bytes(self) -> int:
        """Bytes of arena to declare that the stages save."""
        return self.before.declare_bytes - self.after.declare_bytes


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is tried: strips of unrolled stages, sizes of a turn of rolled ones, starts, forms written out a level,
    candidates placed, stages,
    candidates extended by another stage, and the solver's effort."""

    strips: tuple[int, ...]
    rows: int
    starts: int
    built: int
    placed: int
    stages: int
    beam: int
    solver: str


EFFORTS: Mapping[str, Effort] = {
    "fast": Effort((2, 3), 2, 2, 12, 3, 1, 1, "fast"),
    "default": Effort((2, 4), 2, 2, 80, 10, 2, 12, "default"),
    "best": Effort((2, 3, 4, 5, 6, 8), 4, 6, 240, 24, 3, 10, "best"),
}


_PADDINGS: tuple[Form, ...] = ("pad", "crop")

_ALIKE = 3
"""Forms of the same stages that are written out."""


@dataclass(frozen=True)
class _Candidate:
    choices: tuple[StageChoice, ...]
    macs_factor: float
    draft: DraftProblem = field(compare=False)

    @property
    def rank(self) -> tuple[int, float]:
        return self.draft.declare_bound, self.macs_factor


def find_patch_plan(
    graph: Graph,
    target: Target | str = DEFAULT_TARGET,
    max_overhead: float = 1.1,
    fit_bytes: int | None = None,
    effort: str = "default",
    progress: Progress | None = None,
) -> PatchPlan | None:
    """Find the patch stages with the least arena to declare at no more than ``max_overhead`` times the MACs.

    Parameters
    ----------
    graph
        The model; an offline plan in it is dropped.
    target
        What to predict for.
    max_overhead
        Most MACs of the whole model, as a factor.
    fit_bytes
        With it, the fewest MACs among the candidates whose arena to declare is at most this many bytes (of those that
        no other one beats by its bound); the least arena where none is.
    effort
        ``fast``, ``default`` or ``best``.
    progress
        Called as the search goes on.

    Returns
    -------
    PatchPlan or None
        None where stages are possible but none makes the arena smaller.

    Raises
    ------
    PatchRefusal
        Where the model has no operators that strips could run.
    """
    chosen = Target.parse(target) if isinstance(target, str) else target
    return _Search(graph, chosen, max_overhead, fit_bytes, EFFORTS[effort], progress).run()


@dataclass(frozen=True, eq=False)
class _Sketch:
    """Stages with a form each, and estimates: bytes inside them, persistent growth, with what is left outside."""

    choices: tuple[StageChoice, ...]
    before: tuple[_Sketch, ...]
    inside: int
    growth: int
    passed: int
    nonpersistent: int

    @property
    def spans(self) -> tuple[tuple[int, int], ...]:
        return tuple((c.first, c.last) for c in self.choices)

    @property
    def parts(self) -> tuple[_Sketch, ...]:
        return (*self.before, self)

    @property
    def total(self) -> int:
        return self.nonpersistent + self.growth

    @property
    def potential(self) -> int:
        return self.passed + self.growth

    @property
    def key(self) -> tuple[tuple[int, int, StageForm], ...]:
        return tuple((c.first, c.last, c.form) for c in self.choices)


class _Search:
    def __init__(
        self,
        graph: Graph,
        target: Target,
        max_overhead: float,
        fit_bytes: int | None,
        effort: Effort,
        progress: Progress | None,
    ) -> None:
        self.graph = set_offline_plan(graph, None)
        self.reader = StageReader(self.graph)
        self.target = target
        self.max_overhead = max_overhead
        self.fit_bytes = fit_bytes
        self.effort = effort
        self.progress = progress
        self.before = predict(graph, target)
        self.macs = max(model_macs(self.graph).total, 1)
        self.tried = 0
        self.placed: dict[tuple[StageChoice, ...], tuple[_Candidate, PlannedDraft]] = {}
        sizes = {b.tensor: b.size for b in self.before.plan if b.subgraph == 0 and b.tensor >= 0}
        self.op_bytes = [
            0 if op.name in POINTWISE else sum(sizes.get(t, 0) for t in {*op.inputs, *op.outputs})
            for op in self.graph.main.operators
        ]
        self.input_bytes = sum(sizes.get(t, 0) for t in self.graph.main.inputs)

    def run(self) -> PatchPlan | None:
        why = refusal(self.graph)
        if why is None and not readable_rules(self.target):
            why = f"nothing is known of which tensors may share bytes in the kernels of {self.target.library.name}"
        if why is not None:
            raise PatchRefusal(why)
        best = self._place(self._candidates())
        if best is None or best[1].arena.declare_bytes >= self.before.declare_bytes:
            return None
        candidate, planned = best
        return PatchPlan(
            graph=planned.graph,
            before=self.before,
            after=planned.arena,
            macs_factor=candidate.macs_factor,
            stages=candidate.choices,
            front=self._front(),
            lower_bound_bytes=planned.lower_bound_bytes,
            tried=self.tried,
        )

    # -- candidates --------------------------------------------------------------------------------------------------

    def _starts(self, after: int) -> Iterator[int]:
        """Where stages may begin: at the first operators that can be in one, and at the hungriest operators."""
        usable = [k for k in range(after, len(self.op_bytes)) if self.reader.supported(k) is None]
        near = usable[: self.effort.starts]
        hungry = sorted(usable, key=lambda k: (-self.op_bytes[k], k))[: self.effort.starts]
        yield from sorted({*near, *hungry})

    def _stages(self, choices: Sequence[StageChoice]) -> Iterator[Stage]:
        after = max((c.last for c in choices), default=0)
        for first in self._starts(after):
            yield from (s for s in self.reader.stages(first) if s.last - s.first > 1)

    def _outside(self, stages: Iterable[tuple[int, int]], before: int) -> int:
        """Bytes that some operator outside the stages and before operator ``before`` needs at least."""
        inside = {k for first, last in stages for k in range(first, last)}
        return max([self.input_bytes, *(b for k, b in enumerate(self.op_bytes[:before]) if k not in inside)])

    def _candidates(self) -> list[_Candidate]:
        """Every candidate that was written out and can gain: a beam search, one stage more at each level.

        Of each level the most promising forms by their estimate are written out. A level goes on from the stages that
        leave the least behind them: what comes after can still become a stage, what came before cannot.
        """
        built: list[_Candidate] = []
        level: list[tuple[_Sketch, ...]] = [()]
        for _ in range(self.effort.stages):
            sketches = sorted(
                (sketch for before in level for sketch in self._sketches(before)), key=lambda s: (s.total, s.key)
            )
            for sketch in self._worth_writing(sketches):
                candidate = self._candidate(sketch.choices)
                if candidate is not None and candidate.draft.declare_bound < self.before.declare_bytes:
                    built.append(candidate)
                    if self.progress is not None:
                        self.progress("patch stages", min(c.draft.declare_bound for c in built))
            level = self._beam(sketches)
        return built

    def _worth_writing(self, sketches: Sequence[_Sketch]) -> Iterator[_Sketch]:
        """The most promising sketches, not too many of the same stages."""
        seen: dict[tuple[tuple[int, int], ...], int] = {}
        written = 0
        for sketch in sketches:
            count = seen[sketch.spans] = seen.get(sketch.spans, 0) + 1
            if count <= _ALIKE and written < self.effort.built:
                written += 1
                yield sketch

    def _beam(self, sketches: Sequence[_Sketch]) -> list[tuple[_Sketch, ...]]:
        """The stages to go on from, each in its best form: half by what they need, half by what they leave behind."""
        by_need = _best_of_each(sketches)
        by_rest = _best_of_each(sorted(sketches, key=lambda s: (s.potential, s.total, s.key)))
        half = self.effort.beam // 2
        return [s.parts for s in dict.fromkeys([*by_rest[: self.effort.beam - half], *by_need[:half]])]

    def _sketches(self, before: tuple[_Sketch, ...]) -> Iterator[_Sketch]:
        """Every form of one stage more, with its estimate."""
        done = before[-1].choices if before else ()
        for stage in self._stages(done):
            spans = [*((c.first, c.last) for c in done), (stage.first, stage.last)]
            outside = self._outside(spans, len(self.op_bytes))
            passed = self._outside(spans, stage.last)
            if passed + self.before.persistent_bytes >= self.before.declare_bytes:
                continue
            for form in self._forms(stage):
                try:
                    cost = stage_cost(self.reader, stage, form)
                except UnsupportedStageError:
                    continue
                choice = StageChoice(stage.first, stage.last, form, cost.macs, cost.whole_macs)
                choices = (*done, choice)
                if self._factor(choices) > self.max_overhead:
                    continue
                inside = max([cost.estimate.inside, *(s.inside for s in before)])
                growth = cost.estimate.growth + (before[-1].growth if before else 0)
                yield _Sketch(choices, before, inside, growth, max(passed, inside), max(outside, inside))

    def _factor(self, choices: Sequence[StageChoice]) -> float:
        return (self.macs + sum(c.macs - c.whole_macs for c in choices)) / self.macs

    def _forms(self, stage: Stage) -> Iterator[StageForm]:
        height = self.graph.main.tensors[stage.result].shape[1]
        divisors = [rows for rows in range(1, height) if height % rows == 0][: self.effort.rows]
        for padding in _PADDINGS:
            for rows in divisors:
                yield StageForm(even_cuts(height, rows), padding, rolled=True, flow=True)
            for rows in range(1, self.effort.rows + 1):
                if 3 * rows < height:
                    yield StageForm(even_cuts(height, rows), padding, rolled=True)
            for strips in self.effort.strips:
                if strips <= height:
                    rows = -(-height // strips)
                    yield StageForm(even_cuts(height, rows), padding)
                    yield StageForm(even_cuts(height, rows), padding, stream=False)

    def _candidate(self, choices: tuple[StageChoice, ...]) -> _Candidate | None:
        self.tried += 1
        try:
            return _Candidate(choices, self._factor(choices), self._draft(choices))
        except UnsupportedStageError:
            return None

    def _draft(self, choices: Sequence[StageChoice]) -> DraftProblem:
        draft = Draft(self.graph)
        for choice in sorted(choices, key=lambda c: -c.first):
            stage = next(s for s in self.reader.stages(choice.first) if s.last == choice.last)
            draft = write_stage(draft, stage, choice.form)
        return DraftProblem(draft.tidy(), self.target)

    # -- placing -----------------------------------------------------------------------------------------------------

    def _place(self, built: Sequence[_Candidate]) -> tuple[_Candidate, PlannedDraft] | None:
        """Place what is worth it; the best of it: the first that fits, by MACs, else the least arena."""
        front = _pareto(built)
        fitting = [c for c in front if self.fit_bytes is not None and c.draft.declare_bound <= self.fit_bytes]
        for candidate in fitting:
            found = self._placed(candidate)
            if found[1].arena.declare_bytes <= (self.fit_bytes or 0):
                return found
        least = self.before.declare_bytes
        for candidate in [*sorted(built, key=lambda c: c.rank)[: self.effort.placed], *front[-self.effort.placed :]]:
            if candidate.draft.declare_bound < least or candidate in front:
                least = min(least, self._placed(candidate)[1].arena.declare_bytes)
                if self.progress is not None:
                    self.progress("placing", least)
        return min(self.placed.values(), key=_least, default=None)

    def _placed(self, candidate: _Candidate) -> tuple[_Candidate, PlannedDraft]:
        if candidate.choices not in self.placed:
            self.placed[candidate.choices] = candidate, candidate.draft.plan(self.effort.solver)
        return self.placed[candidate.choices]

    def _front(self) -> tuple[FrontPoint, ...]:
        points = [FrontPoint(self.before.declare_bytes, 1.0, ())]
        points += [FrontPoint(p.arena.declare_bytes, c.macs_factor, c.choices) for c, p in self.placed.values()]
        front: list[FrontPoint] = []
        for point in sorted(points, key=lambda p: (p.macs_factor, p.declare_bytes)):
            if not front or point.declare_bytes < front[-1].declare_bytes:
                front.append(point)
        return tuple(front)


def _best_of_each(sketches: Sequence[_Sketch]) -> list[_Sketch]:
    """The first sketch of each choice of stages."""
    found: dict[tuple[tuple[int, int], ...], _Sketch] = {}
    for sketch in sketches:
        found.setdefault(sketch.spans, sketch)
    return list(found.values())


def _pareto(built: Sequence[_Candidate]) -> list[_Candidate]:
    """The candidates that no other one beats in both MACs and bound, fewest MACs first."""
    front: list[_Candidate] = []
    for candidate in sorted(built, key=lambda c: (c.macs_factor, c.draft.declare_bound)):
        if not front or candidate.draft.declare_bound < front[-1].draft.declare_bound:
            front.append(candidate)
    return front


def _least(found: tuple[_Candidate, PlannedDraft]) -> tuple[int, float]:
    return found[1].arena.declare_bytes, found[0].macs_factor


def refusal(graph: Graph) -> str | None:
    """Why no part of a model can run by strips; None where some can."""
    main = graph.main
    reader = StageReader(graph)
    possible = False
    reasons: dict[str, int] = {}
    for k, op in enumerate(main.operators):
        why = reader.supported(k)
        if why is None:
            possible = possible or op.name in WINDOWED
        elif op.name in WINDOWED:
            reasons[why] = reasons.get(why, 0) + 1
    if possible:
        return None
    if reasons:
        return f"no operator can run by strips of rows: {max(sorted(reasons), key=lambda r: reasons[r])}"
    return "the model has no convolution or pooling over rows, so that there is nothing to run by strips"
