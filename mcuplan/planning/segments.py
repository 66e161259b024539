"""Which bytes of which tensors hold the same values, whatever they are.

Operators that only move whole ranges (RESHAPE, CONCATENATION, SLICE, ...) give tensors whose bytes are bytes of other
tensors. Each tensor becomes a list of segments of *roots*: tensors whose values some other operator computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mcuplan.tflm.aliasing import AliasOption, Relation


@dataclass(frozen=True, slots=True)
class Segment:
    """Bytes ``[begin, end)`` of a tensor are bytes ``[at, at + end - begin)`` of tensor ``root``."""

    begin: int
    end: int
    root: int
    at: int


def contents(
    sizes: Sequence[int], options: Iterable[AliasOption], outputs: Sequence[Sequence[int]]
) -> list[list[Segment]]:
    """The segments of each tensor of a subgraph.

    Parameters
    ----------
    sizes
        Bytes of each tensor.
    options
        The subgraph's SHARE options, in operator order (others are passed over).
    outputs
        For each operator, the tensors it writes.
    """
    found = [[Segment(0, size, t, 0)] for t, size in enumerate(sizes)]
    by_operator: dict[int, list[AliasOption]] = {}
    for option in options:
        if option.relation is Relation.SHARE:
            by_operator.setdefault(option.operator, []).append(option)
    for k in sorted(by_operator):
        written = set(outputs[k])
        for option in by_operator[k]:
            if option.inner in written:  # a copy or a piece of an input
                found[option.inner] = part(found[option.outer], option.at, option.at + sizes[option.inner])
            elif option.outer in written:  # a part of the output
                found[option.outer] = _overlay(found[option.outer], option.at, found[option.inner])
    return found


def part(segments: Sequence[Segment], begin: int, end: int) -> list[Segment]:
    """The segments of bytes ``[begin, end)``, renumbered from 0 and joined where they follow one another."""
    out: list[Segment] = []
    for s in segments:
        low, high = max(s.begin, begin), min(s.end, end)
        if low < high:
            _append(out, Segment(low - begin, high - begin, s.root, s.at + low - s.begin))
    return out


def _append(segments: list[Segment], new: Segment) -> None:
    if segments:
        last = segments[-1]
        if last.end == new.begin and last.root == new.root and last.at + (last.end - last.begin) == new.at:
            segments[-1] = Segment(last.begin, new.end, last.root, last.at)
            return
    segments.append(new)


def _overlay(segments: Sequence[Segment], at: int, inner: Sequence[Segment]) -> list[Segment]:
    """``segments`` with ``inner`` laid over it from byte ``at`` on."""
    size = inner[-1].end if inner else 0
    out: list[Segment] = []
    end = segments[-1].end if segments else 0
    for s in part(segments, 0, at):
        _append(out, s)
    for s in inner:
        _append(out, Segment(s.begin + at, s.end + at, s.root, s.at))
    for s in part(segments, at + size, end):
        _append(out, Segment(s.begin + at + size, s.end + at + size, s.root, s.at))
    return out


def same(a: Sequence[Segment], a_begin: int, b: Sequence[Segment], b_begin: int, length: int) -> bool:
    """True where ``length`` bytes of two tensors hold the same values, whatever they are."""
    return part(a, a_begin, a_begin + length) == part(b, b_begin, b_begin + length)
