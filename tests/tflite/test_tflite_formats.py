"""Other formats are recognised by content and answered with the remedy, in one sentence."""

from __future__ import annotations

import gzip
import io
import pickle
import struct
import zipfile

import pytest
from flat_by_hand import tiny_bytes

from mcuplan.errors import ModelError
from mcuplan.tflite import format_c_array, read


def zip_of(*names: str) -> bytes:
    held = io.BytesIO()
    with zipfile.ZipFile(held, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in names:
            archive.writestr(name, b"content " * 50)
    return held.getvalue()


def protobuf(*fields: tuple[int, bytes | int]) -> bytes:
    """A protobuf message: ints as varints (below 128), bytes with their length (below 128)."""
    out = b""
    for number, value in fields:
        if isinstance(value, int):
            out += bytes([number << 3, value])
        else:
            out += bytes([number << 3 | 2, len(value)]) + value
    return out


ONNX = protobuf((1, 8), (2, b"pytorch"), (3, b"2.1.0"), (7, b"graph" * 20))
SAVED_MODEL = protobuf((1, 1), (2, b"\x0a\x20" + b"serve" * 6))
GRAPH_DEF = protobuf((1, protobuf((1, b"input"), (2, b"Placeholder"))))
LFS = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a2146\nsize 300568\n"
TORCH_MAGIC = 0x1950A86A20F9469CFC6C

CASES = {
    "empty": (b"", "the file is empty"),
    "lfs": (LFS, "this is a Git LFS pointer, not the model itself: run 'git lfs pull'"),
    "onnx": (ONNX, "this is an ONNX model: convert it with onnx2tf"),
    "onnx-short": (b"\x08\x07\x12\x04", "this is an ONNX model"),
    "h5": (b"\x89HDF\r\n\x1a\n" + bytes(600), "this is a Keras model in HDF5 (.h5): load it with keras"),
    "keras": (zip_of("metadata.json", "config.json", "model.weights.h5"), "this is a Keras model (.keras)"),
    "saved-model": (SAVED_MODEL, "this is a TensorFlow SavedModel (.pb)"),
    "graph-def": (GRAPH_DEF, "this is a frozen TensorFlow graph (.pb)"),
    "pt": (zip_of("archive/data.pkl", "archive/data/0", "archive/version"), "this is a PyTorch model (.pt)"),
    "torchscript": (zip_of("net/constants.pkl", "net/code/__torch__.py"), "this is a PyTorch model (.pt)"),
    "old-pt": (pickle.dumps(TORCH_MAGIC, protocol=2) + pickle.dumps(1001, protocol=2), "this is a Python pickle"),
    "pickle": (pickle.dumps({"a": 1}, protocol=4), "this is a Python pickle, probably a PyTorch model"),
    "zip-with-model": (zip_of("model.tflite"), "this is a zip archive with a .tflite model inside: unpack it first"),
    "zip": (zip_of("data.csv"), "this is a zip archive, not a .tflite model"),
    "empty-zip": (zip_of(), "this is a zip archive"),
    "gzip": (gzip.compress(tiny_bytes()), "this is a gzip file, not a .tflite model: unpack it first (gunzip)"),
    "xz": (b"\xfd7zXZ\0" + bytes(50), "this is a compressed archive"),
    "pte": (struct.pack("<I4s4s", 32, b"ET12", b"eh00") + bytes(64), "this is an ExecuTorch program (.pte)"),
    "old-schema": (b"\x18\0\0\0TFL2" + bytes(64), "this model's schema is older than version 3"),
    "size-prefixed": (struct.pack("<I", 999) + tiny_bytes(), "this is a size-prefixed FlatBuffer"),
    "other-flatbuffer": (b"\x18\0\0\0AB12" + bytes(range(64)), "this looks like a FlatBuffer of another kind"),
    "numpy": (b"\x93NUMPY\1\0v\0" + bytes(64), "this is a numpy array"),
    "c-source": (format_c_array(tiny_bytes(), "model").encode(), "this is C source: give it a name ending in .h"),
    "html": (b"<!DOCTYPE html><html>404</html>", "this is an HTML page"),
    "text": (b"epoch,loss\n1,0.5\n", "this is a text file, not a .tflite model"),
    "utf-8": ("größer\n".encode() * 2000, "this is a text file"),
    "zeros": (bytes(5000), "the file holds zero bytes only"),
    "short": (b"\x1c\0\0\0TF", "the file is truncated"),
    "random": (bytes(range(255, 0, -1)) * 20, "this is not a .tflite model (the file identifier TFL3 is missing)"),
}


@pytest.mark.parametrize("name", CASES)
def test_each_format_gets_its_remedy(name: str) -> None:
    data, says = CASES[name]
    with pytest.raises(ModelError) as caught:
        read(data, "some/file")
    text = str(caught.value)
    assert text.startswith(f"some/file: {says}")
    assert "\n" not in text
    assert not text.endswith(".")


@pytest.mark.parametrize("size", range(len(ONNX)))
def test_no_length_of_a_foreign_file_is_a_surprise(size: int) -> None:
    with pytest.raises(ModelError):
        read(ONNX[:size])
