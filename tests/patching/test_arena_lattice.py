"""The best combination of stages against every combination, on networks small enough to write them all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from random_networks import random_network

from mcuplan.estimates.instructions import CostModel, cost_model
from mcuplan.graph import Graph
from mcuplan.operators import model_macs
from mcuplan.patching.arena.lattice import Lattice, Limits, Path, StageChoice
from mcuplan.patching.arena.space import EFFORTS, Effort, forms
from mcuplan.patching.writing.forms import Kind, stage_cost
from mcuplan.patching.writing.price import StagePricer
from mcuplan.patching.writing.reader import WINDOWED, StageReader, UnsupportedStageError
from mcuplan.tflm import Target
from mcuplan.zoo.builder import Builder

TARGET = Target.parse("cortex-m4+cmsis-nn")
SMALL = Effort((2,), 1, ((2, 1),), 10_000, 8, 8, "fast")
"""Few forms a stage, so that all combinations can be written; none is left untried."""


def narrowing() -> Graph:
    """A network whose first maps are the largest."""
    b = Builder()
    x = b.conv2d(b.input((1, 16, 16, 2)), 8, 3)
    x = b.depthwise_conv2d(x, 3, stride=2)
    x = b.conv2d(x, 16, 1)
    x = b.conv2d(x, 4, 3, stride=2)
    return b.graph([b.mean(x, (1, 2))])


class Everything:
    """Every combination, each stage written and counted as the search does, no bound and no shortcut used."""

    def __init__(self, graph: Graph, model: CostModel | None = None) -> None:
        self.lattice = Lattice(graph, TARGET, SMALL, model)
        self.graph = graph
        reader = StageReader(graph)
        pricer = StagePricer(reader, TARGET, model)
        self.stages: dict[int, list[tuple[StageChoice, int]]] = {}
        for first in range(len(graph.main.operators)):
            for stage in reader.stages(first):
                if not any(op.name in WINDOWED for op in graph.main.operators[stage.first : stage.last]):
                    continue
                passing = self.lattice.outside.passing_bytes(stage)
                for form in forms(graph, stage, SMALL, model is not None):
                    try:
                        cost = stage_cost(reader, stage, form, pricer)
                    except UnsupportedStageError:
                        continue
                    trial = self.lattice.options.trials(stage, form)
                    assert trial is not None
                    live = trial.inside + passing
                    choice = StageChoice(
                        stage, form, cost.macs, cost.whole_macs, live, trial.growth,
                        cost.instructions, cost.whole_instructions,
                    )  # fmt: skip
                    self.stages.setdefault(first, []).append((choice, trial.planning))

    def paths(self, path: Path | None = None) -> Iterator[Path]:
        path = Path() if path is None else path
        if path.at == len(self.graph.main.operators):
            yield path
            return
        whole = self.lattice.outside.operator_bytes[path.at]
        yield from self.paths(replace(path, at=path.at + 1, peak=max(path.peak, whole)))
        for choice, planning in self.stages.get(path.at, ()):
            yield from self.paths(
                Path(
                    choice.last, max(path.peak, choice.live_bytes), path.growth + choice.growth_bytes,
                    path.planning + planning, path.extra_macs + choice.macs - choice.whole_macs,
                    path.extra_time + _extra_time(choice), (*path.choices, choice),
                )
            )  # fmt: skip

    def least(self, path: Path) -> int:
        return self.lattice.least(path)


@pytest.mark.parametrize("graph", [narrowing(), *map(random_network, (1, 5, 12, 20))], ids=lambda g: g.description)
def test_the_first_path_is_the_best_of_all(graph: Graph) -> None:
    every = Everything(graph)
    macs = model_macs(graph).total
    found = sorted((every.least(path), path.extra_macs) for path in every.paths())
    for overhead in (0.0, 0.1, 1.0):
        limit = int(overhead * macs)
        best = min(least for least, extra in found if extra <= limit)
        searched = Lattice(graph, TARGET, SMALL)
        least, path = next(iter(searched.walk(Limits(limit))))
        # Strips that were made uneven on the way may be better than any even ones.
        uneven = any(c.form.kind is Kind.STRIPS and len(set(_heights(c))) > 2 for c in path.choices)
        assert least == best or (uneven and least < best)
        assert searched.tried <= every.lattice.tried + len(every.stages) * 4


def _extra_time(choice: StageChoice) -> float:
    if choice.instructions:
        return choice.instructions - choice.whole_instructions
    return float(choice.macs - choice.whole_macs)


@pytest.mark.parametrize("graph", [narrowing(), random_network(5)], ids=lambda g: g.description)
def test_the_first_path_is_the_best_of_all_by_instructions(graph: Graph) -> None:
    model = cost_model(TARGET)
    assert model is not None
    every = Everything(graph, model)
    found = [(every.least(path), path.extra_time) for path in every.paths()]
    most = max(extra for _, extra in found)
    for limit in (0.0, 0.1 * most, most):
        best = min(least for least, extra in found if extra <= limit + 1e-6)
        least, path = next(iter(Lattice(graph, TARGET, SMALL, model).walk(Limits(limit))))
        uneven = any(c.form.kind is Kind.STRIPS and len(set(_heights(c))) > 2 for c in path.choices)
        assert path.extra_time <= limit + 1e-6
        assert least == best or (uneven and least < best)


def _heights(choice: StageChoice) -> list[int]:
    return [end - begin for begin, end in zip(choice.form.cuts, choice.form.cuts[1:], strict=False)]


def test_the_fewest_macs_that_fit() -> None:
    graph = narrowing()
    every = Everything(graph)
    found = [(path.extra_macs, every.least(path)) for path in every.paths()]
    for fit in sorted({least for _, least in found})[::40]:
        best = min((extra for extra, least in found if least <= fit), default=None)
        path = next((p for _, p in Lattice(graph, TARGET, SMALL).walk(Limits(10**9, fit_bytes=fit))), None)
        assert (path.extra_macs if path else None) == best


def test_paths_come_best_first() -> None:
    least = [bytes_ for bytes_, _ in Lattice(narrowing(), TARGET, EFFORTS["default"]).walk(Limits(10**9))]
    assert least == sorted(least)
    assert len(least) > 1


def test_what_was_tried_is_combined_when_no_more_may_be() -> None:
    searched = Lattice(narrowing(), TARGET, replace(EFFORTS["fast"], trials=3))
    paths = list(searched.walk(Limits(10**9)))
    assert searched.exhausted
    assert searched.tried == 3
    assert any(path.choices for _, path in paths)
    assert any(not path.choices for _, path in paths)


def test_neighbours_differ_in_one_form_that_needs_less() -> None:
    searched = Lattice(narrowing(), TARGET, EFFORTS["default"])
    seen = 0
    for least, path in list(searched.walk(Limits(10**9))):
        # What is told of a path is what its operators and stages say, however it was come by.
        assert searched.combined([(c.stage, c.form) for c in path.choices]) == path
        for least_beside, beside in searched.neighbours(path):
            ((old, new),) = [(o, n) for o, n in zip(path.choices, beside.choices, strict=True) if o != n]
            assert new.stage == old.stage
            assert new.live_bytes < old.live_bytes
            assert beside.peak <= path.peak
            assert beside.growth - path.growth == new.growth_bytes - old.growth_bytes
            assert beside.extra_macs - path.extra_macs == new.macs - old.macs
            assert least_beside == searched.least(beside)
            seen += 1
        assert least == searched.least(path)
    assert seen > 10
