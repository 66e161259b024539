"""The verifier: nothing outside the file is read, nothing is done twice, whatever the bytes say."""

from __future__ import annotations

import struct
import sys
import tracemalloc
from types import FrameType
from typing import Any

import pytest
from flat_by_hand import Flat, Ref, tiny_bytes, tiny_flat, tiny_graph

from mcuplan.errors import ModelError
from mcuplan.tflite import read, write
from mcuplan.tflite.verify import verify


def refusal(data: bytes) -> str:
    with pytest.raises(ModelError) as caught:
        read(data, "f.tflite")
    text = str(caught.value)
    assert text.startswith("f.tflite: ")
    assert "\n" not in text
    return text.removeprefix("f.tflite: ")


def patched(label: str, at: int, word: int, **changes: Any) -> bytes:
    """The tiny model with the 32-bit word ``at`` bytes into ``label`` replaced."""
    flat = tiny_flat(**changes)
    data = bytearray(flat.finish("model"))
    struct.pack_into("<I", data, flat.places[label] + at, word & 0xFFFFFFFF)
    return bytes(data)


def test_a_sound_file_passes() -> None:
    assert verify(memoryview(tiny_bytes()), "f") == frozenset()


@pytest.mark.parametrize("size", [1, 4, 7])
def test_less_than_a_header_is_truncated(size: int) -> None:
    with pytest.raises(ModelError, match="truncated"):
        verify(memoryview(bytes(size)), "f")


@pytest.mark.parametrize("root", [0xFFFFFFFF, 0x7FFFFFFC, 0x80000000, 1 << 20])
def test_a_root_outside_the_file(root: int) -> None:
    data = bytearray(tiny_bytes())
    struct.pack_into("<I", data, 0, root)
    assert "truncated or damaged: the offset of Model at byte 0 reaches outside" in refusal(bytes(data))


@pytest.mark.parametrize(("root", "why"), [(0, "zero"), (6, "misaligned"), (9, "misaligned")])
def test_a_root_that_points_nowhere(root: int, why: str) -> None:
    data = bytearray(tiny_bytes())
    struct.pack_into("<I", data, 0, root)
    assert f"the offset of Model at byte 0 is {why}" in refusal(bytes(data))


@pytest.mark.parametrize("soffset", [0x7FFFFFFF, 0x80000000, -(1 << 20), 1 << 20, 3])
def test_a_vtable_outside_the_file_or_at_an_odd_byte(soffset: int) -> None:
    assert "the vtable of a Tensor" in refusal(patched("w", 0, soffset))


def test_a_table_that_is_its_own_vtable() -> None:
    assert "the vtable of a Tensor" in refusal(patched("w", 0, 0))


@pytest.mark.parametrize("size", [0, 2, 3, 5, 0xFFFE, 0xFFFF])
def test_a_vtable_of_absurd_size(size: int) -> None:
    flat = tiny_flat()
    data = bytearray(flat.finish("model"))
    table = flat.places["y"]
    vtable = table - struct.unpack_from("<i", data, table)[0]
    struct.pack_into("<H", data, vtable, size)
    assert f"the vtable of a Tensor at byte {vtable} claims {size} bytes" in refusal(bytes(data))


def test_a_field_outside_the_file() -> None:
    flat = tiny_flat()
    data = bytearray(flat.finish("model"))
    table = flat.places["y"]
    vtable = table - struct.unpack_from("<i", data, table)[0]
    struct.pack_into("<H", data, vtable + 4, 0xFFFC)  # the shape's offset
    assert "Tensor at byte" in refusal(bytes(data))


def test_a_misaligned_field() -> None:
    flat = tiny_flat()
    data = bytearray(flat.finish("model"))
    table = flat.places["y"]
    vtable = table - struct.unpack_from("<i", data, table)[0]
    struct.pack_into("<H", data, vtable + 4, 5)
    assert "Tensor.shape is misaligned" in refusal(bytes(data))


@pytest.mark.parametrize(
    "label",
    ["codes", "subgraphs", "tensors", "operators", "buffers", "x shape", "x scale", "x zero", "weights", "x name"],
)
@pytest.mark.parametrize("count", [0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, 0x40000001, 0x20000001, 100_000])
def test_vector_lengths_beyond_the_file(label: str, count: int) -> None:
    assert "reaches outside" in refusal(patched(label, 0, count))


def test_vector_lengths_cost_no_memory() -> None:
    data = patched("weights", 0, 0xFFFFFFFF)
    read(tiny_bytes())  # imports and caches are not what is measured
    tracemalloc.start()
    refusal(data)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200_000


def test_a_string_without_its_end() -> None:
    flat = tiny_flat()
    data = bytearray(flat.finish("model"))
    data[flat.places["x name"] + 4 + 1] = ord("!")
    assert "the string Tensor.name" in refusal(bytes(data))


def test_a_string_at_the_very_end_of_the_file_needs_its_zero_byte() -> None:
    flat = tiny_flat()
    data = flat.finish("model").rstrip(b"\0")
    assert data.endswith(b"by hand")
    assert "Model.description" in refusal(data)
    assert read(data + b"\0").description == "by hand"


def test_an_element_that_points_back_to_its_own_vector_is_no_table() -> None:
    """Offsets only go forward, so that an offset of zero is the only cycle there can be."""
    assert "the offset of an element of SubGraph.tensors at byte" in refusal(patched("tensors", 4, 0))


@pytest.mark.parametrize("union", [("B", 1), ("B", 40), ("B", 126)])
def test_a_union_member_is_checked_as_what_its_tag_says(union: tuple[str, int]) -> None:
    """The options' table is a name's bytes here, whose vtable lies nowhere."""
    slots = (("I", 0), Ref("op inputs"), Ref("op outputs"), union, Ref("text"))
    flat = tiny_flat(operator=slots)
    flat.string("text", b"\xff\xff\xff\x7f")
    data = bytearray(flat.finish("model"))
    struct.pack_into("<I", data, flat.places["text"], 0x7FFFFFF0)
    assert "the vtable of a" in refusal(bytes(data))


def test_options_of_an_unknown_kind_are_bounded_too() -> None:
    flat = tiny_flat(operator=(("I", 0), Ref("op inputs"), Ref("op outputs"), ("B", 255), Ref("new")))
    flat.table("new", ("i", 1))
    data = bytearray(flat.finish("model"))
    table = flat.places["new"]
    vtable = table - struct.unpack_from("<i", data, table)[0]
    struct.pack_into("<H", data, vtable + 2, 0xFFFF)  # the table's own size
    assert "a table of unknown type" in refusal(bytes(data))


def many(flat: Flat, label: str, of: str, count: int) -> None:
    flat.references(label, *[of] * count)


def test_a_bomb_of_shared_parts_is_refused() -> None:
    """1,000 subgraphs that share 1,000 tensors that share a shape of 1,000: 16 kB that would become 4 GB."""
    flat = Flat()
    flat.table("model", ("I", 3), Ref("codes"), Ref("subgraphs"), None, Ref("buffers"))
    many(flat, "codes", "code", 1)
    flat.table("code")
    many(flat, "subgraphs", "main", 1000)
    flat.table("main", Ref("tensors"))
    many(flat, "tensors", "t", 1000)
    flat.table("t", Ref("shape"))
    flat.vector("shape", "i", *[1] * 1000)
    many(flat, "buffers", "buffer", 1)
    flat.table("buffer")
    data = flat.finish("model")
    assert len(data) < 20_000
    assert "grow out of all proportion" in refusal(data)


def test_the_same_shared_parts_in_small_numbers_are_welcome() -> None:
    flat = tiny_flat(y=(Ref("x shape 2"), ("b", 9), None, Ref("x name 2")), x=(Ref("x shape 2"), ("b", 9)))
    flat.vector("x shape 2", "i", 1, 2)
    flat.string("x name 2", b"y")
    assert read(flat.finish("model")).main.tensors[0].shape == (1, 2)


def test_vectors_that_overlap_do_not_multiply_the_work() -> None:
    """A long run of one word: wherever one looks is a vector of that length, and its elements are tables.

    Each subgraph takes the vector that begins one word later, 400 tensors each, all of them in bounds.
    """
    subgraphs, word = 3000, 400
    flat = Flat()
    flat.table("model", ("I", 3), None, Ref("subgraphs"))
    flat.references("subgraphs", *(f"s{i}" for i in range(subgraphs)))
    for i in range(subgraphs):
        flat.table(f"s{i}", Ref(f"v{i}"))
    for i in range(subgraphs):
        flat.places[f"v{i}"] = len(flat.data) + 4 * i
    flat.data += struct.pack("<I", word) * 5 * subgraphs
    assert "overlap so often" in refusal(flat.finish("model"))


def calls_of(data: bytes) -> int:
    """How many Python functions of mcuplan are called to judge the bytes."""
    calls = 0

    def count(frame: FrameType, event: str, _: object) -> None:
        nonlocal calls
        calls += event == "call" and "mcuplan" in frame.f_code.co_filename

    sys.setprofile(count)
    try:
        read(data, "f")
    except ModelError:
        pass
    finally:
        sys.setprofile(None)
    return calls


@pytest.mark.parametrize("vtable_slots", [4, 30_000])
def test_work_grows_no_faster_than_the_file(vtable_slots: int) -> None:
    """As many tensors as fit, each a table of four bytes, all with one vtable."""

    def file(tensors: int) -> bytes:
        flat = Flat()
        flat.table("model", ("I", 3), None, Ref("subgraphs"), None, Ref("buffers"))
        flat.references("subgraphs", "main")
        flat.table("main", Ref("tensors"))
        flat.references("tensors", *(f"t{i}" for i in range(tensors)))
        flat.references("buffers", "b")
        flat.table("b")
        flat.align(4)
        vtable = len(flat.data)
        flat.data += struct.pack("<2H", 4 + 2 * vtable_slots, 4) + bytes(2 * vtable_slots)
        for i in range(tensors):
            flat.places[f"t{i}"] = len(flat.data)
            flat.data += struct.pack("<i", len(flat.data) - vtable)
        return flat.finish("model")

    small, large = file(500), file(5000)
    assert calls_of(large) < 10.5 * calls_of(small)
    assert calls_of(large) < 5000 * 30


def test_an_unreadable_region_is_never_touched() -> None:
    """Bytes outside a view stay unread: the view's neighbours are poisoned, and the verdict does not change."""
    data = tiny_bytes()
    around = b"\xff" * 64 + data + b"\xff" * 64
    view = memoryview(around)[64:-64]
    assert read(view) == read(data)
    for end in range(0, len(data), 4):
        cut = memoryview(around)[64 : 64 + end]
        alone = bytes(cut)
        assert outcome(cut) == outcome(memoryview(alone))


def outcome(view: memoryview) -> str:
    try:
        return repr(read(view, "f").main)
    except ModelError as error:
        return str(error)


def test_a_reference_at_an_odd_place_is_refused() -> None:
    """Its place is aligned by the width of an offset, not by that of the elements it leads to."""
    data = bytearray(write(tiny_graph()))
    # The vtable of the buffers' tables: six bytes, with their only field at 4.
    at = next(i for i in range(0, len(data) - 8, 2) if data[i : i + 6] == struct.pack("<3H", 6, 8, 4))
    struct.pack_into("<H", data, at + 4, 2)
    with pytest.raises(ModelError, match="misaligned"):
        read(bytes(data))
