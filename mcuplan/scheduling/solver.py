"""The order with the least peak of live bytes: cut into sections, bound each, search it, and put it together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from mcuplan.deadline import Deadline, OutOfTimeError
from mcuplan.scheduling.beam import beam_search
from mcuplan.scheduling.bounds import cut_bound
from mcuplan.scheduling.decision import Decision, Outcome
from mcuplan.scheduling.lattice import Lattice, compile_problem
from mcuplan.scheduling.problem import Problem, live_bytes, peak_bytes
from mcuplan.scheduling.sections import cut, split
from mcuplan.scheduling.symmetry import canonical_form

EffortName = Literal["fast", "default", "best"]

Progress = Callable[[int, int], None]
"""Called with the best peak so far and the lower bound so far, in bytes, whenever one of them has changed."""


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work a search may do. Limits count work, not time: the result is the same on every machine.

    ``beam`` is the width of the first, quick search, ``beam_work`` the most operators it may look at in each
    direction, ``cut_work`` bounds the least cuts worked out for a section times its operators, and ``nodes`` is the
    most executed sets that the exact search may expand over the whole problem (large sections pay more for each).
    """

    beam: int
    beam_work: int
    cut_work: int
    nodes: int


EFFORTS: dict[EffortName, Effort] = {
    "fast": Effort(beam=4, beam_work=50_000, cut_work=4_000, nodes=4_000),
    "default": Effort(beam=16, beam_work=400_000, cut_work=60_000, nodes=250_000),
    "best": Effort(beam=128, beam_work=4_000_000, cut_work=1_000_000, nodes=2_000_000),
}

_FIRST_TURN = 256
"""Downsets that each direction of a decision expands in its first turn; each later turn doubles it."""

_UNIT = 64
"""An executed set costs one unit of work for each so many operators of its section."""

_HANDICAP = 8
"""How much smaller the turns are of the direction that was slower on the last question about the section."""

_SHARE_FOR_ORDERS = 0.8
"""Part of a section's nodes spent on better orders; the rest, where nothing is proven, on a better bound."""

_BOUND_STEP = 64
"""The bound is refined until a 64th of the peak is left open between what is refuted and what was too hard."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """An order of execution and what is known about it; sizes are bytes.

    ``order`` lists the problem's tasks as they run. ``peak_bytes`` is the most live bytes at any step,
    ``lower_bound_bytes`` what no order can be below, ``optimal`` that the two are equal, ``proof`` how that is
    known, in words, and ``file_order_peak_bytes`` the peak of the file's own order, which is kept where no better
    one was found.
    """

    order: tuple[int, ...]
    peak_bytes: int
    lower_bound_bytes: int
    optimal: bool
    proof: str
    file_order_peak_bytes: int

    @property
    def saved_bytes(self) -> int:
        """Live bytes that the order saves at the peak, against the file's."""
        return self.file_order_peak_bytes - self.peak_bytes


def find_schedule(
    problem: Problem,
    *,
    effort: EffortName = "default",
    deadline: Deadline | None = None,
    progress: Progress | None = None,
) -> Schedule:
    """The order with the least peak of live bytes, or the best found and how far from it that can be.

    Parameters
    ----------
    problem
        Operators, tensors and the orders to keep.
    effort
        How much work to do at most; equal efforts give equal results.
    deadline
        When to stop with the best so far. Where it strikes, results depend on the machine.
    progress
        Told of every better peak or bound.

    Returns
    -------
    Schedule
        Never worse than the file's order; equal to it where nothing better was found.

    Notes
    -----
    Minimizing the peak over all orders is NP-hard (R. Sethi, "Complete register allocation problems", SIAM J.
    Comput. 4, 1975). The search over executed sets is that of B. H. Ahn et al., "Ordering Chaos: Memory-Aware
    Scheduling of Irregularly Wired Neural Networks for Edge Devices", MLSys 2020, with other reductions
    (`decision`), from both ends, against a bound from least cuts (`bounds`).

    Examples
    --------
    >>> from mcuplan.scheduling import Problem, Task
    >>> wide, narrow = Task((0,), (1,)), Task((0,), (2,))
    >>> shrink, join = Task((1,), (3,)), Task((2, 3), (4,))
    >>> p = Problem((wide, narrow, shrink, join), (16, 96, 64, 16, 16), inputs=(0,), outputs=(4,))
    >>> s = find_schedule(p)
    >>> s.order, s.file_order_peak_bytes, s.peak_bytes, s.optimal
    ((0, 2, 1, 3), 176, 128, True)
    """
    deadline = deadline or Deadline()
    try:
        return _Solver(problem, EFFORTS[effort], deadline, progress).solve()
    except OutOfTimeError:  # while the problem was taken apart
        peak = peak_bytes(problem)
        return Schedule(tuple(range(len(problem.tasks))), peak, 0, False, _out_of_time(peak), peak)


class _Direction:
    """A section's lattice from one of its ends."""

    def __init__(self, lattice: Lattice, backward: bool) -> None:
        self.lattice = lattice
        self.backward = backward
        self.favoured = True

    @cached_property
    def canonical(self) -> Callable[[int], int] | None:
        """What maps a set of executed tasks to one that stands for all symmetric ones; None without symmetry."""
        return canonical_form(self.lattice)

    def forward(self, order: tuple[int, ...]) -> tuple[int, ...]:
        """An order of this lattice as an order of the section."""
        return order[::-1] if self.backward else order


class _Section:
    """A part of the problem with the best order known for it and the bounds on its peak."""

    def __init__(self, tasks: tuple[int, ...], lattice: Lattice) -> None:
        self.tasks = tasks
        self.lattice = lattice
        self.order: tuple[int, ...] = tuple(range(lattice.n))
        self.file_peak = lattice.peak(self.order)
        self.upper = self.file_peak
        self.lower = lattice.own_bound() if lattice.n > 1 else self.file_peak
        self.exhausted = False

    @cached_property
    def directions(self) -> tuple[_Direction, _Direction]:
        """Both ends; the end first, which is mostly the easier to search from."""
        return _Direction(self.lattice.reverse, backward=True), _Direction(self.lattice, backward=False)

    def offer(self, order: tuple[int, ...]) -> None:
        """Take an order of the section if it is better than the best so far."""
        peak = self.lattice.peak(order)
        if peak < self.upper:
            self.upper, self.order = peak, order


class _Solver:
    """One run of :func:`find_schedule`."""

    def __init__(self, problem: Problem, effort: Effort, deadline: Deadline, progress: Progress | None):
        self.problem = problem
        self.effort = effort
        self.deadline = deadline
        self.progress = progress
        self.units_left = effort.nodes
        file_live = live_bytes(problem)
        self.file_peak = max(file_live)
        # Step 0 holds the network's inputs, whatever the order.
        self.start_bytes = file_live[0]
        lattice = compile_problem(problem)
        tasks = cut(lattice)
        parts = [lattice] if len(tasks) == 1 else split(lattice, tasks)
        self.sections = [_Section(t, part) for t, part in zip(tasks, parts, strict=True)]
        self.reported = (-1, -1)

    @property
    def peak(self) -> int:
        """The most live bytes of the best order known."""
        return max([self.start_bytes, *(s.upper for s in self.sections)])

    @property
    def bound(self) -> int:
        """Live bytes that no order can do without, as far as proven."""
        return max([self.start_bytes, *(s.lower for s in self.sections)])

    def solve(self) -> Schedule:
        """Work on the section with the highest peak until that is proven or too hard; then on the next, and so on."""
        self.report()
        with suppress(OutOfTimeError):
            self.search()
        return self.result()

    def search(self) -> None:
        """Take the sections in turn, as long as there is time."""
        while not self.deadline.late():
            stuck = max((s.upper for s in self.sections if s.exhausted), default=0)
            open_ = [s for s in self.sections if not s.exhausted and s.upper > max(self.bound, stuck)]
            if not open_:
                break
            section = max(open_, key=lambda s: s.upper)
            self.improve(section)
            section.exhausted = section.upper > max(section.lower, self.bound)

    def improve(self, section: _Section) -> None:
        """Bring the section's peak down to the bound, or its bound up to its peak, as far as the effort allows."""
        for stage in (self.quick_orders, self.cuts, self.better_orders, self.better_bound):
            if self.settled(section):
                return
            stage(section)
            self.report()

    def settled(self, section: _Section) -> bool:
        """Nothing is left to gain: the section's peak is least, or below what another section needs anyway."""
        return section.upper <= max(section.lower, self.bound)

    def quick_orders(self, section: _Section) -> None:
        """Offer the section orders of narrow beams, from both ends."""
        for direction in section.directions:
            for width in sorted({1, self.beam_width(direction.lattice)}):
                section.offer(direction.forward(beam_search(direction.lattice, width, self.deadline)))

    def beam_width(self, lattice: Lattice) -> int:
        """The beam's width, less where many operators are ready at a time."""
        done, ready, looks = 0, lattice.start, 0
        while ready:
            looks += ready.bit_count()
            bit = ready & -ready
            done |= bit
            ready ^= bit
            for successor, needs in lattice.actions[bit].feeds:
                if not needs & ~done:
                    ready |= successor
        return max(1, min(self.effort.beam, self.effort.beam_work // max(looks, 1)))

    def cuts(self, section: _Section) -> None:
        """Raise the section's lower bound by cuts of the graph."""
        costs = section.lattice.step_costs(section.order)
        section.lower = cut_bound(
            section.lattice,
            costs,
            section.upper,
            1 + self.effort.cut_work // section.lattice.n,
            max(section.lower, self.bound),
            self.deadline,
        )

    def better_orders(self, section: _Section) -> None:
        """Ask for an order below the best one until there is none, or it is too hard to tell."""
        budget = int(self.units_left * _SHARE_FOR_ORDERS)
        while budget > 0 and not self.settled(section) and not self.deadline.late():
            before = self.units_left
            if self.decide(section, section.upper - 1, budget) is Outcome.UNDECIDED:
                return
            budget -= before - self.units_left
            self.report()

    def better_bound(self, section: _Section) -> None:
        """Halve what is open between the highest level refuted and the lowest that was too hard."""
        hard = section.upper
        while not self.settled(section) and self.units_left > 0 and not self.deadline.late():
            lower = max(section.lower, self.bound)
            if hard - lower <= section.upper // _BOUND_STEP:
                return
            level = (lower + hard) // 2
            outcome = self.decide(section, level, max(self.units_left // 3, _FIRST_TURN))
            hard = level if outcome is Outcome.UNDECIDED else min(hard, section.upper)
            self.report()

    def decide(self, section: _Section, level: int, budget: int) -> Outcome:
        """Is there an order of the section within the level? Both directions take turns, which grow."""
        searches = [(Decision(d.lattice, level, d.canonical), d) for d in section.directions]
        turn = _FIRST_TURN
        price = max(1, section.lattice.n // _UNIT)
        while budget > 0 and not self.deadline.late() and not all(search.full for search, _ in searches):
            for search, direction in searches:
                before = search.nodes
                allowance = turn if direction.favoured else turn // _HANDICAP
                outcome = search.run(min(allowance, 1 + budget // price), self.deadline)
                spent = (search.nodes - before) * price
                budget -= spent
                self.units_left -= spent
                if outcome is Outcome.UNDECIDED:
                    continue
                if outcome is Outcome.FOUND:
                    section.offer(direction.forward(search.order))
                else:
                    section.lower = max(section.lower, min(search.next_level, section.upper))
                for d in section.directions:
                    d.favoured = d is direction
                return outcome
            turn *= 2
        return Outcome.UNDECIDED

    def report(self) -> None:
        """Tell the caller peak and lower bound in bytes, where one of them has changed."""
        now = (self.peak, self.bound)
        if self.progress is not None and now != self.reported:
            self.reported = now
            self.progress(*now)

    def result(self) -> Schedule:
        """The schedule: the order of the file in every section where a better one gains nothing."""
        peak, bound = self.peak, min(self.bound, self.peak)
        # A section is left as the file has it wherever that costs nothing.
        order = tuple(
            section.tasks[i]
            for section in self.sections
            for i in (range(section.lattice.n) if section.file_peak <= peak else section.order)
        )
        if max(live_bytes(self.problem, order)) != peak:
            raise AssertionError("the search and the lifespans disagree about an order's peak")
        return Schedule(order, peak, bound, peak == bound, self.proof(peak, bound), self.file_peak)

    def proof(self, peak: int, bound: int) -> str:
        """In words, whether the peak is proven to be the least, and if not why."""
        if peak == bound:
            return f"proven: no order needs less than {peak:,} bytes"
        if self.deadline.struck:
            return _out_of_time(peak - bound)
        return (
            f"not proven: the node limit was reached with {peak - bound:,} bytes between the peak and its lower bound"
        )


def _out_of_time(gap: int) -> str:
    return f"not proven: the time limit was reached with {gap:,} bytes between the peak and its lower bound"
