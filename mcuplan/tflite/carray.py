"""Models as C arrays: found in sources that ``xxd -i`` or people wrote, and written for firmware.

Reading is a few linear passes: comments and literals are replaced first, so that no brace, quote or slash inside
them is taken for code, then each brace-enclosed list that initialises an array of integers is evaluated.
"""

from __future__ import annotations

import functools
import itertools
import pkgutil
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from mcuplan.errors import ModelError
from mcuplan.tflite.schema import IDENTIFIER

C_SUFFIXES = frozenset({".h", ".hh", ".hpp", ".hxx", ".c", ".cc", ".cpp", ".cxx", ".ino"})
"""Names that end so are read as C source."""

_BYTES_PER_LINE = 12

_LITERAL = re.compile(
    rb"//[^\n]*|/\*.*?(?:\*/|\Z)|\"(?:\\.|[^\"\\\n])*\"?|'(?<![0-9A-Za-z_]')(?:\\.[0-9A-Fa-f]{0,8}|[^'\\\n])'?",
    re.DOTALL,
)
"""A comment, a string or a character; unterminated ones reach as far as they can, so that no byte is looked at twice.
A quote behind a digit separates digits (C++14)."""

_ESCAPE = re.compile(rb"\\(?:x([0-9A-Fa-f]+)|([0-7]{1,3})|(.))", re.DOTALL)
_PLAIN_ESCAPES = dict(zip(b"abfnrtv", b"\a\b\f\n\r\t\v", strict=True))
_DIRECTIVE = re.compile(rb"(?m)^[ \t]*#[^\n]*$")
_BRACE = re.compile(rb"[{}]")
_DECLARATOR = re.compile(rb"(?<!\w)([A-Za-z_]\w*)\s*\[([^\[\]]*)\]")
_INTEGER = re.compile(rb"([+-]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0([0-7]*)|([1-9][0-9]*))[uUlLzZ]*")
_CAST = re.compile(rb"\([^()]*\)")
_STRING_ARRAY = re.compile(rb"(?<!\w)([A-Za-z_]\w*)\s*\[([^\[\]]{0,100})\][^;={}\"]{0,200}=\s*((?:\"\d+\"\s*)+);")
_STRING = re.compile(rb'"(\d+)"')
_LENGTH = re.compile(rb"\b([A-Za-z_]\w*)\s*(?:=|\{)\s*(\d{1,12})[uUlL]*\s*\}?\s*;")
_WIDE_TYPE = re.compile(rb"\bu?int(16|32|64)_t\b")
_LONGEST_DECLARATION = 2000
_LONGEST_INTEGER = 80
_OPEN = ord("{")
_SPACE = b" \t\r\n\f\v"


@dataclass(frozen=True, slots=True)
class CArray:
    """One array of a C source: its identifier, its bytes and what is odd about it, one sentence each."""

    name: str
    data: bytes
    notes: tuple[str, ...] = ()

    @property
    def is_model(self) -> bool:
        """True where the bytes have a `.tflite` model's file identifier."""
        return self.data[4:8] == IDENTIFIER


def is_c_source(path: PurePath) -> bool:
    """True where the file's name says that it is C or C++."""
    return path.suffix.lower() in C_SUFFIXES


def read_c_models(source: bytes | memoryview, name: str) -> tuple[CArray, ...]:
    """The arrays of a C source that hold a `.tflite` model, at least one.

    Time is linear in the source. Raises ModelError, its text beginning with ``name``, where no array holds one, or
    the source ends inside the first list that could.
    """
    arrays = tuple(_arrays(bytes(source), name))
    models = tuple(array for array in arrays if array.is_model)
    if models:
        return models
    if not arrays:
        raise ModelError(f"{name}: no array of bytes is in this C source, so no .tflite model either")
    largest = max(arrays, key=lambda array: len(array.data))
    raise ModelError(
        f"{name}: no array of this C source holds a .tflite model; "
        f"the largest, {largest.name}, has {len(largest.data)} bytes without the file identifier TFL3"
    )


def _arrays(source: bytes, name: str) -> Iterator[CArray]:
    strings: list[bytes] = []
    code = _DIRECTIVE.sub(b"", _replace_literals(source.replace(b"\\\r\n", b"").replace(b"\\\n", b""), strings))
    lengths = {match[1]: int(match[2]) for match in _LENGTH.finditer(code)}
    braces = [match.start() for match in _BRACE.finditer(code)]
    floor = 0
    for start, end in itertools.pairwise((*braces, len(code))):
        is_list = code[start] == _OPEN and code[end : end + 1] != b"{"
        declaration = _declaration(code, floor, start) if is_list else None
        floor = start + 1
        if declaration is None:
            continue
        if end == len(code):
            raise ModelError(f"{name}: the array {_text(declaration[0])} has no end: the file is truncated")
        identifier, size, head = declaration
        data = _values(code[start + 1 : end], _width(head), strings)
        if data is not None:
            yield CArray(_text(identifier), data, tuple(_notes(identifier, size, len(data), lengths)))
    for match in _STRING_ARRAY.finditer(code):
        data = _joined(match[3], strings)
        yield CArray(_text(match[1]), data, tuple(_notes(match[1], match[2].strip(), len(data), lengths)))


def _replace_literals(source: bytes, strings: list[bytes]) -> bytes:
    """The source with comments blanked, characters as numbers, and strings as ``"<index in strings>"``."""

    def replacement(match: re.Match[bytes]) -> bytes:
        text = match[0]
        if text[:1] == b"/":
            return b" "
        value = _unescape(text[1:-1] if len(text) > 2 and text[-1] == text[0] else text[1:])
        if text[:1] == b"'":
            return str(value[0]).encode() if len(value) == 1 else b"?"
        strings.append(value)
        return b'"%d"' % (len(strings) - 1)

    return _LITERAL.sub(replacement, source)


def _unescape(text: bytes) -> bytes:
    def replacement(match: re.Match[bytes]) -> bytes:
        hexadecimal, octal, plain = match.groups()
        if hexadecimal is not None:
            return bytes([int(hexadecimal[-2:], 16)])
        if octal is not None:
            return bytes([int(octal, 8) & 255])
        return bytes([_PLAIN_ESCAPES.get(plain[0], plain[0])])

    return _ESCAPE.sub(replacement, text) if b"\\" in text else text


def _declaration(code: bytes, floor: int, brace: int) -> tuple[bytes, bytes, bytes] | None:
    """Identifier, size and whole text of the array declared before the brace; None where none is."""
    begin = max(
        floor, brace - _LONGEST_DECLARATION, code.rfind(b";", floor, brace) + 1, code.rfind(b"}", floor, brace) + 1
    )
    head = code[begin:brace]
    found = None
    for found in _DECLARATOR.finditer(head):
        if found[1] not in (b"aligned", b"alignas"):
            break
    return (found[1], found[2].strip(), head) if found else None


def _width(head: bytes) -> int:
    wide = _WIDE_TYPE.search(head)
    return int(wide[1]) // 8 if wide else 1


def _values(body: bytes, width: int, strings: list[bytes]) -> bytes | None:
    """The bytes of a list of integers; None where it is something else."""
    compact = body.translate(None, _SPACE)
    if compact.startswith(b'"'):
        return _joined(compact, strings)
    plain = _plain_hex(compact) if width == 1 else None
    if plain is not None:
        return plain
    tokens = compact.removesuffix(b",").split(b",")
    table = {token: _value(token) for token in set(tokens)}
    values = [table[token] for token in tokens]
    limit = 1 << 8 * width
    if any(value is None or not -limit // 2 <= value < limit for value in table.values()):
        return None
    code = {1: "B", 2: "H", 4: "I", 8: "Q"}[width]
    return struct.pack(f"<{len(values)}{code}", *(value % limit for value in values if value is not None))


def _joined(literals: bytes, strings: list[bytes]) -> bytes:
    """String literals side by side, which C joins."""
    return b"".join(strings[int(i)] for i in _STRING.findall(literals))


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
    for suffix in (b"_len", b"_length", b"_size", b"Len", b"Length", b"Size"):
        declared = lengths.get(identifier + suffix)
        if declared is not None and declared != count:
            yield f"{shown + suffix.decode()} says {declared} bytes, the array {shown} has {count}"


def _text(identifier: bytes) -> str:
    return identifier.decode("ascii", "replace")


@functools.cache
def _keywords() -> frozenset[str]:
    """What C and C++ reserve, and ``main``."""
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
