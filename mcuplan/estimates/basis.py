"""Where an estimate comes from and how far it may be off."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Basis:
    """``source`` names the measurement, paper or rule; ``error`` says in words how far the figure may be off."""

    source: str
    error: str
