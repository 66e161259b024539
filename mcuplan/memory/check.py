"""Whether a placement is valid, told from the definitions alone: shares nothing with the allocators."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping

from mcuplan.memory.problem import Problem, Window, shown


def conflicts(problem: Problem, offsets: Mapping[Hashable, int]) -> Iterator[tuple[Hashable, Hashable]]:
    """Pairs of buffers that use one byte at the same step, by their definition alone.

    Examples
    --------
    >>> from mcuplan.memory import Buffer
    >>> two = Problem((Buffer("a", 4, 0, 2), Buffer("b", 4, 1, 3)))
    >>> list(conflicts(two, {"a": 0, "b": 3})), list(conflicts(two, {"a": 0, "b": 4}))
    ([('a', 'b')], [])
    """
    for i, a in enumerate(problem.buffers):
        for b in problem.buffers[:i]:
            if any(_meet(p, offsets[a.id], q, offsets[b.id]) for p in a.pieces() for q in b.pieces()):
                yield b.id, a.id


def _meet(p: Window, p_at: int, q: Window, q_at: int) -> bool:
    in_time = p.lower < q.upper and q.lower < p.upper
    return in_time and p_at + p.begin < q_at + q.end and q_at + q.begin < p_at + p.end


def check(problem: Problem, offsets: Mapping[Hashable, int]) -> tuple[str, ...]:
    """Everything that is wrong with a placement, one sentence each; empty where it is valid.

    Looked for: buffers without an offset, negative and misaligned offsets, fixed buffers that moved, buffers that
    end above the capacity, and pairs that use one byte at the same step. A buffer without bytes may lie anywhere.

    Examples
    --------
    >>> from mcuplan.memory import Buffer
    >>> check(Problem((Buffer("a", 4, 0, 2, alignment=4), Buffer("b", 4, 1, 3))), {"a": 2, "b": 4})
    ("buffer 'a' is at offset 2, which is not a multiple of 4", "buffers 'a' and 'b' use the same bytes")
    """
    faults = list(_single_faults(problem, offsets))
    if all(b.id in offsets for b in problem.buffers):
        faults += [f"buffers {shown(a)} and {shown(b)} use the same bytes" for a, b in conflicts(problem, offsets)]
    return tuple(faults)


def _single_faults(problem: Problem, offsets: Mapping[Hashable, int]) -> Iterator[str]:
    for b in problem.buffers:
        if b.id not in offsets:
            yield f"buffer {shown(b.id)} has no offset"
            continue
        at = offsets[b.id]
        if at < 0:
            yield f"buffer {shown(b.id)} is at a negative offset ({at})"
        if at % b.alignment:
            yield f"buffer {shown(b.id)} is at offset {at}, which is not a multiple of {b.alignment}"
        if b.offset is not None and at != b.offset:
            yield f"buffer {shown(b.id)} is at offset {at}, but is fixed at {b.offset}"
        if problem.capacity is not None and b.size and at + b.size > problem.capacity:
            yield f"buffer {shown(b.id)} ends at {at + b.size}, above the capacity of {problem.capacity}"
