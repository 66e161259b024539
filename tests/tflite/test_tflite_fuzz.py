"""Mutated models: always a graph or a ModelError, at a cost that the file's size bounds.

Seeded, so that a failure comes back; split into chunks, so that pytest-xdist can share them. Work is counted in
function calls, which no other load of the machine changes, and memory by tracemalloc on a sample.
"""

from __future__ import annotations

import functools
import random
import struct
import sys
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from types import FrameType

import pytest
from flat_by_hand import tiny_bytes

from mcuplan.errors import ModelError
from mcuplan.graph import Buffer, DType, Graph, Metadata, Operator, Quantization, Subgraph, Tensor
from mcuplan.tflite import operator_code, read, record, write
from mcuplan.zoo import build

MUTATIONS = 10_000
CHUNKS = 20
ZOO = {"sine": 6, "micro-speech": 3, "ds-cnn": 3, "resnet8": 1, "person-detection": 1}
"""Models and how often each is drawn; most of a large model's bytes are weights, where nothing can go wrong."""

CALLS = 20_000
CALLS_PER_BYTE = 15
MEMORY = 500_000
MEMORY_PER_BYTE = 40
MEMORY_SAMPLE = 20
"""Every so many mutations memory is measured, and a model that was accepted is written and read again."""


@pytest.fixture(autouse=True, scope="module")
def imported() -> None:
    """Import what reading needs: that is not what the budget is for."""
    read(tiny_bytes())


def every_feature() -> Graph:
    """A model that has one of everything that a file can hold."""
    dense = record("DimensionMetadata", dense_size=2)
    indices = record("Uint8Vector", values=b"\0\1")
    sparse = record(
        "DimensionMetadata", format=1, array_segments=record("Int32Vector", values=(0, 1, 2)), array_indices=indices
    )
    sparsity = record("SparsityParameters", traversal_order=(0, 1), dim_metadata=(dense, sparse))
    flag = Tensor("flag", DType.BOOL, ())
    x = Tensor("x", DType.INT8, (1, 2), quantization=Quantization((0.5, 0.25), (1, 2), 1, (-1.0,), (1.0,)))
    w = Tensor("w", DType.INT8, (2, 3), 1, sparsity=sparsity, shape_signature=(-1, 3), has_rank=True)
    state = Tensor("state", DType.INT16, (4,), is_variable=True)
    handle = Tensor("handle", DType.RESOURCE, (1,), variant_tensors=(record("VariantSubType", shape=(2,), type=9),))
    far = Tensor("far", DType.INT4, (3,), 2, Quantization(details=record("CustomQuantization", custom=b"q")))
    blocks = record("MultiAxisQuantization", scales=0, zero_points=-1, quantized_dimensions=(0, 1))
    away = Tensor("away", DType.FLOAT32, (9,), quantization=Quantization(details=blocks), external_buffer=3)
    tensors = (flag, x, w, state, handle, far, away)
    operators = (
        Operator(operator_code("IF"), (0, 1), (1,), record("IfOptions", then_subgraph_index=1, else_subgraph_index=2)),
        Operator(operator_code("CUSTOM", custom_code="Mine"), (1, -1), (1,), custom_options=b"flexbuffer"),
        Operator(operator_code("RESHAPE"), (1,), (1,), record("ReshapeOptions", new_shape=(1, 2))),
        Operator(
            operator_code("STABLEHLO_PAD"), (1,), (1,), options_2=record("StablehloPadOptions", edge_padding_low=(1, 2))
        ),
        Operator(
            operator_code("UNIDIRECTIONAL_SEQUENCE_LSTM"), (1, 3), (1,), record("UnidirectionalSequenceLSTMOptions"),
            intermediates=(1,), mutating_variable_inputs=(False, True),
        ),
        Operator(operator_code("VAR_HANDLE"), (), (4,), record("VarHandleOptions", container="c", shared_name="s")),
    )  # fmt: skip
    called = Subgraph((x,), (), (0,), (0,), "called", 3)
    entry = record("TensorMap", name="in", tensor_index=1)
    return Graph(
        subgraphs=(Subgraph(tensors, operators, (0, 1), (1,), "main"), called, called),
        buffers=(Buffer(), Buffer(b"\1\2"), Buffer(b"\3\4", external=True), Buffer(struct.pack("<3i", 1, 1, -1))),
        metadata=(Metadata("min_runtime_version", 3), Metadata("COMPRESSION_METADATA", 1)),
        signatures=(record("SignatureDef", inputs=(entry,), outputs=(entry,), signature_key="serving_default"),),
        description="one of everything",
        metadata_buffers=(3,),
        external_buffer_groups=(record("ExternalBufferGroup", name="w.bin"),),
        external_buffers=(record("ExternalBuffer", id=3, length=36, packing="none"),),
    )


@functools.cache
def models() -> tuple[bytes, ...]:
    drawn = [data for name, often in ZOO.items() for data in [write(build(name))] * often]
    return (*drawn, *[write(every_feature())] * 6, *[tiny_bytes()] * 2)


@functools.cache
def structure(data: bytes) -> list[tuple[int, int]]:
    """Where the file's bytes are not weights."""
    ranges, position = [], 0
    constants = sorted((data.find(bytes(b.data)), len(b)) for b in read(data).buffers if b.data and len(b) > 64)
    for start, size in constants:
        if start > position:
            ranges.append((position, start))
        position = max(position, start + size)
    return [*ranges, (position, len(data))]


WORDS = (0, 1, 2, 3, 4, 7, 8, 16, 127, 128, 255, 65_535, 2**31 - 1, 2**31, 2**32 - 1, 2**32 - 4, 2**28, 10**6)


def mutated(rng: random.Random) -> bytes:
    data = rng.choice(models())
    out = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 4, 16))):
        start, end = rng.choice(structure(data)) if rng.random() < 0.9 else (0, len(data))
        at = rng.randrange(start, max(start + 1, min(end, len(out) - 8)))
        kind = rng.randrange(7)
        if kind == 0:
            out[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            out[at] = rng.randrange(256)
        elif kind == 2:
            struct.pack_into("<I", out, at & ~3, rng.choice(WORDS))
        elif kind == 3:
            struct.pack_into("<H", out, at & ~1, rng.choice(WORDS) & 0xFFFF)
        elif kind == 4:
            struct.pack_into("<I", out, at & ~3, rng.randrange(len(out)))
        elif kind == 5:
            source, size = rng.randrange(len(out)), rng.randrange(1, 64)
            out[at : at + size] = out[source : source + size]
        else:
            del out[max(16, at) : at + 4 * rng.randrange(1, 8)]
    return bytes(out)


class TooMuchWorkError(AssertionError):
    """Raised out of the reader when it exceeds its budget."""


def judged(data: bytes, name: str = "f") -> Graph | None:
    """The graph, None where the bytes are refused; fails on any other end, on a bad message and on too much work."""
    budget = CALLS + CALLS_PER_BYTE * len(data)

    def count(_frame: FrameType, event: str, _argument: object) -> None:
        nonlocal budget
        budget -= event in ("call", "c_call")
        if budget < 0:
            raise TooMuchWorkError(f"{len(data)} bytes")

    sys.setprofile(count)
    try:
        return read(data, name)
    except ModelError as error:
        sys.setprofile(None)
        text = str(error)
        assert text.startswith("f: "), text
        assert text.isprintable(), text
        assert len(text) < 400, text
        return None
    finally:
        sys.setprofile(None)


def assert_little_memory(data: bytes) -> None:
    tracemalloc.start()
    try:
        read(data, "f")
    except ModelError:
        pass
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert peak < MEMORY + MEMORY_PER_BYTE * len(data)


def assert_writable(graph: Graph) -> None:
    """Written and read again, it says the same, as far as text can tell (NaN is not equal to itself)."""
    try:
        data = write(graph)
    except ModelError as error:
        assert "newer than the schema" in str(error)  # noqa: PT017 - the other end is as good
        return
    again = replace(read(data), file_bytes=0, notes=(), buffers=())
    assert repr(again) == repr(replace(graph, file_bytes=0, notes=(), buffers=()))


def chunk(number: int, count: int) -> Iterator[bytes]:
    rng = random.Random(number)
    for _ in range(count):
        yield mutated(rng)


def test_the_models_themselves_are_sound() -> None:
    for data in set(models()):
        assert judged(data) is not None
        assert_writable(read(data))
        assert_little_memory(data)


@pytest.mark.parametrize("number", range(CHUNKS))
def test_mutations(number: int) -> None:
    accepted = 0
    for i, data in enumerate(chunk(number, MUTATIONS // CHUNKS)):
        graph = judged(data)
        accepted += graph is not None
        if i % MEMORY_SAMPLE == 0:
            assert_little_memory(data)
            if graph is not None:
                assert_writable(graph)
    assert 0 < accepted < MUTATIONS // CHUNKS  # the mutations are neither all harmless nor all fatal


@functools.cache
def smallest() -> bytes:
    return min((write(build(name)) for name in ZOO), key=len)


@pytest.mark.parametrize("part", range(4))
def test_every_byte_of_the_smallest_model_flipped(part: int) -> None:
    data = smallest()
    for at in range(part, len(data), 4):
        for flip in (0xFF, 0x01):
            judged(data[:at] + bytes([data[at] ^ flip]) + data[at + 1 :])


@pytest.mark.parametrize("part", range(4))
def test_truncation_at_every_length(part: int) -> None:
    """A prefix is refused, but for the very last bytes, which may be padding."""
    for data in (smallest(), write(every_feature())):
        padding = len(data) - len(data.rstrip(b"\0")) + 1
        for size in range(part, len(data), 4):
            graph = judged(data[:size])
            assert graph is None or size >= len(data) - padding


def test_the_budget_catches_a_runaway() -> None:
    """The guard itself: a file of one tensor, read as if it were none, exceeds a budget of nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[__name__], "CALLS", 10)
        patch.setattr(sys.modules[__name__], "CALLS_PER_BYTE", 0)
        with pytest.raises(TooMuchWorkError):
            judged(tiny_bytes())
