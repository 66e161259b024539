"""Targets as JSON rows."""

from __future__ import annotations

from mcuplan.tflm import Target


def target_row(target: Target) -> dict[str, str | int]:
    """A target and its TFLM version: names, dates (ISO 8601), commit, measured arenas."""
    tflm = target.tflm
    return {
        "target": str(target),
        "version": tflm.name,
        "title": tflm.title,
        "core": target.core.name,
        "library": str(target.library),
        "upstream": tflm.upstream,
        "released": tflm.released,
        "commit": tflm.commit,
        "records": target.records,
    }
