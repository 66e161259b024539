"""What in a firmware mcuplan counts itself: the tensor arena, the model and TFLM's code, told by their names.

A name is a symbol's, or that of an input section, which compilers call after the symbol that lies in it
(``-fdata-sections``, ``-ffunction-sections``). C++ names are in the Itanium ABI's mangling
(https://itanium-cxx-abi.github.io/cxx-abi/abi.html#mangling).
"""

from __future__ import annotations

import enum
import re
from collections.abc import Sequence
from functools import lru_cache


class Part(enum.StrEnum):
    """What a symbol or an input section is."""

    ARENA = "tensor arena"
    MODEL = "model"
    TFLM = "TFLM"


_LEAST = 256
"""Bytes from which on a variable is taken for an arena or a model by its name: TFLM's smallest take more."""

_SECTION = re.compile(
    r"^\.(?:text|rodata|srodata|literal|bss|sbss|data|sdata|tdata|tbss|noinit|ext_ram|dram\d*|iram\d*|flash)"
    r"(?:\.(?:cst|str)[\d.]+$|\.(?:unlikely|hot|startup|rel|ro|local))*\.?"
)
_SOURCE_NAME = re.compile(r"(?:L|[KVrRO])*(\d{1,4})")
_ARENA = re.compile(r"(?:^|_)tensor_?arena|(?:^|_)arena(?:_?(?:buf|buffer|mem|memory|data|storage))?\d*_?$|TensorArena",
                    re.IGNORECASE)  # fmt: skip
_OTHER_ARENAS = frozenset({"main_arena", "mp_arena", "malloc_arena"})
"""Heaps of C libraries."""
_MODEL = re.compile(
    r"tflite|(?:^|_)g_?\w*model|(?:^|_)model(?:_?(?:data|tflite|bytes|array|bin|buffer|quant\w*|int8))?\d*_?$|model_data"
    r"|ModelData",
    re.IGNORECASE,
)
_MODEL_OBJECT = re.compile(r"(?:^|[/\\_.-])\w*(?:model_data|model|tflite)[\w.-]*\.o(?:bj)?$", re.IGNORECASE)
_TFLM_NAMESPACES = frozenset({"tflite", "flatbuffers", "gemmlowp", "ruy"})
_TFLM_ARGUMENTS = ("13TfLiteContext", "10TfLiteNode", "16TfLiteEvalTensor")
"""Types of TFLM that its kernels' functions take, whatever namespace they are in."""
_LEAN = "kLean"
"""How constants of exported lean registrations begin, which are counted with TFLM's code."""
_TFLM_C = re.compile(
    r"TfLite|MicroPrintf$|esp_nn_|depthwise_conv_s8|arm_(?:nn_|(?:convolve|depthwise_conv|fully_connected|softmax|elementwise|avgpool"
    r"|avg_pool|max_pool|svdf|lstm|transpose|batch_matmul|concatenation|reshape|relu|maximum|minimum|pad|vector_sum"
    r"|q7_to|s8_to|nntables|nn)\w*$)"
)
_TFLM_OBJECT = re.compile(
    r"lib[\w.-]*(?:tflm|tflite|tensorflow|microlite|cmsis[-_]?nn|esp[-_]nn)[\w.-]*\.a\b"
    r"|tensorflow[/\\]lite[/\\](?:micro|kernels|core|c|schema)[/\\]|CMSIS-NN[/\\]Source|esp-nn[/\\]src"
    r"|(?:tflite-micro|TensorFlowLite|TensorFLowLite)[/\\].*\.o(?:bj)?$",
)


@lru_cache(maxsize=1 << 16)
def source_names(symbol: str) -> tuple[str, ...]:
    """The names that a mangled C++ name consists of, outermost first; a name that is not mangled is its own.

    Of a variable inside a function its own name comes last, behind what stands around it.

    Examples
    --------
    >>> source_names("_ZN12_GLOBAL__N_1L12tensor_arenaE")
    ('_GLOBAL__N_1', 'tensor_arena')
    >>> source_names("_ZN6tflite16MicroInterpreter15AllocateTensorsEv")
    ('tflite', 'MicroInterpreter', 'AllocateTensors')
    >>> source_names("g_model")
    ('g_model',)
    """
    mangled = re.match(r"_Z(?:TV|TI|TS|GV|Z|L)*N?", symbol)
    if mangled is None:
        return (symbol,)
    found: list[str] = []
    at = mangled.end()
    while (match := _SOURCE_NAME.match(symbol, at)) and (length := int(match[1])):
        at = match.end() + length
        found.append(symbol[match.end() : at])
    if symbol.startswith(("_ZZ", "_ZGVZ")) and (inner := re.search(r"E(\d{1,4})([A-Za-z_]\w*)", symbol[at:])):
        found.append(inner[2][: int(inner[1])])
    return tuple(found) or (symbol,)


def part_of_symbol(symbol: str, size: int, in_ram: bool, holds_model: bool | None = None) -> Part | None:
    """What the variable or function ``symbol`` is; None for the firmware's own.

    ``holds_model`` tells whether its bytes begin as a model's do; None where they are not at hand, and then the name
    decides.
    """
    names = source_names(symbol)
    if holds_model:
        return Part.MODEL
    if _is_tflm(symbol, names):
        return Part.TFLM
    if in_ram and size >= _LEAST and names[-1] not in _OTHER_ARENAS and _ARENA.search(names[-1]):
        return Part.ARENA
    if holds_model is None and size >= _LEAST and _MODEL.search(names[-1]) and not symbol.startswith("_ZT"):
        return Part.MODEL
    return None


def part_of_section(section: str, file: str, size: int, in_ram: bool) -> Part | None:
    """What the input section ``section`` of the object ``file`` is, by either name; None for the firmware's own.

    Strings that linkers merge are nobody's: an ELF file does not tell whose they are, and both count the same.
    """
    if ".str" in section or ".cst" in section:
        return None
    symbol = _SECTION.sub("", section)
    code = section.startswith((".text", ".literal", ".iram"))
    found = part_of_symbol(symbol, size, in_ram, False if code else None) if symbol else None
    if found is None and _TFLM_OBJECT.search(file):
        return Part.TFLM
    if found is None and not code and not in_ram and size >= 8 * _LEAST and _MODEL_OBJECT.search(_member(file)):
        return Part.MODEL
    return found


def _is_tflm(symbol: str, names: Sequence[str]) -> bool:
    if names[0] in _TFLM_NAMESPACES or names[-1].startswith(_LEAN):
        return True
    mangled = symbol.startswith("_Z")
    return any(kind in symbol for kind in _TFLM_ARGUMENTS) if mangled else _TFLM_C.match(symbol) is not None


def _member(file: str) -> str:
    """The object's own name: of ``libapp.a(model_data.cc.o)`` what stands in the parentheses."""
    inner = re.search(r"\(([^()]*)\)\s*$", file)
    return inner[1] if inner else file
