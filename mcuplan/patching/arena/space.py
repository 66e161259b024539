"""The space that the search covers: runs of operators as stages, and the forms that each can be written in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from mcuplan.graph import Graph
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.arena.downhill import has_room
from mcuplan.patching.writing.forms import Kind, StageForm, even_cuts
from mcuplan.patching.writing.in_place import goes_by_channels
from mcuplan.patching.writing.reader import Form

_PADDINGS: tuple[Form, ...] = ("pad", "crop")


@dataclass(frozen=True, slots=True)
class Effort:
    """How much is searched.

    ``strips`` are numbers of strips written out one after the other, ``rows`` how many of the smallest heights of a
    loop's strips are tried (where time has a price ``heights``), ``patches`` numbers of patches along rows and columns.
    ``trials`` stages are written and counted at most, ``placed`` plans placed fast, the best of them with the solver's
    effort ``solver``, and ``front`` plans with less time placed behind it. Paths are followed ``steps`` steps at most.
    """

    strips: tuple[int, ...]
    rows: int
    patches: tuple[tuple[int, int], ...]
    trials: int
    placed: int
    front: int
    solver: str
    steps: int = 1 << 20
    heights: tuple[int, ...] = (1, 2, 3, 4, 5, 6, 7, 8)


_PARTS = (4, 6, 8)
"""Parts by channels, beside numbers of strips: scratch that holds all filters is down to an eighth."""

_PATCHES = ((2, 1), (4, 1), (1, 2), (1, 4), (2, 2), (3, 3), (4, 4))
_MORE_PATCHES = (*_PATCHES, (3, 1), (6, 1), (8, 1), (1, 3), (1, 8), (2, 3), (3, 2), (2, 4), (4, 2), (6, 6), (8, 8))

EFFORTS: Mapping[str, Effort] = {
    "fast": Effort((2, 3), 2, ((2, 2),), 300, 8, 4, "fast", 10_000),
    "default": Effort((2, 3, 4), 2, _PATCHES, 800, 32, 12, "default", 40_000),
    "best": Effort((2, 3, 4, 5, 6, 8), 4, _MORE_PATCHES, 4000, 48, 24, "best"),
}


def forms(
    graph: Graph, stage: PatchStage, effort: Effort, priced: bool = False, headed: bool = False
) -> Iterator[StageForm]:
    """The forms of a stage: loops with and without border strips, strips written out, and loops over patches.

    Where time has a price (``priced``) each also in its fast form, and loops of more heights: higher strips are
    faster; with ``headed`` (a stage whose rows come from outside) also headed loops and cascades.
    """
    for form in _lean_forms(graph, stage, effort, priced):
        yield form
        if priced and form.kind not in (Kind.CHANNELS, Kind.IN_PLACE):
            yield replace(form, fast=True)
    if not priced:
        return
    height = graph.main.tensors[stage.result].shape[1]
    for padding in _PADDINGS:
        for rows in effort.heights:
            if height % rows and 2 * rows <= height:
                yield StageForm(Kind.LOOP, even_cuts(height, rows), padding, fast=True)
    for rows in effort.heights:
        if 2 * rows <= height:
            yield StageForm(Kind.LOOP, even_cuts(height, rows), "wide", fast=True)
    for rows in effort.heights if headed else ():
        if 3 * rows <= height:
            yield StageForm(Kind.HEADED_LOOP, even_cuts(height, rows), "pad", fast=True)
            yield StageForm(Kind.CASCADE, even_cuts(height, rows), "pad", fast=True)
            yield StageForm(Kind.CASCADE, even_cuts(height, rows), "wide", fast=True)


def _lean_forms(graph: Graph, stage: PatchStage, effort: Effort, priced: bool) -> Iterator[StageForm]:
    _, height, width, _ = graph.main.tensors[stage.result].shape
    heights = effort.heights if priced else tuple(range(1, effort.rows + 1))
    divisors = [rows for rows in range(1, height) if height % rows == 0]
    divisors = [rows for rows in divisors if rows in heights] if priced else divisors[: effort.rows]
    for padding in _PADDINGS:
        for rows in divisors:
            yield StageForm(Kind.LOOP, even_cuts(height, rows), padding)
        for rows in heights:
            if 3 * rows < height:
                yield StageForm(Kind.BORDERED_LOOP, even_cuts(height, rows), padding)
        for rows in sorted({-(-height // strips) for strips in effort.strips if strips <= height}):
            yield StageForm(Kind.STRIPS, even_cuts(height, rows), padding)
            yield StageForm(Kind.STRIPS, even_cuts(height, rows), padding, stream=False)
    for parts in effort.patches:
        rows, columns = (-(-size // part) for size, part in zip((height, width), parts, strict=True))
        if parts[0] <= height and parts[1] <= width:
            yield StageForm(Kind.PATCHES, even_cuts(height, rows), "crop", False, columns)
    if stage.last - stage.first <= _CHANNELWISE and graph.main.operators[stage.first].name == "CONV_2D":
        yield from _by_channels(graph, stage, effort)
        if priced and goes_by_channels(graph, stage.first) and has_room(graph, stage.first):
            # Where time has no price it may be many times slower.
            yield StageForm(Kind.IN_PLACE, (0, height), "crop", False)


_CHANNELWISE = 4
"""Operators in parts by channels, at most: a convolution, PAD, a depthwise one and an activation."""


def _by_channels(graph: Graph, stage: PatchStage, effort: Effort) -> Iterator[StageForm]:
    """In parts of multiples of 8 channels: kernels take several at once."""
    channels = graph.main.tensors[stage.result].shape[3]
    sizes = {-(-channels // parts // 8) * 8 for parts in (*effort.strips, *_PARTS)}
    for size in sorted(size for size in sizes if size < channels):
        yield StageForm(Kind.CHANNELS, even_cuts(channels, size), "crop", False)
