"""How a network's input comes: what the accountings of patch stages ask."""

from __future__ import annotations

from enum import Enum


class NetworkInput(Enum):
    """How the network's input comes."""

    WHOLE = "whole"
    """It lies in memory and is counted."""
    STREAMED = "rows streamed"
    """Rows come once and in order, as from a camera: what is needed again must be kept in a line buffer."""
    REREAD = "re-read"
    """Any part of it can be read again from outside, as the papers assume: only what is looked at is counted."""
