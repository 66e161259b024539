"""The patch stages that leave the least tensor arena to declare on a target, persistent growth included.

The best combinations of stages by what they take at least (:mod:`.lattice`) are written into the whole graph, placed,
and replayed as TFLM would plan them, until no other combination can be better than the best one placed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from mcuplan.errors import McuplanError
from mcuplan.graph import Graph
from mcuplan.operators import model_macs
from mcuplan.patching.arena.lattice import Lattice, Limits, Path, Progress, StageChoice
from mcuplan.patching.arena.placing import DraftProblem, PlannedDraft
from mcuplan.patching.arena.space import EFFORTS, Effort
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.forms import write_stage
from mcuplan.patching.writing.reader import WINDOWED, StageReader
from mcuplan.proof.memory.static_check import static_check
from mcuplan.rewriting.cleanup import CleanedUp, CleanupStep, clean_up_mapped, may_renumber
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflm.aliasing import readable_rules
from mcuplan.tflm.arena import predict
from mcuplan.tflm.results import ArenaPrediction
from mcuplan.tflm.support import contradiction
from mcuplan.tflm.target import DEFAULT_TARGET, Target

__all__ = ["FrontPoint", "PatchPlan", "PatchRefusal", "StageChoice", "find_patch_plan", "no_gain", "refusal"]


class PatchRefusal(McuplanError):  # noqa: N818 - a finding about the model, not a failure
    """Why nothing can be gained from patch stages, in one sentence."""


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """A plan that no other one found beats in both arena and MACs."""

    declare_bytes: int
    macs_factor: float
    stages: tuple[StageChoice, ...]


@dataclass(frozen=True)
class PatchPlan:
    """A model with patch stages and its plan in it.

    ``graph`` is the model to write; ``base`` the given model after the ``cleanups``, whose operators the stages are,
    ``origins`` their indices in the given model;
    ``before`` and ``after`` predict the arena of the given and the written model; ``macs_factor`` is the MACs of one
    ``Invoke`` by those of the given model. ``operator_bytes`` are in use while each operator of the base runs, in a
    stage or whole. ``lower_bound_bytes`` bounds the planned section of these stages. No combination of stages in the
    space searched needs less arena than ``least_declare_bytes``, at no more than the MACs allowed; None where the
    search ended before it knew.
    """

    graph: Graph
    base: Graph
    cleanups: tuple[CleanupStep, ...]
    origins: tuple[int, ...]
    before: ArenaPrediction
    after: ArenaPrediction
    macs_factor: float
    stages: tuple[StageChoice, ...]
    front: tuple[FrontPoint, ...]
    operator_bytes: tuple[int, ...]
    lower_bound_bytes: int
    least_declare_bytes: int | None
    tried: int

    @property
    def gain_bytes(self) -> int:
        """Bytes of arena to declare that the stages save."""
        return self.before.declare_bytes - self.after.declare_bytes


def find_patch_plan(
    graph: Graph,
    target: Target | str = DEFAULT_TARGET,
    max_overhead: float = 1.1,
    fit_bytes: int | None = None,
    effort: str = "default",
    tidy: bool = True,
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
        With it, the fewest MACs with which the arena to declare is at most this many bytes; the least arena where
        none is.
    effort
        ``fast``, ``default`` or ``best``.
    tidy
        Whether the model is cleaned up first, as :func:`mcuplan.planning.plan.make_plan` does.
    progress
        Told as the search goes on: stages tried, and the bytes that the best plan takes at least.

    Returns
    -------
    PatchPlan or None
        None where stages are possible but none makes the arena smaller.

    Raises
    ------
    PatchRefusal
        Where the model has no operators that strips could run, or contradicts itself.

    Examples
    --------
    >>> from mcuplan.zoo import build
    >>> plan = find_patch_plan(build("resnet8"), effort="fast")
    >>> plan.before.declare_bytes, plan.after.declare_bytes < 36_000
    (55008, True)
    """
    chosen = Target.parse(target) if isinstance(target, str) else target
    why = contradiction(graph) or refusal(graph)
    if why is None and not readable_rules(chosen):
        why = f"nothing is known of which tensors may share bytes in the kernels of {chosen.library.name}"
    if why is not None:
        raise PatchRefusal(why)
    cleaned = clean_up_mapped(graph) if tidy else CleanedUp(graph, (), tuple(range(len(graph.main.operators))))
    return _Search(graph, cleaned, chosen, max_overhead, EFFORTS[effort], progress).run(fit_bytes)


@dataclass(frozen=True)
class _Placed:
    """A combination of stages, written and placed."""

    path: Path
    draft: PlannedDraft

    @property
    def declare_bytes(self) -> int:
        return self.draft.arena.declare_bytes

    @property
    def usable(self) -> bool:
        return self.draft.usable

    def rank(self) -> tuple[bool, int, int]:
        return not self.usable, self.declare_bytes, self.path.extra_macs

    def fits(self, most_bytes: int) -> bool:
        return self.usable and self.declare_bytes <= most_bytes

    def hope(self) -> tuple[int, int]:
        """As it would rank if it could be placed without a gap."""
        return self.draft.lower_bound_bytes + self.draft.arena.persistent_bytes, self.path.extra_macs


class _Search:
    def __init__(
        self,
        graph: Graph,
        cleaned: CleanedUp,
        target: Target,
        max_overhead: float,
        effort: Effort,
        progress: Progress | None,
    ) -> None:
        self.graph = set_offline_plan(cleaned.graph, None)
        self.cleaned = cleaned
        self.target = target
        self.effort = effort
        self.before = predict(graph, target)
        self.macs = max(model_macs(graph).total, 1)
        self.base_macs = model_macs(self.graph).total
        self.extra_macs = int(max_overhead * self.macs) - self.base_macs
        self.lattice = Lattice(self.graph, target, effort, progress)
        self.placed: dict[tuple[StageChoice, ...], _Placed] = {}
        self.tried: set[tuple[tuple[StageChoice, ...], str]] = set()

    def run(self, fit_bytes: int | None) -> PatchPlan | None:
        best, least = self._fitting(fit_bytes), None
        if best is None:
            best, least = self._least()
        if best is None or best.declare_bytes >= self.before.declare_bytes:
            return None
        self._cheaper(best)
        return PatchPlan(
            graph=best.draft.graph,
            base=self.graph,
            cleanups=self.cleaned.steps,
            origins=self.cleaned.origins,
            before=self.before,
            after=best.draft.arena,
            macs_factor=self._factor(best.path),
            stages=best.path.choices,
            front=self._front(),
            operator_bytes=self._operator_bytes(best.path),
            lower_bound_bytes=best.draft.lower_bound_bytes,
            least_declare_bytes=None if self.lattice.exhausted else least,
            tried=self.lattice.trials.tried,
        )

    def _fitting(self, fit_bytes: int | None) -> _Placed | None:
        """The combination with the fewest MACs of those that fit once they are placed."""
        if fit_bytes is None:
            return None
        for tries, (_, path) in enumerate(self.lattice.paths(Limits(self.extra_macs, fit_bytes=fit_bytes))):
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
        best: _Placed | None = None
        bound: int | None = None
        tries = 0
        for least, path in self.lattice.paths(Limits(self.extra_macs, below_bytes=self.before.declare_bytes)):
            bound = least if bound is None else bound
            if tries == self.effort.placed or (best is not None and best.fits(least)):
                break
            if not path.choices:
                continue  # the model as it is, its tensors over one another: that is a plan without stages
            tries += 1
            found = self._place(path)
            best = found if best is None else min(best, found, key=_Placed.rank)
        if best is None:
            return None, bound
        hopeful = min(self.placed.values(), key=_Placed.hope)
        for found in (best, self._easier(best), self._easier(hopeful)):
            self._place(found.path, self.effort.solver)
        return self._first_that_stands(), bound

    def _first_that_stands(self) -> _Placed | None:
        """The best of those placed whose plan the static check proves."""
        for found in sorted((p for p in self.placed.values() if p.path.choices), key=_Placed.rank):
            if found.declare_bytes < self.before.declare_bytes and self._stands(found):
                return found
        return None

    def _stands(self, found: _Placed) -> bool:
        """Whether the plan stands the proof that it will have to stand; one that does not is dropped."""
        if found.usable and not static_check(found.draft.graph, self.target):
            return True
        self.placed[found.path.choices] = replace(found, draft=replace(found.draft, usable=False))
        return False

    def _easier(self, best: _Placed) -> _Placed:
        """Hill climbing from one that is placed, to forms that leave more room while they run."""
        tries, better = 0, True
        while better:
            better = False
            for least, path in self.lattice.neighbours(best.path):
                if least >= best.declare_bytes or path.extra_macs > self.extra_macs:
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
        """Place what has fewer MACs than the best, down to none added: the Pareto front behind it."""
        extra, points = best.path.extra_macs, self.effort.front
        for left in reversed(range(points)):
            # Closer together towards few MACs, where most is won.
            most = min(extra - 1, best.path.extra_macs * left * left // (points * points))
            limits = Limits(max(most, 0), below_bytes=self.before.declare_bytes)
            path = next((path for _, path in self.lattice.paths(limits) if path.choices), None) if extra > 0 else None
            if path is None:
                return
            self._place(path)
            extra = path.extra_macs

    def _place(self, path: Path, solver: str = "fast") -> _Placed:
        """The combination written into the graph and placed: the best that was found for it so far."""
        if (path.choices, solver) not in self.tried:
            self.tried.add((path.choices, solver))
            draft = Draft(self.graph)
            for choice in reversed(path.choices):
                draft = write_stage(draft, choice.stage, choice.form)
            found = _Placed(path, DraftProblem(draft.tidy(), self.target).plan(solver))
            known = self.placed.get(path.choices)
            self.placed[path.choices] = found if known is None else min(known, found, key=_Placed.rank)
        return self.placed[path.choices]

    def _factor(self, path: Path) -> float:
        return (self.base_macs + path.extra_macs) / self.macs

    def _operator_bytes(self, path: Path) -> tuple[int, ...]:
        found = list(self.lattice.outside.operator_bytes)
        for choice in path.choices:
            found[choice.first : choice.last] = [choice.live_bytes] * (choice.last - choice.first)
        return tuple(found)

    def _front(self) -> tuple[FrontPoint, ...]:
        points = [FrontPoint(self.before.declare_bytes, 1.0, ())]
        points += [
            FrontPoint(p.declare_bytes, self._factor(p.path), p.path.choices) for p in self.placed.values() if p.usable
        ]
        front: list[FrontPoint] = []
        for point in sorted(points, key=lambda p: (p.macs_factor, p.declare_bytes)):
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
