"""Axis maps worked by hand: padding, cropping, broadcasting, mirroring, enlarging."""

from __future__ import annotations

import pytest

from mcuplan.graph import Buffer, DType, Graph, Operator, OperatorCode, Record, Subgraph, Tensor
from mcuplan.operators.geometry import Axis
from mcuplan.operators.geometry import axis_maps as maps
from mcuplan.operators.geometry.axis_maps import AxisMap
from mcuplan.operators.geometry.stages import Region, Span, barriers, required, stages


def reads(axis: AxisMap) -> list[tuple[int, int]]:
    return list(zip(axis.low, axis.high, strict=True))


def test_window_clips_its_taps() -> None:
    # 5 rows, 3 taps, stride 2, a row of padding on both sides.
    axis = maps.windowed(Axis(5, 3, 3, 2, 1, 1, 1))
    assert reads(axis) == [(0, 2), (1, 4), (3, 5)]
    assert axis.needs(Span(0, 2)) == Span(0, 4)
    assert axis.reach == 3


def test_padding_and_cropping() -> None:
    axis = maps.padded(3, 2, 1)
    assert [low < high for low, high in reads(axis)] == [False, False, True, True, True, False]
    assert axis.needs(Span(1, 4)) == Span(0, 2)
    assert not axis.needs(Span(0, 2))
    assert reads(maps.padded(5, -1, -2)) == [(1, 2), (2, 3)]


def test_envelope_is_monotone_and_holds_every_need() -> None:
    # 2 taps 4 apart, 2 positions of padding: the first outputs read one tap each, further back than the next ones.
    axis = maps.windowed(Axis(6, 6, 2, 1, 4, 2, 2))
    assert reads(axis) == [(2, 3), (3, 4), (0, 5), (1, 6), (2, 3), (3, 4)]
    low, high = axis.envelope()
    assert low == (0, 0, 0, 1, 2, 3)
    assert high == (3, 4, 5, 6, 6, 6)
    for begin in range(6):
        for end in range(begin + 1, 7):
            assert axis.needs(Span(begin, end)) in Span(low[begin], high[end - 1])


def test_broadcast_reads_the_one_position() -> None:
    assert reads(maps.broadcast(3)) == [(0, 1)] * 3


def test_mirror_padding() -> None:
    # 4 rows, 2 above and 1 below: b c | ... REFLECT gives 2 1 0 1 2 3 2, SYMMETRIC gives 1 0 0 1 2 3 3.
    assert maps.mirrored(4, 2, 1, border=False).low == (2, 1, 0, 1, 2, 3, 2)
    assert maps.mirrored(4, 2, 1, border=True).low == (1, 0, 0, 1, 2, 3, 3)


def test_nearest_by_two_and_three() -> None:
    assert maps.nearest(3, 6, align_corners=False, half_pixel_centers=False).low == (0, 0, 1, 1, 2, 2)
    assert maps.nearest(3, 6, align_corners=False, half_pixel_centers=True).low == (0, 0, 1, 1, 2, 2)
    assert maps.nearest(2, 6, align_corners=False, half_pixel_centers=False).low == (0, 0, 0, 1, 1, 1)
    # Corners aligned, 2 -> 6: places 0, 0.2, 0.4, 0.6, 0.8, 1, rounded.
    assert maps.nearest(2, 6, align_corners=True, half_pixel_centers=False).low == (0, 0, 0, 1, 1, 1)


def test_bilinear_by_two() -> None:
    # Half-pixel centres, 3 -> 6: places -0.25, 0.25, 0.75, 1.25, 1.75, 2.25 between whole positions.
    half = maps.bilinear(3, 6, half_pixel_centers=True)
    assert reads(half) == [(0, 1), (0, 2), (0, 2), (1, 3), (1, 3), (2, 3)]
    # Without: 0, 0.5, 1, 1.5, 2, 2.5 and nothing behind the last.
    assert reads(maps.bilinear(3, 6, half_pixel_centers=False)) == [(0, 1), (0, 2), (1, 2), (1, 3), (2, 3), (2, 3)]


def test_bilinear_by_three_reads_what_the_integer_kernel_reads() -> None:
    # The integer kernel's scale is 341/1024, a little less than a third: output 3 lies at 1023/1024, between 0 and 1.
    axis = maps.bilinear(4, 12, half_pixel_centers=False)
    assert reads(axis)[3] == (0, 2)


def resized(name: str, options: str, size: int, output: int, **fields: bool) -> Graph:
    tensors = (
        Tensor("x", DType.INT8, (1, size, size, 2)),
        Tensor("size", DType.INT32, (2,), buffer=1),
        Tensor("y", DType.INT8, (1, output, output, 2)),
    )
    op = Operator(
        OperatorCode(name),
        (0, 1),
        (2,),
        Record(options, {"align_corners": False, "half_pixel_centers": False} | fields),
    )
    data = output.to_bytes(4, "little") * 2
    return Graph((Subgraph(tensors, (op,), (0,), (2,)),), (Buffer(), Buffer(data)))


def test_resize_operators_by_whole_factors_only() -> None:
    graph = resized("RESIZE_NEAREST_NEIGHBOR", "ResizeNearestNeighborOptions", 4, 8)
    (stage,) = stages(graph)
    assert required(stage, Region(Span(3, 6), Span(0, 1)))[0] == Region(Span(1, 3), Span(0, 1))
    graph = resized("RESIZE_BILINEAR", "ResizeBilinearOptions", 4, 8, half_pixel_centers=True)
    (stage,) = stages(graph)
    assert required(stage, Region(Span(3, 5), Span(0, 1)))[0] == Region(Span(1, 3), Span(0, 1))
    (barrier,) = barriers(resized("RESIZE_BILINEAR", "ResizeBilinearOptions", 4, 7))
    assert barrier.reason == "RESIZE_BILINEAR does not enlarge by a whole factor"


@pytest.mark.parametrize(("shape", "patchable"), [((1, 1, 1, 2), True), ((2,), True), ((1, 4, 4, 2), False)])
def test_constants_with_rows_of_their_own_are_barriers(shape: tuple[int, ...], patchable: bool) -> None:
    count = 1
    for size in shape:
        count *= size
    tensors = (
        Tensor("x", DType.INT8, (1, 4, 4, 2)),
        Tensor("c", DType.INT8, shape, buffer=1),
        Tensor("y", DType.INT8, (1, 4, 4, 2)),
    )
    graph = Graph(
        (Subgraph(tensors, (Operator(OperatorCode("ADD"), (0, 1), (2,)),), (0,), (2,)),),
        (Buffer(), Buffer(bytes(count))),
    )
    assert bool(stages(graph)) is patchable
    assert [b.reason for b in barriers(graph)] == (
        [] if patchable else ["ADD reads a constant with rows and columns of its own"]
    )
