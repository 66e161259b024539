"""Names and text in generated C++: whatever comes from a model or a user is made safe here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mcuplan.tflite.carray import c_identifier
from mcuplan.version import __version__


def made_by(how: str = "mcuplan export") -> str:
    """Who made a file, and what may be done with it."""
    return f"Made by mcuplan {__version__} ({how}); what mcuplan wrote here may be used freely, without conditions."


@dataclass(frozen=True, slots=True)
class Words:
    """A name in the forms that the sources need it, all of them safe: of files, of types, of the model's array."""

    stem: str
    camel: str
    array: str
    namespaces: tuple[str, ...]

    @classmethod
    def of(cls, name: str, namespace: str = "") -> Words:
        """The words for any ``name`` and ``namespace`` (``a::b`` for nested ones)."""
        stem = c_identifier(name)
        camel = "".join(word[:1].upper() + word[1:] for word in stem.split("_"))
        namespaces = tuple(c_identifier(part, "firmware") for part in namespace.split("::")) if namespace else ()
        return cls(stem, camel, f"{stem.rstrip('_')}_tflite", namespaces)

    def file(self, what: str, suffix: str = "h") -> str:
        """File name of a header beside the model's: ``arena.h``, or ``person_arena.h`` for another name."""
        return f"{what}.{suffix}" if self.stem == "model" else f"{self.stem}_{what}.{suffix}"

    def guard(self, what: str) -> str:
        """Include guard; no two underscores side by side, which C++ reserves."""
        return re.sub("__+", "_", "_".join((*self.namespaces, self.stem, what)).upper() + "_H_")

    def wrapped(self, text: str) -> str:
        """``text`` inside the namespace."""
        if not self.namespaces:
            return text
        full = "::".join(self.namespaces)
        return f"namespace {full} {{\n\n{text}\n}}  // namespace {full}\n"


def header(words: Words, what: str, comments: Sequence[str], includes: Sequence[str], body: str) -> str:
    """A header that says ``comments``, includes, and holds ``body`` in the namespace, behind an include guard."""
    guard = words.guard(what)
    lines = [*(comment(line) for line in comments), f"#ifndef {guard}", f"#define {guard}", ""]
    lines += [f"#include {include}" for include in includes]
    return "\n".join(lines) + ("\n\n" if includes else "\n") + words.wrapped(body) + f"\n#endif  // {guard}\n"


def plain(text: str) -> str:
    """Any text as printable ASCII that stays inside a comment or a string of C, shell, CMake or YAML.

    No backslash could continue a line, and no two ``?`` stay side by side: ``??/`` is a backslash to compilers that
    know trigraphs (C++14 and before).
    """
    return re.sub(r"([^ -~]|[\\?\"$`#@])+", "?", text).strip()


def comment(text: str) -> str:
    """One line of comment: printable ASCII only, no backslash that could continue it, no trigraph that becomes one.

    ``??/`` is a backslash to compilers that know trigraphs (C++14 and before), so no two ``?`` stay side by side.
    """
    return ("// " + re.sub(r"([^ -~]|[\\?])+", "?", text)).rstrip()


def string(text: str) -> str:
    """A C string literal of any text."""
    plain = "".join(
        chr(b) if 0x20 <= b < 0x7F and chr(b) not in '"\\?' else f"\\{b:03o}"
        for b in text.encode("utf-8", "surrogatepass")
    )
    return f'"{plain}"'
