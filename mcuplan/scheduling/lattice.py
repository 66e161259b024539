"""The problem as a search sees it: the lattice of executed sets, as Python integers used as bit masks.

A *downset* is a set of operators that holds everything each of them needs: what has run so far. An order is a path
through the downsets from the empty one to the full one. The bytes that stay live behind a downset ``S``,

    live(S) = sum of size(b) over buffers b with some writer in S (or given) and some reader not in S (or kept),

do not depend on the path, and running ``v`` at ``S`` takes ``live(S) + rise(v, S)`` bytes, where ``rise`` is what
``v`` allocates and its scratch. Each term of ``live`` is a coverage function minus a conjunction, hence ``live`` is
*submodular*: ``live(A | B) + live(A & B) <= live(A) + live(B)``. Every reduction of the search rests on that. It holds
for the bytes while an operator runs as well: split each operator into a half that allocates and a half that frees,
and they are the live bytes behind a downset of halves.

Seen from the end, an operator allocates what it reads first and frees what it wrote: with writers and readers (and
given and kept) exchanged and the precedences turned around, every path has the same step costs. One of the two
directions is often a hundred times easier to search than the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import NamedTuple

from mcuplan.scheduling.problem import Problem

_MEMO_ENTRIES = 4096
_LARGE = 512
_MEMO_BYTES = 6_000_000
"""Most remembered effects of one operator, and in large lattices about the memory of all; beyond, effects are worked
out anew."""


class Span(NamedTuple):
    """One buffer: its bytes, the masks of its first users and of its last, and whether it is there at either end."""

    size: int
    writers: int
    readers: int
    given: bool
    kept: bool


class Effect(NamedTuple):
    """What running an operator does to the live bytes: ``rise`` while it runs (scratch too), ``change`` behind it."""

    rise: int
    change: int


class Action(NamedTuple):
    """An operator as a search meets it.

    ``near`` and ``memo`` lead to its effect (see `Lattice.effect`), ``feeds`` lists the bit and the needs of each
    operator right after it, and ``eases`` is the mask of operators that may rise less once it has run.
    """

    near: int
    memo: dict[int, Effect]
    operator: int
    feeds: tuple[tuple[int, int], ...]
    eases: int


def bits(mask: int) -> Iterator[int]:
    """The positions of the set bits, lowest first."""
    while mask:
        low = mask & -mask
        mask ^= low
        yield low.bit_length() - 1


class Lattice:
    """Operators ``0..n-1`` with their precedences and buffers, compiled to bit masks.

    ``needs[v]`` and ``feeds[v]`` are the masks of the operators right before and right after ``v``; ``start`` the
    operators that can run first; ``start_bytes`` the live bytes of the empty downset.
    """

    def __init__(self, needs: Sequence[int], scratch: Sequence[int], spans: Sequence[Span]) -> None:
        self.n = len(needs)
        self.full = (1 << self.n) - 1
        # Masks of thousands of operators are large and mostly alike: one object for each.
        known: dict[int, int] = {}
        self._shared = known.setdefault
        self.needs = tuple(known.setdefault(mask, mask) for mask in needs)
        self.scratch = tuple(scratch)
        self.spans = tuple(
            s._replace(writers=known.setdefault(s.writers, s.writers), readers=known.setdefault(s.readers, s.readers))
            for s in spans
        )
        feeds = [0] * self.n
        for v, mask in enumerate(needs):
            for u in bits(mask):
                feeds[u] |= 1 << v
        self.feeds = tuple(known.setdefault(mask, mask) for mask in feeds)
        self.start = sum(1 << v for v in range(self.n) if not needs[v])
        self.start_bytes = sum(s.size for s in self.spans if s.given and (s.kept or s.readers))
        self._compile_effects()

    def _compile_effects(self) -> None:
        """For each operator: the effect that never varies, and the buffers that depend on who has run before."""
        self._rise = list(self.scratch)
        self._change = [0] * self.n
        self._allocates: list[list[tuple[int, int]]] = [[] for _ in range(self.n)]
        self._frees: list[list[tuple[int, int]]] = [[] for _ in range(self.n)]
        for span in self.spans:
            if not span.given:
                for v in bits(span.writers):
                    others = span.writers & ~(1 << v)
                    if others:
                        self._allocates[v].append((self._shared(others, others), span.size))
                    else:
                        self._rise[v] += span.size
                        self._change[v] += span.size
            if not span.kept:
                for v in bits(span.readers):
                    others = span.readers & ~(1 << v)
                    if others:
                        self._frees[v].append((self._shared(others, others), span.size))
                    else:
                        self._change[v] -= span.size
        # The effect of v at S depends on S only through the operators that share such a buffer with v.
        near = (sum_of_masks(mask for mask, _ in (*self._allocates[v], *self._frees[v])) for v in range(self.n))
        self.near = tuple(self._shared(mask, mask) for mask in near)
        self.memo: tuple[dict[int, Effect], ...] = tuple({} for _ in range(self.n))
        self._memo_left = _MEMO_BYTES // (self.n // 8 + 260) if self.n >= _LARGE else 1 << 62

    def effect(self, v: int, near: int) -> Effect:
        """What running ``v`` does behind a downset ``S``, given ``near = S & self.near[v]``."""
        known = self.memo[v].get(near)
        if known is not None:
            return known
        rise, change = self._rise[v], self._change[v]
        for others, size in self._allocates[v]:
            if not others & near:
                rise += size
                change += size
        for others, size in self._frees[v]:
            if not others & ~near:
                change -= size
        effect = Effect(rise, change)
        if self._memo_left and len(self.memo[v]) < _MEMO_ENTRIES:
            self._memo_left -= 1
            self.memo[v][near] = effect
        return effect

    @cached_property
    def actions(self) -> dict[int, Action]:
        """What a search must know of each operator, by the operator's bit."""
        bit = [self._shared(1 << v, 1 << v) for v in range(self.n)]
        return {
            bit[v]: Action(
                self.near[v],
                self.memo[v],
                v,
                tuple((bit[w], self.needs[w]) for w in bits(self.feeds[v])),
                sum_of_masks(mask for mask, _ in self._allocates[v]),
            )
            for v in range(self.n)
        }

    @cached_property
    def ancestors(self) -> tuple[int, ...]:
        """For each operator the mask of all that must run before it."""
        return _closure(self.needs, self.feeds)

    @cached_property
    def descendants(self) -> tuple[int, ...]:
        """For each operator the mask of all that must run after it."""
        return _closure(self.feeds, self.needs)

    @cached_property
    def reverse(self) -> Lattice:
        """The same problem seen from the end: its orders, turned around, are this one's, with equal peaks."""
        spans = [Span(s.size, s.readers, s.writers, s.kept, s.given) for s in self.spans]
        return Lattice(self.feeds, self.scratch, spans)

    def step_costs(self, order: Sequence[int]) -> list[int]:
        """Live bytes while each operator runs, by operator, when run in this order."""
        costs = [0] * self.n
        done, live = 0, self.start_bytes
        for v in order:
            rise, change = self.effect(v, done & self.near[v])
            costs[v] = live + rise
            live += change
            done |= 1 << v
        return costs

    def peak(self, order: Sequence[int]) -> int:
        """The most live bytes while any operator runs; 0 where there is none."""
        return max(self.step_costs(order), default=0)

    def own_bound(self) -> int:
        """A lower bound on every order's peak: the most that one operator's own inputs, outputs and scratch take."""
        own = list(self.scratch)
        for span in self.spans:
            for v in bits(span.writers | span.readers):
                own[v] += span.size
        spanning = sum(s.size for s in self.spans if not s.writers | s.readers and s.given and s.kept)
        return spanning + max(own, default=0)


def compile_problem(problem: Problem) -> Lattice:
    """The problem's lattice, operator ``v`` being task ``v``.

    An input of the network that nobody reads is live before the first operator only, which no order changes: it is
    in no step of the lattice.
    """
    needs = [0] * len(problem.tasks)
    for before, after in problem.precedences():
        needs[after] |= 1 << before
    spans = []
    for s in problem.storages():
        writers = sum_of_masks(1 << v for v in s.writers)
        # A writer counts as a reader too: a buffer is live while it is written, read or not.
        readers = writers | sum_of_masks(1 << v for v in s.readers)
        spans.append(Span(s.size, writers, readers, s.given, s.kept))
    return Lattice(needs, [task.scratch for task in problem.tasks], spans)


def sum_of_masks(masks: Iterator[int]) -> int:
    """The union of bit masks."""
    union = 0
    for mask in masks:
        union |= mask
    return union


def _closure(near: Sequence[int], far: Sequence[int]) -> tuple[int, ...]:
    """Transitive closure of ``near``, whose inverse is ``far``, over an acyclic relation."""
    reached = [0] * len(near)
    waiting = [mask.bit_count() for mask in near]
    ready = [v for v, count in enumerate(waiting) if not count]
    while ready:
        v = ready.pop()
        for w in bits(far[v]):
            reached[w] |= reached[v] | 1 << v
            waiting[w] -= 1
            if not waiting[w]:
                ready.append(w)
    return tuple(reached)
