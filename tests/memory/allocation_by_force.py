"""Least heights worked out the slow way, and random small problems to ask about."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import strategies as st

from mcuplan.memory import Buffer, Problem, Window


def used_bytes(buffer: Buffer, offset: int, step: int) -> set[int]:
    """Addresses in use at a step, one by one."""
    if not buffer.lower <= step < buffer.upper:
        return set()
    windows = buffer.windows or (Window(buffer.lower, buffer.upper, 0, buffer.size),)
    return {offset + b for w in windows if w.lower <= step < w.upper for b in range(w.begin, w.end)}


def valid(problem: Problem, offsets: dict[object, int]) -> bool:
    """Whether no two buffers share an address at a step, and all else is as it must be."""
    for b in problem.buffers:
        at = offsets[b.id]
        if at < 0 or at % b.alignment or (b.offset is not None and at != b.offset):
            return False
    steps = range(min(b.lower for b in problem.buffers), max(b.upper for b in problem.buffers) + 1)
    for step in steps:
        taken: set[int] = set()
        for b in problem.buffers:
            here = used_bytes(b, offsets[b.id], step)
            if taken & here:
                return False
            taken |= here
    return True


def fits(problem: Problem, capacity: int) -> bool:
    """Whether any placement ends at or below ``capacity``, by trying every offset of every buffer."""
    buffers = problem.buffers
    steps = range(min((b.lower for b in buffers), default=0), max((b.upper for b in buffers), default=0))
    taken: dict[int, set[int]] = {step: set() for step in steps}

    def place(i: int) -> bool:
        if i == len(buffers):
            return True
        b = buffers[i]
        places = range(0, capacity - b.size + 1, b.alignment) if b.offset is None else [b.offset]
        for at in places:
            if b.size and at + b.size > capacity:
                continue
            uses = {step: used_bytes(b, at, step) for step in steps}
            if any(taken[step] & uses[step] for step in steps):
                continue
            for step in steps:
                taken[step] |= uses[step]
            if place(i + 1):
                return True
            for step in steps:
                taken[step] -= uses[step]
        return False

    return place(0)


def least_height(problem: Problem, most: int) -> int | None:
    """The height of the best placement; None where there is none up to ``most``."""
    return next((h for h in range(most + 1) if fits(problem, h)), None)


def jigsaw(rng: random.Random, capacity: int, steps: int, cuts: int) -> Problem:
    """A full rectangle of time and space cut into pieces: a perfect placement exists."""
    pieces = [(0, steps, 0, capacity)]
    for _ in range(cuts):
        i = rng.randrange(len(pieces))
        lower, upper, begin, end = pieces[i]
        if rng.random() < 0.5 and upper - lower > 1:
            at = rng.randint(lower + 1, upper - 1)
            pieces[i : i + 1] = [(lower, at, begin, end), (at, upper, begin, end)]
        elif end - begin > 1:
            at = rng.randint(begin + 1, end - 1)
            pieces[i : i + 1] = [(lower, upper, begin, at), (lower, upper, at, end)]
    rng.shuffle(pieces)
    return Problem(tuple(Buffer(i, e - b, lo, up) for i, (lo, up, b, e) in enumerate(pieces)))


@st.composite
def windows(draw: st.DrawFn, lower: int, upper: int, size: int) -> tuple[Window, ...]:
    """Some windows inside a buffer; they may overlap one another, leave steps out, or be empty."""
    found = []
    for _ in range(draw(st.integers(0, 3))):
        a, b = sorted((draw(st.integers(lower, upper)), draw(st.integers(lower, upper))))
        c, d = sorted((draw(st.integers(0, size)), draw(st.integers(0, size))))
        found.append(Window(a, b, c, d))
    return tuple(found)


@st.composite
def problems(
    draw: st.DrawFn,
    most: int = 5,
    steps: int = 5,
    bytes_: int = 5,
    alignments: tuple[int, ...] = (1,),
    windowed: bool = False,
) -> Problem:
    """Problems with so few buffers, steps and bytes that brute force can solve them."""
    buffers = []
    for i in range(draw(st.integers(1, most))):
        lower = draw(st.integers(0, steps - 1))
        upper = draw(st.integers(lower, steps))
        size = draw(st.integers(0, bytes_))
        parts = draw(windows(lower, upper, size)) if windowed and draw(st.booleans()) else ()
        buffers.append(Buffer(i, size, lower, upper, draw(st.sampled_from(alignments)), windows=parts))
    return Problem(tuple(buffers))


@st.composite
def problems_with_fixed(draw: st.DrawFn, windowed: bool = False) -> Problem:
    """Small problems of which one or two buffers are fixed (they may contradict one another)."""
    problem = draw(problems(most=4, windowed=windowed, alignments=(1, 2)))
    buffers = list(problem.buffers)
    for i in draw(st.lists(st.integers(0, len(buffers) - 1), max_size=2, unique=True)):
        buffers[i] = replace(buffers[i], offset=draw(st.integers(0, 4)) * buffers[i].alignment)
    return Problem(tuple(buffers))
