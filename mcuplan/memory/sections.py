"""A problem as the exact search wants it: sections, and which buffer lies how far above which.

A *section* is a slot of time whose set of live buffers is not contained in a neighbour's (MiniMalloc's term). In any
placement the buffers of a section form a stack, and the search builds all stacks from the bottom up. That asks for
two things, which plain buffers have by themselves:

* Of each two buffers that can meet, one lies above the other throughout. Windows can allow positions in between
  (a small buffer in a hole of a large one). Those are given up here, and :attr:`Sections.complete` is False then:
  placements found are valid, but finding none proves nothing.
* Supports come before what they carry when buffers are placed by ascending *reference point* (an address at a fixed
  distance from the offset; for plain buffers the offset itself). With windows such reference points may have to be
  found (a system of difference constraints); where there are none, distances are stretched until there are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from operator import itemgetter

from mcuplan.memory.layout import Layout
from mcuplan.memory.timeline import Timeline, slice_granules

Getter = Callable[[Sequence[int]], Sequence[int]]


class Sections:
    """Buffers in use, renumbered, with positions counted at their reference points.

    Attributes
    ----------
    numbers
        The buffer's number in the layout.
    shift
        Its reference point minus its offset.
    start, tops
        Its lowest position; the bytes from its position to its end.
    alignments, fixed
        As in the problem.
    links
        Per buffer ``(k, up, down)``: ``k`` lies at least ``up`` above it, or it lies at least ``down`` above ``k``.
    spans
        Per buffer ``(first, last, begin)``: the sections where it is in use, and where its first byte in use lies
        there, counted from its position.
    reach
        Per buffer the sections from its first to its last.
    uses
        Per buffer and span the bytes in use (rounded to granules).
    members, begins, totals
        Per section its buffers, their first bytes in use (None where all are 0), and the sum of bytes in use.
    steps
        Per section the steps ``[lower, upper)`` of its slot.
    positions_of
        Per section what picks its members' values from a list.
    granule
        Bytes that divide every offset.
    plain
        Whether everybody's distance to all above is its size, and its position its offset.
    equal
        Whether, besides, everybody uses all its bytes, nobody is fixed, all have the same alignment, and all sizes are
        multiples of it: then a stack of bytes in use ends where its buffers do.
    lowest_begin, highest_begin
        How far below and above its position a buffer's bytes can begin in a section, at most (0 for plain buffers).
    bit, over, meets
        Per buffer itself as a set (a bit), the buffers it can meet, and the same as a set.
    member_set, live_in
        Per section its members as a set; per buffer the sections it is in use in, as a set.
    twin
        Per buffer an earlier one that is like it in everything but its name, or -1.
    complete
        Whether every placement worth having is among those that the search looks at.
    """

    def __init__(self, layout: Layout) -> None:
        timeline = layout.timeline
        self.granule = timeline.granule()
        self.numbers = [i for i, spans in enumerate(timeline.spans) if spans]
        self.complete = True
        self._deadline = layout.deadline
        distances = self._distances(layout)
        self.shift = self._reference_points(distances)
        buffers = [layout.buffers[i] for i in self.numbers]
        self.alignments = [b.alignment for b in buffers]
        self.fixed = [b.offset is not None for b in buffers]
        self.start = [(b.offset or 0) + s for b, s in zip(buffers, self.shift, strict=True)]
        self.tops = [b.size - s for b, s in zip(buffers, self.shift, strict=True)]
        self.lifetimes = [b.upper - b.lower for b in buffers]
        self.sizes = [b.size for b in buffers]
        self.begin_steps = [b.lower for b in buffers]
        self.links = (
            distances
            if not any(self.shift)
            else [
                [(k, up + self.shift[k] - self.shift[j], down + self.shift[j] - self.shift[k]) for k, up, down in row]
                for j, row in enumerate(distances)
            ]
        )
        self._cut(timeline)
        self.plain = not any(self.shift) and all(
            up == self.tops[j] for j, row in enumerate(self.links) for _, up, _ in row
        )
        whole = all(top % self.granule == 0 for top in self.tops)
        filled = all(use == top for uses, top in zip(self.uses, self.tops, strict=True) for use in uses)
        aligned = all(a == self.granule for a in self.alignments)
        self.equal = self.plain and filled and whole and aligned and not any(self.fixed)
        self.lowest_begin = max((-begin for spans in self.spans for _, _, begin in spans), default=0)
        self.highest_begin = max((begin for spans in self.spans for _, _, begin in spans), default=0)
        self._make_sets()

    # -- distances and reference points ------------------------------------------------------------------------------

    def _distances(self, layout: Layout) -> list[list[tuple[int, int, int]]]:
        """Per buffer ``(k, up, down)`` in offsets: the hull of what the layout forbids, in whole granules."""
        renumbered = {i: j for j, i in enumerate(self.numbers)}
        g = self.granule
        one: dict[int, int] = {}  # one object for each distance: there are few of them, and many pairs
        found: list[list[tuple[int, int, int]]] = []
        for i in self.numbers:
            hull: dict[int, tuple[int, int]] = {}
            for k, low, high in layout.row(i):
                if k in hull:
                    self.complete = False
                    low, high = min(low, hull[k][0]), max(high, hull[k][1])
                hull[k] = low, high
            # offset(i) - offset(k) <= low, or >= high: k at least -low above i, or i at least high above k.
            ends = ((k, -(low // g) * g, -(-high // g) * g) for k, (low, high) in sorted(hull.items()))
            found.append([(renumbered[k], one.setdefault(up, up), one.setdefault(down, down)) for k, up, down in ends])
        return found

    def _reference_points(self, distances: list[list[tuple[int, int, int]]]) -> list[int]:
        """Shifts that make every distance positive, by Bellman-Ford; distances are stretched where none do."""
        g = self.granule
        shift = [0] * len(distances)
        if all(up > 0 and down > 0 for row in distances for _, up, down in row):
            return shift
        # up + shift[k] - shift[j] >= g for every link, from both ends.
        for _ in range(len(distances) + 1):
            self._deadline.check()
            changed = False
            for j, row in enumerate(distances):
                for k, up, _ in row:
                    if shift[k] < shift[j] + g - up:
                        shift[k] = shift[j] + g - up
                        changed = True
            if not changed:
                return shift
        self.complete = False
        for row in distances:
            row[:] = [(k, max(up, g), max(down, g)) for k, up, down in row]
        return [0] * len(distances)

    # -- sections ----------------------------------------------------------------------------------------------------

    def _cut(self, timeline: Timeline) -> None:
        kept = self._sections(timeline)
        self.steps = [timeline.slots[slot] for slot in kept]
        section_of = {slot: s for s, slot in enumerate(kept)}
        g = self.granule
        self.members: list[list[int]] = [[] for _ in kept]
        begins: list[list[int]] = [[] for _ in kept]
        self.totals = [0] * len(kept)
        self.spans: list[tuple[tuple[int, int, int], ...]] = []
        self.uses: list[tuple[int, ...]] = []
        for j, i in enumerate(self.numbers):
            spans: list[tuple[int, int, int]] = []
            uses: list[int] = []
            for part, (first, last) in zip(timeline.slices[i], timeline.spans[i], strict=True):
                inside = [section_of[slot] for slot in range(first, last) if slot in section_of]
                use = slice_granules(part, g) * g
                if not inside:
                    continue
                begin = -(-part.ranges[0][0] // g) * g - self.shift[j]
                for s in inside:
                    self.members[s].append(j)
                    begins[s].append(begin)
                    self.totals[s] += use
                spans.append((inside[0], inside[-1] + 1, begin))
                uses.append(use)
            self.spans.append(tuple(spans))
            self.uses.append(tuple(uses))
        self.begins = [b if any(b) else None for b in begins]
        self.positions_of = [_getter(m) for m in self.members]
        self.reach = [(spans[0][0], spans[-1][1]) if spans else (0, 0) for spans in self.spans]

    def _make_sets(self) -> None:
        count = len(self.numbers)
        self.bit = [1 << j for j in range(count)]
        self.over = [[k for k, _, _ in row] for row in self.links]
        self.meets = [sum(self.bit[k] for k in row) for row in self.over]
        self.member_set = [sum(self.bit[j] for j in m) for m in self.members]
        self.live_in = [sum((1 << last) - (1 << first) for first, last, _ in spans) for spans in self.spans]
        self.twin = self._twins()

    def _twins(self) -> list[int]:
        seen: dict[object, int] = {}
        twins = []
        for j, spans in enumerate(self.spans):
            alike = len(spans) == 1 and not self.fixed[j] and not self.shift[j] and self.uses[j][0] == self.tops[j]
            key = (spans, self.tops[j], self.alignments[j]) if alike else j
            twins.append(seen.get(key, -1))
            seen[key] = j
        return twins

    def _sections(self, timeline: Timeline) -> list[int]:
        """The slots that no neighbour's use contains."""
        live: list[dict[int, tuple[tuple[int, int], ...]]] = [{} for _ in timeline.slots]
        for i in self.numbers:
            for part, (first, last) in zip(timeline.slices[i], timeline.spans[i], strict=True):
                for slot in range(first, last):
                    live[slot][i] = part.ranges
        kept: list[int] = []
        for slot, here in enumerate(live):
            while kept and _contains(here, live[kept[-1]]):
                kept.pop()
            if here and not (kept and _contains(live[kept[-1]], here)):
                kept.append(slot)
        return kept


def _contains(outer: dict[int, tuple[tuple[int, int], ...]], inner: dict[int, tuple[tuple[int, int], ...]]) -> bool:
    """Whether all that is in use in one slot is in use in another one too."""
    if len(inner) > len(outer):
        return False
    return all(
        i in outer and (ranges == outer[i] or all(any(c <= b and e <= d for c, d in outer[i]) for b, e in ranges))
        for i, ranges in inner.items()
    )


def _getter(members: Sequence[int]) -> Getter:
    if len(members) == 1:
        only = members[0]
        return lambda values: (values[only],)
    return itemgetter(*members)
