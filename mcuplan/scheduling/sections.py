"""Cutting a lattice where every order must pass.

An operator comparable with all others (each is its ancestor or its descendant) runs at a known place: everything
before it has run, nothing after it has. What runs between two such operators is a problem of its own, with the
buffers that reach across as given or kept, and the peak of the whole is the greatest peak of the parts.
"""

from __future__ import annotations

from collections.abc import Sequence

from mcuplan.scheduling.lattice import Lattice, Span, bits


def cut(lattice: Lattice) -> list[tuple[int, ...]]:
    """The operators section by section, in their running order; within a section in rising order.

    An operator that everything passes through is a section of its own.
    """
    cuts = [
        v for v in range(lattice.n) if (lattice.ancestors[v] | lattice.descendants[v] | 1 << v).bit_count() == lattice.n
    ]
    cuts.sort(key=lambda v: lattice.ancestors[v].bit_count())
    sections: list[tuple[int, ...]] = []
    done = 0
    for v in cuts:
        between = lattice.ancestors[v] & ~done
        if between:
            sections.append(tuple(bits(between)))
        sections.append((v,))
        done = lattice.ancestors[v] | 1 << v
    rest = lattice.full & ~done
    if rest:
        sections.append(tuple(bits(rest)))
    return sections


def split(lattice: Lattice, sections: Sequence[tuple[int, ...]]) -> list[Lattice]:
    """The lattice of each section; operator ``i`` of the k-th is ``sections[k][i]``. Step costs stay the same."""
    touching: list[list[int]] = [[] for _ in range(lattice.n)]
    for i, span in enumerate(lattice.spans):
        for v in bits(span.writers | span.readers):
            touching[v].append(i)
    parts = []
    done = 0
    # Live bytes behind each section, carried along so that buffers reaching across need not be looked at again.
    live = lattice.start_bytes
    for section in sections:
        inside = sum(1 << v for v in section)
        parts.append(_part(lattice, section, inside, done, live, {i for v in section for i in touching[v]}))
        for v in section:
            live += lattice.effect(v, done & lattice.near[v]).change
            done |= 1 << v
    return parts


def _part(lattice: Lattice, section: tuple[int, ...], inside: int, done: int, live: int, touched: set[int]) -> Lattice:
    local = {v: i for i, v in enumerate(section)}

    def localised(mask: int) -> int:
        return sum(1 << local[v] for v in bits(mask & inside))

    later = lattice.full & ~(done | inside)
    spans = []
    for i in sorted(touched):
        span = lattice.spans[i]
        given = span.given or bool(span.writers & done)
        kept = span.kept or bool(span.readers & later)
        spans.append(Span(span.size, localised(span.writers), localised(span.readers), given, kept))
        # Alive at the start of the section, in the sense of `Lattice.start_bytes`.
        if given and (kept or span.readers & ~done):
            live -= span.size
    if live:
        spans.append(Span(live, 0, 0, given=True, kept=True))
    needs = [localised(lattice.needs[v]) for v in section]
    return Lattice(needs, [lattice.scratch[v] for v in section], spans)
