"""Which TFLM a firmware project has, from its own files; never from the network."""

from __future__ import annotations

from mcuplan.detect.evidence import DetectError, Detection, Evidence, Sure
from mcuplan.detect.project import detect, is_project

__all__ = ["DetectError", "Detection", "Evidence", "Sure", "detect", "is_project"]
