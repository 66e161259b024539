"""Models run on real runtimes, TFLM and LiteRT, each in a child process."""

from __future__ import annotations
