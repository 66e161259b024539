"""What stages cost in the papers' accounting: by hand, and against a trace of every position that is live."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from itertools import accumulate, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mcuplan.findings.chains import Chain, chain_of
from mcuplan.operators.geometry.regions import Span, even
from mcuplan.operators.geometry.stages import PatchError
from mcuplan.patching.inputs import NetworkInput
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder
from papers.accounting import (
    PAPERS,
    Accounting,
    Buffer,
    BufferKind,
    StageCost,
    fusion,
    layer_by_layer,
    patches,
)
from papers.chain import LayerSpec, chain

TWO = chain(16, 16, 4, [LayerSpec(3, 1, 1, 4), LayerSpec(3, 1, 1, 4)])
WHOLE = Accounting()


# -- by hand ------------------------------------------------------------------------------------------------------


def test_the_lectures_layer_of_equal_input_and_output() -> None:
    # 2WHC layer by layer; between two such layers, patches of 8x8 hold one 9x9 middle patch at a corner.
    assert layer_by_layer(TWO) == 2 * 16 * 16 * 4
    cost = patches(TWO, 0, 1, (8, 8), (8, 8), WHOLE)
    assert cost.ram_bytes == 2 * 16 * 16 * 4 + 9 * 9 * 4
    assert cost.macs == (4 * 81 + 256) * 9 * 4 * 4


def test_a_chain_of_three_in_patches_holds_2whc() -> None:
    # Three 1x1 layers: in between, one input and one output patch of w x h x C, and nothing is computed twice.
    three = chain(16, 16, 4, [LayerSpec(1, 1, 0, 4)] * 3)
    cost = patches(three, 0, 2, (4,) * 4, (4,) * 4)
    assert cost.ram_bytes == 2 * 4 * 4 * 4
    assert cost.macs == three.macs


def test_fusion_of_two_layers_by_hand() -> None:
    # One output row at a time. The first layer looks at 3 columns of 5 rows of the input (3 channels would be 4 here),
    # the second at 3 columns of 3 rows of the middle map.
    cost = fusion(TWO, 0, 1, (1,) * 16)
    assert cost.buffers == (
        Buffer(BufferKind.COLUMN_CACHE, 0, 5, 5 * 3 * 4),
        Buffer(BufferKind.COLUMN_CACHE, 1, 3, 3 * 3 * 4),
    )
    # The middle map's rows are computed three times, at the borders twice.
    assert cost.macs == TWO.macs // 2 + (16 * 3 - 2) * 16 * 9 * 16


def test_line_buffer_by_hand() -> None:
    # Two rows of the middle map stay over the whole width, and 3 columns of one new row are worked on; that is the
    # classic line buffer of (k - 1) W + k positions. Only the first strip computes two rows: 3 x 2.
    cost = fusion(TWO, 0, 1, (1,) * 16, kept=(1,))
    assert cost.buffers[1] == Buffer(BufferKind.LINE_BUFFER, 1, 4, (2 * 16 + 3 * 2) * 4)
    assert cost.macs == TWO.macs


def test_a_layer_alone_is_its_input_and_output() -> None:
    cost = fusion(TWO, 1, 1, (16,), accounting=WHOLE)
    assert (cost.ram_bytes, cost.macs) == (2 * 16 * 16 * 4, TWO.macs // 2)
    assert fusion(TWO, 1, 1, (16,)).ram_bytes == 16 * 16 * 4


def test_streamed_rows_come_once() -> None:
    streamed = Accounting(NetworkInput.STREAMED)
    kept = fusion(TWO, 0, 1, (4,) * 4, kept=(0, 1), accounting=streamed)
    assert kept.buffers[1].kind is BufferKind.LINE_BUFFER
    with pytest.raises(PatchError, match="only once"):
        patches(TWO, 0, 1, (8, 8), (16,), streamed)


def test_impossible_stages_are_refused() -> None:
    with pytest.raises(PatchError, match="do not add up to 16"):
        fusion(TWO, 0, 1, (8, 4))
    with pytest.raises(PatchError, match="cannot be kept"):
        fusion(TWO, 1, 1, (16,), kept=(1,))
    with pytest.raises(PatchError, match="does not read"):
        Chain((TWO.layers[0], chain(8, 8, 4, [LayerSpec(1, 1, 0, 4)]).layers[0]))


# -- chains of graphs ---------------------------------------------------------------------------------------------


def test_chain_of_a_graph_drops_shortcuts_and_joins_padding() -> None:
    found = chain_of(build("mcunet-vww"))
    assert (len(found), found.macs, layer_by_layer(found)) == (45, 11_578_496, 96_000)
    wide = found.layers[13]  # a PAD and a 7x7 depthwise convolution without padding
    assert (wide.rows.kernel, wide.rows.input, wide.rows.output, wide.rows.before) == (7, 20, 10, 3)


def test_chain_of_branches_is_refused() -> None:
    with pytest.raises(PatchError, match="CONV_2D, operator 6, is a branch of its own"):
        chain_of(build("resnet8"))
    b = Builder()
    graph = b.graph([b.fully_connected(b.input((1, 8)), 4)])
    with pytest.raises(PatchError, match="does not have one input that is a feature map"):
        chain_of(graph)


# -- a trace of every position ------------------------------------------------------------------------------------


class Trace:
    """Runs a fusion position by position and keeps count of what is live, tensor by tensor."""

    def __init__(self, network: Chain, heights: Sequence[int], kept: Collection[int]) -> None:
        self.layers = network.layers
        self.kept = kept
        self.time = 0
        self.written: dict[tuple[int, int, int, int], int] = {}
        self.read: dict[tuple[int, int, int, int], int] = {}
        self.macs = 0
        last = len(self.layers) - 1
        spans = [Span(b, e) for b, e in pairwise((0, *accumulate(heights)))]
        reached = [0] * len(self.layers)
        for strip, output in enumerate(spans):
            self.rows = {last + 1: output}
            self.needed: dict[int, Span] = {}
            prefix = Span(0, output.end)
            for index in range(last, -1, -1):
                self.needed[index] = self.layers[index].row_map.needs(self.rows[index + 1])
                prefix = Span(0, self.layers[index].row_map.needs(prefix).end)
                self.rows[index] = Span(reached[index], prefix.end) if index in kept else self.needed[index]
                reached[index] = prefix.end
            self.made = dict.fromkeys(range(last + 2), 0)
            for column in range(self.layers[last].columns.output):
                self.produce(last + 1, strip, column)

    def produce(self, tensor: int, strip: int, column: int) -> None:
        """Make one column of a tensor, and before that the columns that it reads."""
        self.made[tensor] = column + 1
        if tensor > 0:
            layer = self.layers[tensor - 1]
            columns = layer.column_map.needs(Span(column, column + 1))
            for c in range(self.made[tensor - 1], columns.end):
                self.produce(tensor - 1, strip, c)
            self.time += 1
            for row in range(self.needed[tensor - 1].begin, self.needed[tensor - 1].end):
                for c in range(columns.begin, columns.end):
                    own = -1 if tensor - 1 in self.kept else strip
                    assert (tensor - 1, row, c, own) in self.written
                    self.read[tensor - 1, row, c, own] = self.time
            self.macs += layer.macs_a_position * len(self.rows[tensor])
        self.time += 1
        for row in range(self.rows[tensor].begin, self.rows[tensor].end):
            own = -1 if tensor in self.kept else strip
            assert (tensor, row, column, own) not in self.written
            self.written[tensor, row, column, own] = self.time

    def most_live(self, tensor: int) -> int:
        """Positions of a tensor that are live at one time, at most; what is never read is not counted."""
        change: dict[int, int] = defaultdict(int)
        for key, end in self.read.items():
            if key[0] == tensor:
                change[self.written[key]] += 1
                change[end + 1] -= 1
        return max(accumulate(change[time] for time in sorted(change)), default=0)


@st.composite
def chains(draw: st.DrawFn, longest: int = 4) -> Chain:
    rows, columns = draw(st.integers(5, 12)), draw(st.integers(5, 12))
    left = min(rows, columns)
    specs = [LayerSpec(draw(st.sampled_from([1, 3])), 1, 1, 2)]
    for _ in range(draw(st.integers(0, longest - 1))):
        kernel = draw(st.sampled_from([1, 3, 3, 5]))
        stride = draw(st.sampled_from([1, 1, 2]))
        padding = draw(st.sampled_from([kernel // 2, 0]))
        output = (left + 2 * padding - kernel) // stride + 1
        if output >= 1:
            left = output
            specs.append(LayerSpec(kernel, stride, padding, draw(st.integers(1, 4))))
    return chain(rows, columns, 2, specs)


def every_column_is_read(network: Chain) -> bool:
    columns = Span(0, network.layers[-1].columns.output)
    for layer in reversed(network.layers):
        if len(columns) < layer.columns.output:
            return False
        columns = layer.column_map.needs(columns)
    return True


@settings(max_examples=60, deadline=None)
@given(chains(), st.data())
def test_no_more_is_live_than_the_buffers_hold(network: Chain, data: st.DataObject) -> None:
    height = data.draw(st.integers(1, network.layers[-1].rows.output))
    kept = data.draw(st.sets(st.integers(0, len(network) - 1)))
    heights = even(network.layers[-1].rows.output, height)
    cost = fusion(network, 0, len(network) - 1, heights, kept, PAPERS)
    trace = Trace(network, heights, kept)
    # Columns at the right that nobody reads are counted as if they were computed.
    assert trace.macs == cost.macs if every_column_is_read(network) else trace.macs < cost.macs
    for buffer in cost.buffers:
        positions = trace.most_live(buffer.layer)
        assert positions * network.layers[buffer.layer].input_bytes <= buffer.bytes


def test_the_trace_fills_the_buffers_of_a_plain_case() -> None:
    network = chain(12, 12, 1, [LayerSpec(3, 1, 1, 1), LayerSpec(3, 1, 1, 1)])
    for kept in ((), (1,), (0, 1)):
        cost = fusion(network, 0, 1, (3,) * 4, kept)
        trace = Trace(network, (3,) * 4, kept)
        found = [(trace.most_live(b.layer), b.bytes) for b in cost.buffers]
        assert all(live <= held for live, held in found)
        assert sum(live for live, _ in found) >= 0.8 * sum(held for _, held in found)


def brute_patches(network: Chain, heights: Sequence[int], widths: Sequence[int]) -> tuple[int, int]:
    """Largest pair of patches and MACs, patch by patch."""
    worst = macs = 0
    for top, bottom in pairwise((0, *accumulate(heights))):
        for left, right in pairwise((0, *accumulate(widths))):
            rows, columns, below = Span(top, bottom), Span(left, right), 0
            for layer in reversed(network.layers):
                macs += layer.macs_a_position * len(rows) * len(columns)
                rows, columns = layer.row_map.needs(rows), layer.column_map.needs(columns)
                above = len(rows) * len(columns) * layer.input_bytes
                worst = max(worst, above + below)
                below = above
    return worst, macs


@settings(max_examples=60, deadline=None)
@given(chains(), st.data())
def test_patches_against_one_patch_at_a_time(network: Chain, data: st.DataObject) -> None:
    last = network.layers[-1]
    heights = even(last.rows.output, data.draw(st.integers(1, last.rows.output)))
    widths = even(last.columns.output, data.draw(st.integers(1, last.columns.output)))
    cost: StageCost = patches(network, 0, len(network) - 1, heights, widths)
    ram, macs = brute_patches(network, heights, widths)
    assert macs == cost.macs
    # The largest rows and the largest columns meet in one patch, so the bound is met.
    assert ram == cost.ram_bytes
