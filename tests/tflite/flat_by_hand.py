"""FlatBuffers laid out by hand, independent of mcuplan's writer and schema: whatever bytes a test needs."""

from __future__ import annotations

import struct
from dataclasses import dataclass, field

from mcuplan.graph import Buffer, DType, Graph, Operator, Quantization, Subgraph, Tensor
from mcuplan.tflite import operator_code, record


@dataclass(frozen=True)
class Ref:
    """An offset to a labelled object, which comes later in the file."""

    label: str


@dataclass
class Flat:
    """Lays objects out front to back; offsets are filled in at the end."""

    data: bytearray = field(default_factory=lambda: bytearray(b"\0\0\0\0TFL3"))
    places: dict[str, int] = field(default_factory=dict)
    fixups: list[tuple[int, str]] = field(default_factory=list)

    def align(self, to: int, ahead: int = 0) -> None:
        while (len(self.data) + ahead) % to:
            self.data.append(0)

    def reference(self, label: str) -> None:
        self.fixups.append((len(self.data), label))
        self.data += b"\0\0\0\0"

    def table(self, label: str, *slots: tuple[str, int | float] | Ref | None) -> None:
        """A vtable and, right behind it, its table; scalars as (struct character, value)."""
        self.align(8)
        vtable = len(self.data)
        entries = 4 + 2 * len(slots)
        self.data += bytes(entries)
        self.align(8, 4)  # so that fields begin 8-aligned behind the table's own 4 bytes
        table = self.places[label] = len(self.data)
        self.data += struct.pack("<i", table - vtable)
        offsets = []
        for slot in slots:
            if slot is None:
                offsets.append(0)
                continue
            width = 4 if isinstance(slot, Ref) else struct.calcsize("<" + slot[0])
            self.align(width)
            offsets.append(len(self.data) - table)
            if isinstance(slot, Ref):
                self.reference(slot.label)
            else:
                self.data += struct.pack("<" + slot[0], slot[1])
        struct.pack_into(f"<2H{len(slots)}H", self.data, vtable, entries, len(self.data) - table, *offsets)

    def vector(self, label: str, character: str, *values: int | float, align: int = 4) -> None:
        self.align(max(4, align), 4)
        self.places[label] = len(self.data)
        self.data += struct.pack(f"<I{len(values)}{character}", len(values), *values)

    def references(self, label: str, *labels: str) -> None:
        self.align(4)
        self.places[label] = len(self.data)
        self.data += struct.pack("<I", len(labels))
        for of in labels:
            self.reference(of)

    def string(self, label: str, raw: bytes) -> None:
        self.align(4)
        self.places[label] = len(self.data)
        self.data += struct.pack("<I", len(raw)) + raw + b"\0"

    def finish(self, root: str) -> bytes:
        self.align(16)
        struct.pack_into("<I", self.data, 0, self.places[root])
        for at, label in self.fixups:
            struct.pack_into("<I", self.data, at, self.places[label] - at)
        return bytes(self.data)


def tiny_flat(**changes: tuple[tuple[str, int | float] | Ref | None, ...]) -> Flat:
    """A model of one FULLY_CONNECTED, laid out by hand; ``changes`` replace whole tables by label."""
    flat = Flat()

    def table(label: str, *slots: tuple[str, int | float] | Ref | None) -> None:
        flat.table(label, *changes.get(label, slots))

    # Model: version, operator_codes, subgraphs, description, buffers
    table("model", ("I", 3), Ref("codes"), Ref("subgraphs"), Ref("description"), Ref("buffers"))
    flat.references("codes", "code")
    table("code", ("b", 9), None, ("i", 1), ("i", 9))
    flat.references("subgraphs", "main")
    # SubGraph: tensors, inputs, outputs, operators, name
    table("main", Ref("tensors"), Ref("inputs"), Ref("outputs"), Ref("operators"), Ref("main name"))
    flat.references("tensors", "x", "w", "y")
    flat.vector("inputs", "i", 0)
    flat.vector("outputs", "i", 2)
    flat.references("operators", "operator")
    # Tensor: shape, type, buffer, name, quantization
    table("x", Ref("x shape"), ("b", 9), ("I", 0), Ref("x name"), Ref("x quantization"))
    flat.vector("x shape", "i", 1, 3)
    flat.string("x name", b"x")
    # QuantizationParameters: min, max, scale, zero_point
    table("x quantization", None, None, Ref("x scale"), Ref("x zero"))
    flat.vector("x scale", "f", 0.5)
    flat.vector("x zero", "q", -7, align=8)
    table("w", Ref("w shape"), ("b", 9), ("I", 1), Ref("w name"))
    flat.vector("w shape", "i", 2, 3)
    flat.string("w name", b"w")
    table("y", Ref("y shape"), ("b", 9), None, Ref("y name"))
    flat.vector("y shape", "i", 1, 2)
    flat.string("y name", b"y")
    # Operator: opcode_index, inputs, outputs, builtin_options (tag, table)
    table("operator", ("I", 0), Ref("op inputs"), Ref("op outputs"), ("B", 8), Ref("options"))
    flat.vector("op inputs", "i", 0, 1, -1)
    flat.vector("op outputs", "i", 2)
    table("options", ("b", 1))  # FullyConnectedOptions: fused_activation_function = RELU
    flat.references("buffers", "buffer 0", "buffer 1")
    table("buffer 0")
    table("buffer 1", Ref("weights"))
    flat.vector("weights", "b", 1, -2, 3, -4, 5, -6, align=16)
    flat.string("main name", b"main")
    flat.string("description", b"by hand")
    return flat


def tiny_bytes(**changes: tuple[tuple[str, int | float] | Ref | None, ...]) -> bytes:
    return tiny_flat(**changes).finish("model")


def tiny_graph() -> Graph:
    """What :func:`tiny_bytes` says."""
    code = operator_code("FULLY_CONNECTED")
    x = Tensor("x", DType.INT8, (1, 3), quantization=Quantization((0.5,), (-7,)))
    w = Tensor("w", DType.INT8, (2, 3), buffer=1)
    y = Tensor("y", DType.INT8, (1, 2))
    op = Operator(code, (0, 1, -1), (2,), record("FullyConnectedOptions", fused_activation_function=1))
    weights = Buffer(struct.pack("6b", 1, -2, 3, -4, 5, -6))
    return Graph(
        subgraphs=(Subgraph((x, w, y), (op,), (0,), (2,), name="main"),),
        buffers=(Buffer(), weights),
        operator_codes=(code,),
        description="by hand",
    )
