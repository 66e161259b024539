"""The sources of ``MCUPLAN_ROWS``: the operator that gives an input row by row, and where its rows may come from."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator

from mcuplan.firmware.names import Words, comment, header, made_by
from mcuplan.firmware.resolver import kernel_type
from mcuplan.firmware.tensors import float32_literal
from mcuplan.graph import DType, Graph, Tensor
from mcuplan.operators.input_rows import ROWS_OPERATOR
from mcuplan.operators.streamed import StreamedInput, streamed_inputs
from mcuplan.tflm.target import Target

_MARK = re.compile("@([A-Z_]+)@")


def rows_files(words: Words, graph: Graph, target: Target) -> tuple[tuple[str, str], ...]:
    """Name and text of the operator's header and source, and of sources of rows; empty where no input comes by rows."""
    for streamed in streamed_inputs(graph).values():
        return (
            (words.file("rows"), _header(words, streamed, target)),
            (words.file("rows", "cc"), _source(words, target)),
            (words.file("rows_sources"), _sources(words)),
        )
    return ()


def rows_registration(words: Words) -> str:
    """The expression of the operator's registration, for ``AddCustom``."""
    return f"{words.camel}RowsOperator()"


def _filled(template: str, parts: dict[str, str]) -> str:
    found = pkgutil.get_data("mcuplan.firmware", f"templates/{template}")
    assert found is not None
    return _MARK.sub(lambda mark: parts[mark[1]], found.decode("utf-8"))


def _source(words: Words, target: Target) -> str:
    scope = "".join(f"{part}::" for part in words.namespaces)
    parts = {
        "HEADER": words.file("rows"),
        "SOURCE_TYPE": f"{scope}{words.camel}RowsSource",
        "OPERATOR": ROWS_OPERATOR,
        "FUNCTION": words.wrapped(_functions(words, target)).rstrip("\n"),
    }
    about = (f"The operator {ROWS_OPERATOR} for {target}.", made_by())
    return "".join(f"{comment(line)}\n" for line in about) + _filled("rows.cc", parts)


def _functions(words: Words, target: Target) -> str:
    kernel = kernel_type(target).removeprefix("const ").rstrip("*").strip()
    return (
        f"void Set{words.camel}Rows({words.camel}RowsSource rows, void* user) {{\n"
        "  source = rows;\n  source_user = user;\n}\n\n"
        f"{kernel_type(target)} {rows_registration(words)} {{\n"
        f"  static {kernel} registration = {{}};\n"
        "  registration.init = Init;\n  registration.prepare = Prepare;\n  registration.invoke = Invoke;\n"
        "  return &registration;\n}\n"
    )


def _header(words: Words, streamed: StreamedInput, target: Target) -> str:
    comments = (
        f"The input comes row by row ({ROWS_OPERATOR}): the firmware gives rows while Invoke runs, and the picture is",
        "never whole in the arena. The network has no input tensor for it.",
        made_by(),
    )
    body = "\n".join((*_constants(words, streamed), *_declarations(words, target), *_helpers(words, streamed.tensor)))
    kernel = "tensorflow/lite/micro/kernels/kernel_util.h"
    return header(words, "rows", comments, ("<cstdint>", f'"{kernel}"'), body + "\n")


def _constants(words: Words, streamed: StreamedInput) -> Iterator[str]:
    options, (_, rows, columns, channels) = streamed.options, streamed.tensor.shape
    name = f"k{words.camel}"
    back = f"{options.back} rows of those given already may be asked for again" if options.back else (
        "each row is asked for once, in ascending order")  # fmt: skip
    yield f"constexpr int {name}InputRows = {rows}, {name}InputColumns = {columns}, {name}InputChannels = {channels};"
    yield f"constexpr int {name}RowBytes = {options.row_bytes};"
    yield f"constexpr int {name}RowsACall = {streamed.most_rows};  // at most, in one step of the network"
    yield f"constexpr int {name}RowsBack = {options.back};  // {back}"
    yield "// What a source with a clock of its own, such as a camera, has to hold: beside the arena."
    yield f"constexpr int {name}BufferRows = {streamed.buffer_rows};  // {streamed.buffer_bytes:,} bytes"
    yield ""


def _declarations(words: Words, target: Target) -> Iterator[str]:
    yield "// Writes rows [first, first + count) of the picture to `to`, which lies in the arena, whole rows one behind"
    yield "// the other; false ends Invoke with an error."
    yield f"using {words.camel}RowsSource = bool (*)(void* user, int first, int count, std::int8_t* to);"
    yield ""
    yield "// Where rows come from; to be set before Invoke."
    yield f"void Set{words.camel}Rows({words.camel}RowsSource rows, void* user = nullptr);"
    yield ""
    yield f"// The operator, which Register{words.camel}Ops adds."
    yield f"{kernel_type(target)} {rows_registration(words)};"


def _helpers(words: Words, tensor: Tensor) -> Iterator[str]:
    """How pixels become elements, where those are quantized bytes."""
    q = tensor.quantization
    if q is None or len(q.scales) != 1 or len(q.zero_points) > 1 or tensor.dtype not in (DType.INT8, DType.INT16):
        return
    least, most = (-128, 127) if tensor.dtype is DType.INT8 else (-32768, 32767)
    kind = "std::int8_t" if tensor.dtype is DType.INT8 else "std::int16_t"
    zero = q.zero_points[0] if q.zero_points else 0
    yield ""
    yield "// A real number as an element of the input."
    yield f"inline {kind} {words.camel}Quantized(float real) {{"
    yield f"  const float q = real / {float32_literal(q.scales[0])}f + {float32_literal(zero)}f;"
    yield f"  if (!(q > {least}.0f)) return {least};"
    yield f"  if (q > {most}.0f) return {most};"
    yield f"  return static_cast<{kind}>(q < 0.0f ? q - 0.5f : q + 0.5f);"
    yield "}"
    if tensor.dtype is DType.INT8:
        yield ""
        yield "// Bytes of 0 to 255 as int8 of the same scale: what a network with uint8 input takes, 128 less."
        yield f"inline void {words.camel}FromUint8(const std::uint8_t* from, int count, std::int8_t* to) {{"
        yield "  for (int i = 0; i < count; ++i) to[i] = static_cast<std::int8_t>(from[i] - 128);"
        yield "}"


def _sources(words: Words) -> str:
    comments = ("Where the rows of the input may come from.", made_by())
    body = _filled("rows_sources.h", {"CAMEL": words.camel})
    includes = ("<cstddef>", "<cstdint>", "<cstdio>", "<cstring>", f'"{words.file("rows")}"')
    return header(words, "rows_sources", comments, includes, body)
