"""Other formats, recognised by their content, and what to do about each."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mcuplan.errors import ModelError
from mcuplan.tflite.schema import IDENTIFIER

_HEAD = 4096
_LFS = b"version https://git-lfs.github.com"
_CONVERT = "convert it with tf.lite.TFLiteConverter"


@dataclass(frozen=True, slots=True)
class Format:
    """How a format is recognised from a file's bytes, what it is called and the remedy."""

    matches: Callable[[memoryview], bool]
    sentence: str


def check_identifier(data: memoryview, name: str) -> None:
    """Raise ModelError unless the bytes have the file identifier of a `.tflite` model.

    The text, one sentence that begins with ``name``, says what the file is instead, as far as its content tells,
    and how to get a `.tflite` model from it.
    """
    if bytes(data[4:8]) == IDENTIFIER:
        return
    found = next((known.sentence for known in FORMATS if known.matches(data)), None)
    raise ModelError(f"{name}: {found or 'this is not a .tflite model (the file identifier TFL3 is missing)'}")


def is_lfs_pointer(data: bytes) -> bool:
    """True for the few lines that Git LFS leaves in a model's (or a C source's) place."""
    return data.startswith(_LFS)


def _starts(*prefixes: bytes) -> Callable[[memoryview], bool]:
    return lambda data: bytes(data[:64]).startswith(prefixes)


def _identifier(*identifiers: bytes) -> Callable[[memoryview], bool]:
    return lambda data: bytes(data[4:8]) in identifiers


def _zip_with(*members: bytes) -> Callable[[memoryview], bool]:
    """A zip archive one of whose members' names ends with one of ``members``, in its first or last bytes."""

    def matches(data: memoryview) -> bool:
        if bytes(data[:4]) not in (b"PK\3\4", b"PK\5\6"):
            return False
        ends = bytes(data[:_HEAD]) + bytes(data[-16 * _HEAD :])
        return any(member in ends for member in members)

    return matches


def _is_text(data: memoryview) -> bool:
    head = bytes(data[:_HEAD])
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4:
            return False
        text = head[: error.start].decode("utf-8")
    return all(c.isprintable() or c in "\t\r\n\f\ufeff" for c in text)


def _is_c_source(data: memoryview) -> bool:
    return _is_text(data) and re.search(rb"\b(?:char|u?int8_t)\b[^;{}]{0,300}\{", data[:_HEAD]) is not None


def _is_flatbuffer(data: memoryview) -> bool:
    """A plausible root offset, then four letters or digits."""
    root, identifier = int.from_bytes(data[:4], "little"), bytes(data[4:8])
    return 8 <= root < len(data) and root % 4 == 0 and identifier.isalnum()


def _is_onnx(data: memoryview) -> bool:
    """A protobuf ModelProto: the IR version (2 or more), then any of its other fields."""
    head = bytes(data[:3])
    return len(head) == 3 and head[0] == 0x08 and 2 <= head[1] < 0x20 and head[2] in b"\x12\x1a\x22\x28\x32\x3a\x42"


def _is_saved_model(data: memoryview) -> bool:
    """A protobuf SavedModel: its schema version 1, then a meta graph."""
    return bytes(data[:3]) == b"\x08\x01\x12"


def _is_graph_def(data: memoryview) -> bool:
    """A protobuf GraphDef: nodes, the first of which holds a name and an operation."""
    head = bytes(data[:_HEAD])
    return head[:1] == b"\x0a" and (b"\x12\x0bPlaceholder" in head or b"\x12\x05Const" in head)


FORMATS: Sequence[Format] = (
    Format(lambda data: len(data) == 0, "the file is empty"),
    Format(
        _starts(_LFS),
        "this is a Git LFS pointer, not the model itself: run 'git lfs pull' to fetch the model",
    ),
    Format(
        _identifier(b"TFL0", b"TFL1", b"TFL2"),
        "this model's schema is older than version 3, which no runtime reads today: "
        "convert the original model again with a current converter",
    ),
    Format(
        lambda data: bytes(data[8:12]) == IDENTIFIER,
        "this is a size-prefixed FlatBuffer: drop its first four bytes to get a .tflite model",
    ),
    Format(
        lambda data: bytes(data[4:6]) == b"ET" or bytes(data[8:10]) == b"eh",
        "this is an ExecuTorch program (.pte), which TensorFlow Lite runtimes cannot run: "
        "export the PyTorch model to .tflite with ai-edge-torch (litert-torch)",
    ),
    Format(
        _starts(b"\x89HDF\r\n\x1a\n"),
        f"this is a Keras model in HDF5 (.h5): load it with keras.models.load_model and {_CONVERT}.from_keras_model",
    ),
    Format(
        _zip_with(b"model.weights.h5", b"metadata.json"),
        f"this is a Keras model (.keras): load it with keras.models.load_model and {_CONVERT}.from_keras_model",
    ),
    Format(
        _zip_with(b"data.pkl", b"data/0", b"constants.pkl"),
        "this is a PyTorch model (.pt): export it to .tflite with ai-edge-torch (litert-torch)",
    ),
    Format(
        _starts(b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19", b"\x80\x02}", b"\x80\x02c", b"\x80\x03", b"\x80\x04\x95"),
        "this is a Python pickle, probably a PyTorch model (.pt): "
        "export the model to .tflite with ai-edge-torch (litert-torch)",
    ),
    Format(_zip_with(b".tflite"), "this is a zip archive with a .tflite model inside: unpack it first"),
    Format(_starts(b"PK\3\4", b"PK\5\6"), "this is a zip archive, not a .tflite model: unpack it first"),
    Format(_starts(b"\x1f\x8b"), "this is a gzip file, not a .tflite model: unpack it first (gunzip)"),
    Format(
        _starts(b"BZh", b"\xfd7zXZ", b"7z\xbc\xaf\x27\x1c", b"\x28\xb5\x2f\xfd"),
        "this is a compressed archive, not a .tflite model: unpack it first",
    ),
    Format(_starts(b"\x93NUMPY"), "this is a numpy array, not a .tflite model"),
    Format(
        _is_c_source,
        "this is C source: give it a name ending in .h, .hpp, .c, .cc, .cpp or .ino to have its array read as a model",
    ),
    Format(
        _starts(b"<!DOCTYPE", b"<!doctype", b"<html", b"<HTML"),
        "this is an HTML page, not a .tflite model: download the file itself",
    ),
    Format(_is_text, "this is a text file, not a .tflite model"),
    Format(
        _is_saved_model,
        f"this is a TensorFlow SavedModel (.pb): {_CONVERT}.from_saved_model, given its directory",
    ),
    Format(
        _is_onnx,
        "this is an ONNX model: convert it with onnx2tf, which writes .tflite",
    ),
    Format(
        _is_graph_def,
        f"this is a frozen TensorFlow graph (.pb): {_CONVERT}, tf.compat.v1's from_frozen_graph",
    ),
    Format(_is_flatbuffer, "this looks like a FlatBuffer of another kind: its file identifier is not TFL3"),
    Format(lambda data: not any(data[:_HEAD]), "the file holds zero bytes only"),
    Format(lambda data: len(data) < 8, "the file is truncated: it is too short to hold a model"),
)
"""The first that matches answers."""
