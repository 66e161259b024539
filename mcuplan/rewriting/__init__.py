"""A plan applied to a graph, and the proof that nothing changed."""

from __future__ import annotations
