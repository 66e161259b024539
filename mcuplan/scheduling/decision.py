"""Is there an order whose peak is at most a given level? An exact depth-first search over downsets.

The search keeps a stack of downsets to go on from and remembers every one it has met. It is exact because each of
the shortcuts below is lossless. Write ``L(S)`` for the live bytes behind ``S``; ``S <= P`` are downsets, ``P``
reachable from ``S`` within the level.

    *If ``L(P) <= L(Q)`` for every downset Q between S and P, then the rest can be done from S if it can be from P.*

Proof: take any way ``S = S0, S1, ..., all`` within the level. ``L`` is submodular, so
``L(Si | P) <= L(Si) + L(P) - L(Si & P) <= L(Si)``: the same operators in the same order, those of ``P`` left out, run
from ``P`` with no more live bytes at any step, and an operator's rise only falls as more has run.

1. *An operator that fits and does not raise the live bytes runs at once*: ``P`` is one operator away, nothing is
   between.
2. *A run of operators that starts with v, each made ready by the ones before, and ends with no more live bytes than
   it began with, runs at once* (the prefix of a chain is the simplest case). They are found breadth first, smallest
   first, among sets in which all depends on ``v``. Let ``P`` be the first found and ``Q`` the set between with the
   least live bytes, if less than ``P``'s. By submodularity (in halves of operators, see `lattice`) the way to ``P``,
   each step cut down to ``Q``, fits too: ``Q`` can be reached, is smaller, and would have been found first.
3. *A set met before is not looked at again*, nor one that equals such a set but for an exchange of equal branches.

Contracting chains beforehand is not lossless: where to stop inside a chain can matter. Rule 2 does it only where the
live bytes have come down again.
"""

from __future__ import annotations

import enum
from collections.abc import Callable

from mcuplan.deadline import Deadline
from mcuplan.scheduling.lattice import Lattice

_Path = tuple["_Path | None", int]
"""How a downset was reached: the path to its predecessor, and the operator run last."""

_RUN_SETS = 8
"""Most sets looked at in search of one run of rule 2."""

_RUN_TRIALS = 2000
_RUN_HITS = 40
"""Rule 2 is given up for good when it succeeds less than ``_RUN_HITS`` times in ``_RUN_TRIALS`` trials."""

_TICK = 256
"""Downsets between two looks at the clock, fewer where they are wide."""

_WIDE = 4
"""Sixteen operators to look at count as one downset more."""

_LARGE = 512
_MET_BYTES = 20_000_000
"""Operators from which on the sets met are bounded by memory, and about how much: beyond, a question is too hard.
With fewer operators the nodes of an effort are bound enough."""


class Outcome(enum.Enum):
    """What is known about a level."""

    UNDECIDED = "undecided"
    FOUND = "an order exists"
    REFUTED = "no order exists"


class Decision:
    """The search for an order of ``lattice`` in which no step takes more than ``level`` bytes.

    :meth:`run` may be called again to go on where it stopped. ``order`` is an order found, ``nodes`` the downsets
    expanded so far, and ``next_level`` the least level at which the search would have gone further: after a
    refutation it is a lower bound on the peak. ``canonical`` (see `symmetry`) maps executed sets that are as good as
    each other to one of them.
    """

    def __init__(self, lattice: Lattice, level: int, canonical: Callable[[int], int] | None = None) -> None:
        self.level = level
        self.outcome = Outcome.UNDECIDED
        self.order: tuple[int, ...] = ()
        self.nodes = 0
        self.next_level = 1 << 62
        self._lattice = lattice
        self._canonical = canonical
        self._met = {0}
        self._stack: list[tuple[int, int, int, int, _Path | None]] = [
            (lattice.start_bytes, 0, lattice.start, lattice.start, None)
        ]
        self._trials = 0
        self._hits = 0
        self._runs = True
        self._most_met = 1 << 62 if lattice.n < _LARGE else _MET_BYTES // lattice.n

    @property
    def full(self) -> bool:
        """Whether there is no memory to go on."""
        return len(self._met) > self._most_met

    def run(self, nodes: int, deadline: Deadline) -> Outcome:
        """Search on for at most ``nodes`` downsets.

        Raises
        ------
        OutOfTimeError
            Where the time is up first; the search cannot go on then.
        """
        budget = self.nodes + nodes
        while self.outcome is Outcome.UNDECIDED:
            if self.nodes >= budget or self.full:
                return self.outcome
            if not self._stack:
                self.outcome = Outcome.REFUTED
                self._met.clear()
                break
            self._expand(budget, deadline)
        return self.outcome

    def _expand(self, until: int, deadline: Deadline) -> None:
        """Expand downsets until that many have been expanded, an order is found, or none is left.

        This is the inner loop of the whole search: it is written out for speed. Of the ready operators only those in
        ``maybe`` are looked at: the others did not fit before, and since then nothing that they share a buffer with
        has run and the live bytes have not fallen.
        """
        stack, met, canonical = self._stack, self._met, self._canonical
        cost = 1 if canonical is None else 1 + self._lattice.n // 16
        actions, effect, full, level = self._lattice.actions, self._lattice.effect, self._lattice.full, self.level
        next_level, most_met, looks = self.next_level, self._most_met, 0
        while stack and self.nodes < until and len(met) <= most_met:
            live, done, ready, maybe, path = stack.pop()
            self.nodes += 1
            while True:
                looks += 1 + (maybe.bit_count() >> _WIDE)
                if looks >= _TICK:
                    looks = 0
                    deadline.check()
                # Rule 1, and the operators that fit but raise the live bytes.
                raising: list[tuple[int, int]] = []
                fitting, left, room = 0, maybe, level - live
                while left:
                    bit = left & -left
                    left ^= bit
                    near, memo, v, feeds, eases = actions[bit]
                    key = done & near
                    rise, change = memo.get(key) or effect(v, key)
                    if rise > room:
                        if live + rise < next_level:
                            next_level = live + rise
                    elif change <= 0:
                        break
                    else:
                        fitting |= bit
                        raising.append((change, bit))
                else:
                    # Rule 2.
                    run = self._run(live, done, ready, path, raising) if self._runs else None
                    if run is None:
                        break
                    live, done, ready, path = run
                    maybe = ready
                    state = done if canonical is None else canonical(done)
                    if state in met:
                        raising.clear()
                        break
                    met.add(state)
                    continue
                done |= bit
                live += change
                ready ^= bit
                path = (path, v)
                opened = 0
                for successor, needs in feeds:
                    if not needs & ~done:
                        opened |= successor
                ready |= opened
                maybe = ready if change else (fitting | left | eases | opened) & ready
                state = done if canonical is None else canonical(done)
                if state in met:
                    raising.clear()
                    break
                met.add(state)
            if done == full:
                self._found(path)
                break
            # The least raise is looked at first: the stack's top.
            raising.sort(reverse=True)
            for change, bit in raising:
                looks += cost
                if looks >= _TICK:
                    looks = 0
                    deadline.check()
                after = done | bit
                state = after if canonical is None else canonical(after)
                if state in met:
                    continue
                met.add(state)
                _, _, v, feeds, eases = actions[bit]
                opened = 0
                for successor, needs in feeds:
                    if not needs & ~after:
                        opened |= successor
                then = ready ^ bit | opened
                stack.append((live + change, after, then, (fitting | eases | opened) & then, (path, v)))
        self.next_level = next_level

    def _run(
        self, live: int, done: int, ready: int, path: _Path | None, starts: list[tuple[int, int]]
    ) -> tuple[int, int, int, _Path | None] | None:
        """Rule 2: a run from some ready operator that ends with at most ``live`` bytes, or None."""
        self._trials += len(starts)
        for change, bit in starts:
            ended = self._run_from(live, done, path, change, bit)
            if ended is not None:
                self._hits += 1
                after, gain, opened, way = ended
                return live + gain, after, (ready | opened) & ~after, way
        if self._trials >= _RUN_TRIALS:
            self._runs = self._hits >= _RUN_HITS
            self._trials = self._hits = 0
        return None

    def _run_from(
        self, live: int, done: int, path: _Path | None, change: int, first: int
    ) -> tuple[int, int, int, _Path] | None:
        """Breadth first through the sets in which all depends on ``first``; ``change`` is counted from ``live``."""
        actions, effect, level = self._lattice.actions, self._lattice.effect, self.level
        _, _, v, feeds, _ = actions[first]
        after = done | first
        opened = sum(successor for successor, needs in feeds if not needs & ~after)
        queue: list[tuple[int, int, int, _Path]] = [(change, after, opened, (path, v))]
        seen = {after}
        for gain, after, opened, way in queue:
            left = opened
            while left:
                bit = left & -left
                left ^= bit
                wider = after | bit
                if wider in seen:
                    continue
                seen.add(wider)
                near, memo, v, feeds, _ = actions[bit]
                key = after & near
                rise, delta = memo.get(key) or effect(v, key)
                if live + gain + rise > level:
                    continue
                then = opened ^ bit
                for successor, needs in feeds:
                    if not needs & ~wider:
                        then |= successor
                if gain + delta <= 0:
                    return wider, gain + delta, then, (way, v)
                if len(queue) < _RUN_SETS:
                    queue.append((gain + delta, wider, then, (way, v)))
        return None

    def _found(self, path: _Path | None) -> None:
        order = []
        while path is not None:
            path, v = path
            order.append(v)
        self.order = tuple(reversed(order))
        self.outcome = Outcome.FOUND
        self._met.clear()
        self._stack.clear()
