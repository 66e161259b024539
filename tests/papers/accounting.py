"""What a patch stage costs in the papers' own accounting: bytes of RAM and MACs of layers fused in a chain.

The rules, those of msf-CNN (arXiv:2505.11483, and its published cost model), StreamNet and MCUNetV2 (arXiv:2110.15352):
one byte an element, chains of layers without residual adds, a stage's input and output whole in memory, the
network's input never (only the rows that are looked at), the network's last output not counted. A stage is either

* a *fusion*: output strips of some rows; inside a strip the layers advance together, column by column, so that each
  tensor is held in a window as wide as its reader's kernel and as high as the strip needs (the column cache: no
  column is computed twice). The rows that the next strip needs again are recomputed (msf-CNN, StreamNet's first
  dimension) or held over the whole width in a line buffer (streaming: no row is computed twice). Which of the two is
  decided tensor by tensor. RAM is the sum of all buffers.
* *patches*: each output patch from scratch, layer by layer over the patch (MCUNetV2). Nothing is held between patches;
  RAM is the largest pair of input and output patch of one layer.

MACs are exact: rows and columns outside a feature map are not computed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import Enum
from itertools import accumulate, pairwise

from mcuplan.findings.chains import Chain, ChainLayer
from mcuplan.operators.geometry.axis_maps import AxisMap
from mcuplan.operators.geometry.regions import Span
from mcuplan.operators.geometry.stages import PatchError
from mcuplan.patching.inputs import NetworkInput


@dataclass(frozen=True, slots=True)
class Accounting:
    """What counts as RAM."""

    network_input: NetworkInput = NetworkInput.WHOLE
    network_output: bool = True


PAPERS = Accounting(NetworkInput.REREAD, network_output=False)
"""As MCUNetV2, StreamNet and msf-CNN count."""


class BufferKind(Enum):
    """What a piece of a stage's RAM is for."""

    INPUT = "input"
    OUTPUT = "output"
    COLUMN_CACHE = "column cache"
    LINE_BUFFER = "line buffer"
    PATCH_INPUT = "patch input"
    PATCH_OUTPUT = "patch output"


@dataclass(frozen=True, slots=True)
class Buffer:
    """A piece of a stage's RAM: ``layer`` reads it (for outputs: writes it); ``rows`` is its height."""

    kind: BufferKind
    layer: int
    rows: int
    bytes: int


@dataclass(frozen=True, slots=True)
class StageCost:
    """RAM and MACs of layers ``[first, last]`` run as one stage; the buffers add up to ``ram_bytes``."""

    first: int
    last: int
    macs: int
    buffers: tuple[Buffer, ...]

    @property
    def ram_bytes(self) -> int:
        """Bytes of RAM while the stage runs."""
        return sum(buffer.bytes for buffer in self.buffers)


def layer_by_layer(chain: Chain) -> int:
    """Bytes of the largest input plus output of one layer: what runs without patches.

    As msf-CNN's "vanilla": the network's input is not counted, its output is.
    """
    return max(layer.output_total + (layer.input_total if index else 0) for index, layer in enumerate(chain.layers))


def fusion(
    chain: Chain,
    first: int,
    last: int,
    heights: Sequence[int],
    kept: Collection[int] = (),
    accounting: Accounting = PAPERS,
) -> StageCost:
    """The cost of layers ``[first, last]`` fused.

    Parameters
    ----------
    chain
        The network.
    first, last
        Layer indices, both included; a stage of one layer is that layer alone.
    heights
        Output rows of each strip.
    kept
        Layers whose input is held in a line buffer; halos of the other layers' inputs are recomputed. ``first`` may
        be among them only where its input is the network's and not whole in memory.
    accounting
        What counts.

    Raises
    ------
    PatchError
        Where the strips do not add up to the output, or a kept layer is not in the stage.
    """
    looked_at = first == 0 and accounting.network_input is not NetworkInput.WHOLE
    layers = range(first, last + 1)
    for index in kept:
        if index not in layers or (index == first and not looked_at):
            raise PatchError(f"the input of layer {index} cannot be kept in a stage of layers {first} to {last}")
    outputs = _spans(heights, chain.layers[last].rows.output)
    macs = 0
    buffers: list[Buffer] = []
    computed = outputs
    ends = [span.end for span in outputs]
    for index in reversed(layers):
        layer = chain.layers[index]
        macs += layer.macs_a_row * sum(map(len, computed))
        needed = [layer.row_map.needs(span) for span in computed]
        ends = [layer.row_map.needs(Span(0, end)).end for end in ends]
        fresh = [Span(begin, end) for begin, end in pairwise((0, *ends))]
        if index > first or looked_at:
            buffers.append(_fusion_buffer(index, layer, needed, fresh if index in kept else None))
        computed = fresh if index in kept else needed
    return StageCost(first, last, macs, (*_ends(chain, first, last, accounting), *reversed(buffers)))


def _fusion_buffer(index: int, layer: ChainLayer, needed: Sequence[Span], fresh: Sequence[Span] | None) -> Buffer:
    window = min(layer.column_map.reach, layer.columns.input)
    if fresh is None:
        rows = max(map(len, needed))
        return Buffer(BufferKind.COLUMN_CACHE, index, rows, rows * window * layer.input_bytes)
    halo = max((own.begin - span.begin for span, own in zip(needed, fresh, strict=True) if span), default=0)
    rows = max(map(len, fresh))
    held = max(halo, 0) * layer.columns.input
    return Buffer(BufferKind.LINE_BUFFER, index, max(halo, 0) + rows, (held + rows * window) * layer.input_bytes)


def patches(
    chain: Chain, first: int, last: int, heights: Sequence[int], widths: Sequence[int], accounting: Accounting = PAPERS
) -> StageCost:
    """The cost of layers ``[first, last]`` in patches of the given output heights and widths, halos recomputed.

    The first layer reads its patch straight from a whole input, the last writes straight into the output.

    Raises
    ------
    PatchError
        Where the patches do not add up to the output, or rows that come only once would have to be read again.
    """
    if first == 0 and accounting.network_input is NetworkInput.STREAMED and len(heights) > 1:
        raise PatchError("patches would read rows of the network's input again that come only once")
    looked_at = first == 0 and accounting.network_input is not NetworkInput.WHOLE
    rows = _spans(heights, chain.layers[last].rows.output)
    columns = _spans(widths, chain.layers[last].columns.output)
    macs, best, tiles = 0, -1, (0, 0, 0, 0)
    layer_at = last
    below = (0, 0)
    for index in range(last, first - 1, -1):
        layer = chain.layers[index]
        macs += layer.macs_a_position * sum(map(len, rows)) * sum(map(len, columns))
        rows = [layer.row_map.needs(span) for span in rows]
        columns = [layer.column_map.needs(span) for span in columns]
        above = (0, 0)
        if index > first or looked_at:
            height = max(map(len, rows))
            above = height, height * max(map(len, columns)) * layer.input_bytes
        if above[1] + below[1] > best:
            best, layer_at, tiles = above[1] + below[1], index, (*above, *below)
        below = above
    buffers = (
        Buffer(BufferKind.PATCH_INPUT, layer_at, tiles[0], tiles[1]),
        Buffer(BufferKind.PATCH_OUTPUT, layer_at, tiles[2], tiles[3]),
    )
    return StageCost(first, last, macs, (*_ends(chain, first, last, accounting), *(b for b in buffers if b.bytes)))


def _ends(chain: Chain, first: int, last: int, accounting: Accounting) -> tuple[Buffer, ...]:
    """The stage's own input and output, where they are whole in memory and counted."""
    found = []
    begin, end = chain.layers[first], chain.layers[last]
    if first > 0 or accounting.network_input is NetworkInput.WHOLE:
        found.append(Buffer(BufferKind.INPUT, first, begin.rows.input, begin.input_total))
    if last < len(chain) - 1 or accounting.network_output:
        found.append(Buffer(BufferKind.OUTPUT, last, end.rows.output, end.output_total))
    return tuple(found)


def _spans(sizes: Sequence[int], total: int) -> list[Span]:
    if sum(sizes) != total or min(sizes, default=0) < 1:
        raise PatchError(f"strips of {list(sizes)} do not add up to {total}")
    return [Span(begin, end) for begin, end in pairwise((0, *accumulate(sizes)))]


def reach(axis: AxisMap) -> int:
    """Columns that a column cache holds of a layer's input."""
    return min(axis.reach, axis.input)
