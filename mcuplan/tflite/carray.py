"""Models as C arrays: found in sources that ``xxd -i`` or people wrote, and written for firmware.

Reading is a few linear passes: comments, literals and what the preprocessor leaves out are replaced first, so that
nothing inside them is taken for code, then each brace-enclosed list that initialises an array of integers is evaluated.
"""

from __future__ import annotations

import functools
import itertools
import pkgutil
import re
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePath

from mcuplan.errors import ModelError
from mcuplan.tflite.csource import PreparedSource, prepare, unescape
from mcuplan.tflite.schema import IDENTIFIER

C_SUFFIXES = frozenset({".h", ".hh", ".hpp", ".hxx", ".c", ".cc", ".cpp", ".cxx", ".ino"})
"""Names that end so are read as C source."""

_BYTES_PER_LINE = 12

_BRACE = re.compile(rb"[{}]")
_DECLARATOR = re.compile(rb"(?<!\w)([A-Za-z_]\w*)\s*\[([^\[\]]*)\]")
_INTEGER = re.compile(rb"([+-]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0([0-7]*)|([1-9][0-9]*))[uUlLzZ]*")
_CLASS = re.compile(
    rb"\b(?:array|vector)\s*<\s*(?P<type>[\w: ]{1,80}?)\s*(?:,\s*(?P<size>[^<>]{1,80}))?>"
    rb"\s*(?P<name>[A-Za-z_]\w*)(?:\s|=|\{|PROGMEM)*\Z"
    rb"|\b(?P<made>[A-Za-z_]\w*)\s*=\s*(?:std\s*::\s*)?to_array\s*(?:<\s*(?P<of>[\w: ]{1,80})>)?\s*\(\s*\Z"
)
"""A C++ container before its initialiser: ``std::array<uint8_t, N> m = {{``, ``m = std::to_array<uint8_t>({``."""
_CAST = re.compile(rb"\([^()]*\)")
_STRING_ARRAY = re.compile(rb"(?<!\w)([A-Za-z_]\w*)\s*\[([^\[\]]{0,100})\][^;={}\"]{0,200}=\s*((?:\"x*+\"\s*+)++);")
_STRING = re.compile(rb'"((?:[^"\\]++|\\.)*+)"', re.DOTALL)
_LENGTH = re.compile(rb"\b([A-Za-z_]\w*)\s*(?:=|\{)\s*(\d{1,12})[uUlL]*\s*\}?\s*;")
_LENGTH_SUFFIXES = (b"_len", b"_length", b"_size", b"Len", b"Length", b"Size")
_BARE_LIST = re.compile(rb"\s*+0[xX][0-9a-fA-F]{1,2}\s*+,")
_WIDE_TYPE = re.compile(rb"\bu?int(16|32|64)_t\b")
_TOLD_BY = 400
"""Bytes from whose pattern of zeros UTF-16 without a mark is told."""
_LONGEST_DECLARATION = 2000
_LONGEST_INTEGER = 80
_PART = 1 << 16
_OPEN = ord("{")
_SPACE = b" \t\r\n\f\v"


@dataclass(frozen=True, slots=True)
class CArray:
    """One array of a C source: its identifier, its bytes and what is odd about it, one sentence each."""

    name: str
    data: bytes
    notes: tuple[str, ...] = ()


def is_c_source(path: PurePath) -> bool:
    """True where the file's name says that it is C or C++."""
    return path.suffix.lower() in C_SUFFIXES


_FIRST_BYTES = re.compile(
    rb"[{,\s]0*(?:[xX]54|84)[uUlL]*\s*,\s*0*(?:[xX]46|70)[uUlL]*\s*,\s*0*(?:[xX]4[cC]|76)[uUlL]*\s*,"
    rb"\s*0*(?:[xX]33|51)\b|'T'\s*,\s*'F'\s*,\s*'L'\s*,\s*'3'|TFL3"
)
"""The file identifier as numbers in hexadecimal or decimal, as characters, or in a string."""


def begins_a_model(head: bytes) -> bool:
    """Whether the beginning of a C source looks as if an array in it held a model: a quick look, no proof."""
    return _FIRST_BYTES.search(as_utf8(head)) is not None


def read_c_models(source: bytes | memoryview, name: str) -> tuple[CArray, ...]:
    """The arrays of a C source that hold a `.tflite` model, at least one.

    Time is linear in the source, and memory a few times its size. Raises ModelError, its text beginning with ``name``,
    where no array holds one, or the source ends inside the first list that could.
    """
    source = as_utf8(bytes(source))
    code = prepare(source)
    del source
    models: list[_Found] = []
    largest: tuple[int, bytes] | None = None
    bare = _bare_list(code)
    for found in [bare] if bare is not None else _arrays(code, name):
        if found.data[4:8] == IDENTIFIER:
            models.append(found)
        elif largest is None or len(found.data) > largest[0]:
            largest = len(found.data), found.name
    if models:
        return _with_notes(models, code)
    if largest is not None:
        raise ModelError(
            f"{name}: no array of this C source holds a .tflite model; "
            f"the largest, {_text(largest[1])}, has {largest[0]} bytes without the file identifier TFL3"
        )
    raise ModelError(f"{name}: no array of bytes is in this C source, so no .tflite model either")


def as_utf8(source: bytes) -> bytes:
    """``source`` as UTF-8 where it is UTF-16, as PowerShell's ``>`` writes it, with or without its mark."""
    head = source[:_TOLD_BY]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        encoding = "utf-16"
    elif len(head) >= 4 and head[1::2].count(0) == len(head) // 2 and head[0::2].count(0) == 0:
        encoding = "utf-16-le"
    else:
        return source.removeprefix(b"\xef\xbb\xbf")
    return source.decode(encoding, "replace").encode("utf-8", "replace")


def _bare_list(code: PreparedSource) -> _Found | None:
    """The bytes of a file that is a list of numbers and nothing else, as ``xxd -i < FILE`` writes it."""
    if not _BARE_LIST.match(code.skeleton):
        return None
    data = _values(code.text, 0, len(code.text), 1)
    return None if data is None else _Found(b"bytes", b"", data)


@dataclass(frozen=True, slots=True)
class _Found:
    """An array: its name, the size it is declared with, as text, and its bytes."""

    name: bytes
    size: bytes
    data: bytes


def _arrays(code: PreparedSource, name: str) -> Iterator[_Found]:
    skeleton = code.skeleton
    braces = (match.start() for match in _BRACE.finditer(skeleton))
    floor = 0
    for start, end in itertools.pairwise(itertools.chain(braces, (len(skeleton),))):
        is_list = skeleton[start] == _OPEN and skeleton[end : end + 1] != b"{"
        opens_another = skeleton[start] == _OPEN and not is_list and not skeleton[start + 1 : end].strip()
        if opens_another and _CLASS.search(_head(skeleton, floor, start)):
            continue  # the first brace of `std::array<...> m = {{`: the declaration is that of the second
        declaration = _declaration(skeleton, floor, start) if is_list else None
        floor = start + 1
        if declaration is None:
            continue
        if end == len(skeleton):
            raise ModelError(f"{name}: the array {_text(declaration[0])} has no end: the file is truncated")
        identifier, size, head = declaration
        data = _values(code.text, start + 1, end, _width(head))
        if data is not None:
            yield _Found(identifier, size, data)
    for match in _STRING_ARRAY.finditer(skeleton):
        yield _Found(match[1], match[2].strip(), _joined(code.text, *match.span(3)))


def _with_notes(models: Sequence[_Found], code: PreparedSource) -> tuple[CArray, ...]:
    """The models, each with what is odd about the lengths that the source states."""
    names = {found.name + suffix for found in models for suffix in _LENGTH_SUFFIXES}
    lengths = {match[1]: int(match[2]) for match in _LENGTH.finditer(code.skeleton) if match[1] in names}
    return tuple(
        CArray(_text(found.name), found.data, tuple(_notes(found.name, found.size, len(found.data), lengths)))
        for found in models
    )


def _declaration(code: bytes, floor: int, brace: int) -> tuple[bytes, bytes, bytes] | None:
    """Identifier, size and whole text of the array declared before the brace; None where none is."""
    head = _head(code, floor, brace)
    if (of_class := _CLASS.search(head)) is not None:
        size = (of_class["size"] or b"").strip()
        return of_class["name"] or of_class["made"], size, of_class["type"] or of_class["of"] or b""
    found = None
    for found in _DECLARATOR.finditer(head):
        if found[1] not in (b"aligned", b"alignas"):
            break
    return (found[1], found[2].strip(), head) if found else None


def _head(code: bytes, floor: int, brace: int) -> bytes:
    """What stands before a brace, back to the end of the statement before."""
    begin = max(
        floor, brace - _LONGEST_DECLARATION, code.rfind(b";", floor, brace) + 1, code.rfind(b"}", floor, brace) + 1
    )
    return code[begin:brace]


def _width(head: bytes) -> int:
    wide = _WIDE_TYPE.search(head)
    return int(wide[1]) // 8 if wide else 1


def _values(text: bytes, start: int, end: int, width: int) -> bytes | None:
    """The bytes of the list of integers in ``text[start:end]``; None where it is something else."""
    if text[start:end].lstrip().startswith(b'"'):
        return _joined(text, start, end)
    found = BytesIO()  # whose value is taken out without a copy
    for part in _parts(text, start, end):
        data = _integers(part, width)
        if data is None:
            return None
        found.write(data)
    return found.getvalue()


def _parts(text: bytes, start: int, end: int) -> Iterator[bytes]:
    """A list in parts of some 64 kB that end behind a comma, without white space; at least one."""
    at = start
    while True:
        stop = at + _PART
        comma = -1 if stop >= end else text.rfind(b",", at, stop)
        if comma < 0 and stop < end:
            comma = text.find(b",", stop, end)
        stop = comma + 1 if comma >= 0 else end
        part = text[at:stop].translate(None, _SPACE)
        if part or at == start:
            yield part
        if stop == end:
            return
        at = stop


def _integers(compact: bytes, width: int) -> bytes | None:
    plain = _plain_hex(compact) if width == 1 else None
    if plain is not None:
        return plain
    tokens = compact.removesuffix(b",").split(b",")
    table = {token: _value(token) for token in set(tokens)}
    limit = 1 << 8 * width
    if any(value is None or not -limit // 2 <= value < limit for value in table.values()):
        return None
    values = [table[token] for token in tokens]
    code = {1: "B", 2: "H", 4: "I", 8: "Q"}[width]
    return struct.pack(f"<{len(values)}{code}", *(value % limit for value in values if value is not None))


def _joined(text: bytes, start: int, end: int) -> bytes:
    """String literals side by side, which C joins."""
    found = bytearray()
    for match in _STRING.finditer(text, start, end):
        found += unescape(match[1])
    return bytes(found)


def _plain_hex(compact: bytes) -> bytes | None:
    """The usual case, fast: every element is ``0x`` and two digits."""
    digits = compact.translate(None, b",")
    count, odd = divmod(len(digits), 4)
    if odd or not count or compact.count(b",") not in (count - 1, count):
        return None
    if digits[0::4].strip(b"0") or digits[1::4].strip(b"xX"):
        return None
    pairs = bytearray(2 * count)
    pairs[0::2], pairs[1::2] = digits[2::4], digits[3::4]
    try:
        return bytes.fromhex(pairs.decode("ascii"))
    except ValueError:
        return None


def _value(token: bytes) -> int | None:
    """The value of an integer literal, with C's casts, suffixes, digit separators and octal; None for anything else."""
    if len(token) > _LONGEST_INTEGER:
        return None
    match = _INTEGER.fullmatch(_CAST.sub(b"", token).replace(b"'", b""))
    if match is None:
        return None
    sign, hexadecimal, binary, octal, decimal = match.groups()
    if hexadecimal:
        value = int(hexadecimal, 16)
    elif binary:
        value = int(binary, 2)
    else:
        value = int(decimal) if decimal else int(octal or b"0", 8)
    return -value if sign == b"-" else value


def _notes(identifier: bytes, size: bytes, count: int, lengths: dict[bytes, int]) -> Iterator[str]:
    shown = _text(identifier)
    if size.isdigit() and int(size[:12]) != count:
        yield f"the array {shown} is declared with {int(size[:12])} elements and initialised with {count} bytes"
    for suffix in _LENGTH_SUFFIXES:
        declared = lengths.get(identifier + suffix)
        if declared is not None and declared != count:
            yield f"{shown + suffix.decode()} says {declared} bytes, the array {shown} has {count}"


def _text(identifier: bytes) -> str:
    return identifier.decode("ascii", "replace")


@functools.cache
def _keywords() -> frozenset[str]:
    """What C and C++ reserve, ``main``, and names that compilers, standard headers and Arduino define as macros."""
    raw = pkgutil.get_data(__name__, "data/c_keywords.txt")
    assert raw is not None, "mcuplan/tflite/data/c_keywords.txt is missing from this installation"
    return frozenset(raw.decode("ascii").split())


def c_identifier(text: str, default: str = "model") -> str:
    """A valid C and C++ identifier close to ``text``, none that the languages reserve.

    Examples
    --------
    >>> c_identifier("person detect-v2.int8")
    'person_detect_v2_int8'
    >>> c_identifier("2nd")
    'n2nd'
    >>> c_identifier("class")
    'class_'
    """
    safe = re.sub(r"[^A-Za-z0-9]+", "_", text).strip("_") or default
    if safe[0].isdigit():
        safe = "n" + safe
    return safe + "_" if safe in _keywords() else safe


def format_bytes(data: bytes | memoryview, indent: str = "    ") -> str:
    """The bytes as a C initialiser list without its braces: 12 a line, each line ended by a comma and a newline."""
    view = memoryview(data)
    chunks = (view[i : i + _BYTES_PER_LINE].hex(",") for i in range(0, len(view), _BYTES_PER_LINE))
    return "".join(f"{indent}0x{chunk.replace(',', ', 0x')},\n" for chunk in chunks)


def format_c_array(data: bytes | memoryview, identifier: str, align: int = 16) -> str:
    """A C++ definition of ``identifier`` and ``identifier_len`` that any firmware can include.

    ``align`` is the array's alignment in bytes (TFLM wants 16 for a model). ``identifier`` is made safe first.
    """
    safe = c_identifier(identifier)
    return (
        f"alignas({align}) const unsigned char {safe}[] = {{\n{format_bytes(data)}}};\n"
        f"const unsigned int {safe}_len = {len(data)};\n"
    )
