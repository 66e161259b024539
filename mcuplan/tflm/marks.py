"""What gives TFLM away in projects and firmware: names of functions, components and settings (``targets.json``)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache

from mcuplan.tflm.versions import table


def processors() -> tuple[str, ...]:
    """The cores that makers state of their chips."""
    return tuple(table()["processors"])


def library_symbols() -> Iterator[tuple[str, str]]:
    """Pairs of how the name of a function begins, and the kernel library that it is of."""
    for name, row in table()["libraries"].items():
        for begin in row.get("symbols", ()):
            yield begin, name


@cache
def components() -> Mapping[str, str]:
    """Components of ESP-IDF's registry by name: the kernel library that each is, "" for those that are TFLM itself."""
    libraries = {row["component"]: name for name, row in table()["libraries"].items() if "component" in row}
    return {**dict.fromkeys(table()["components"], ""), **libraries}


def library_settings() -> Iterator[tuple[str, str, str]]:
    """A line of a project's ``sdkconfig``, the version of a kernel library that it builds, and a word about it."""
    for name, row in table()["libraries"].items():
        for version, listed in row.get("versions", {}).items():
            for line, told in listed.get("setting", {}).items():
                yield line, f"{name}-{version}", told
