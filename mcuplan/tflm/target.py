"""The machine and the build that a prediction is for: ABI, kernel library, TFLM version."""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from mcuplan.errors import McuplanError


class TargetError(McuplanError):
    """A target that mcuplan does not know."""


@dataclass(frozen=True, slots=True)
class Core:
    """A processor core as far as TFLM's memory depends on it."""

    name: str
    abi: str
    dsp: bool = False
    mve: bool = False
    measured: tuple[str, ...] = ()
    """Kernel libraries whose predictions were checked against TFLM running on this core."""


@dataclass(frozen=True, slots=True)
class KernelLibrary:
    """A set of TFLM kernels. ``base`` is the library whose rules it shares; ``exact`` tells that these are its own."""

    name: str
    base: str
    cores: tuple[str, ...]
    exact_on: tuple[str, ...] = ()
    note: str = ""

    @property
    def support(self) -> str:
        """The library whose kernels say what runs: others fall back to the reference ones where they do not say."""
        return self.base if self.base == "cmsis-nn" else "reference"


@dataclass(frozen=True, slots=True)
class Target:
    """What to predict for: a core, a kernel library, a TFLM version.

    ``str(target)`` gives the short form that :meth:`parse` reads: ``cortex-m4+cmsis-nn``.
    """

    core: Core
    library: KernelLibrary
    version: str = "tflm-2026-08"
    older: str = ""
    """What is known of a toolchain that ships an older TFLM than ``version``; predictions are then bounds."""

    def __str__(self) -> str:
        return f"{self.core.name}+{self.library.name}"

    @property
    def measured(self) -> bool:
        """True where predictions for this core and library were checked against a running TFLM."""
        return self.library.name in self.core.measured

    @property
    def exact_library(self) -> bool:
        """True where the scratch that the library's kernels ask for is known on this core."""
        return not self.library.exact_on or self.core.name in self.library.exact_on

    @classmethod
    def parse(cls, text: str) -> Target:
        """The target named ``text``: ``core+library``, or a core alone with its usual library.

        Raises
        ------
        TargetError
            When the core or the library is unknown, or the library is not made for the core.
        """
        cores, libraries = _tables()
        core_name, _, library_name = text.strip().lower().partition("+")
        core = cores.get(core_name)
        if core is None:
            raise TargetError(f"unknown target {text!r}: no core {core_name!r}{_nearest(core_name, cores)}")
        if not library_name:
            library_name = next((n for n, lib in libraries.items() if core_name in lib.cores), "reference")
        library = libraries.get(library_name)
        if library is None:
            raise TargetError(
                f"unknown target {text!r}: no kernel library {library_name!r}{_nearest(library_name, libraries)}"
            )
        if library.cores and core_name not in library.cores:
            raise TargetError(f"target {text!r}: {library_name} kernels are not made for {core_name}")
        return cls(core, library)


DEFAULT_TARGET = "cortex-m4+cmsis-nn"
"""The target where neither a board nor the user names one."""


def _nearest(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else f" (known: {', '.join(sorted(known))})"


@cache
def _tables() -> tuple[Mapping[str, Core], Mapping[str, KernelLibrary]]:
    text = resources.files("mcuplan.tflm").joinpath("data/targets.json").read_text("utf-8")
    data = json.loads(text)
    cores = {
        name: Core(name, row["abi"], row.get("dsp", False), row.get("mve", False), tuple(row.get("measured", ())))
        for name, row in data["cores"].items()
    }
    libraries = {
        name: KernelLibrary(
            name, row["base"], tuple(row.get("cores", ())), tuple(row.get("exact_on", ())), row.get("note", "")
        )
        for name, row in data["libraries"].items()
    }
    return cores, libraries


def target_names() -> tuple[str, ...]:
    """Every core and library pair that can be named, as ``core+library``."""
    cores, libraries = _tables()
    return tuple(f"{c}+{n}" for c in cores for n, lib in libraries.items() if not lib.cores or c in lib.cores)
