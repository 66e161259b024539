"""Each row of the table of safe operators, run: tensors laid over one another as it allows, on a real TFLM.

Planner and proof read the same rows. What they do with them is written twice; whether a row is true is told here, by
outputs that stay as they are. Only the wheel's kernels can run, the reference ones.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from drawn.sketch import Sketch, planned
from runtimes import require, run_tflm_each

from mcuplan.graph import DType, Graph
from mcuplan.operators.geometry import SAME, VALID
from mcuplan.proof.memory.static_check import static_check
from mcuplan.tflite import write
from mcuplan.tflm import Target
from mcuplan.tflm.aliasing import AliasOption, Relation, alias_options, readable_rules
from mcuplan.tflm.support import unsupported
from mcuplan.zoo.single import build_operator, operator_models

TARGET = Target.parse("riscv32+reference")
ROWS = readable_rules(TARGET)


def moved(dtype: DType) -> Iterator[Graph]:
    """Operators that copy pieces, in shapes where those are consecutive."""
    s = Sketch()
    x = s.input(1, 6, 4, 4, dtype=dtype)
    yield s.graph(s.op("GATHER", [x, s.constant([2, 3, 4])], (1, 3, 4, 4), axis=1))
    s = Sketch()
    x = s.input(1, 6, 4, 4, dtype=dtype)
    yield s.graph(s.slice(x, (0, 2, 0, 0), (1, 3, 4, 4)))
    s = Sketch()
    x = s.input(1, 4, 4, 4, dtype=dtype)
    yield s.graph(s.pad(x, ((0, 0), (2, 1), (0, 0), (0, 0))))
    s = Sketch()
    x = s.input(1, 6, 8, dtype=dtype)
    parts = [s.tensor(1, 2, 8, dtype=dtype) for _ in range(3)]
    s.into("SPLIT", [s.constant((1,), ()), x], parts, num_splits=3)
    yield s.graph(*parts)
    s = Sketch()
    x = s.input(1, 6, 8, dtype=dtype)
    parts = [s.tensor(1, rows, 8, dtype=dtype) for rows in (1, 3, 2)]
    s.into("SPLIT_V", [x, s.constant((1, 3, 2)), s.constant((1,), ())], parts, num_splits=3)
    yield s.graph(*parts)
    s = Sketch()
    x = s.input(1, 3, 8, dtype=dtype)
    parts = [s.tensor(1, 8, dtype=dtype) for _ in range(3)]
    s.into("UNPACK", [x], parts, num=3, axis=1)
    yield s.graph(*parts)
    s = Sketch()
    pair = [s.input(1, 8, dtype=dtype) for _ in range(3)]
    y = s.tensor(1, 3, 8, dtype=dtype)
    s.into("PACK", pair, [y], values_count=3, axis=1)
    yield s.graph(y)


def padded(dtype: DType) -> Iterator[Graph]:
    """PADs of several axes, of columns alone, and of channels: several pieces are copied."""
    for sides in (((0, 0), (1, 1), (1, 1), (0, 0)), ((0, 0), (0, 0), (0, 2), (0, 0)), ((0, 0), (2, 0), (0, 0), (1, 3)),
                  ((0, 1), (0, 0), (3, 0), (0, 0)), ((0, 0), (0, 3), (2, 1), (0, 0))):  # fmt: skip
        for rows in (6, 9):
            s = Sketch()
            yield s.graph(s.pad(s.input(1, rows, 7, 4, dtype=dtype), sides))


def windowed(dtype: DType) -> Iterator[Graph]:
    """Windows of many sizes, strides and paddings: outputs that shrink and that grow."""
    for kernel, stride, padding in (((3, 3), 1, SAME), ((3, 3), 1, VALID), ((3, 3), 2, SAME), ((2, 3), 2, VALID),
                                    ((5, 1), 1, SAME), ((4, 4), 3, SAME), ((3, 2), 3, VALID)):  # fmt: skip
        for operator, channels, filters in (("CONV_2D", 4, 2), ("CONV_2D", 2, 7), ("DEPTHWISE_CONV_2D", 4, 4)):
            s = Sketch()
            x = s.input(1, 9, 5, channels, dtype=dtype)
            yield s.graph(s.conv(x, kernel, stride, padding, filters, operator))
        for operator in ("AVERAGE_POOL_2D", "MAX_POOL_2D"):
            s = Sketch()
            x = s.input(1, 9, 5, 4, dtype=dtype)
            shape = (
                1,
                *(-(-(n - (k - 1 if padding == VALID else 0)) // stride) for n, k in zip((9, 5), kernel, strict=True)),
                4,
            )
            options = {"filter_height": kernel[0], "filter_width": kernel[1], "stride_h": stride, "stride_w": stride}
            yield s.graph(s.op(operator, [x], shape, padding=padding, **options))
    for channels, filters, stride in ((16, 16, 1), (16, 8, 1), (16, 40, 1), (32, 16, 2)):
        s = Sketch()
        x = s.input(1, 9, 5, channels, dtype=dtype)
        yield s.graph(s.conv(x, (1, 1), stride, filters=filters, dilation=2))
    for channels in (16, 48):  # positions of 16 bytes and more: where they end is not rounded away
        for stride, padding in ((1, SAME), (1, VALID), (2, SAME)):
            s = Sketch()
            x = s.input(1, 9, 5, channels, dtype=dtype)
            yield s.graph(s.conv(x, (3, 3), stride, padding, operator="DEPTHWISE_CONV_2D"))


def models() -> Iterator[Graph]:
    for spec in operator_models():
        yield build_operator(spec)
    for dtype in (DType.INT8, DType.INT16, DType.INT32, DType.FLOAT32):
        yield from moved(dtype)
        yield from padded(dtype)
    for dtype in (DType.INT8, DType.FLOAT32):
        yield from windowed(dtype)


def laid_over(graph: Graph, option: AliasOption, closer: int = 0) -> Graph:
    """The graph with the option's two tensors over one another, ``closer`` bytes more than it allows."""
    at = option.at + closer
    outer = -(-max(-at, 0) // 16) * 16
    return planned(graph, {option.outer: outer, option.inner: outer + at})


def cases(kind: str | None = None) -> Iterator[tuple[str, Graph, AliasOption]]:
    for graph in models():
        if unsupported(graph, TARGET):
            continue
        for option in alias_options(graph, 0, TARGET):
            name = graph.main.operators[option.operator].name
            if kind is None or ROWS[name].kind == kind:
                yield name, graph, option


def test_every_row_is_tried() -> None:
    assert {name for name, _, _ in cases()} == set(ROWS)


def test_tensors_laid_over_one_another_as_the_rows_allow_give_the_same_outputs() -> None:
    require("tflm")
    found = list(cases())
    assert len(found) > 200
    stock, over = [], []
    for name, graph, option in found:
        plan = laid_over(graph, option)
        assert static_check(plan, TARGET) == (), (name, option)
        stock.append(write(graph))
        over.append(write(plan))
    runs = run_tflm_each([*stock, *over])
    for (name, _, option), before, after in zip(found, runs[: len(found)], runs[len(found) :], strict=True):
        assert before.ok, (name, before.message)
        assert after.ok, (name, after.message)
        assert before.outputs == after.outputs, (name, option)


def test_a_position_closer_goes_wrong() -> None:
    """Where the output is one position closer to its input than the rules allow, the proof says so, and the outputs of
    convolutions over all channels are others: the rules are no wider than these need."""
    require("tflm")
    stock, over = [], []
    for name, graph, option in cases("window"):
        shape, written = (graph.main.tensors[t].shape for t in (option.outer, option.inner))
        size = graph.main.tensors[option.inner].dtype.bits or 8
        if name != "CONV_2D" or written[3] * size // 8 % 16 or shape[3] * size // 8 % 16:
            continue
        plan = laid_over(graph, option, closer=written[3] * size // 8)
        assert static_check(plan, TARGET), option
        stock.append(write(graph))
        over.append(write(plan))
    runs = run_tflm_each([*stock, *over])
    assert len(stock) >= 5
    assert all(a.outputs != b.outputs for a, b in zip(runs[: len(stock)], runs[len(stock) :], strict=True))


@pytest.mark.parametrize("kind", ["window", "elementwise", "padded"])
def test_what_the_rows_do_not_allow_goes_wrong(kind: str) -> None:
    """A row closer, or an element: the proof says so, and TFLM gives other outputs. So the rows are no too wide."""
    require("tflm")
    stock, over = [], []
    for _, graph, option in cases(kind):
        if option.relation is not Relation.OVERWRITE:
            continue
        shape = graph.main.tensors[option.outer].shape
        row = max(graph.main.tensors[option.outer].elements // max(shape[1] if len(shape) == 4 else 1, 1), 1)
        plan = laid_over(graph, option, closer=16 if kind == "elementwise" else -(-row // 16) * 16 * 4)
        if static_check(plan, TARGET):
            stock.append(write(graph))
            over.append(write(plan))
    runs = run_tflm_each([*stock, *over])
    wrong = sum(a.outputs != b.outputs for a, b in zip(runs[: len(stock)], runs[len(stock) :], strict=True))
    assert len(stock) >= 20
    assert wrong >= len(stock) // 2
