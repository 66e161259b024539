"""What the name of a linker's output section tells: in RAM, in flash, or neither. Used where flags are not at hand."""

from __future__ import annotations

import re
from dataclasses import dataclass

_NOT_LOADED = re.compile(
    r"\.(debug|zdebug|comment|stab|symtab|strtab|shstrtab|line|note\.GNU-stack|note\.gnu\.build-id|gnu\.attributes"
    r"|gnu_debuglink|ARM\.attributes|riscv\.attributes|xtensa\.info|xt\.)"
)
_HEAP = re.compile(r"\.?heap", re.IGNORECASE)
_NO_CONTENTS = re.compile(r"(^|[._])(s?bss|tbss|noinit|uninitiali[sz]ed|common|stack|heap|.*dummy)", re.IGNORECASE)
_RAM = re.compile(r"(^|[._])(s?data|datas|tdata|[id]?ram\d*|sram\d*|[id]?tcm\w*|ramfunc|ram_\w+)", re.IGNORECASE)
_FLASH = re.compile(
    r"(^|[._])(text|rodata|flash|rom|init|fini|init_array|fini_array|preinit_array|ctors|dtors|vectors|isr_vector|ivt"
    r"|boot2|boot|exidx|extab|eh_frame\w*|gcc_except_table|jcr|embedded_dtb|got|rel\w*|gnu|interp|dyn\w*|plt|hash|note)"
)


@dataclass(frozen=True, slots=True)
class Placement:
    """Where the bytes of a section count; ``sure`` is False where its name says nothing."""

    ram: bool
    flash: bool
    sure: bool = True


def is_loaded(name: str) -> bool:
    """False for sections that never reach the device: debug information, comments, attributes."""
    return _NOT_LOADED.match(name) is None


def is_heap(name: str) -> bool:
    """True for the section that linker scripts stretch over the RAM that is left."""
    return _HEAP.fullmatch(name) is not None


def has_contents(name: str) -> bool:
    """False where the bytes are zeroed or left alone at start, so that flash holds no copy of them."""
    return _NO_CONTENTS.search(name) is None


def placement(name: str) -> Placement:
    """Where the section ``name`` lies by convention; in both, to be on the safe side, where there is none."""
    if not has_contents(name):
        return Placement(ram=True, flash=False)
    if _RAM.search(name):
        return Placement(ram=True, flash=True)
    if _FLASH.search(name):
        return Placement(ram=False, flash=True)
    return Placement(ram=True, flash=True, sure=False)
