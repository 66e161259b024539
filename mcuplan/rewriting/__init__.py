"""Graph to graph: edits, lossless clean-ups, a smaller file."""

from __future__ import annotations
