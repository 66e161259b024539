"""Limits that a user sets for estimates, and whether an estimate keeps them."""

from __future__ import annotations

from dataclasses import dataclass

from mcuplan.estimates.errors import EstimateError


@dataclass(frozen=True, slots=True)
class EstimateLimit:
    """A figure held against a limit, both in ``unit``; ``error_percent`` is how far the figure may be off, if known."""

    name: str
    unit: str
    figure: float
    limit: float
    error_percent: float | None = None

    @property
    def kept(self) -> bool:
        """Whether the estimate is within the limit."""
        return self.figure <= self.limit

    @property
    def close(self) -> bool:
        """Whether the figure's error could turn the verdict."""
        if self.error_percent is None:
            return False
        return abs(self.figure - self.limit) <= self.figure * self.error_percent / 100


def held(name: str, unit: str, figure: float | None, limit: float, error_percent: float | None = None) -> EstimateLimit:
    """``figure`` against ``limit``.

    Raises
    ------
    EstimateError
        Where there is no figure: a limit that cannot be checked must not seem kept.
    """
    if figure is None:
        raise EstimateError(f"a limit on {name} cannot be checked: there is no figure for it")
    return EstimateLimit(name, unit, figure, limit, error_percent)
