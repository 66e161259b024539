"""The largest network of a family that fits: widths against resolutions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mcuplan.estimates.basis import Basis
from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.resize import resize, widen
from mcuplan.graph import Graph

WIDTHS = (0.25, 0.35, 0.5, 0.75, 1.0, 1.25, 1.5, 2.0)
STEP = 16


@dataclass(frozen=True, slots=True)
class Size:
    """What a network takes, and whether that fits."""

    ram_bytes: int
    flash_bytes: int
    macs: int
    fits: bool


@dataclass(frozen=True, slots=True)
class Point:
    """The largest resolution that fits at one width (None: the model's input has no resolution)."""

    width: float
    resolution: tuple[int, int] | None
    size: Size


@dataclass(frozen=True, slots=True)
class Frontier:
    """``points`` fit and none is at most as wide and as large as another; ``given`` is the model itself.

    ``tried`` networks were built and measured; ``too_wide`` are widths at which nothing fits.
    """

    model: str
    limits: tuple[str, ...]
    given: Point
    points: tuple[Point, ...]
    too_wide: tuple[float, ...]
    tried: int
    basis: Basis
    notes: tuple[str, ...] = ()


BASIS = Basis(
    "each network rebuilt from the given one, TFLM replayed on it",
    "sizes exact for the networks described, whose weights have yet to be trained; accuracy is not known",
)


def resolutions(graph: Graph, step: int = STEP) -> tuple[tuple[int, int], ...]:
    """Rising resolutions to try: multiples of ``step`` rows up to twice the model's, in its proportions, its own too.

    Empty where the model has no picture as its one input.
    """
    inputs = graph.main.inputs
    if len(inputs) != 1 or graph.main.tensors[inputs[0]].rank != 4:
        return ()
    _, rows, columns, _ = graph.main.tensors[inputs[0]].shape
    if min(rows, columns) < 1:
        return ()
    sizes = {r: max(round(r * columns / rows), 1) for r in range(step, 2 * rows + 1, step)} | {rows: columns}
    return tuple(sorted(sizes.items()))


def frontier(
    graph: Graph,
    model: str,
    limits: tuple[str, ...],
    measure: Callable[[Graph], Size],
    widths: Sequence[float] = WIDTHS,
    step: int = STEP,
) -> Frontier:
    """Search; ``model`` and ``limits`` are what to call them, ``measure`` says what a network takes and if it fits.

    For each width the largest resolution is found by halving, for RAM grows with the resolution. Where the resolution
    is fixed (a reshape, several inputs), only widths are tried; where the width is, only resolutions.

    Raises
    ------
    EstimateError
        Where neither the width nor the resolution of the model can change.
    """
    search, (sizes, notes) = _Search(measure), _possible(graph, step)
    points, too_wide = [], []
    for width in sorted(widths):
        try:
            wide = graph if width == 1 else widen(graph, width)
        except EstimateError as error:
            if not sizes:
                raise
            notes.append(str(error))
            continue
        point = search.largest(wide, width, sizes or (None,))
        if point is None:
            too_wide.append(width)
        else:
            points.append(point)
    given = Point(1.0, None, measure(graph))
    kept, said = tuple(_undominated(points)), tuple(dict.fromkeys(notes))
    return Frontier(model, limits, given, kept, tuple(too_wide), search.tried, BASIS, said)


def _possible(graph: Graph, step: int) -> tuple[tuple[tuple[int, int], ...], list[str]]:
    """The resolutions the network can be built at, and why not the smallest of the others."""
    possible, notes = [], []
    for rows, columns in resolutions(graph, step):
        try:
            resize(graph, rows, columns)
        except EstimateError as error:
            notes.append(f"{rows}x{columns}: {error}")
        else:
            possible.append((rows, columns))
    return tuple(possible), notes[:1]


class _Search:
    def __init__(self, measure: Callable[[Graph], Size]) -> None:
        self.measure, self.tried = measure, 0

    def _point(self, wide: Graph, width: float, size: tuple[int, int] | None) -> Point:
        self.tried += 1
        return Point(width, size, self.measure(wide if size is None else resize(wide, *size)))

    def largest(self, wide: Graph, width: float, sizes: Sequence[tuple[int, int] | None]) -> Point | None:
        """The point with the largest of the rising ``sizes`` that fits; None where the smallest does not."""
        low, high, best = 0, len(sizes) - 1, None
        while low <= high:
            middle = (low + high) // 2
            point = self._point(wide, width, sizes[middle])
            if point.size.fits:
                best, low = point, middle + 1
            else:
                high = middle - 1
        return best


def _undominated(points: Sequence[Point]) -> list[Point]:
    def under(p: Point, q: Point) -> bool:
        return p != q and q.width >= p.width and (q.resolution or (0, 0)) >= (p.resolution or (0, 0))

    return [p for p in points if not any(under(p, q) for q in points)]
