"""Random networks for the patching tests, with an account of their taps that owes nothing to mcuplan's geometry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from mcuplan.graph import Graph
from mcuplan.zoo.builder import Builder
from mcuplan.zoo.values import Value
from mcuplan.zoo.windows import Padding


@dataclass(frozen=True)
class Layer:
    """A convolution, depthwise convolution or pooling by its numbers (rows, columns)."""

    kind: str
    kernel: tuple[int, int]
    stride: tuple[int, int]
    dilation: tuple[int, int]
    padding: Padding


@dataclass(frozen=True)
class Read:
    """``output`` reads ``input``: for each axis, the input positions of each output position."""

    output: int
    input: int
    rows: tuple[frozenset[int], ...]
    columns: tuple[frozenset[int], ...]


def taps(size: int, output: int, kernel: int, stride: int, dilation: int, before: int) -> tuple[frozenset[int], ...]:
    """The input positions that each output position of a window reads, tap by tap."""
    found = []
    for o in range(output):
        places = (o * stride - before + k * dilation for k in range(kernel))
        found.append(frozenset(place for place in places if 0 <= place < size))
    return tuple(found)


def windows(kernels: Sequence[int] = (1, 2, 3, 5)) -> st.SearchStrategy[Layer]:
    pair = st.tuples(st.sampled_from(list(kernels)), st.sampled_from(list(kernels)))
    small = st.tuples(st.integers(1, 3), st.integers(1, 3))
    return st.builds(
        Layer,
        st.sampled_from(["conv", "depthwise", "max", "average"]),
        pair,
        small,
        st.tuples(st.integers(1, 2), st.integers(1, 2)),
        st.sampled_from([Padding.SAME, Padding.VALID]),
    )


class Network:
    """A network that is built layer by layer, and the reads of its operators by output tensor."""

    def __init__(self, rows: int, columns: int) -> None:
        self._builder = Builder()
        self.value = self._builder.input((1, rows, columns, 2))
        self._reads: list[tuple[Value, Value, tuple[frozenset[int], ...], tuple[frozenset[int], ...]]] = []

    def window(self, layer: Layer) -> bool:
        """Put ``layer`` behind the last one; False where it does not fit."""
        x = self.value
        dilation = layer.dilation if layer.kind in ("conv", "depthwise") else (1, 1)
        axes = []
        for size, kernel, stride, step in zip(x.shape[1:3], layer.kernel, layer.stride, dilation, strict=True):
            extent = (kernel - 1) * step + 1
            if layer.padding is Padding.VALID:
                output, before = -(-(size - extent + 1) // stride), 0
            else:
                output = -(-size // stride)
                before = max((output - 1) * stride + extent - size, 0) // 2
            if output < 1:
                return False
            axes.append(taps(size, output, kernel, stride, step, before))
        b = self._builder
        options = {"stride": layer.stride, "padding": layer.padding}
        if layer.kind == "conv":
            y = b.conv2d(x, 3, layer.kernel, dilation=dilation, **options)
        elif layer.kind == "depthwise":
            y = b.depthwise_conv2d(x, layer.kernel, dilation=dilation, **options)
        elif layer.kind == "max":
            y = b.max_pool(x, layer.kernel, **options)
        else:
            y = b.average_pool(x, layer.kernel, **options)
        assert y.shape[1:3] == (len(axes[0]), len(axes[1]))
        self._read(y, x, axes[0], axes[1])
        return True

    def pad(self, rows: tuple[int, int], columns: tuple[int, int]) -> None:
        """An explicit PAD."""
        x = self.value
        y = self._builder.pad(x, ((0, 0), rows, columns, (0, 0)))
        axes = [
            taps(size, size + before + after, 1, 1, 1, before)
            for size, (before, after) in zip(x.shape[1:3], (rows, columns), strict=True)
        ]
        self._read(y, x, axes[0], axes[1])

    def residual(self, kernel: int) -> None:
        """Two convolutions beside a shortcut, added."""
        x = self.value
        for _ in range(2):
            self.window(Layer("depthwise", (kernel, kernel), (1, 1), (1, 1), Padding.SAME))
        self._join(self._builder.add(self.value, x), (self.value, x))

    def branches(self, first: int, second: int) -> None:
        """Two convolutions of the same tensor, side by side on the channels."""
        x, ends = self.value, []
        for kernel in (first, second):
            self.value = x
            self.window(Layer("depthwise", (kernel, kernel), (1, 1), (1, 1), Padding.SAME))
            ends.append(self.value)
        self._join(self._builder.concatenation(ends, 3), ends)

    def _join(self, y: Value, inputs: Sequence[Value]) -> None:
        for x in inputs:
            self._read(y, x, *(taps(size, size, 1, 1, 1, 0) for size in y.shape[1:3]))

    def _read(self, y: Value, x: Value, rows: tuple[frozenset[int], ...], columns: tuple[frozenset[int], ...]) -> None:
        self._reads.append((y, x, rows, columns))
        self.value = y

    def finish(self) -> tuple[Graph, tuple[Read, ...]]:
        """The graph, and the reads with the graph's tensor indices."""
        graph = self._builder.graph([self.value])
        pairs = [
            (op.outputs[0], t)
            for op in graph.main.operators
            for t in op.inputs
            if not graph.is_constant(graph.main.tensors[t])
        ]
        assert len(pairs) == len(self._reads)
        return graph, tuple(
            Read(y, x, rows, columns) for (y, x), (_, _, rows, columns) in zip(pairs, self._reads, strict=True)
        )


@st.composite
def networks(draw: st.DrawFn, longest: int = 5) -> tuple[Graph, tuple[Read, ...]]:
    """A random network of windows, pads, residual blocks and branches."""
    made = Network(draw(st.integers(3, 19)), draw(st.integers(3, 19)))
    for _ in range(draw(st.integers(1, longest))):
        kind = draw(st.sampled_from(["window", "window", "window", "pad", "residual", "branches"]))
        if kind == "window":
            made.window(draw(windows()))
        elif kind == "pad":
            amount = st.tuples(st.integers(0, 2), st.integers(0, 2))
            made.pad(draw(amount), draw(amount))
        elif kind == "residual":
            made.residual(draw(st.sampled_from([1, 3, 5])))
        else:
            made.branches(draw(st.sampled_from([1, 3])), draw(st.sampled_from([1, 5])))
    if not made.finish()[1]:
        made.pad((0, 1), (1, 0))
    return made.finish()
