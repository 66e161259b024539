"""One strip of a stage written as operators of a subgraph, whichever subgraph that is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mcuplan.graph import Operator
from mcuplan.operators.geometry import VALID
from mcuplan.patching.writing.build import SubgraphBuilder
from mcuplan.patching.writing.rows import Layer, RowsRead, StageNet, StripRows
from mcuplan.tflm.aliasing import elementwise_in_place


class StripWriter:
    """Writes strips one after the other into a subgraph.

    ``held`` are the windows in memory now, ``kept`` the rows that were kept of them for the next strip. ``loose``
    keeps rows that are thrown away out of the result's place.
    """

    def __init__(
        self, builder: SubgraphBuilder, net: StageNet, operators: tuple[Operator, ...], loose: bool = False
    ) -> None:
        self.builder = builder
        self.loose = loose
        self.streams_source = False
        self.turns = False
        self.pieces: set[int] = set()
        self.net = net
        self.operators = operators
        self.held: dict[int, int] = {}
        self.kept: dict[int, int] = {}
        self.read: dict[tuple[int, int, int], int] = {}
        self.last_reader = {t: i for i, layer in enumerate(net.layers) for t in layer.inputs}
        self.readers: dict[int, int] = {}
        for layer in net.layers:
            for t in layer.inputs:
                self.readers[t] = self.readers.get(t, 0) + 1

    def write(
        self, source: int | None, source_low: int, strip: StripRows, after: StripRows | None, label: str
    ) -> int | None:
        """Write one strip; returns the tensor with the result's new rows.

        Parameters
        ----------
        source, source_low
            The subgraph's tensor with the stage's source (None where the strip reads nothing of it), and which of its
            rows is the tensor's first.
        strip, after
            The windows of this strip and of the one that follows it (for what to keep), None for the last one.
        label
            Goes into tensors' names.
        """
        given = () if source is None else (source,)
        parts = (self.kept.pop(self.net.source), *given) if self.net.source in self.kept else given
        first = self._name(self.net.source)
        self.held = {self.net.source: self._joined(self.net.source, parts, f"{label}/source", first)} if parts else {}
        lows = {t: w.low for t, w in strip.items()} | {self.net.source: source_low}
        part = None
        for i, layer in enumerate(self.net.layers):
            window = strip[layer.output]
            made = self._layer(layer, strip, after, lows, label) if window.new < window.high else None
            if layer.output == self.net.result:
                part = made
            else:
                self._window(layer.output, strip, made, label)
            for t in dict.fromkeys(layer.inputs):
                if self.last_reader[t] == i:
                    self._keep(t, strip, after, label)
        return part

    def _layer(
        self, layer: Layer, strip: StripRows, after: StripRows | None, lows: Mapping[int, int], label: str
    ) -> int:
        """The operator's clone for this strip; returns the tensor with the rows that are wanted."""
        b = self.builder
        window = strip[layer.output]
        span = layer.span(window.new, window.high)
        read = {}
        for t in dict.fromkeys(layer.inputs):
            read[t] = self._rows(t, span.begin - lows[t], span.end - lows[t], label)
        like = self.net.tensors[layer.output]
        shape = (like.shape[0], span.made, *like.shape[2:])
        out = b.tensor(like, f"{like.name}/{label}", shape)
        if layer.pads:
            self._pad(layer, span, read[layer.inputs[0]], out)
        elif layer.operator < 0 or layer.edges:
            self._operate(layer, read[layer.inputs[0]], out)
        else:
            op = self.operators[layer.operator]
            inputs = self._inputs(layer, op, read)
            options = op.options
            if layer.valid and options is not None:
                options = replace(options, fields={**options.fields, "padding": VALID})
            b.add(replace(op, inputs=inputs, outputs=(out,), options=options, debug_metadata_index=-1))
            self._overlay(layer, op, read, strip, after, out)
        if span.made == window.high - window.new:
            return out
        # Rows before the wanted ones lie where other rows are if the crop is laid into a larger map: then copy.
        last = layer.output == self.net.result
        tie = (not self.loose if last else window.kept == 0) if span.drop == 0 else not last and window.kept == 0
        cut = b.rows(out, span.drop, span.drop + window.high - window.new, f"{like.name}/{label}/cut", tie)
        if tie:
            self.pieces.add(cut)
        return cut

    def _rows(self, t: int, begin: int, end: int, label: str) -> int:
        """Rows of what is held of a tensor; one copy for all layers that read the same ones."""
        key = self.held[t], begin, end
        if key not in self.read:
            name = f"{self.net.tensors[t].name}/{label}/read"
            self.read[key] = self.builder.rows(self.held[t], begin, end, name)
        return self.read[key]

    def _operate(self, layer: Layer, source: int, out: int) -> None:
        """Write an operator that the stage adds."""
        raise NotImplementedError

    def _inputs(self, layer: Layer, op: Operator, read: Mapping[int, int]) -> tuple[int, ...]:
        if layer.valid or layer.crops:  # the one map it reads may be the padded or masked one
            read = {op.inputs[0]: read[layer.inputs[0]]}
        return tuple(i if i < 0 else read[i] if i in read else self.builder.imported(i) for i in op.inputs)

    def _pad(self, layer: Layer, span: RowsRead, source: int, out: int) -> None:
        b = self.builder
        values = [0, 0, span.top, span.bottom, *layer.columns, 0, 0]
        b.operation("PAD", [source, b.integers(values, (4, 2))], [out], "PadOptions")

    def _overlay(
        self, layer: Layer, op: Operator, read: Mapping[int, int], strip: StripRows, after: StripRows | None, out: int
    ) -> None:
        """Lay an element-wise result over an operand that nobody reads afterwards."""
        b = self.builder
        given = [b.parent.draft.graph.main.tensors[i].shape for i in op.inputs if i >= 0]
        whole = self.net.tensors[layer.output].shape
        if op.name not in elementwise_in_place() or any(shape != whole for shape in given):
            return  # kernels that broadcast go another way through their operands
        for t, tensor in read.items():
            fresh = self.held[t] == tensor and strip[t].kept == 0 and t != self.net.source
            done = after is None or not after[t].kept
            # A piece of a larger tensor must not be laid, with all of that tensor, among rows that others hold.
            apart = layer.output != self.net.result and not strip[layer.output].kept
            if tensor in self.pieces and apart:
                self.pieces.add(out)
            if (
                fresh
                and done
                and (apart or tensor not in self.pieces)
                and self.readers[t] == 1
                and b.tensors[tensor].dtype == b.tensors[out].dtype
            ):
                b.tie(out, tensor)
                return

    def _window(self, t: int, strip: StripRows, made: int | None, label: str) -> None:
        """Join the rows kept from before and the new ones."""
        parts = [p for p in (self.kept.pop(t, None) if strip[t].kept else None, made) if p is not None]
        if parts:
            name = f"{self.net.tensors[t].name}/{label}/window"
            first = self._name(t)
            self.held[t] = self._joined(t, parts, name, first)

    def _joined(self, t: int, parts: Sequence[int], name: str, first: str) -> int:
        """Rows of a tensor one below the other, in one place."""
        return self.builder.stacked(parts, self.net.tensors[t], name, first=first)

    def _keep(self, t: int, strip: StripRows, after: StripRows | None, label: str) -> None:
        """Keep the rows that the next strip needs again: moved to where this strip's window begins."""
        if after is None or not after[t].kept or (t == self.net.source and not self.streams_source):
            return
        b = self.builder
        begin = after[t].low - strip[t].low
        end = after[t].new - strip[t].low
        window = self.held[t]
        kept = b.rows(window, begin, end, f"{self.net.tensors[t].name}/{label}/kept", tie=False)
        if kept != window:
            b.tie(kept, window, choice=self._name(t))
        self.kept[t] = kept

    def _name(self, t: int) -> str:
        """The name of the choice whether a tensor's kept rows lie where its windows begin, or apart.

        In place they may go down over a part of themselves: SLICE copies element by element, the lowest first
        (lite/kernels/internal/reference/slice.h).
        """
        return f"{self.net.source}.{t}"
