"""Exact search for a placement within a capacity: depth first, from the bottom of all stacks upwards.

A decision puts one buffer down at the lowest position that the buffers placed so far leave it, and declares that
every buffer still to come that can meet it lies above. Ideas, and where they come from:

* *Canonical placements*: a placement with the least sum of offsets can be built by such decisions (MiniMalloc).
* *Section inference*: what is still to be stacked in a section must fit above its floor (MiniMalloc).
* *Decomposition*: parts that no unplaced buffer connects in time any more are solved apart (MiniMalloc).
* *Critical section*: somebody must be the lowest of the section with the most bytes still to stack. Only its members
  that lie low enough, and buffers that could lie under one of those, need be tried (``focus``), which keeps the
  search in one place; or everybody is tried by ascending position, as MiniMalloc does. Both are complete.
* *Sleep*: a buffer whose decision failed is not tried again until a decision below it moves it (sleep sets, from
  partial-order reduction); where none can any more, the branch is dead (MiniMalloc's dominance).
* *Backjumping*: a failure carries the set of decisions it follows from; decisions that are not among them are not
  retried (conflict-directed backjumping, Prosser 1993).
* *Failed states*: which buffers are left, and how low each could lie, is all that counts; what failed once fails
  again, however it was reached and whatever the strategy (a transposition table, with dominance).
* *Failure weights*: sections where branches die get weight, and the next run of the same strategy places their
  buffers first (after dom/wdeg, Boussemart et al. 2004).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from itertools import pairwise
from operator import add

from mcuplan.memory.sections import Sections
from mcuplan.memory.strategy import Budget, FailedStates, Strategy

PLACED = 1 << 62
"""Position of buffers that are placed: above every limit, so that they need no other mark."""

AWAKE = -1
"""Stands for "not asleep" where a set of decisions says why a buffer sleeps."""

FOUND = -1
"""Stands for success where a set of decisions says why a branch failed."""


class Search:
    """One run of one strategy for one capacity."""

    def __init__(
        self, sections: Sections, capacity: int, strategy: Strategy, budget: Budget, failed: FailedStates
    ) -> None:
        self.sections = sections
        self.failed = failed
        self.budget = budget
        self.focus = strategy.focus
        self.weights = strategy.weights
        granule = sections.granule
        # Whole granules: up, because a last one can be used in part, unless all sizes are whole.
        self.ceiling = (capacity // granule if sections.equal else -(-capacity // granule)) * granule
        count = len(sections.numbers)
        self.latest = [
            start if fixed else capacity - top
            for start, top, fixed in zip(sections.start, sections.tops, sections.fixed, strict=True)
        ]
        self.hopeless = any(
            start > latest or start + top > capacity
            for start, latest, top in zip(sections.start, self.latest, sections.tops, strict=True)
        )
        self.position = list(sections.start)  # the lowest possible one, or PLACED
        self.found = list(sections.start)  # where each was placed last
        self.totals = list(sections.totals)  # bytes still to stack, by section
        self.asleep = [AWAKE] * count  # why its decision fails, or AWAKE
        self.reason = [0] * count  # the decision that raised its position
        self.placed = 0  # the set of placed buffers
        self.crossing = [0] * (len(sections.totals) + 1)  # unplaced buffers live on both sides of a section's start
        for first, last in sections.reach:
            for s in range(first + 1, last):
                self.crossing[s] += 1
        self.bit, self.meets, self.member_set = sections.bit, sections.meets, sections.member_set
        self.rank = [0] * count
        self.static = self._static_measures(strategy.measures)

    # -- orders ------------------------------------------------------------------------------------------------------

    def _static_measures(self, letters: str) -> list[tuple[int | None, ...]]:
        """Each buffer's measures, negated; None stands for ``T``, which changes as buffers are placed."""
        s = self.sections
        count = [last - first for first, last in s.reach]
        columns: dict[str, Sequence[int | None]] = {
            "W": [-t for t in s.lifetimes],
            "C": [-c for c in count],
            "Z": [-z for z in s.sizes],
            "A": [-z * t for z, t in zip(s.sizes, s.lifetimes, strict=True)],
            "B": [-z * c for z, c in zip(s.sizes, count, strict=True)],
            "T": [None] * len(count),
        }
        return list(zip(*(columns[letter] for letter in letters), s.begin_steps, range(len(count)), strict=True))

    def _order(self, buffers: Iterable[int]) -> list[int]:
        """Buffers, the one to try first first."""
        totals, weights, reach, static = self.totals, self.weights, self.sections.reach, self.static

        def key(j: int) -> tuple[float, ...]:
            first, last = reach[j]
            busiest = -max(totals[first:last])
            return (-max(weights[first:last]), *[busiest if v is None else v for v in static[j]])

        return sorted(buffers, key=key)

    def _parts(
        self, buffers: Sequence[int], first: int, last: int, cuts: Iterable[int]
    ) -> list[tuple[int, int, list[int]]]:
        """Buffers by the sections ``[lower, upper)`` between ``cuts``; small parts first, empty ones left out."""
        reach = self.sections.reach
        parts = []
        for lower, upper in pairwise((first, *cuts, last)):
            inside = [j for j in buffers if lower <= reach[j][0] < upper]
            if inside:
                parts.append((lower, upper, inside))
        parts.sort(key=lambda part: len(part[2]))
        return parts

    # -- the search --------------------------------------------------------------------------------------------------

    def run(self) -> list[int] | None:
        """Offsets by number in the sections, None where there are none within the capacity.

        Raises
        ------
        OutOfBudgetError
            Where the budget ends first.
        """
        if self.hopeless:
            return None
        count = len(self.totals)
        cuts = [s for s in range(1, count) if not self.crossing[s]]
        for first, last, part in self._parts(range(len(self.position)), 0, count, cuts):
            if self._solve_ranked(part, first, last) != FOUND:
                return None
        return [at - shift for at, shift in zip(self.found, self.sections.shift, strict=True)]

    def _solve_ranked(self, buffers: list[int], first: int, last: int) -> int:
        """Rank the buffers of a part by what is still to stack now, and solve it."""
        rank = self.rank
        before = [(j, rank[j]) for j in buffers]
        for r, j in enumerate(self._order(buffers)):
            rank[j] = r
        failure = self._solve(buffers, sum(map(self.bit.__getitem__, buffers)), first, last)
        for j, r in before:
            rank[j] = r
        return failure

    def _solve(self, unplaced: list[int], members: int, first: int, last: int) -> int:
        """Place all ``unplaced`` buffers (as a set: ``members``) of the sections ``[first, last)``.

        Returns FOUND, or the decisions that together leave no way.
        """
        positions = tuple(map(self.position.__getitem__, unplaced))
        known = self.failed.find(members, positions)
        if known is not None:
            return self._why_as_before(unplaced, known)
        failure = self._branch(unplaced, members, first, last)
        if failure != FOUND:
            self.failed.add(members, positions)
        return failure

    def _why_as_before(self, unplaced: list[int], failed: tuple[int, ...]) -> int:
        """The decisions that put everybody at least as high as in a failed state."""
        because, start, reason = 0, self.sections.start, self.reason
        for j, at in zip(unplaced, failed, strict=True):
            if at > start[j]:
                because |= reason[j]
        return because

    def _branch(self, unplaced: list[int], members: int, first: int, last: int) -> int:
        """Try every decision that may come next; FOUND, or the decisions that leave no way."""
        section, ceiling = self._critical(unplaced, first, last)
        position, asleep, rank, twin = self.position, self.asleep, self.rank, self.sections.twin
        needed, because = self._lowest_of(section) if self.focus else (unplaced, 0)
        choices = []
        for j in needed:
            at = position[j]
            # Of twins only the first is tried: to exchange them changes nothing.
            if at <= ceiling and asleep[j] == AWAKE and (twin[j] < 0 or position[twin[j]] == PLACED):
                choices.append((at, rank[j], j))
        choices.sort()
        tried = []
        failure = None
        for at, _, j in choices:
            self.budget.spend()
            bit, meets = self.bit[j], self.meets[j]
            why = self._decide(unplaced, members, first, last, at, j)
            if why == FOUND or not why & bit:
                failure = why
                break
            why = why & ~bit | self.reason[j]
            if not meets & members:
                # Nobody is left to meet it, so its place cannot be the fault.
                failure = why | (self.placed & meets)
                break
            asleep[j] = why
            tried.append(j)
        if failure is None:
            if not self.focus:
                needed, because = self._lowest_of(section)
            failure = because
            for j in needed:
                if asleep[j] != AWAKE:
                    failure |= asleep[j]
        for j in tried:
            asleep[j] = AWAKE
        return failure

    def _critical(self, unplaced: list[int], first: int, last: int) -> tuple[int, int]:
        """The section with the most bytes still to stack, and the highest position at which one can be placed next."""
        totals = self.totals[first:last]
        most = max(totals)
        section = first + totals.index(most) if most else self.sections.spans[unplaced[0]][0][0]
        return section, self.ceiling - most + self.sections.lowest_begin

    def _lowest_of(self, section: int) -> tuple[Iterable[int], int]:
        """Buffers of which one must be placed next, and the decisions this follows from.

        The section needs a lowest buffer. That is one of its members that lie low enough; or, where another buffer
        could lie under such a member, one of those must come first.
        """
        s, position, reason = self.sections, self.position, self.reason
        begins = s.begins[section]
        most = self.totals[section]
        because = self.placed & self.member_set[section]
        highest: dict[int, int] = {}
        for n, j in enumerate(s.members[section]):
            limit = self.ceiling - most - (begins[n] if begins else 0)
            if position[j] <= limit:
                highest[j] = limit
            elif position[j] != PLACED:
                because |= reason[j]
        return self._with_all_under(highest, because)

    def _with_all_under(self, highest: dict[int, int], because: int) -> tuple[Iterable[int], int]:
        """Add all buffers that could lie under others, each of which must not lie above a limit."""
        s, position, reason, meets = self.sections, self.position, self.reason, self.meets
        sizes = s.tops
        heap = sorted((-limit, j) for j, limit in highest.items())
        if not s.plain:
            return self._with_all_under_linked(highest, heap, because)
        # The highest limits come first, and how far one lies under another is its own size: the first visit counts.
        left = ~self.placed
        for _, j in heap:
            left &= ~self.bit[j]
        while heap:
            limit, j = heappop(heap)
            because |= self.placed & meets[j]
            new = left & meets[j]
            left ^= new
            while new:
                lowest = new & -new
                new ^= lowest
                k = lowest.bit_length() - 1
                under = -limit - sizes[k]
                if position[k] <= under:
                    highest[k] = under
                    heappush(heap, (-under, k))
                else:
                    because |= reason[k]
        return highest, because

    def _with_all_under_linked(
        self, highest: dict[int, int], heap: list[tuple[int, int]], because: int
    ) -> tuple[Iterable[int], int]:
        """The same where distances differ from pair to pair."""
        position, reason, links = self.position, self.reason, self.sections.links
        while heap:
            limit, j = heappop(heap)
            if highest[j] != -limit:
                continue
            because |= self.placed & self.meets[j]
            for k, _, down in links[j]:
                under = -limit - down
                if position[k] <= under:
                    if highest.get(k, under - 1) < under:
                        highest[k] = under
                        heappush(heap, (-under, k))
                elif position[k] != PLACED:
                    because |= reason[k]
        return highest, because

    def _decide(self, unplaced: list[int], members: int, first: int, last: int, at: int, j: int) -> int:
        """Place buffer ``j`` at ``at`` and go on; FOUND, or the decisions that leave no way (``j`` among them)."""
        s, totals, bit = self.sections, self.totals, self.bit[j]
        spans = s.spans[j]
        for lower, upper, begin in spans:
            most = max(totals[lower:upper])
            if at + begin + most > self.ceiling:
                section = lower + totals[lower:upper].index(most)
                self.weights[section] += 1
                return (self.placed & self.member_set[section]) | bit
        self.found[j] = at
        self.position[j] = PLACED
        self.placed |= bit
        for (lower, upper, _), use in zip(spans, s.uses[j], strict=True):
            totals[lower:upper] = [t - use for t in totals[lower:upper]]
        raised: list[tuple[int, int, int, int]] = []
        why = self._raise_equally(j, at, first, last, raised) if s.equal else self._raise(j, at, first, last, raised)
        if why == FOUND:
            rest = [k for k in unplaced if k != j]
            why = self._dead(rest)
            if why == FOUND:
                why = self._go_on(rest, members ^ bit, first, last, j)
        position, asleep, reasons = self.position, self.asleep, self.reason
        for k, before, slept, reason in raised:
            position[k] = before
            asleep[k] = slept
            reasons[k] = reason
        for (lower, upper, _), use in zip(spans, s.uses[j], strict=True):
            totals[lower:upper] = [t + use for t in totals[lower:upper]]
        self.placed ^= bit
        position[j] = at
        return why

    def _raise_equally(self, j: int, at: int, first: int, last: int, raised: list[tuple[int, int, int, int]]) -> int:
        """Raise all that must lie above ``j`` now: to its end, where neither windows nor alignments matter."""
        s, position, asleep, reason = self.sections, self.position, self.asleep, self.reason
        bit, live_in = self.bit[j], s.live_in
        height = at + s.tops[j]
        touched = 0
        for k in s.over[j]:
            before = position[k]
            if before < height:
                raised.append((k, before, asleep[k], reason[k]))
                position[k] = height
                asleep[k] = AWAKE
                reason[k] = bit
                touched |= live_in[k]
        return self._overfull(touched, height, first, last)

    def _raise(self, j: int, at: int, first: int, last: int, raised: list[tuple[int, int, int, int]]) -> int:
        """Raise all that must lie above ``j`` now, each as far as it must."""
        s, position, asleep, reason = self.sections, self.position, self.asleep, self.reason
        bit, latest, live_in, alignments, shift = self.bit[j], self.latest, s.live_in, s.alignments, s.shift
        touched = highest = 0
        for k, up, _ in s.links[j]:
            height = at + up
            before = position[k]
            if before < height:
                if (align := alignments[k]) > 1:
                    height = -(-(height - shift[k]) // align) * align + shift[k]
                raised.append((k, before, asleep[k], reason[k]))
                position[k] = height
                asleep[k] = AWAKE
                reason[k] = bit
                touched |= live_in[k]
                if height > latest[k]:
                    return bit
                highest = max(highest, height)
        return self._overfull(touched, highest + s.highest_begin, first, last)

    def _overfull(self, touched: int, highest: int, first: int, last: int) -> int:
        """FOUND where all ``touched`` sections have room for what is to stack, or the decisions that fill one.

        The floor of a touched section is at most ``highest``: one that was raised lies there, or lower.
        """
        totals, ceiling = self.totals, self.ceiling
        room, position = ceiling - highest, self.position
        positions_of, begins = self.sections.positions_of, self.sections.begins
        for section in [s for s in range(first, last) if totals[s] > room]:
            if not touched >> section & 1:
                continue
            # The lowest address in the section at which anything can still be stacked.
            here, above = positions_of[section](position), begins[section]
            floor = min(here) if above is None else min(map(add, here, above))
            if floor + totals[section] > ceiling:
                self.weights[section] += 1
                reason = self.reason
                because = self.placed & self.member_set[section]
                for k in self.sections.members[section]:
                    if position[k] != PLACED:
                        because |= reason[k]
                return because
        return FOUND

    def _dead(self, unplaced: list[int]) -> int:
        """FOUND where every sleeping buffer can still be moved, or the decisions that leave one asleep for good.

        A sleeping buffer must be moved by one that can still be placed low enough to push it up: an awake one, or a
        sleeping one that can itself be moved.
        """
        asleep, position, links = self.asleep, self.position, self.sections.links
        stuck = [j for j in unplaced if asleep[j] != AWAKE]
        if not stuck:
            return FOUND
        still = set(stuck)
        while True:
            left = []
            for j in stuck:
                at = position[j]
                for k, up, _ in links[j]:
                    if position[k] < at + up and k not in still:
                        still.discard(j)
                        break
                else:
                    left.append(j)
            if not left:
                return FOUND
            if len(left) == len(stuck):
                break
            stuck = left
        return self._why_dead(stuck[0])

    def _why_dead(self, sleeper: int) -> int:
        position = self.position
        because, queue, seen = 0, [sleeper], {sleeper}
        while queue:
            j = queue.pop()
            because |= self.asleep[j] | (self.placed & self.meets[j])
            for k, up, _ in self.sections.links[j]:
                if position[k] >= position[j] + up:
                    if position[k] != PLACED:
                        because |= self.reason[k]
                elif k not in seen:
                    seen.add(k)
                    queue.append(k)
        return because

    def _go_on(self, rest: list[int], members: int, first: int, last: int, j: int) -> int:
        """Solve what is left after ``j`` was placed, in parts where it connected them."""
        if not rest:
            return FOUND
        crossing = self.crossing
        lower, upper = self.sections.reach[j]
        cuts = []
        for s in range(lower + 1, upper):
            crossing[s] -= 1
            if not crossing[s]:
                cuts.append(s)
        why = FOUND
        if cuts:
            for begin, end, part in self._parts(rest, first, last, cuts):
                why = self._solve_ranked(part, begin, end)
                if why != FOUND:
                    break
        else:
            why = self._solve(rest, members, first, last)
        for s in range(lower + 1, upper):
            crossing[s] += 1
        return why
