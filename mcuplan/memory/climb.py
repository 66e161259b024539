"""Hill climbing over placement orders, after Arm Vela's allocator (ethosu/vela/hillclimb_allocation.py in spirit).

A placement by first fit is only as good as its order. The buffers at the top are moved ahead of others that they can
meet, or of others anywhere, and what is no worse is kept. Knows every objective and every window, proves nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence

from mcuplan.memory.greedy import place
from mcuplan.memory.layout import Layout, Offsets, first_fit


def climb(
    layout: Layout, numbers: Sequence[int], score: Callable[[Offsets], int], rounds: int, seed: int = 0
) -> Iterator[tuple[int, Offsets]]:
    """Yield each placement that is better than all before, with its score.

    Parameters
    ----------
    numbers
        The order to begin with.
    score
        What is to be small; called once for each placement.
    rounds
        How many orders to try; the same ones for one seed.

    Raises
    ------
    OutOfTimeError
        Where the layout's time is up.
    """
    chance = random.Random(seed)
    order = list(numbers)
    offsets = place(layout, order, first_fit)
    if offsets is None or len(order) < 2:
        return
    current = best = score(offsets)
    for _ in range(rounds):
        tried = _moved(layout, order, offsets, chance)
        found = place(layout, tried, first_fit)
        if found is None:
            continue
        reached = score(found)
        if reached <= current:
            order, offsets, current = tried, found, reached
            if reached < best:
                best = reached
                yield best, found


def _moved(layout: Layout, order: Sequence[int], offsets: Offsets, chance: random.Random) -> list[int]:
    """The order with a buffer of the top, or one under it, taken ahead of another one."""
    top = layout.height(offsets)
    highest = [i for i in order if offsets[i] + layout.sizes[i] == top]
    late = chance.choice(highest or list(order))
    meets = [k for k, _, _ in layout.row(late)]
    if meets and chance.random() < 0.3:
        late = chance.choice(meets)
        meets = [k for k, _, _ in layout.row(late)]
    early = chance.choice(meets) if meets and chance.random() < 0.8 else chance.choice(order)
    moved = [i for i in order if i != late]
    if early == late:
        return list(order)
    moved.insert(moved.index(early) + (chance.random() < 0.2), late)
    return moved
