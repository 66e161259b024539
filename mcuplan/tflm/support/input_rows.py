"""``MCUPLAN_ROWS``, the operator that mcuplan brings: what its source, as exported, wants of its options and shapes."""

from __future__ import annotations

import math
from collections.abc import Iterator

from mcuplan.operators.input_rows import input_rows
from mcuplan.tflm.support.call import Finding, KernelCall
from mcuplan.tflm.support.checks import plain_check


@plain_check("input-rows")
def _input_rows(call: KernelCall) -> Iterator[Finding]:
    options, shape, begin = input_rows(call.operator), call.shape("output"), call.shape("begin")
    tensor = call.tensor("output")
    if options is None:
        yield Finding("option", "has options that its source does not know")
        return
    if begin is not None and math.prod(begin) != 4:
        yield Finding("shape-mismatch", f"needs four numbers to begin at, not {math.prod(begin)}", call.index("begin"))
    if shape is None or tensor is None:
        return
    item = (tensor.dtype.bits or 8) // 8
    if shape[0] != 1 or shape[3] * item != options.pixel_bytes or shape[2] < options.columns:
        text = f"gives whole rows of {options.columns} positions of {options.pixel_bytes} bytes, not {list(shape)}"
        yield Finding("shape-mismatch", text, call.index("output"))
    places = call.integers("begin")
    if places is not None and len(places) == 4 and _misplaced(places, shape[2], options.columns):
        text = f"begins at {list(places)}, so its output does not hold whole rows of {options.columns} positions"
        yield Finding("index-range", text, call.index("begin"))


def _misplaced(places: tuple[int, ...], wide: int, columns: int) -> bool:
    batch, _, column, channel = places
    return bool(batch or channel) or column > 0 or wide + column < columns
