"""What a file of a project says of its TFLM, and what all of them say together."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from pathlib import Path

from mcuplan.errors import McuplanError
from mcuplan.tflm import Target, TargetError


class DetectError(McuplanError):
    """A project from which no TFLM can be read."""


class Sure(enum.IntEnum):
    """How sure a piece of evidence is, the surest first."""

    CERTAIN = 0
    """The file states what is built: a lock file, a component's own manifest, known sources."""
    LIKELY = 1
    """It states what is asked for, or is what a known version brings."""
    POSSIBLE = 2
    """It narrows the versions."""


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that a file says; what it does not tell is "".

    ``version`` is a TFLM version as targets spell it, ``library`` a kernel library with its version where told.
    """

    path: str
    says: str
    sure: Sure
    version: str = ""
    library: str = ""
    core: str = ""


@dataclass(frozen=True, slots=True)
class Detection:
    """All evidence at ``path``, the surest first, and what follows: TFLM versions, libraries and cores, each once.

    More than one version means that files of equal weight disagree: both are shown, none is chosen.
    """

    path: Path
    evidence: tuple[Evidence, ...]
    versions: tuple[str, ...]
    libraries: tuple[str, ...]
    cores: tuple[str, ...]

    def targets(self, core: str = "") -> tuple[Target, ...]:
        """The whole targets that follow, for ``core`` where the project does not tell one; empty without a core.

        Raises
        ------
        DetectError
            Where what was found does not go together.
        """
        found: dict[Target, None] = {}
        for version in self.versions:
            for name in self.cores or ((core,) if core else ()):
                for library in self.libraries or ("",):
                    found[_target(version, name, library)] = None
        return tuple(found)


def _target(version: str, core: str, library: str) -> Target:
    try:
        return Target.parse(f"{version}/{core}+{library}" if library else f"{version}/{core}")
    except TargetError as error:
        raise DetectError(f"the project's files name a target that mcuplan does not know: {error}") from None
