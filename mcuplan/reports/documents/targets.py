"""Targets as JSON rows."""

from __future__ import annotations

from mcuplan.detect import Detection
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


def detection_row(found: Detection) -> dict[str, object]:
    """What a project's files tell: targets, their parts, and the evidence."""
    return {
        "targets": [str(target) for target in found.targets()],
        "versions": list(found.versions),
        "libraries": list(found.libraries),
        "cores": list(found.cores),
        "evidence": [
            {"path": e.path, "says": e.says, "sure": e.sure.name.lower(), "version": e.version, "library": e.library,
             "core": e.core}
            for e in found.evidence
        ],
    }  # fmt: skip
