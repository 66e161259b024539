"""A flow of rows that the firmware gives whose first strip stands apart: no turn is spent on filling the loop.

In a plain flow layers lag behind one another, and the loop turns more often than there are strips, all layers each
time. Here the first strip of the result, with all that it needs, is computed before the loop and leaves the rows that
the next one needs again; from then on each turn makes one strip. Rows below a map are padding as in any flow.
"""

from __future__ import annotations

from dataclasses import dataclass

from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.writing.build import GATHERED, GraphBuilder, SubgraphBuilder
from mcuplan.patching.writing.feed import RowsWriter
from mcuplan.patching.writing.flow import Flow, padded_flow
from mcuplan.patching.writing.flow_writer import FlowWriter
from mcuplan.patching.writing.loop import LEAST_TURNS
from mcuplan.patching.writing.rows import RowWindow, StageNet, StripRows, UnsupportedStageError, strip_windows
from mcuplan.patching.writing.strips import StripWriter


@dataclass(frozen=True)
class Headed:
    """A stage ``net``, the windows of its first strip, those of the first turn behind it, and the flow of the rest."""

    net: StageNet
    head: StripRows
    after: StripRows
    flow: Flow


def find_headed(net: StageNet, result_rows: int) -> Headed:
    """The headed flow that gives ``result_rows`` rows of the result each turn; rows are gathered.

    Raises
    ------
    UnsupportedStageError
        Where the source lies in memory, elements cannot be gathered, branches run at different rates, or a strip needs
        rows that the first one has not got.
    """
    if net.feed is None:
        raise UnsupportedStageError("only rows that the firmware gives are read ahead of a loop")
    height = net.height(net.result)
    first = height % result_rows or result_rows
    turns = (height - first) // result_rows
    if turns < LEAST_TURNS:
        raise UnsupportedStageError("behind the first strip there are too few for a loop")
    if any(tensor.dtype not in GATHERED for tensor in net.tensors.values()):
        odd = next(tensor.dtype for tensor in net.tensors.values() if tensor.dtype not in GATHERED)
        raise UnsupportedStageError(f"elements of type {odd.label} are not gathered")
    flow = padded_flow(net, result_rows, first, turns)
    after = {t: _earlier(w, flow.base * flow.rows[t]) for t, w in flow.strip.items()}
    head = strip_windows(net, (0, first, height), ())[0]
    for t, window in after.items():
        if head[t].high != window.new or not head[t].low <= window.low or window.low < 0:
            raise UnsupportedStageError("the first strip does not leave what the next one needs")
    return Headed(net, head, after, flow)


def _earlier(window: RowWindow, rows: int) -> RowWindow:
    return RowWindow(window.low - rows, window.new - rows, window.high - rows)


class HeadedWriter(FlowWriter):
    """Writes one stage as a headed flow into a graph under construction."""

    def __init__(self, parent: GraphBuilder, main: SubgraphBuilder, headed: Headed, stage: PatchStage) -> None:
        super().__init__(parent, main, headed.flow, stage, over=False)
        self.headed = headed
        self.left: dict[int, int] = {}
        """What the first strip leaves, by tensor of the stage."""

    def _begun(self) -> int:
        """The result with the rows of the first strip."""
        main, net, head = self.main, self.headed.net, self.headed.head
        assert net.feed is not None
        like = net.tensors[net.result]
        writer = StripWriter(main, net, self.parent.draft.graph.main.operators, loose=True)
        writer.streams_source = True
        given = RowsWriter(net, 0).strip(main, head, f"{net.feed.picture.name}/head")
        part = writer.write(given, head[net.source].low, head, self.headed.after, "head")
        assert part is not None
        self.left = writer.kept
        out = main.tensor(like, f"{like.name}/begun")
        below = like.shape[1] - main.tensors[part].shape[1]
        main.operation("PAD", [part, main.integers([0, 0, 0, below, 0, 0, 0, 0], (4, 2))], [out], "PadOptions")
        return out

    def _above(self, t: int) -> int:
        if t not in self.left:
            raise UnsupportedStageError("the first strip does not leave what the next one needs")
        return self.left[t]
