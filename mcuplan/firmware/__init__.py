"""Firmware sources: a model, its arena and its op resolver as C++ for TFLM."""

from __future__ import annotations
