"""Amounts as people write them: ``10s``, ``25mW``, ``220mAh@3V``, ``160x120``. SI units in code."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from mcuplan.estimates.errors import EstimateError

_NUMBER = re.compile(r"\s*([0-9]+(?:\.[0-9]+)?|\.[0-9]+)\s*([A-Za-z\u00b5\u03bc]*)\s*", re.ASCII)
_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "min": 60.0, "h": 3600.0, "d": 86400.0}
_JOULES = {"J": 1.0, "mJ": 1e-3, "uJ": 1e-6, "nJ": 1e-9}
_WATTS = {"W": 1.0, "mW": 1e-3, "uW": 1e-6, "nW": 1e-9}
_WATT_HOURS = {"Wh": 1.0, "mWh": 1e-3}
_AMPERE_HOURS = {"Ah": 1.0, "mAh": 1e-3}
_LONGEST = 40


def _amount(text: str, units: Mapping[str, float], what: str, example: str) -> float:
    found = _NUMBER.fullmatch(text) if len(text) <= _LONGEST else None
    unit = found[2].replace("\u00b5", "u").replace("\u03bc", "u") if found else ""
    if found is None or unit not in units:
        raise EstimateError(
            f"{text[:_LONGEST]!r} is not {what}: write a number and one of {', '.join(units)}, as in {example}"
        )
    value = float(found[1]) * units[unit]
    if value == 0:
        raise EstimateError(f"{text!r} is no {what.partition(' ')[2]}: it must be above 0")
    return value


def parse_duration(text: str) -> float:
    """Seconds.

    Examples
    --------
    >>> parse_duration("10s"), parse_duration("250ms"), parse_duration("1.5h")
    (10.0, 0.25, 5400.0)
    """
    return _amount(text, _SECONDS, "a duration", "10s or 250ms")


def parse_power(text: str) -> float:
    """Watts.

    Examples
    --------
    >>> parse_power("25mW"), parse_power("0.5W")
    (0.025, 0.5)
    """
    return _amount(text, _WATTS, "a power", "25mW or 4.5uW")


def parse_energy(text: str) -> float:
    """Joules.

    Examples
    --------
    >>> parse_energy("5mJ")
    0.005
    """
    return _amount(text, _JOULES, "an energy", "5mJ or 250uJ")


@dataclass(frozen=True, slots=True)
class Battery:
    """A battery of so many watt-hours; ``text`` is how it was given."""

    text: str
    watt_hours: float


def parse_battery(text: str) -> Battery:
    """A battery from its charge and voltage, or its energy.

    Examples
    --------
    >>> parse_battery("220mAh@3V").watt_hours
    0.66
    """
    charge, at, voltage = text.partition("@")
    if not at:
        return Battery(text, _amount(charge, _WATT_HOURS, "a battery", "220mAh@3V or 660mWh"))
    ampere_hours = _amount(charge, _AMPERE_HOURS, "a charge", "220mAh@3V")
    return Battery(text, ampere_hours * _amount(voltage, {"V": 1.0}, "a voltage", "220mAh@3V"))


_SIZE = re.compile(r"([0-9]{1,5})x([0-9]{1,5})(?:x([0-9]{1,3}))?", re.ASCII)


def parse_frame(text: str) -> int:
    """Bytes of a picture ``WIDTHxHEIGHT`` (grey, a byte a pixel) or ``WIDTHxHEIGHTxBYTES``.

    Examples
    --------
    >>> parse_frame("160x120"), parse_frame("160x120x2")
    (19200, 38400)
    """
    found = _SIZE.fullmatch(text.strip())
    size = int(found[1]) * int(found[2]) * int(found[3] or 1) if found else 0
    if not size:
        raise EstimateError(f"{text[:_LONGEST]!r} is not a frame: write WIDTHxHEIGHT, or WIDTHxHEIGHTxBYTES a pixel")
    return size


def parse_audio(text: str) -> int:
    """Bytes of 16-bit samples from ``RATE:DURATION``.

    Examples
    --------
    >>> parse_audio("16kHz:1s")
    32000
    """
    rate, colon, duration = text.partition(":")
    if not colon:
        raise EstimateError(f"{text[:_LONGEST]!r} is not an audio buffer: write RATE:DURATION, as in 16kHz:1s")
    hertz = _amount(rate, {"Hz": 1.0, "kHz": 1e3}, "a sampling rate", "16kHz:1s")
    return round(hertz * parse_duration(duration)) * 2


def parse_resolution(text: str) -> tuple[int, int]:
    """Rows and columns from ``HxW``.

    Examples
    --------
    >>> parse_resolution("96x128")
    (96, 128)
    """
    found = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", text.strip(), re.ASCII)
    if found is None or "0" in (found[1].lstrip("0") or "0", found[2].lstrip("0") or "0"):
        raise EstimateError(f"{text[:_LONGEST]!r} is not a resolution: write ROWSxCOLUMNS, as in 96x96")
    return int(found[1]), int(found[2])
