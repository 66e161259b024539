"""That no live byte is overwritten: one ``Invoke`` followed byte by byte under a memory plan."""

from __future__ import annotations
