"""Seeded input data, the same for every runtime and for the shared measurements."""

from __future__ import annotations

from mcuplan.proof.runtimes.child import seeded

__all__ = ["seeded"]
