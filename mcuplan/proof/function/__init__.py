"""That two models compute the same: their operators compared, and their outputs position by position."""

from __future__ import annotations
