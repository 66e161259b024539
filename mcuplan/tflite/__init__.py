"""The FlatBuffer room: verify, read and write `.tflite` files; C arrays in and out."""

from __future__ import annotations

from mcuplan.tflite.carray import c_identifier, format_bytes, format_c_array
from mcuplan.tflite.files import ModelFile, load, load_all, load_file, parse, read, save, write, write_c_array
from mcuplan.tflite.schema import builtin_name, enum_code, operator_code, record

__all__ = [
    "ModelFile", "builtin_name", "c_identifier", "enum_code", "format_bytes", "format_c_array", "load", "load_all",
    "load_file", "operator_code", "parse", "read", "record", "save", "write", "write_c_array",
]  # fmt: skip
