"""Which features each operator's kernel has, by kernel library."""

from __future__ import annotations

from collections.abc import Mapping

from mcuplan.estimates.instructions import _others as others
from mcuplan.estimates.instructions import _windows as windows
from mcuplan.estimates.instructions._others import Features
from mcuplan.estimates.instructions.call import Call

PARTS: Mapping[str, tuple[str, ...]] = {**windows.PARTS, **others.PARTS}
"""The names of what each kernel's path repeats, in the order of its counts."""

_TFLM: Mapping[str, Features] = {
    "CONV_2D": windows.conv_reference,
    "DEPTHWISE_CONV_2D": windows.depthwise_reference,
    "FULLY_CONNECTED": others.dense_reference,
    "AVERAGE_POOL_2D": windows.pool_reference,
    "MAX_POOL_2D": windows.pool_reference,
    "ADD": others.arithmetic,
    "SUB": others.arithmetic,
    "MUL": others.arithmetic,
    "MINIMUM": others.arithmetic,
    "MAXIMUM": others.arithmetic,
    "LESS": others.arithmetic,
    "RELU": others.each,
    "RELU6": others.each,
    "LEAKY_RELU": others.each,
    "LOGISTIC": others.each,
    "TANH": others.each,
    "QUANTIZE": others.each,
    "DEQUANTIZE": others.each,
    "SOFTMAX": others.softmax,
    "RESHAPE": others.copy,
    "PAD": others.pad_reference,
    "SLICE": others.slice_,
    "STRIDED_SLICE": others.strided_slice,
    "CONCATENATION": others.concatenation,
    "SPLIT": others.split,
    "GATHER": others.gather,
    "DYNAMIC_UPDATE_SLICE": others.update,
    "TRANSPOSE": others.transpose_reference,
    "MEAN": others.mean,
    "SUM": others.mean,
    "REDUCE_MAX": others.mean,
    "PADV2": others.pad_reference,
    "SPLIT_V": others.split,
    "PACK": others.pack,
    "UNPACK": others.pack,
    "EXPAND_DIMS": others.copy,
    "SQUEEZE": others.copy,
    "RESIZE_NEAREST_NEIGHBOR": others.resize_nearest,
    "RESIZE_BILINEAR": others.resize_bilinear,
    "SPACE_TO_DEPTH": others.rearranged,
    "DEPTH_TO_SPACE": others.rearranged,
    "TRANSPOSE_CONV": windows.transposed,
    **dict.fromkeys(
        ("DIV", "SQUARED_DIFFERENCE", "GREATER", "GREATER_EQUAL", "LESS_EQUAL", "EQUAL", "NOT_EQUAL"), others.arithmetic
    ),
    **dict.fromkeys(
        (
            "HARD_SWISH",
            "ELU",
            "ABS",
            "NEG",
            "EXP",
            "SQRT",
            "RSQRT",
            "SQUARE",
            "LOG",
            "SIN",
            "COS",
            "FLOOR",
            "CEIL",
            "ROUND",
            "CAST",
            "LOGICAL_NOT",
            "PRELU",
        ),
        others.each,
    ),
}

_CMSIS_NN: Mapping[str, Features] = {
    "CONV_2D": windows.conv_cmsis,
    "DEPTHWISE_CONV_2D": windows.depthwise_cmsis,
    "FULLY_CONNECTED": others.dense_cmsis,
    "AVERAGE_POOL_2D": windows.pool_cmsis,
    "MAX_POOL_2D": windows.pool_cmsis,
    "ADD": others.by_fours,
    "MUL": others.by_fours,
    "MINIMUM": others.extremes,
    "MAXIMUM": others.extremes,
    "PAD": others.pad_cmsis,
    "PADV2": others.pad_cmsis,
    "TRANSPOSE_CONV": windows.transposed_cmsis,
    "SOFTMAX": others.softmax,
    "TRANSPOSE": others.transpose_cmsis,
}

FEATURES: Mapping[str, Mapping[str, Features]] = {"reference": _TFLM, "cmsis-nn": {**_TFLM, **_CMSIS_NN}}
"""By kernel library and operator."""


def owner(library: str, operator: str) -> str:
    """Whose file the kernel is: the library's own, or ``tflm``, one for all libraries.

    CMSIS-NN replaces whole files of TFLM's (micro/kernels/cmsis_nn), the reference kernels in them too.
    """
    return library if operator in _CMSIS_NN else "tflm"


def kernel_key(library: str, call: Call, path: str) -> str:
    """The row of the data files for a call: whose kernel, operator, types, path."""
    types = f"{call.dtype}>{call.made}" if call.made else call.dtype
    return f"{owner(library, call.operator)} {call.operator} {types} {path}"
