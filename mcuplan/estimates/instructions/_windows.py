"""What convolutions and pools loop over, by the paths of their kernels.

CMSIS-NN 4ab83cc3 for cores with the DSP extension (Source/ConvolutionFunctions, Source/PoolingFunctions and the matrix
products of Source/NNSupportFunctions); TFLM's reference kernels (tensorflow/lite/kernels/internal/reference).
"""

from __future__ import annotations

import math

from mcuplan.estimates.instructions._copies import filled, run
from mcuplan.estimates.instructions._taps import positions_inside, rows_outside, taps_inside
from mcuplan.estimates.instructions.call import Call

Work = tuple[str, tuple[float, ...]]
"""A kernel's path, and how often each part of it runs (the names of the parts are in :data:`PARTS`)."""

PRODUCT = (
    "columns", "column_rows", "row_tiles", "tiles", "tiles_16", "tiles_4", "tiles_1", "tail_tiles", "tail_16", "tail_4",
    "tail_1", "odd_rows", "odd_1",
)  # fmt: skip
IM2COL = (
    "pixels", "taps_in", "taps_out", "copied", "filled", "widened_4", "widened_1", "pairs", "tiles", "tiles_4",
    "tiles_1", "odd", "odd_4", "odd_1", "last", "last_4", "last_1", "long",
)  # fmt: skip
LONGEST_SUM = 512
"""Products that a sum of 32 bits takes before arm_nn_mat_mult_kernel_s16 goes on with one of 64 bits."""

NAIVE = ("pixels", "filters", "filter_rows", "filter_taps", "inside", "macs")

PARTS: dict[str, tuple[str, ...]] = {
    "conv.1x1": ("call", *PRODUCT),
    "conv.1x1-strided": ("call", "rows", *PRODUCT),
    "conv.im2col": ("call", "rows", *IM2COL),
    "conv.im2col-int16": ("call", "rows", *IM2COL),
    "conv.reference": ("call", *NAIVE),
    "depthwise.3x3": (
        "call", "rows", "pixels", "blocks", "block_rows", "block_taps", "rest", "rest_rows", "rest_taps",
    ),
    "depthwise.optimized": (
        "call", "rows", "pixels", "taps_in", "edges", "taps_out", "widened_4", "widened_1", "filled", "blocks",
        "block_pairs", "block_odd", "rest", "rest_taps",
    ),
    "depthwise.multiple-of-4": ("call", "rows", "pixels", "channels", "tiles", "tile_rows", "tile_taps"),
    "depthwise.generic": ("call", "rows", "pixels", "channels", "filters", "filter_rows", "filter_taps"),
    "depthwise.reference": (
        "call", "pixels", "channels", "filters", "filter_rows", "filter_taps", "columns_inside", "inside",
    ),
    "transposed": ("call", "pixels", "inputs", "input_rows", "input_taps", "outside", "macs", "results"),
    "transposed.rows": (
        "call", "rows", "filters", "filter_rows", "tiles", "tiles_4", "tiles_1", "rest", "rest_4", "rest_1", "begun",
        "pixels", "results",
    ),
    "transposed.im2col": ("call", "reversed", "spread", *("rows", *IM2COL)),
    "pool.average": ("call", "rows", "pixels", "tap_rows", "taps", "first", "more", "divided"),
    "pool.maximum": (
        "call", "rows", "pixels", "tap_rows", "taps", "copied", "compared_4", "compared_1", "clamped",
    ),
    "pool.maximum-int16": (
        "call", "rows", "pixels", "tap_rows", "taps", "copied", "compared_2", "compared_1", "clamped",
    ),
    "pool.reference": ("call", "pixels", "channels", "tap_rows", "taps"),
}  # fmt: skip


def _places(call: Call) -> tuple[int, int, int, int]:
    """Output rows and columns; taps of all output rows, and of all output columns, that lie on the input."""
    _, height, width, _ = call.source
    rows, columns = call.result[1:3]
    return (
        rows,
        columns,
        *(
            taps_inside(size, outputs, call.kernel[i], call.stride[i], call.dilation[i], call.before[i])
            for i, (size, outputs) in enumerate(((height, rows), (width, columns)))
        ),
    )  # type: ignore[return-value]


def product(lhs: int, rhs: int, depth: int) -> tuple[float, ...]:
    """arm_nn_mat_mult_nt_t_s8: two filters at a time over two pixels at a time."""
    pairs, odd, twos, last = rhs // 2, rhs % 2, lhs // 2, lhs % 2
    d16, d4, d1 = depth // 16, depth % 16 // 4, depth % 4
    tiles, tail = pairs * twos, pairs * last
    return (
        pairs, pairs * depth, pairs, tiles, tiles * d16, tiles * d4, tiles * d1, tail, tail * d16, tail * d4, tail * d1,
        odd * lhs, odd * lhs * depth,
    )  # fmt: skip


def conv_cmsis(call: Call) -> Work:
    """arm_convolve_wrapper_s8: 1x1, 1x1 with strides, or im2col (which 1xN comes to without MVE)."""
    batch, height, width, depth = call.source
    filters = call.result[3]
    if call.dtype == "float32":
        return conv_reference(call)
    grouped = len(call.other) == 4 and call.other[3] != depth
    pointwise = call.kernel == (1, 1) and call.dilation == (1, 1) and call.before == (0, 0) and not grouped
    if call.dtype == "int8" and pointwise:
        if call.stride == (1, 1):
            return "conv.1x1", (1, *product(batch * height * width, filters, depth))
        rows = batch * call.result[1]
        return "conv.1x1-strided", (1, rows, *(rows * n for n in product(call.result[2], filters, depth)))
    wide = 2 if call.dtype == "int16" else 1
    return "conv.im2col-int16" if wide == 2 else "conv.im2col", (1, *_im2col(call, wide))


def _im2col(call: Call, wide: int) -> tuple[float, ...]:
    """arm_convolve_s8: pixels gathered into columns, two columns against two filters at a time."""
    batch, depth = call.source[0], call.source[3]
    rows, columns, row_taps, column_taps = _places(call)
    filter_depth = call.other[3] if len(call.other) == 4 else depth
    groups = max(depth // filter_depth, 1)
    filters = call.result[3] // groups
    taps = call.kernel[0] * call.kernel[1]
    pixels = rows * columns * groups * batch
    inside = row_taps * column_taps * groups * batch
    outside = pixels * taps - inside
    length = taps * filter_depth
    pairs, last = pixels // 2, batch * groups * (rows * columns % 2)
    tiles, odd = pairs * (filters // 2), pairs * (filters % 2)
    last *= filters
    size = filter_depth * wide
    fast = length if wide == 1 else min(length, LONGEST_SUM)
    l4, l1, f4, f1 = length // 4, length % 4, fast // 4, fast % 4
    return (
        rows * batch * groups, pixels, inside, outside, inside * run(size, size), outside * filled(size, size),
        pixels * l4, pixels * l1, pairs, tiles, tiles * f4, tiles * f1, odd, odd * f4, odd * f1, last, last * l4,
        last * l1, (tiles + odd) * (length - fast),
    )  # fmt: skip


def conv_reference(call: Call) -> Work:
    """ConvPerChannel and Conv: every tap asked for whether it lies on the input, filter by filter."""
    batch, _, _, depth = call.source
    rows, columns, row_taps, column_taps = _places(call)
    depth = call.other[3] if len(call.other) == 4 else depth
    filters = call.result[3] * batch
    pixels, inside = rows * columns, row_taps * column_taps
    kh, kw = call.kernel
    made = pixels * filters
    return "conv.reference", (1, pixels * batch, made, made * kh, made * kh * kw, inside * filters,
                              inside * filters * depth)  # fmt: skip


def depthwise_cmsis(call: Call) -> Work:
    """arm_depthwise_conv_wrapper_s8: 3x3 with at most one row of padding, else by columns, else filter by filter.

    Of int16 TFLM calls arm_depthwise_conv_s16 itself (micro/kernels/cmsis_nn/depthwise_conv.cc), not its fast form.
    """
    if call.dtype == "float32":
        return depthwise_reference(call)
    batch, _, width, depth = call.source
    made = call.result[3]
    rows, columns, row_taps, column_taps = _places(call)
    pixels = rows * columns
    single = made == depth and batch == 1 and call.dilation == (1, 1)
    if single and call.dtype == "int8" and call.kernel == (3, 3) and max(call.before) <= 1:
        b, r = depth // 4, depth % 4
        first = positions_inside(width, columns, call.stride[1], -call.before[1])
        third = positions_inside(width, columns, call.stride[1], 2 - call.before[1])
        across = columns + first + third
        return "depthwise.3x3", (
            1, rows, pixels, pixels * b, row_taps * columns * b, row_taps * across * b, pixels * r,
            row_taps * columns * r, row_taps * across * r,
        )  # fmt: skip
    if single and call.dtype == "int8":
        return _by_columns(call, pixels, (row_taps, column_taps))
    multiplier = made // depth
    inside = row_taps * column_taps * batch
    if multiplier % 4 == 0 and batch == 1 and call.dilation == (1, 1):
        tiles = depth * multiplier // 4
        return "depthwise.multiple-of-4", (
            1, rows, pixels, pixels * depth, pixels * tiles, row_taps * columns * tiles, inside * tiles,
        )  # fmt: skip
    return "depthwise.generic", (
        1, rows * batch, pixels * batch, pixels * batch * depth, pixels * batch * made,
        row_taps * columns * batch * made, inside * made,
    )  # fmt: skip


def _by_columns(call: Call, pixels: int, taps: tuple[int, int]) -> Work:
    """arm_depthwise_conv_s8_opt."""
    depth = call.source[3]
    kh, kw = call.kernel
    rows, columns = call.result[1:3]
    inside = taps[0] * taps[1]
    window = kh * kw
    across = taps[0] * columns * kw - inside
    b, r = pixels * (depth // 4), pixels * (depth % 4)
    height, stride, before = call.source[1], call.stride[0], call.before[0]
    line = 2 * kw * depth
    edges = [filled(n * line, line) for n in rows_outside(height, rows, kh, stride, before)]
    return "depthwise.optimized", (
        1, rows, pixels, inside, len(edges) * columns, across, inside * (depth // 4), inside * (depth % 4),
        across * filled(2 * depth, 2 * depth) + columns * sum(edges), b, b * (window // 2), b * (window % 2), r,
        r * window,
    )  # fmt: skip


def depthwise_reference(call: Call) -> Work:
    """DepthwiseConvPerChannel and DepthwiseConv: as :func:`conv_reference`, one channel for each filter."""
    rows, columns, row_taps, column_taps = _places(call)
    batch, made = call.source[0], call.result[3]
    pixels = rows * columns * batch
    kh, kw = call.kernel
    filters = pixels * made
    across = column_taps * rows * kh * batch * made
    return "depthwise.reference", (
        1, pixels, pixels * call.source[3], filters, filters * kh, filters * kh * kw, across,
        row_taps * column_taps * batch * made,
    )  # fmt: skip


def pool_cmsis(call: Call) -> Work:
    """arm_avgpool_s8 and arm_max_pool_s8, and those of int16."""
    if call.dtype == "float32":
        return pool_reference(call)
    batch, _, _, depth = call.source
    rows, columns, row_taps, column_taps = _places(call)
    pixels, taps = rows * columns * batch, row_taps * column_taps * batch
    tap_rows = row_taps * columns * batch
    if call.operator == "AVERAGE_POOL_2D":
        return "pool.average", (1, rows * batch, pixels, tap_rows, taps, pixels * depth, (taps - pixels) * depth,
                                pixels * depth)  # fmt: skip
    more = taps - pixels
    if call.dtype == "int16":
        return "pool.maximum-int16", (
            1, rows * batch, pixels, tap_rows, taps, pixels * run(2 * depth, 2 * depth), more * (depth // 2),
            more * (depth % 2), pixels * depth,
        )  # fmt: skip
    return "pool.maximum", (
        1, rows * batch, pixels, tap_rows, taps, pixels * run(depth, depth), more * (depth // 4), more * (depth % 4),
        pixels * depth,
    )  # fmt: skip


def pool_reference(call: Call) -> Work:
    """AveragePool and MaxPool: every channel of a place by itself."""
    batch, _, _, depth = call.source
    rows, columns, row_taps, column_taps = _places(call)
    pixels = rows * columns * batch
    return "pool.reference", (1, pixels, pixels * depth, row_taps * columns * batch * depth,
                              row_taps * column_taps * batch * depth)  # fmt: skip


def transposed_cmsis(call: Call) -> Work:
    """arm_transpose_conv_wrapper_s8: of more than 16 channels a convolution of the spread input, else row by row."""
    depth = call.source[3]
    if call.dtype != "int8":
        return transposed(call)
    if depth <= 16 or max(call.stride) > 2:
        return _transposed_rows(call)
    batch, rows, columns, _ = call.source
    spread = (batch, rows * call.stride[0], columns * call.stride[1], depth)
    before = (call.kernel[0] - 1 - call.before[0], call.kernel[1] - 1 - call.before[1])
    taps = call.kernel[0] * call.kernel[1]
    conv = call._replace(source=spread, stride=(1, 1), before=before, other=())
    wide = call.result[1] * call.result[2] * batch * filled(taps * depth, taps * depth)
    return "transposed.im2col", (1, call.result[3] * taps * run(depth, depth), wide, *_im2col(conv, 1))


def _transposed_rows(call: Call) -> Work:
    """arm_transpose_conv_s8: four input pixels at a time against each tap of each filter, sums of 32 bits in a rolling
    buffer of rows that begin as the bias."""
    batch, rows, columns, depth = call.source
    (kh, kw), (down, across), made = call.kernel, call.stride, call.result[3]
    before, height = call.before[0], call.result[1]
    skipped = (max(before - j * down, 0) + max(j * down + kh - before - height - 1, 0) for j in range(rows))
    filter_rows = batch * made * sum(max(kh - n, 0) for n in skipped)
    fours, rest = columns // 4, columns % 4
    tiles, ones = filter_rows * kw * fours, filter_rows * kw * rest
    wide = (columns - 1) * across + max(kw, across)
    begun = batch * wide * (max(kh, down) + height) * run(4 * made, 4)
    return "transposed.rows", (
        1, batch * rows, batch * rows * made * (fours + rest), filter_rows * (fours + rest), tiles,
        tiles * (depth // 4), tiles * (depth % 4), ones, ones * (depth // 4), ones * (depth % 4), begun,
        batch * height * call.result[2], math.prod(call.result),
    )  # fmt: skip


def transposed(call: Call) -> Work:
    """TransposeConv: what every input element adds, filter by filter, where it falls inside the result."""
    batch, rows, columns, depth = call.source
    kh, kw = call.kernel
    pixels = batch * rows * columns
    down = taps_inside(call.result[1], rows, kh, call.stride[0], 1, call.before[0])
    across = taps_inside(call.result[2], columns, kw, call.stride[1], 1, call.before[1])
    inside, made = batch * down * across, math.prod(call.result)
    return "transposed", (
        1, pixels, pixels * depth, pixels * depth * kh, pixels * depth * kh * kw,
        (pixels * kh * kw - inside) * depth * call.result[3], inside * depth * call.result[3], made,
    )  # fmt: skip
