"""The named checks that the table uses: counts, ranks, constants, quantization, options.

Each gives a :class:`Finding` for every condition that is broken. Shapes and subgraphs are in their own modules.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Iterator

from mcuplan.graph import DType
from mcuplan.tflm.support.call import Finding, KernelCall, has_data, quantized, scale, scale_count, words, zero_point
from mcuplan.tflm.support.table import CheckSpec

Check = Callable[[KernelCall, CheckSpec], Iterator[Finding]]
PlainCheck = Callable[[KernelCall], Iterator[Finding]]

CHECKS: dict[str, Check] = {}


def check(name: str) -> Callable[[Check], Check]:
    """Register a function under the name that the table calls it by."""

    def register(function: Check) -> Check:
        CHECKS[name] = function
        return function

    return register


def plain_check(name: str) -> Callable[[PlainCheck], PlainCheck]:
    """As :func:`check`, for a function that the table has nothing to tell."""

    def register(function: PlainCheck) -> PlainCheck:
        CHECKS[name] = lambda call, _: function(call)
        return function

    return register


def number(value: float) -> str:
    """A scale for a sentence."""
    return f"{value:.6g}"


@check("count")
def _count(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    if (exactly := spec.args.get("exactly")) is not None:
        if len(call.operator.inputs) != exactly:
            yield Finding("operand-count", f"takes {exactly} inputs, not {len(call.operator.inputs)}")
        return
    count = len(call.operands.get(spec.of[0], ()))
    least, most = spec.args.get("min", 0), spec.args.get("max", math.inf)
    if count > most:
        yield Finding(spec.args.get("rule", "operand-count"), f"takes at most {most} inputs, not {count}")
    elif count < least:
        yield Finding("operand-count", f"takes at least {least} inputs, not {count}")


@check("present")
def _present(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    for name in spec.of:
        if call.tensor(name) is None:
            yield Finding("missing-operand", f"needs a {words(name)} for these types")


@check("no-hole")
def _no_hole(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    """An optional input may end the list early, but not be left out in its place."""
    for name in spec.of:
        position = next(i for i, operand in enumerate(call.rule.inputs) if operand.name == name)
        if call.operator.inputs[position : position + 1] == (-1,):
            yield Finding("missing-operand", f"needs its {words(name)}, or an input less")


@check("absent")
def _absent(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    for _, index, _ in call.each(spec.of):
        yield Finding("unsupported-variant", f"knows no {spec.args['words']}", index)
        return


@check("variable")
def _variable(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    for name, index, tensor in call.each(spec.of):
        if not tensor.is_variable:
            yield Finding("state-not-variable", f"needs its {words(name)} to be a variable tensor", index)


@check("constant")
def _constant(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    for name, index, tensor in call.each(spec.of):
        if not has_data(call.graph, tensor):
            yield Finding("non-constant-operand", f"needs its {words(name)} to be constant", index)


@check("rank")
def _rank(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    least, most = spec.args.get("min", 0), spec.args.get("max", math.inf)
    for name, index, _ in call.each(spec.of):
        shape = call.shapes[index]
        if shape is None or least <= len(shape) <= most:
            continue
        wanted = f"{least}" if least == most else f"at most {most}" if len(shape) > most else f"at least {least}"
        yield Finding("rank", f"takes {wanted} dimensions in its {words(name)}, not {len(shape)}", index)


@check("elements")
def _elements(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    least, most = spec.args.get("min", 0), spec.args.get("max", math.inf)
    for name, index, _ in call.each(spec.of):
        shape = call.shapes[index]
        if shape is not None and not least <= math.prod(shape) <= most:
            wanted = f"{least}" if least == most else f"at most {most}"
            text = f"takes {wanted} elements in its {words(name)}, not {math.prod(shape)}"
            yield Finding("shape-mismatch", text, index)


@check("same-shape")
def _same_shape(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    found = list(call.each(spec.of))
    for name, index, _ in found[1:]:
        one, other = call.shapes[found[0][1]], call.shapes[index]
        if one is not None and other is not None and one != other:
            like = words(found[0][0])
            text = f"needs its {words(name)} to have the shape {list(one)} of its {like}, not {list(other)}"
            yield Finding("shape-mismatch", text, index)
            return


@check("same-type")
def _same_type(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    found = list(call.each(spec.of))
    for name, index, tensor in found[1:]:
        if tensor.dtype is not found[0][2].dtype:
            text = f"needs its {words(name)} to be {found[0][2].dtype.label} like its {words(found[0][0])}"
            yield Finding("unsupported-type", f"{text}, not {tensor.dtype.label}", index)


@check("quantized")
def _quantized(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    for name, index, tensor in call.each(spec.of):
        if not quantized(tensor):
            yield Finding("missing-quantization", f"needs a scale and a zero point on its {words(name)}", index)


@check("int16-quantization")
def _int16_quantization(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    """ABS of int16: either no quantization at all, or one with zero points of 0 on both sides."""
    source = call.tensor(spec.of[0])
    if source is not None and quantized(source):
        yield from _quantized(call, spec)
        yield from _zero_points(call, spec, 0, 0)


@check("not-quantized")
def _not_quantized(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    for name, index, tensor in call.each(spec.of):
        if quantized(tensor):
            yield Finding("quantized-int32", f"takes int32 only without a scale, and its {words(name)} has one", index)


@check("per-tensor")
def _per_tensor(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    for name, index, tensor in call.each(spec.of):
        if scale_count(tensor) > 1:
            text = f"takes one scale on its {words(name)} for these types, not {scale_count(tensor)}"
            yield Finding("per-channel-weights", text, index)


@check("channel-scales")
def _channel_scales(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    """PopulateConvolutionQuantizationParams, CalculateOpDataFullyConnected: one scale or one for each channel."""
    for name, index, tensor in call.each(spec.of):
        shape, count = call.shapes[index], scale_count(tensor)
        if shape is None or count <= 1 or tensor.quantization is None:
            continue
        axes = {tensor.quantization.dimension, spec.args.get("axis", tensor.quantization.dimension)}
        if not all(0 <= axis < len(shape) and shape[axis] == count for axis in axes):
            text = f"takes one scale or one for each channel of its {words(name)}, not {count}"
            yield Finding("channel-scales", text, index)


def _zero_points(call: KernelCall, spec: CheckSpec, least: int, most: int) -> Iterator[Finding]:
    for name, index, tensor in call.each(spec.of):
        if not least <= (found := zero_point(tensor)) <= most:
            wanted = f"zero point {least}" if least == most else f"a zero point of {least} to {most}"
            yield Finding("zero-point", f"needs {wanted} on its {words(name)}, not {found}", index)


@check("zero-point")
def _zero_point(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    value = spec.args.get("value")
    least, most = (spec.args["min"], spec.args["max"]) if value is None else (value, value)
    yield from _zero_points(call, spec, least, most)


@check("same-quantization")
def _same_quantization(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    found = list(call.each(spec.of))
    for name, index, tensor in found[:-1]:
        last, _, wanted = found[-1]
        far = abs(scale(tensor) - scale(wanted)) > spec.args.get("tolerance", 0)
        if far or zero_point(tensor) != zero_point(wanted):
            text = f"needs the same scale and zero point on its {words(name)} and its {words(last)}"
            yield Finding("quantization-mismatch", text, index)


@check("scale")
def _scale(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    value, tolerance = spec.args["value"], spec.args["tolerance"]
    for name, index, tensor in call.each(spec.of):
        if abs(scale(tensor) - value) > tolerance:
            text = f"needs scale {number(value)} on its {words(name)}, not {number(scale(tensor))}"
            yield Finding("scale", text, index)


@check("scale-log2")
def _scale_log2(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    """CheckedLog2 (quantization_util.cc): within 0.001 of a power of two, which has to be the given one."""
    wanted = spec.args["value"]
    for name, index, tensor in call.each(spec.of):
        found = scale(tensor)
        if found <= 0 or abs(math.log2(found) - wanted) >= 1e-3:
            yield Finding("scale", f"needs scale 2^{wanted} on its {words(name)}, not {number(found)}", index)


@check("scale-below")
def _scale_below(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    """QuantizeMultiplierSmallerThanOneExp aborts unless the scale is between 0 and 1."""
    for name, index, tensor in call.each(spec.of):
        if quantized(tensor) and not 0 < scale(tensor) < spec.args["below"]:
            text = f"needs a scale below {spec.args['below']} on its {words(name)}, not {number(scale(tensor))}"
            yield Finding("scale", text, index)


@check("scale-ratio")
def _scale_ratio(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    """HARD_SWISH: input scale / output scale / 128 has to be below 1 (hard_swish_common.cc)."""
    source, target, index = call.tensor(spec.of[0]), call.tensor(spec.of[1]), call.index(spec.of[0])
    if source is None or target is None:
        return
    if scale(target) > 0 and scale(source) / scale(target) >= spec.args["below"]:
        text = f"needs its input scale to be less than {spec.args['below']} times its output scale"
        yield Finding("scale", text, index)


@check("softmax-input-scale")
def _softmax_input_scale(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    """PreprocessSoftmaxScaling aborts unless beta x scale x 2^26 is above 1."""
    beta = 1.0 if call.operator.name == "LOG_SOFTMAX" else call.options.beta
    for name, index, tensor in call.each(spec.of):
        if beta is not None and not beta * scale(tensor) * 2**26 > 1:
            text = f"needs a positive scale (times beta, above 2^-26) on its {words(name)}"
            yield Finding("scale", f"{text}, not {number(beta * scale(tensor))}", index)


@check("add-scales")
def _add_scales(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    """Inputs are rescaled to twice the greatest input scale, the sum (``shift`` bits up) to the output scale.

    QuantizeMultiplierSmallerThanOneExp aborts on a multiplier that is not between 0 and 1.
    """
    found = list(call.each(spec.of))
    if len(found) < 2 or not all(quantized(tensor) for _, _, tensor in found):
        return  # said by another check
    *inputs, output = (scale(tensor) for _, _, tensor in found)
    common = 2 * max(inputs)
    if min(inputs) <= 0 or output <= 0 or common / (2 ** spec.args["shift"] * output) >= 1:
        text = f"cannot rescale from its input scales (up to {number(max(inputs))}) to its output scale"
        yield Finding("scale", f"{text} {number(output)}", found[-1][1])


@check("input-scales")
def _input_scales(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    """Inputs are rescaled to twice the greater input scale: QuantizeMultiplierSmallerThanOneExp, as for add-scales."""
    found = list(call.each(spec.of))
    scales = [scale(tensor) for _, _, tensor in found]
    if found and all(quantized(tensor) for _, _, tensor in found) and not min(scales) > 0:
        yield Finding("scale", f"needs input scales above 0, not {number(min(scales))}", found[0][1])


@check("bias-scale")
def _bias_scale(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    """GetQuantizedConvolutionMultipler (kernel_util.cc:322); not looked at with a scale for each channel."""
    source, weights, bias, output = (call.tensor(name) for name in spec.of)
    if source is None or weights is None or bias is None or output is None:
        return
    if scale_count(weights) > 1:
        return
    apart = abs(scale(source) * scale(weights) - scale(bias))
    if scale(output) == 0:
        yield Finding("scale", "needs an output scale other than 0", call.index(spec.of[3]))
    elif not apart / scale(output) <= spec.args["limit"]:
        text = f"needs a bias scale near input scale x weights scale ({number(scale(source) * scale(weights))})"
        yield Finding("bias-scale", f"{text}, not {number(scale(bias))}", call.index(spec.of[2]))


@check("svdf-bias-scale")
def _svdf_bias_scale(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    bias, state, weights = (call.tensor(name) for name in spec.of)
    if bias is None or state is None or weights is None:
        return
    wanted = scale(state) * scale(weights)
    if abs(scale(bias) - wanted) >= spec.args["limit"]:
        text = f"needs the bias scale {number(wanted)} (state scale x time weights scale), not {number(scale(bias))}"
        yield Finding("bias-scale", text, call.index(spec.of[0]))


@check("option")
def _option(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    named = spec.args["option"]
    for name in [named] if isinstance(named, str) else named:
        value = call.option(name, None)
        if value in spec.args.get("forbidden", ()):
            yield Finding("option", f"takes no {spec.args['words']}")
        elif value is None and spec.args.get("optional"):
            continue
        elif value is None and (spec.args.get("required") or "min" in spec.args):
            yield Finding("option", f"needs the option {words(name)}")
        elif "max" in spec.args and value is not None and value > spec.args["max"]:
            yield Finding("option", f"needs {words(name)} of at most {spec.args['max']}, not {value}")
        elif "min" in spec.args and value < spec.args["min"]:
            yield Finding("option", f"needs {words(name)} of {spec.args['min']} or more, not {value}")


@check("options-exclusive")
def _options_exclusive(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    if all(call.option(name) for name in spec.args["option"]):
        yield Finding("option", f"takes only one of {' and '.join(map(words, spec.args['option']))}")


@check("tensor-type")
def _tensor_type(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    """ConvertTensorType (flatbuffer_conversions.cc), as parsers use it for options that name a type."""
    named = spec.args["option"]
    for name in [named] if isinstance(named, str) else named:
        value = call.option(name)
        if value not in _TENSOR_TYPES:
            yield Finding("option", f"has {words(name)} {value}, which is no type of tensors")


_TENSOR_TYPES = frozenset(map(int, DType))


def _constants(call: KernelCall, name: str) -> tuple[float, ...] | None:
    """The constant numbers of an operand, integers or float32; None where it is not constant."""
    tensor = call.tensor(name)
    if tensor is None or tensor.dtype is not DType.FLOAT32 or not has_data(call.graph, tensor):
        return call.integers(name)
    data = call.graph.buffers[tensor.buffer].data or b""
    return struct.unpack_from(f"<{len(data) // 4}f", data)


@check("no-zero")
def _no_zero(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    """A division by 0 ends the process or the call."""
    for name in spec.of:
        if 0 in (_constants(call, name) or ()):
            yield Finding("value", f"divides by the zeros in its {words(name)}", call.index(name))


@check("rsqrt-range")
def _rsqrt_range(call: KernelCall, spec: CheckSpec) -> Iterator[Finding]:
    """RSQRT refuses a number below the zero point when it meets one (elementwise.cc).

    int8 tensors that come from a converter cannot hold one: their range begins at 0.
    """
    for name, index, tensor in call.each(spec.of):
        values = call.integers(name)
        least = (
            (-128 if tensor.dtype is DType.INT8 else zero_point(tensor)) if values is None else min(values, default=0)
        )
        if least < zero_point(tensor):
            yield Finding("value", f"has no root of the numbers below zero point {zero_point(tensor)}", index)
