"""What a patch stage of a graph costs in live bytes: every activation that must be in memory, row by row.

Unlike the papers' accounting this takes real graphs (residual joins, branches), real element sizes, and whole rows, as
ordinary operators work on them. Offsets, alignment and the runtime's own data are not part of it: it bounds from below
what a memory plan with these steps can reach. Per step of a stage and per operator that runs in it, live are

* tensors of the rest of the network that are read later;
* of the stage's input the rows that this or a later step reads (all of them where somebody else reads it later);
* of the stage's output the rows that were written;
* tensors of the stage: computed rows from their operator to their last reader, and between steps what is kept.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

from mcuplan.graph import Graph
from mcuplan.operators import operator_macs
from mcuplan.operators.geometry.eligibility import Direction
from mcuplan.operators.geometry.regions import NOTHING
from mcuplan.operators.geometry.stages import MappedStage, PatchError, Strip, strips
from mcuplan.patching.inputs import NetworkInput


@dataclass(frozen=True, slots=True)
class LiveAccounting:
    """What counts as live.

    ``rows_die`` lets the rows of a stage's input that no later step reads, and those of its output that are not
    written yet, be used for something else; without it both count whole.
    """

    network_input: NetworkInput = NetworkInput.WHOLE
    rows_die: bool = True


@dataclass(frozen=True, slots=True)
class LiveCost:
    """A stage of a graph in strips or patches: live bytes while each operator runs, at most, and MACs."""

    stage: MappedStage
    heights: tuple[int, ...]
    widths: tuple[int, ...]
    kept: tuple[int, ...]
    operator_bytes: tuple[int, ...]
    macs: int

    @property
    def ram_bytes(self) -> int:
        """The most live bytes while the stage runs."""
        return max(self.operator_bytes)


class LiveModel:
    """One subgraph with the sizes and lifespans of its tensors, in the order of its operators."""

    def __init__(self, graph: Graph, subgraph: int = 0, accounting: LiveAccounting | None = None) -> None:
        self.graph = graph
        self.subgraph = graph.subgraphs[subgraph]
        self.accounting = accounting or LiveAccounting()
        self.macs = tuple(operator_macs(graph, self.subgraph, op) or 0 for op in self.subgraph.operators)

    def bytes_of(self, tensor: int) -> int:
        """Bytes of a whole activation; 0 for constants, variables, and elements without a fixed size."""
        found = self.subgraph.tensors[tensor]
        if self.graph.is_constant(found) or found.is_variable or found.is_dynamic:
            return 0
        return found.elements * max((found.dtype.bits or 0) // 8, 1)

    def position_bytes(self, tensor: int) -> int:
        """Bytes of one row-and-column position of a feature map, all channels."""
        _, rows, columns, _ = self.subgraph.tensors[tensor].shape
        return self.bytes_of(tensor) // (rows * columns)

    @cached_property
    def from_outside(self) -> frozenset[int]:
        """Network inputs that are not whole in memory before somebody reads them."""
        streamed = self.accounting.network_input is not NetworkInput.WHOLE
        return frozenset(self.subgraph.inputs) if streamed else frozenset()

    @cached_property
    def lifespans(self) -> dict[int, tuple[int, int]]:
        """For each activation, the first and the last operator during which it is live; -1: from the beginning."""
        operators = len(self.subgraph.operators)
        spans: dict[int, tuple[int, int]] = {}
        for tensor, first in {**dict.fromkeys(self.subgraph.inputs, -1), **self.subgraph.producers}.items():
            readers = self.subgraph.consumers.get(tensor, (first,))
            last = operators - 1 if tensor in self.subgraph.outputs else readers[-1]
            if self.bytes_of(tensor):
                spans[tensor] = readers[0] if tensor in self.from_outside else first, last
        return spans

    @cached_property
    def layer_by_layer(self) -> tuple[int, ...]:
        """Live bytes while each operator runs whole."""
        return tuple(self.passing_bytes(k + 1, k - 1) for k in range(len(self.subgraph.operators)))

    def passing_bytes(self, first: int, last: int, but: Collection[int] = ()) -> int:
        """Bytes of the tensors that are live before operator ``first`` and after operator ``last``."""
        return sum(
            self.bytes_of(t)
            for t, (begin, end) in self.lifespans.items()
            if begin < first and end > last and t not in but
        )

    def dies_inside(self, stage: MappedStage) -> bool:
        """Whether nobody reads the stage's input after the stage."""
        return self.lifespans[stage.source][1] < stage.last

    def cost(
        self,
        stage: MappedStage,
        heights: Sequence[int],
        widths: Sequence[int] = (),
        kept: Collection[int] = (),
    ) -> LiveCost:
        """What ``stage`` costs.

        Parameters
        ----------
        stage
            A stage of this graph.
        heights
            Output rows of each strip, or of each row of patches.
        widths
            Output columns of each patch; nothing for strips over the whole width.
        kept
            Inner tensors whose halos stay in line buffers; strips only.

        Raises
        ------
        PatchError
            Where the sizes do not add up to the output, a kept tensor is no inner tensor, or patches would keep one.
        """
        if widths and (kept or self.comes_once(stage)):
            raise PatchError("patches recompute their halos and cannot keep rows")
        rows = strips(stage, heights, kept)
        columns = strips(stage, widths or (stage.columns,), direction=Direction.COLUMNS)
        return _Count(self, stage, rows, columns, bool(widths)).cost(tuple(heights), tuple(widths), tuple(sorted(kept)))

    def comes_once(self, stage: MappedStage) -> bool:
        """Whether the stage's input comes row by row and cannot be read again."""
        return stage.source in self.from_outside and self.accounting.network_input is NetworkInput.STREAMED


class _Count:
    """Counts one stage, step by step and operator by operator."""

    def __init__(
        self, model: LiveModel, stage: MappedStage, rows: Sequence[Strip], columns: Sequence[Strip], patched: bool
    ) -> None:
        self.model = model
        self.stage = stage
        self.rows = rows
        self.columns = columns
        self.patched = patched
        self.readers = {i.tensor: op.operator for op in stage.operators for i in op.inputs}

    def cost(self, heights: tuple[int, ...], widths: tuple[int, ...], kept: tuple[int, ...]) -> LiveCost:
        """Live bytes of each operator and the stage's MACs, at strips' ``heights`` and patches' ``widths``."""
        peaks = [0] * len(self.stage.operators)
        for step in range(len(self.rows)):
            for column in self.columns:
                for place, op in enumerate(self.stage.operators):
                    peaks[place] = max(peaks[place], self._live(step, column, op.operator))
        ends = self.stage.source, self.stage.result
        passing = self.model.passing_bytes(self.stage.first, self.stage.last - 1, ends)
        return LiveCost(self.stage, heights, widths, kept, tuple(p + passing for p in peaks), self._macs())

    def _macs(self) -> int:
        total = 0
        for op in self.stage.operators:
            out = op.outputs[0]
            _, height, width, _ = self.model.subgraph.tensors[out].shape
            a_position = self.model.macs[op.operator] // (height * width)
            rows = sum(len(row.computed[out]) for row in self.rows)
            total += a_position * rows * sum(len(column.computed[out]) for column in self.columns)
        return total

    def _live(self, step: int, column: Strip, operator: int) -> int:
        inner = sum(
            self._inner_rows(t, op.operator, step, operator) * len(column.computed[t]) * self.model.position_bytes(t)
            for op in self.stage.operators
            for t in op.outputs
            if t != self.stage.result
        )
        return inner + self._input(step, column, operator) + self._output(step, operator)

    def _inner_rows(self, tensor: int, producer: int, step: int, operator: int) -> int:
        """Rows of an inner tensor that are live while ``operator`` runs."""
        row = self.rows[step]
        before = self.rows[step - 1].kept.get(tensor, NOTHING) if step else NOTHING
        if operator < producer:
            return len(before)
        if operator <= self.readers.get(tensor, producer):
            return len(before.hull(row.computed[tensor]))
        return len(row.kept.get(tensor, NOTHING))

    def _input(self, step: int, column: Strip, operator: int) -> int:
        """Bytes of the stage's input that are live while ``operator`` runs."""
        stage, model = self.stage, self.model
        tensor = stage.source
        _, height, width, _ = model.subgraph.tensors[tensor].shape
        if not model.dies_inside(stage):
            return model.bytes_of(tensor)
        done = operator > self.readers[tensor]
        if tensor not in model.from_outside:
            alive = height - self._first_read(step + done)
            return alive * width * model.position_bytes(tensor) if model.accounting.rows_die else model.bytes_of(tensor)
        if model.accounting.network_input is NetworkInput.REREAD:
            needed = NOTHING if done else self.rows[step].needed[tensor]
            return len(needed) * len(column.needed[tensor]) * model.position_bytes(tensor)
        come = max(row.needed[tensor].end for row in self.rows[: step + 1])
        return max(come - self._first_read(step + done), 0) * width * model.position_bytes(tensor)

    def _first_read(self, step: int) -> int:
        """The first row of the stage's input that this step or a later one reads; its height after the last."""
        height = self.model.subgraph.tensors[self.stage.source].shape[1]
        later = (row.needed[self.stage.source] for row in self.rows[step:])
        return min((span.begin for span in later if span), default=height)

    def _output(self, step: int, operator: int) -> int:
        """Bytes of the stage's output that are written once ``operator`` has run."""
        stage, model = self.stage, self.model
        if not model.accounting.rows_die:
            return model.bytes_of(stage.result)
        output = self.rows[step].output
        written = output.end if operator == stage.last - 1 or self.patched else output.begin
        return written * stage.columns * model.position_bytes(stage.result)
