"""The machine and the build that a prediction is for: TFLM version, core, kernel library and its version."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache

from mcuplan.tflm.versions import TargetError, TflmVersion, find_version, known_versions, number, table

__all__ = ["DEFAULT_TARGET", "Core", "KernelLibrary", "Target", "TargetError", "all_targets", "target_names"]

_LEAN = "+lean"
"""How lean registrations are spelled at the end of a target's name."""

_LONGEST = 200
"""Characters of a target's name: far above any that exists."""


@dataclass(frozen=True, slots=True)
class Core:
    """A processor core as far as TFLM's memory depends on it."""

    name: str
    abi: str
    dsp: bool = False
    mve: bool = False


@dataclass(frozen=True, slots=True)
class KernelLibrary:
    """A set of TFLM kernels, in one version where its versions differ in memory.

    ``rules`` is the folder of the version's data ("" where the TFLM version's own data hold). ``alike`` names the
    versions that bound this one, where it lies between them; ``newer_than`` the newest known, where it is newer.
    """

    name: str
    cores: tuple[str, ...] = ()
    version: str = ""
    rules: str = ""
    alike: tuple[str, ...] = ()
    newer_than: str = ""
    support: str = "reference"
    """The library whose kernels say what runs: others fall back to the reference ones where they do not say."""

    def __str__(self) -> str:
        return f"{self.name}-{self.version}" if self.version else self.name

    @property
    def base(self) -> str:
        """The key of its kernels in the data."""
        return self.name


@dataclass(frozen=True, slots=True)
class Target:
    """What to predict for: a TFLM version, a core, a kernel library; perhaps lean registrations.

    ``str(target)`` gives the whole name that :meth:`parse` reads: ``upstream-2026-08/cortex-m4+cmsis-nn``, or
    ``esp-tflite-micro-1.4.0/esp32s3+esp-nn-1.2.3`` where the library's version matters. With ``lean``, spelled as a
    last ``+lean``, the firmware has the registrations of ``mcuplan export --lean``: constants that kernels work out
    while they prepare lie in flash, not in the arena.
    """

    core: Core
    library: KernelLibrary
    version: str
    lean: bool = False

    def __str__(self) -> str:
        return f"{self.version}/{self.short}"

    @property
    def short(self) -> str:
        """The name without the TFLM version: ``cortex-m4+cmsis-nn``."""
        return f"{self.core.name}+{self.library}{_LEAN if self.lean else ''}"

    @property
    def tflm(self) -> TflmVersion:
        """The row of the TFLM version."""
        return find_version(self.version)

    @property
    def records(self) -> int:
        """Measured arenas of exactly this target that tests compare; 0 where all follows by rule."""
        return self.tflm.records.get(self.short, 0)

    @property
    def measured(self) -> bool:
        """True where predictions for this target were checked against a running TFLM."""
        return self.records > 0

    @property
    def bounds(self) -> tuple[Target, ...]:
        """The known targets that this one lies between; empty where its own rules are known."""
        if not self.tflm.alike and not self.library.alike:
            return ()
        versions = self.tflm.alike or (self.version,)
        libraries = [_library(self.library.name, v, self.core.name) for v in self.library.alike] or [self.library]
        found = [Target(self.core, library, version, self.lean) for version in versions for library in libraries]
        return tuple(found) if len(found) > 1 else ()

    @property
    def notes(self) -> tuple[str, ...]:
        """Why figures for it are bounds or assumptions, a sentence each; empty where its rules are known."""
        return tuple(self._notes())

    def _notes(self) -> Iterator[str]:
        tflm, library = self.tflm, self.library
        if tflm.alike:
            yield f"{tflm.name} was not measured: figures are the greater of {' and '.join(tflm.alike)}"
        if tflm.newer_than:
            yield f"{tflm.name} is newer than {tflm.newer_than}, the newest that mcuplan knows, whose rules are taken"
        if library.alike:
            known = " and ".join(library.alike)
            yield f"{library} was not measured: figures are the greater of those of {library.name} {known}"
        if library.newer_than:
            yield f"{library} is newer than {library.newer_than}, the newest that mcuplan knows, whose rules are taken"

    @classmethod
    def parse(cls, text: str) -> Target:
        """The target named ``text``: ``VERSION/CORE+LIBRARY[-LIBVERSION][+lean]``.

        What is left out is the newest version that has the rest, and the core's usual library.

        Raises
        ------
        TargetError
            When a part is unknown, or the parts do not go together.
        """
        spelled = text.strip().lower()
        plain = spelled.removesuffix(_LEAN)
        return _parse(spelled) if plain == spelled else _parse(plain).with_lean()

    def with_library(self, name: str) -> Target:
        """The same core with another kernel library, in the same TFLM version where that has it.

        Raises
        ------
        TargetError
            When the library is unknown or not made for the core.
        """
        own = f"{self.version}/" if _library_name(name)[0] in self.tflm.libraries else ""
        found = Target.parse(f"{own}{self.core.name}+{name}")
        return found.with_lean() if self.lean else found

    def with_lean(self) -> Target:
        """The same target with lean registrations.

        Raises
        ------
        TargetError
            Where the kernels of its TFLM were not read for them.
        """
        unread = self._unread
        if unread:
            raise TargetError(
                f"{self}: no lean registrations, the {unread[0].library.name} kernels of {unread[0].version} were not "
                "read for what they keep"
            )
        return replace(self, lean=True)

    @property
    def can_be_lean(self) -> bool:
        """Whether :meth:`with_lean` has an answer."""
        return not self._unread

    @property
    def _unread(self) -> list[Target]:
        """The targets that bound this one whose kernels nobody has read for lean registrations."""
        return [bound for bound in self.bounds or (self,) if bound.library.name not in bound.tflm.lean]

    def without_lean(self) -> Target:
        """The same target with TFLM's own registrations."""
        return replace(self, lean=False)


DEFAULT_TARGET = "upstream-2026-08/cortex-m4+cmsis-nn"
"""The target where neither a board nor the user names one."""


@cache
def _parse(text: str) -> Target:
    if len(text) > _LONGEST:
        raise TargetError(f"unknown target {text[:40]!r}...: a name of {len(text):,} characters")
    version_name, slash, rest = text.rpartition("/")
    if slash and not version_name:
        raise TargetError(f"unknown target {text!r}: no TFLM version before the '/'")
    version = find_version(version_name) if version_name else None
    core_name, plus, library_text = rest.partition("+")
    core = known_cores().get(core_name)
    if core is None:
        raise TargetError(f"unknown target {text!r}: no core {core_name!r}{_nearest(core_name, known_cores())}")
    if plus and not library_text:
        raise TargetError(f"unknown target {text!r}: no kernel library after the '+'")
    library = _library(*_library_name(library_text), core_name) if plus else _usual_library(core_name, version)
    if library.cores and core_name not in library.cores:
        raise TargetError(f"target {text!r}: {library.name} kernels are not made for {core_name}")
    chosen = version or _newest(library.name, core_name)
    if library.name not in chosen.libraries:
        raise TargetError(f"target {text!r}: {chosen.name} has no {library.name} kernels, it has {_listed(chosen)}")
    if chosen.cores and core_name not in chosen.cores:
        raise TargetError(f"target {text!r}: mcuplan has no rules of {chosen.name} for {core_name}")
    return Target(core, library, chosen.name)


def _listed(version: TflmVersion) -> str:
    return " and ".join(version.libraries)


def _newest(library: str, core: str) -> TflmVersion:
    """The newest version with a library for a core: the first in the table."""
    for version in known_versions().values():
        if library in version.libraries and (not version.cores or core in version.cores):
            return version
    raise TargetError(f"no TFLM version that mcuplan knows has {library} kernels for {core}")


def _usual_library(core: str, version: TflmVersion | None) -> KernelLibrary:
    """The first library of the table that the version has and that is made for the core."""
    rows = table()["libraries"]
    for name, row in rows.items():
        if (version is None or name in version.libraries) and core in row.get("cores", (core,)):
            return _library(name, "", core)
    raise TargetError(f"{version.name if version else 'TFLM'} has no kernels for {core}")


def _library_name(text: str) -> tuple[str, str]:
    """``esp-nn-1.2.1`` as ``("esp-nn", "1.2.1")``."""
    libraries = table()["libraries"]
    name = next((n for n in libraries if text == n or text.startswith(f"{n}-")), "")
    if not name or text.endswith("-"):
        raise TargetError(f"unknown target: no kernel library {text!r}{_nearest(text, libraries)}")
    return name, text[len(name) + 1 :]


@cache
def _library(name: str, version: str, core: str) -> KernelLibrary:
    """A library in a version ("": the newest), without the version where it makes no difference on the core."""
    row = table()["libraries"][name]
    plain = KernelLibrary(name, tuple(row.get("cores", ())), support=row.get("support", "reference"))
    rows: Mapping[str, Mapping[str, object]] = row.get("versions", {})
    if not rows:
        if version:
            raise TargetError(f"unknown target: mcuplan knows no versions of {name}, a TFLM version brings its own")
        return plain
    version = version or list(rows)[-1]
    if version not in rows:
        return _unlisted(plain, version, core, tuple(v for v in rows if number(v)))
    found = rows[version]
    if core not in found.get("differs_on", (core,)):  # type: ignore[operator]
        return plain
    return replace(plain, version=version, rules=str(rows[str(found.get("same", version))].get("rules", "")))


def _unlisted(plain: KernelLibrary, version: str, core: str, known: tuple[str, ...]) -> KernelLibrary:
    """A version that the table has not: between two known ones, or newer than all."""
    wanted = number(version)
    if not wanted or number(version) < number(known[0]) or any(c not in "0123456789.~" for c in version):
        raise TargetError(f"unknown target: no {plain.name} {version!r} (known: {', '.join(known)})")
    below = [v for v in known if number(v) <= wanted][-1]
    above = next((v for v in known if number(v) > wanted), None)
    found = _library(plain.name, below, core)
    if not found.version:
        return found
    if above is None:
        return replace(found, version=version, newer_than=below)
    return replace(found, version=version, alike=(below, above))


def _nearest(name: str, known: Mapping[str, object]) -> str:
    close = difflib.get_close_matches(name, known, n=1)
    return f" (did you mean {close[0]!r}?)" if close else f" (known: {', '.join(sorted(known))})"


@cache
def known_cores() -> Mapping[str, Core]:
    """The cores that targets are made of, by name, with the extensions that they can have."""
    return {
        name: Core(name, row["abi"], row.get("dsp", False), row.get("mve", False))
        for name, row in table()["cores"].items()
    }


def all_targets() -> Iterator[Target]:
    """Every target with rules of its own, version by version; library versions that are another's are left out."""
    for version in known_versions().values():
        for name in version.libraries:
            row = table()["libraries"][name]
            for core in version.cores or row.get("cores") or known_cores():
                if core not in row.get("cores", (core,)):
                    continue
                yield from dict.fromkeys(
                    Target(known_cores()[core], _library(name, v, core), version.name)
                    for v, listed in (row.get("versions") or {"": {}}).items()
                    if "same" not in listed
                )


def target_names() -> tuple[str, ...]:
    """The names of :func:`all_targets`."""
    return tuple(map(str, all_targets()))
