"""The FlatBuffer room: verify, read and write `.tflite` files; C arrays in and out."""

from __future__ import annotations

from mcuplan.tflite.files import load, read, save, write
from mcuplan.tflite.schema import builtin_name, enum_code, operator_code, record

__all__ = ["builtin_name", "enum_code", "load", "operator_code", "read", "record", "save", "write"]
