"""TFLM's own operators of audio front-ends: what their FlexBuffer options and operands have to be.

Upstream: ``signal/micro/kernels``. Their kernels look at types, ranks and counts only; that sizes fit the
options is for the file to get right.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from mcuplan.graph import DType
from mcuplan.tflm.kernels import custom_options
from mcuplan.tflm.support.call import Finding, KernelCall, words
from mcuplan.tflm.support.checks import check
from mcuplan.tflm.support.inference import Inferred, mismatch, rule
from mcuplan.tflm.support.table import CheckSpec


def _option(call: KernelCall, name: str) -> int | None:
    """A custom operator's option; None where it has none of that name."""
    value: int | None = getattr(custom_options(call.operator.custom_options), name, None)
    return value


@check("custom-option")
def _custom_option(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    for name in spec.args["option"]:
        value = _option(call, name)
        if value is None:
            yield Finding("option", f"needs the option {words(name)}", unchecked=True)
        elif value < spec.args["min"] or value > 1 << 20:
            yield Finding("option", f"has the option {words(name)} {value}, which is out of range", unchecked=True)


@check("option-type")
def _option_type(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    """The option ``T`` chooses the kernel; where it is not there, it reads as 0, float32."""
    chosen = _option(call, "T") or 0
    for name, index, tensor in call.each(spec.of):
        if int(tensor.dtype) != chosen:
            label = DType(chosen).label if chosen in DType._value2member_map_ else str(chosen)
            text = f"is made for {label} by its options, but its {words(name)} is {tensor.dtype.label}"
            yield Finding("option", text, index)


@rule("energy")
def _energy(call: KernelCall) -> Inferred:
    """SpectrumToEnergy writes from ``start_index`` to ``end_index`` and reads pairs of numbers there."""
    source, target, end = call.shape("input"), call.shape("output"), _option(call, "end_index")
    if source is None or target is None or end is None:
        return None
    if 2 * end > math.prod(source) or end > math.prod(target):
        return mismatch(f"reads {end} pairs of {list(source)} and gives {list(target)}", call.index("input"))
    return target


@rule("filter-bank")
def _filter_bank(call: KernelCall) -> Inferred:
    """FilterbankAccumulateChannels: one channel more is worked out than is given."""
    channels = _option(call, "num_channels")
    shapes = call.all_shapes(("input", "weights", "unweights"))
    starts, weight_starts, widths = (call.integers(name) for name in ("frequency_starts", "weight_starts", "widths"))
    if channels is None or shapes is None or starts is None or weight_starts is None or widths is None:
        return None
    if min(map(len, (starts, weight_starts, widths))) <= channels:
        return mismatch(f"needs {channels + 1} channels in its tables", call.index("widths"))
    spectrum, weights = math.prod(shapes[0]), min(math.prod(shapes[1]), math.prod(shapes[2]))
    for start, weight, width in zip(starts[: channels + 1], weight_starts, widths, strict=False):
        if width > 0 and (min(start, weight) < 0 or start + width > spectrum or weight + width > weights):
            return Finding(
                "index-range", "has channels that lie outside its input or weights", call.index("widths"), True
            )
    return (channels,)


@rule("channels")
def _channels(call: KernelCall) -> Inferred:
    source, channels = call.shape("input"), _option(call, "num_channels")
    if source is None or channels is None:
        return None
    if math.prod(source) != channels:
        return mismatch(f"has {channels} channels, but {list(source)} values", call.index("input"))
    return [(channels,), (channels,)]


@rule("framer")
def _framer(call: KernelCall) -> Inferred:
    source, size, step = call.shape("input"), _option(call, "frame_size"), _option(call, "frame_step")
    if not source or size is None or step is None or step < 1:
        return None
    if source[-1] % step or source[-1] < step or size < step:
        return mismatch(f"cannot cut {source[-1]} samples into steps of {step}", call.index("input"))
    return (*source[:-1], source[-1] // step, size)


def _power_of_two(length: int) -> bool:
    return length >= 4 and length & (length - 1) == 0


@rule("rfft")
def _rfft(call: KernelCall) -> Inferred:
    source, length = call.shape("input"), _option(call, "fft_length")
    if not source or length is None:
        return None
    if source[-1] > length or not _power_of_two(length):
        return mismatch(f"has an FFT of {length} for {source[-1]} values", call.index("input"))
    return (*source[:-1], length + 2)


@rule("irfft")
def _irfft(call: KernelCall) -> Inferred:
    source, length = call.shape("input"), _option(call, "fft_length")
    if not source or length is None:
        return None
    if source[-1] != length + 2 or not _power_of_two(length):
        return mismatch(f"has an FFT of {length} for {source[-1]} values", call.index("input"))
    return (*source[:-1], length)


@rule("overlap-add")
def _overlap_add(call: KernelCall) -> Inferred:
    source, step = call.shape("input"), _option(call, "frame_step")
    if source is None or len(source) < 2 or step is None:
        return None
    if step > source[-1]:
        return mismatch(f"steps {step} samples over frames of {source[-1]}", call.index("input"))
    return (*source[:-2], source[-2] * step)


@rule("stacker")
def _stacker(call: KernelCall) -> Inferred:
    source, channels = call.shape("input"), _option(call, "num_channels")
    before, after = _option(call, "stacker_left_context"), _option(call, "stacker_right_context")
    if source is None or channels is None or before is None or after is None:
        return None
    if math.prod(source) != channels:
        return mismatch(f"has {channels} channels, but {list(source)} values", call.index("input"))
    return (channels * (before + after + 1),)


@rule("window")
def _window(call: KernelCall) -> Inferred:
    shapes = call.all_shapes(("input", "weights"))
    if shapes is None or not shapes[0] or not shapes[1]:
        return None
    if shapes[0][-1] != shapes[1][0]:
        return mismatch(f"has a window of {shapes[1][0]} for {shapes[0][-1]} values", call.index("weights"))
    return shapes[0]
