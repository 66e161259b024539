"""When a run touches which bytes of which tensor: loops are followed turn by turn (two show everything that recurs)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from mcuplan.memory import Buffer, Window
from mcuplan.patching.writing.build import Draft, Place
from mcuplan.planning.allocation import ALIGNMENT

SHOWN_TURNS = 2
"""Turns of a loop that are followed: the second begins with what the first one left."""


@dataclass(frozen=True, slots=True)
class Touch:
    """Bytes ``[begin, end)`` of a tensor, written or read at a step."""

    place: Place
    step: int
    begin: int
    end: int
    writes: bool


class Run:
    """One run of a draft.

    Parameters
    ----------
    draft
        The graph and its loops.
    sizes
        Bytes of each tensor in the arena.
    parts
        By operator that reads a part of a tensor only: the bytes ``[begin, end)`` of it, by tensor.

    Attributes
    ----------
    touches
        Every read and write, steps ascending.
    steps
        The steps at which each operator runs, by subgraph and operator.
    """

    def __init__(
        self,
        draft: Draft,
        sizes: Mapping[Place, int],
        parts: Mapping[tuple[int, int], Mapping[int, tuple[int, int]]],
    ) -> None:
        self.draft = draft
        self.touches: list[Touch] = []
        self.steps: dict[tuple[int, int], list[int]] = {}
        self._sizes = sizes
        self._parts = parts
        self._main()

    def _main(self) -> None:
        main = self.draft.graph.main
        self._touch(0, main.inputs, 0, writes=True)
        loops = {loop.operator: loop for loop in self.draft.loops}
        step = 0
        for k in range(len(main.operators)):
            step += 1
            if k in loops:
                loop = loops[k]
                self._touch(0, main.operators[k].inputs, step, writes=False)
                for _ in range(min(loop.turns, SHOWN_TURNS)):
                    step = self._subgraph(loop.condition, step)
                    step = self._subgraph(loop.body, step)
                step = self._subgraph(loop.condition, step)
                self._touch(0, main.operators[k].outputs, step, writes=False)
                self.steps.setdefault((0, k), []).append(step)
            else:
                self._operator(0, k, step)
        self._touch(0, main.outputs, step + 1, writes=False)

    def _subgraph(self, index: int, step: int) -> int:
        subgraph = self.draft.graph.subgraphs[index]
        self._touch(index, subgraph.inputs, step, writes=False)
        for k in range(len(subgraph.operators)):
            step += 1
            self._operator(index, k, step)
        step += 1
        self._touch(index, subgraph.outputs, step, writes=False)
        return step

    def _touch(self, index: int, tensors: Sequence[int], step: int, writes: bool) -> None:
        for t in tensors:
            size = self._sizes.get((index, t))
            if size:
                self.touches.append(Touch((index, t), step, 0, size, writes))

    def _operator(self, index: int, k: int, step: int) -> None:
        op = self.draft.graph.subgraphs[index].operators[k]
        self.steps.setdefault((index, k), []).append(step)
        parts = self._parts.get((index, k), {})
        for t in dict.fromkeys(op.inputs):
            size = self._sizes.get((index, t))
            if size:
                begin, end = parts.get(t, (0, size))
                self.touches.append(Touch((index, t), step, begin, end, False))
        self._touch(index, op.outputs, step, writes=True)


def bytes_in_use(touches: Sequence[tuple[Touch, int]]) -> dict[int, tuple[int, int]]:
    """For each step, the lowest and highest byte in use of a block."""
    cuts = sorted({c for touch, at in touches for c in (at + touch.begin, at + touch.end)})
    found: dict[int, tuple[int, int]] = {}
    ordered = sorted(touches, key=lambda row: (row[0].step, row[0].writes))
    for begin, end in pairwise(cuts):
        since: int | None = None
        until = 0
        spans: list[tuple[int, int]] = []
        for touch, at in ordered:
            if at + touch.begin > begin or at + touch.end < end:
                continue
            if touch.writes:
                if since is not None:
                    spans.append((since, until))
                since = until = touch.step
            else:
                since = touch.step if since is None else since
                until = touch.step
        if since is not None:
            spans.append((since, until))
        for first, last in spans:
            for step in range(first, last + 1):
                low, high = found.get(step, (begin, end))
                found[step] = min(low, begin), max(high, end)
    return found


def buffer_of(number: int, size: int, used: Mapping[int, tuple[int, int]]) -> Buffer:
    """A buffer of the allocation problem of which the bytes ``used`` are in use, by step."""
    first, last = min(used), max(used)
    windows: list[Window] = []
    for step in range(first, last + 1):
        here = used.get(step)
        if here is None:
            continue
        old = windows[-1] if windows else None
        if old is not None and old.upper == step and (old.begin, old.end) == here:
            windows[-1] = Window(old.lower, step + 1, *here)
        else:
            windows.append(Window(step, step + 1, *here))
    whole = len(windows) == 1 and (windows[0].begin, windows[0].end) == (0, size)
    return Buffer(number, size, first, last + 1, ALIGNMENT, windows=() if whole else tuple(windows))
