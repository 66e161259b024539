"""MCUNetV2's scheme: which stage it would patch, and its redistribution of the receptive field, move by move."""

from __future__ import annotations

from collections.abc import Sequence

from mcuplan.findings.chains import Chain
from mcuplan.findings.redistribution import Move, advise, redesigned
from mcuplan.operators.geometry.regions import even
from mcuplan.operators.geometry.stages import PatchError
from papers.accounting import PAPERS, Accounting, patches


def front_stage(chain: Chain, parts: int, accounting: Accounting = PAPERS) -> int:
    """The last layer of the stage that MCUNetV2's scheme would patch: from the first layer on, ``parts`` x ``parts``.

    The one for which the largest of the stage's RAM and that of the layers behind it, one by one, is least; of equals
    the shortest.
    """
    best: tuple[int, int] | None = None
    for last in range(len(chain)):
        layer = chain.layers[last]
        if min(layer.rows.output, layer.columns.output) < parts:
            break
        sizes = [even(size, -(-size // parts)) for size in (layer.rows.output, layer.columns.output)]
        ram = patches(chain, 0, last, sizes[0], sizes[1], accounting).ram_bytes
        for index in range(last + 1, len(chain)):
            one = chain.layers[index]
            counted = index < len(chain) - 1 or accounting.network_output
            ram = max(ram, one.input_total + one.output_total * counted)
        if best is None or ram < best[0]:
            best = ram, last
    if best is None:
        raise PatchError(f"no layer of the network can be cut into {parts} x {parts} patches")
    return best[1]


def redistribute(
    chain: Chain, first: int, last: int, heights: Sequence[int], widths: Sequence[int], target: float
) -> tuple[Move, ...]:
    """Kernel moves one after the other, each on the network that the one before left, until little overlaps.

    ``target`` is the overhead to reach, as a part of the network's MACs. Each move is the one that lowers the overlap
    most; they end early where none does.
    """
    done: list[Move] = []
    advice = advise(chain, first, last, heights, widths, most=1)
    while (done[-1].overlap if done else advice.overlap).network_overhead > target:
        move = next((move for move in advice.moves if not move.is_stride), None)
        if move is None:
            break
        chain = redesigned(chain, {c.layer: (c.kernel[1], c.stride[1]) for c in (move.taken, move.given)})
        done.append(move)
        advice = advise(chain, first, last, move.overlap.heights, move.overlap.widths, most=1)
    return tuple(done)
