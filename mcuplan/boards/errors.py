"""What goes wrong with boards and firmware files."""

from __future__ import annotations

from mcuplan.errors import McuplanError


class BoardError(McuplanError):
    """A board that is not known, or a board spec that cannot be read."""


class FirmwareError(McuplanError):
    """A firmware file (linker map, ELF, output of ``size``) from which no reserve can be read."""
