"""mcuplan's version, which every room may name."""

from __future__ import annotations

__version__ = "0.1.0"
