"""The space that the search covers: runs of operators as stages, and the forms that each can be written in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mcuplan.graph import Graph
from mcuplan.patching.writing.forms import StageForm, even_cuts
from mcuplan.patching.writing.reader import Form, Stage

_PADDINGS: tuple[Form, ...] = ("pad", "crop")


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is searched.

    ``strips`` are numbers of strips written out one after the other, ``rows`` how many of the smallest heights of a
    loop's strips are tried, ``stages`` how many stages a plan may have. ``trials`` stages are written and counted at
    most, ``placed`` plans placed, with the solver's effort ``solver``.
    """

    strips: tuple[int, ...]
    rows: int
    stages: int
    trials: int
    placed: int
    solver: str


EFFORTS: Mapping[str, Effort] = {
    "fast": Effort((2, 3), 2, 2, 60, 2, "fast"),
    "default": Effort((2, 3, 4), 2, 4, 800, 6, "default"),
    "best": Effort((2, 3, 4, 5, 6, 8), 4, 6, 4000, 16, "best"),
}


def forms(graph: Graph, stage: Stage, effort: Effort) -> Iterator[StageForm]:
    """The forms of a stage: loops with and without border strips, and strips written out, halos kept or recomputed."""
    height = graph.main.tensors[stage.result].shape[1]
    divisors = [rows for rows in range(1, height) if height % rows == 0][: effort.rows]
    for padding in _PADDINGS:
        for rows in divisors:
            yield StageForm(even_cuts(height, rows), padding, rolled=True, flow=True)
        for rows in range(1, effort.rows + 1):
            if 3 * rows < height:
                yield StageForm(even_cuts(height, rows), padding, rolled=True)
        for rows in sorted({-(-height // strips) for strips in effort.strips if strips <= height}):
            yield StageForm(even_cuts(height, rows), padding)
            yield StageForm(even_cuts(height, rows), padding, stream=False)
