"""Lean registrations: TFLM's own, with what their kernels keep for good in flash.

A registration's ``prepare`` is wrapped: memory is lent to TFLM's own in place of the persistent buffers that it asks
for; what it works out there is compared with constants in flash, and the kernel is pointed to them. Nothing of a kernel
is copied and the model stays as it is, so that outputs cannot change: the same numbers come from another address.
"""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from mcuplan.firmware.names import Words, comment, header, made_by
from mcuplan.firmware.resolver import ExportError
from mcuplan.graph import Graph
from mcuplan.tflite.reading import buffer_positions
from mcuplan.tflm.alignment import ARENA_ALIGNMENT
from mcuplan.tflm.lean import MOST, Kept, kept
from mcuplan.tflm.target import Target
from mcuplan.tflm.versions import document

_PER_LINE = 8
_HOW = "mcuplan export --lean"
_MARK = re.compile("@([A-Z_]+)@")
_INCLUDES = (
    "tensorflow/lite/micro/kernels/kernel_util.h",
    "tensorflow/lite/micro/micro_context.h",
    "tensorflow/lite/micro/micro_log.h",
)
"""Headers that the template uses."""


_LENDING = {
    "temporary": """\
// The memory is TFLM's own for temporaries, between the planned and the persistent section.
std::uint8_t* Borrow(TfLiteContext* context, std::size_t bytes) {
  return ::tflite::GetMicroContext(context)->AllocateTempBuffer(bytes, alignof(std::int32_t));
}

void Return(TfLiteContext* context, std::uint8_t* memory) {
  ::tflite::GetMicroContext(context)->DeallocateTempBuffer(memory);
}
""",
    "tail": """\
// This TFLM has no temporary buffers: the memory is what lies below the persistent section, which an allocation of no
// bytes tells. The declared arena has room for it; no operator at work allocates anything else.
std::uint8_t* Borrow(TfLiteContext* context, std::size_t bytes) {
  auto* tail = static_cast<std::uint8_t*>(context->AllocatePersistentBuffer(context, 0));
  return tail == nullptr ? nullptr : tail - bytes;
}

void Return(TfLiteContext*, std::uint8_t*) {}
""",
}
"""How memory is lent, by 'lending' of a version's ``lean.json``."""


@dataclass(frozen=True, slots=True)
class _Row:
    """How what an operator keeps is reached; see ``lean.json`` of a TFLM version."""

    filter: int
    axis: int
    header: str = ""
    data: str = ""
    members: tuple[tuple[str, str], ...] = ()

    def member(self, part: str) -> str:
        """The member of ``data`` for a kind of array; "" where it is sought by the address that it holds."""
        return dict(self.members).get(part, "")


@cache
def _rows(version: str) -> dict[str, _Row]:
    rows = document(version, "lean")["operators"]
    return {
        label: _Row(r["filter"], r["axis"], r.get("header", ""), r.get("data", ""), tuple(r.get("members", {}).items()))
        for label, r in rows.items()
    }


def lean_files(words: Words, graph: Graph, data: bytes, target: Target) -> tuple[tuple[str, str], ...]:
    """Name and text of the header and the source of lean registrations for ``graph``, which ``data`` is the file of.

    Empty for a target that is not lean, and for a model whose operators keep nothing that could lie in flash. Raises
    ExportError for more filters than any real operator has.
    """
    entries = kept(graph, target)
    if not entries:
        return ()
    if any(e.count > MOST for e in entries):
        raise ExportError(f"an operator with more than {MOST:,} filters has no lean registration")
    source = _source(words, entries, buffer_positions(data), target)
    return (words.file("lean"), _header(words)), (words.file("lean", "cc"), source)


def lean_call(words: Words) -> str:
    """What the op resolver calls when all its operators are registered."""
    return f"Make{words.camel}Lean(resolver)"


def _declaration(words: Words) -> str:
    return f"TfLiteStatus Make{words.camel}Lean(::tflite::MicroOpResolver& resolver, const void* model"


def _header(words: Words) -> str:
    comments = (
        "Lean registrations: what TFLM's kernels work out and keep for good lies in flash, not in the arena.",
        "They are for this model and no other; one that differs is refused when tensors are allocated.",
        made_by(_HOW),
    )
    body = (
        f"// Register{words.camel}Ops calls this when it has registered the operators. `model` is where the model's\n"
        f"// bytes are, if not at {words.array}.\n"
        f"{_declaration(words)} = nullptr);\n"
    )
    return header(words, "lean", comments, ('"tensorflow/lite/micro/micro_op_resolver.h"',), body)


def _source(words: Words, entries: Sequence[Kept], positions: Sequence[int], target: Target) -> str:
    rows = _rows(target.version)
    labels = tuple(dict.fromkeys(e.operator for e in entries))
    arrays = _named([e.values for e in entries if e.basis])
    headers = sorted({row.header for label in labels if (row := rows[label]).header} | set(_INCLUDES))
    parts = {
        "HEADER": words.file("lean"),
        "MODEL_HEADER": f"{words.stem}.h",
        "INCLUDES": "\n".join(f'#include "{h}"' for h in headers),
        "ASSERTS": "".join(dict.fromkeys(a for label in labels for a in _asserts(rows[label], entries, label))),
        "ARRAYS": "".join(_array(name, values) for values, name in arrays.items()),
        "TABLES": "".join(_table(label, entries, positions, arrays) for label in labels),
        "REGISTRATION": _registration(target),
        "LENDING": _LENDING[document(target.version, "lean")["lending"]],
        "OPERATORS": "".join(_operator(label, rows[label]) for label in labels),
        "FUNCTION": words.wrapped(_function(words, labels)).rstrip("\n"),
    }
    about = (f"Lean registrations for {target}.", made_by(_HOW))
    return "".join(f"{comment(line)}\n" for line in about) + _MARK.sub(lambda m: parts[m[1]], _template())


def _registration(target: Target) -> str:
    """The type of a registration, which has another name in older versions."""
    parameter: str = document(target.version, "resolver")["registration_parameter"]
    return parameter.removeprefix("const ").rstrip("*& ")


@cache
def _template() -> str:
    found = pkgutil.get_data("mcuplan.firmware", "templates/lean.cc")
    assert found is not None
    return found.decode("utf-8")


Values = tuple[tuple[int, ...], ...]


def _named(values: Sequence[Values]) -> dict[Values, str]:
    """A name for each set of arrays; sets that are equal have one."""
    return {found: f"kLeanArrays{i}" for i, found in enumerate(dict.fromkeys(values))}


def _array(name: str, values: Values) -> str:
    numbers = [str(v) for part in values for v in (*part, *(0,) * (-len(part) % 4))]
    lines = (", ".join(numbers[i : i + _PER_LINE]) for i in range(0, len(numbers), _PER_LINE))
    body = "".join(f"  {line},\n" for line in lines)
    return f"alignas({ARENA_ALIGNMENT}) const std::int32_t {name}[] = {{\n{body}}};\n"


def _asserts(row: _Row, entries: Sequence[Kept], label: str) -> Iterator[str]:
    """Where a TFLM's operator data has not the members that are moved, the source does not compile."""
    for part in dict.fromkeys(part for e in entries if e.operator == label for part in e.parts):
        member = row.member(part)
        if member:
            yield (
                f"static_assert(std::is_same<decltype(::tflite::{row.data}::{member}), std::int32_t*>::value,\n"
                f'              "this TFLM has another {row.data}");\n'
            )


def _camel(label: str) -> str:
    return "".join(word.capitalize() for word in label.split("_"))


def _table(label: str, entries: Sequence[Kept], positions: Sequence[int], arrays: Mapping[Values, str]) -> str:
    lines = "".join(
        f"  {{{positions[e.filter]}u, {e.count}, {len(e.parts)}, {arrays[e.values] if e.basis else 'nullptr'}}},\n"
        for e in entries
        if e.operator == label
    )
    return f"const Kept kLean{_camel(label)}[] = {{\n{lines}}};\n"


def _operator(label: str, row: _Row) -> str:
    camel, name = _camel(label), label.lower()
    table = f"kLean{camel}"
    return (
        f"Operator {name} = {{{table}, sizeof {table} / sizeof {table}[0], {row.filter}, {row.axis}, "
        "nullptr, nullptr, 0};\n"
        f"void* Init{camel}(TfLiteContext* context, const char* buffer, std::size_t length) {{\n"
        f"  return Init(context, buffer, length, {name});\n}}\n"
        f"TfLiteStatus Prepare{camel}(TfLiteContext* context, TfLiteNode* node) {{\n"
        f"  return Prepare(context, node, {name});\n}}\n\n"
    )


def _function(words: Words, labels: Sequence[str]) -> str:
    wraps = "".join(
        f"  TF_LITE_ENSURE_STATUS(Wrap(resolver, ::tflite::BuiltinOperator_{label}, {label.lower()}, "
        f"Init{_camel(label)}, Prepare{_camel(label)}));\n"
        for label in labels
    )
    return (
        f"{_declaration(words)}) {{\n"
        f"  model_begin = static_cast<const std::uint8_t*>(model == nullptr ? {words.array} : model);\n"
        f"{wraps}  return kTfLiteOk;\n}}\n"
    )
