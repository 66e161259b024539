"""Placements made in one go, buffer after buffer: fast, and on real networks nearly always as good as can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from mcuplan.memory.layout import UNPLACED, Layout, Offsets, best_fit, first_fit
from mcuplan.memory.usage import Interval

Fit = Callable[[Iterable[Interval], int], int]
"""Where a buffer goes, given the offsets that are taken and its alignment."""


@dataclass(frozen=True, slots=True)
class Order:
    """A rule for the order in which buffers are placed: by these measures, each descending unless it has a minus.

    Measures: ``busiest`` (most bytes in use in a slot of its life), ``lifetime`` (steps), ``slots`` (time with the
    idle steps taken out), ``size``, ``area`` (size x lifetime), ``block`` (size x slots), ``start``, ``degree``
    (how many buffers it can meet).
    """

    measures: tuple[str, ...]

    @property
    def name(self) -> str:
        """For people: the measures, the most important first."""
        return ", ".join(m.removeprefix("-") for m in self.measures)


ORDERS = tuple(
    Order(tuple(line.split()))
    for line in (
        "busiest lifetime -start size",  # meets the bound on all of 190 real graphs
        "busiest slots size",
        "lifetime size -start",
        "slots size -start",
        "area -start",
        "block -start",
        "busiest block",
        "busiest size -start",
        "size lifetime -start",  # the first fit by size of most runtimes
        "degree size",
        "-start size",
        "start size",
    )
)
"""The portfolio, the best on real networks first."""


def measures(layout: Layout) -> dict[str, list[int]]:
    """Each measure that an :class:`Order` can name, by buffer number."""
    buffers, sizes = layout.buffers, layout.sizes
    lifetime = [b.upper - b.lower for b in buffers]
    slots = layout.timeline.slot_counts()
    return {
        "busiest": layout.timeline.busiest(),
        "lifetime": lifetime,
        "slots": slots,
        "size": sizes,
        "area": [s * t for s, t in zip(sizes, lifetime, strict=True)],
        "block": [s * t for s, t in zip(sizes, slots, strict=True)],
        "start": [b.lower for b in buffers],
        "degree": [layout.degree(i) for i in range(len(buffers))],
    }


def arranged(layout: Layout, order: Order, values: dict[str, list[int]]) -> list[int]:
    """The numbers of all buffers in ``order``; ties by number."""
    columns = [
        values[m[1:]] if m.startswith("-") else [-v for v in values[m]] for m in order.measures
    ]  # fmt: skip
    keys = list(zip(*columns, range(len(layout.buffers)), strict=True))
    return sorted(range(len(keys)), key=keys.__getitem__)


def place(layout: Layout, numbers: Sequence[int], fit: Fit, limit: int | None = None) -> Offsets | None:
    """Place fixed buffers, then the others in the order of ``numbers``, each where ``fit`` says.

    Returns None as soon as a buffer ends above ``limit`` bytes.

    Raises
    ------
    OutOfTimeError
        Where the time is up before all are placed.
    """
    shelf = layout.shelf()
    for i in numbers:
        if shelf.offsets[i] == UNPLACED:
            layout.deadline.check()
            at = fit(shelf.taken(i), layout.alignments[i])
            if limit is not None and at + layout.sizes[i] > limit:
                return None
            shelf.put(i, at)
    return shelf.offsets


def candidates(layout: Layout) -> Iterator[tuple[str, list[int], Fit]]:
    """The portfolio: a name, an order of buffer numbers, and how each finds its place, the most promising first."""
    if any(b.hint is not None for b in layout.buffers):
        hints = [b.hint if b.hint is not None else 1 << 62 for b in layout.buffers]
        yield "hints", sorted(range(len(hints)), key=hints.__getitem__), first_fit
    values = measures(layout)
    for fit_name, fit in (("first fit", first_fit), ("best fit", best_fit)):
        for order in ORDERS:
            yield f"{fit_name} by {order.name}", arranged(layout, order, values), fit
