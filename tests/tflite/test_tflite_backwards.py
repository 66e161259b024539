"""Our layout of FlatBuffers against bytes by hand, and against the builder of the flatbuffers package."""

from __future__ import annotations

import struct

import flatbuffers
from hypothesis import given
from hypothesis import strategies as st

from mcuplan.tflite.backwards import Backwards

TYPES = {"b": (1, "Int8"), "H": (2, "Uint16"), "i": (4, "Int32"), "Q": (8, "Uint64"), "f": (4, "Float32")}


def test_a_table_with_a_number_by_hand() -> None:
    file = Backwards()
    start = file.size
    field = file.number(struct.pack("<i", 7), 4)
    table = file.end_table(start, [0, field, 0])
    assert file.finish(table, b"TFL3") == bytes.fromhex(
        "10000000"  # the root table, 16 bytes from here
        "54464c33"  # the identifier
        "0800"  # the vtable: its bytes, without the last slot, which is absent
        "0800"  # bytes of the table
        "00000400"  # the first field is absent, the second at 4
        "08000000"  # the table: its vtable is 8 bytes before
        "07000000"
    )


def test_tables_with_equal_vtables_share_one() -> None:
    file = Backwards()
    tables = [file.end_table(file.size, [file.number(bytes([value]), 1)]) for value in (1, 2)]
    whole = file.finish(file.offsets(tables), b"TFL3")
    assert whole.count(bytes.fromhex("060008000700")) == 1


_NUMBERS = {
    "b": st.integers(-128, 127),
    "H": st.integers(0, 65_535),
    "i": st.integers(-(2**31), 2**31 - 1),
    "Q": st.integers(0, 2**64 - 1),
    "f": st.floats(width=32, allow_nan=False),
}
NUMBER = st.one_of(*(st.tuples(st.just(code), values) for code, values in _NUMBERS.items()))
STRING = st.tuples(st.just("string"), st.binary(max_size=9))
VECTOR = st.tuples(
    st.just("vector"), st.sampled_from([1, 2, 4, 8]), st.integers(0, 5), st.sampled_from([1, 4, 8, 16])
)  # fmt: skip
TABLE = st.tuples(st.just("table"), st.lists(st.one_of(st.none(), NUMBER, st.integers(0, 9)), max_size=6))
OFFSETS = st.tuples(st.just("offsets"), st.lists(st.integers(0, 9), max_size=4))


def ours(steps) -> bytes:
    """A file of these parts, the last table its root."""
    file, known, root = Backwards(), [], 0
    for what, *how in steps:
        if what == "string":
            known.append(file.string(how[0]))
        elif what == "vector":
            width, count, align = how
            known.append(file.vector(bytes(range(width * count)), count, width, max(width, align)))
        elif what == "offsets":
            known.append(file.offsets([known[i % len(known)] for i in how[0]] if known else []))
        else:
            start, slots = file.size, [0] * len(how[0])
            for slot, field in enumerate(how[0]):
                if isinstance(field, tuple):
                    slots[slot] = file.number(struct.pack(f"<{field[0]}", field[1]), TYPES[field[0]][0])
                elif field is not None and known:
                    slots[slot] = file.offset(known[field % len(known)])
            root = file.end_table(start, slots)
            known.append(root)
    return file.finish(root, b"TFL3")


def theirs(steps) -> bytes:
    """The same with the package."""
    builder, known, root = flatbuffers.Builder(0), [], 0
    for what, *how in steps:
        if what == "string":
            known.append(builder.CreateString(how[0]))
        elif what == "vector":
            width, count, align = how
            builder.StartVector(width, count, max(width, align))
            for byte in reversed(range(width * count)):
                builder.Place(byte, flatbuffers.number_types.Uint8Flags)
            known.append(builder.EndVector())
        elif what == "offsets":
            builder.StartVector(4, len(how[0]) if known else 0, 4)
            for i in reversed(how[0]) if known else ():
                builder.PrependUOffsetTRelative(known[i % len(known)])
            known.append(builder.EndVector())
        else:
            builder.StartObject(len(how[0]))
            for slot, field in enumerate(how[0]):
                if isinstance(field, tuple):
                    getattr(builder, f"Prepend{TYPES[field[0]][1]}")(field[1])
                    builder.Slot(slot)
                elif field is not None and known:
                    builder.PrependUOffsetTRelative(known[field % len(known)])
                    builder.Slot(slot)
            root = builder.EndObject()
            known.append(root)
    builder.Finish(root, b"TFL3")
    return bytes(builder.Output())


@given(st.lists(st.one_of(STRING, VECTOR, TABLE, OFFSETS), max_size=8), TABLE)
def test_every_byte_is_that_of_the_package(steps, last) -> None:
    assert ours([*steps, last]) == theirs([*steps, last])
