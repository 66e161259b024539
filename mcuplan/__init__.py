"""mcuplan: says whether a `.tflite` model runs on a microcontroller, and plans one that does."""

from __future__ import annotations

__version__ = "0.1.0"
