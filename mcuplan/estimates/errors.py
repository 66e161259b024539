"""The error of this room: a question that the model or the data cannot answer."""

from __future__ import annotations

from mcuplan.errors import McuplanError


class EstimateError(McuplanError):
    """A what-if that does not apply to this model, or for which there is no data."""
