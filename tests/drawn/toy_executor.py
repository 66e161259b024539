"""TFLM in a few lines, on real bytes in one arena: what a wrong plan does to the outputs.

Kernels that move bytes move them in the order of TFLM's loops. Every other kernel is as hostile as a kernel may be:
it fills its scratch and its outputs with garbage first, and makes each output byte depend on every byte of its
inputs. Element-wise kernels read element ``i``, then write element ``i``. The arena begins as garbage.
"""

from __future__ import annotations

import functools
import math
import random
import struct
from collections.abc import Iterator, Mapping, Sequence
from itertools import product

from mcuplan.graph import DType, Graph, Operator, Tensor
from mcuplan.operators import called_subgraphs, constant_values

ELEMENTWISE = {"ADD", "SUB", "MUL", "RELU", "RELU6", "LEAKY_RELU", "LOGISTIC", "TANH", "HARD_SWISH", "ELU", "ABS",
               "NEG", "QUANTIZE"}  # fmt: skip


COUNTED_TURNS = 3
"""Turns of a WHILE whose first variable begins as a constant: the test's models all count so."""


@functools.cache
def size_of(tensor: Tensor) -> int:
    return tensor.elements * max((tensor.dtype.bits or 8) // 8, 1)


class Toy:
    """Runs one graph in one arena.

    ``place`` gives (offset) by (subgraph, tensor) and the offsets and bytes of scratch by (subgraph, operator);
    ``turns`` is how often a WHILE runs its body and ``branch`` which subgraph an IF enters.
    """

    def __init__(
        self,
        graph: Graph,
        offsets: Mapping[tuple[int, int], int],
        scratch: Mapping[tuple[int, int], Sequence[tuple[int, int]]],
        turns: int = 2,
        branch: int = 0,
        garbage: int = 1,
    ) -> None:
        self.graph, self.offsets, self.scratch = graph, offsets, scratch
        self.turns, self.branch = turns, branch
        ends = [at + size_of(graph.subgraphs[s].tensors[t]) for (s, t), at in offsets.items()]
        ends += [at + size for several in scratch.values() for at, size in several]
        self.base = -min([0, *offsets.values()])
        self.noise = random.Random(garbage)
        self.arena = bytearray(self.noise.randbytes(self.base + max(ends, default=0)))

    def run(self, inputs: Sequence[bytes]) -> list[bytes]:
        for t, data in zip(self.graph.main.inputs, inputs, strict=True):
            self.write(0, t, data)
        self.subgraph(0)
        return [self.read(0, t) for t in self.graph.main.outputs]

    # -- bytes -----------------------------------------------------------------------------------------------------

    def read(self, s: int, t: int) -> bytes:
        tensor = self.graph.subgraphs[s].tensors[t]
        if (s, t) not in self.offsets:
            return bytes(self.graph.data(tensor) or bytes(size_of(tensor)))
        at = self.base + self.offsets[s, t]
        return bytes(self.arena[at : at + size_of(tensor)])

    def write(self, s: int, t: int, data: bytes, begin: int = 0) -> None:
        if (s, t) in self.offsets:
            at = self.base + self.offsets[s, t] + begin
            self.arena[at : at + len(data)] = data

    def copy(self, source: tuple[int, int], begin: int, target: tuple[int, int], to: int, length: int) -> None:
        """``memcpy`` of the worst kind: where ranges overlap in part, garbage."""
        if source in self.offsets and target in self.offsets:
            apart = self.offsets[target] + to - self.offsets[source] - begin
            if apart and abs(apart) < length:
                self.write(*target, self.noise.randbytes(length), to)
                return
        self.write(*target, self.read(*source)[begin : begin + length], to)

    # -- operators -------------------------------------------------------------------------------------------------

    def subgraph(self, s: int) -> None:
        for k, op in enumerate(self.graph.subgraphs[s].operators):
            if called_subgraphs(op):
                self.control(s, op)
                continue
            for source, begin, target, to, length in self.moves(s, op):
                self.copy((s, source), begin, (s, target), to, length)
            if op.name in ELEMENTWISE:
                self.elementwise(s, op)
            elif not self.is_move(op):
                self.compute(s, k, op)

    def elementwise(self, s: int, op: Operator) -> None:
        tensors = self.graph.subgraphs[s].tensors
        y = op.outputs[0]
        if tensors[y].dtype is DType.INT32:  # a counter
            self.write(s, y, struct.pack("<i", sum(self.integers(s, x)[0] for x in op.inputs)))
            return
        count = tensors[y].elements
        wide = size_of(tensors[y]) // count
        sources = []
        for x in op.inputs:
            inside = (s, x) in self.offsets
            data = self.arena if inside else self.read(s, x)
            at = self.base + self.offsets[s, x] if inside else 0
            sources.append((data, at, size_of(tensors[x]) // tensors[x].elements, tensors[x].elements))
        for i in range(count):
            total = 17
            for data, at, item, elements in sources:
                begin = at + i % elements * item
                for byte in data[begin : begin + item]:
                    total = total * 31 + byte + 1
            self.write(s, y, (total & 0xFFFFFFFF).to_bytes(4, "little")[:wide].ljust(wide, b"\5"), i * wide)

    def integers(self, s: int, t: int) -> tuple[int, ...]:
        data = self.read(s, t)
        return struct.unpack(f"<{len(data) // 4}i", data)

    def compute(self, s: int, k: int, op: Operator) -> None:
        for at, size in self.scratch.get((s, k), ()):
            begin = self.base + at
            self.arena[begin : begin + size] = self.noise.randbytes(size)
        for y in op.outputs:
            self.write(s, y, self.noise.randbytes(size_of(self.graph.subgraphs[s].tensors[y])))
        seed = hash((op.name, *(self.read(s, x) for x in op.inputs if x >= 0)))
        for at, size in self.scratch.get((s, k), ()):
            begin = self.base + at
            self.arena[begin : begin + size] = self.noise.randbytes(size)
        for y in op.outputs:
            size = size_of(self.graph.subgraphs[s].tensors[y])
            self.write(s, y, random.Random(seed + 7 * op.outputs.index(y)).randbytes(size))
        if op.outputs:  # a last look at what it should still be able to see
            again = hash((op.name, *(self.read(s, x) for x in op.inputs if x >= 0)))
            if again != seed and not set(op.inputs) & set(op.outputs):
                self.write(s, op.outputs[0], self.noise.randbytes(1))

    def is_move(self, op: Operator) -> bool:
        return op.name in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "CONCATENATION", "PACK", "UNPACK", "SPLIT", "SPLIT_V",
                           "SLICE", "DYNAMIC_UPDATE_SLICE")  # fmt: skip

    def moves(self, s: int, op: Operator) -> Iterator[tuple[int, int, int, int, int]]:
        if not self.is_move(op):
            return
        tensors = self.graph.subgraphs[s].tensors
        x, y = op.inputs[0], op.outputs[0]
        item = max((tensors[y].dtype.bits or 8) // 8, 1)
        if op.name in ("RESHAPE", "SQUEEZE", "EXPAND_DIMS"):
            yield x, 0, y, 0, size_of(tensors[x])
        elif op.name == "CONCATENATION":
            axis = op.option("axis") % tensors[y].rank
            inner = math.prod(tensors[y].shape[axis + 1 :]) * item
            to = 0
            for k in range(math.prod(tensors[y].shape[:axis])):
                for part in op.inputs:
                    run = tensors[part].shape[axis] * inner
                    yield part, k * run, y, to, run
                    to += run
        elif op.name in ("PACK", "UNPACK"):
            whole, parts = (y, op.inputs) if op.name == "PACK" else (x, op.outputs)
            axis = op.option("axis") % tensors[whole].rank
            run = math.prod(tensors[whole].shape[axis + 1 :]) * item
            for i, part in enumerate(parts):
                for k in range(math.prod(tensors[whole].shape[:axis])):
                    at = (k * len(parts) + i) * run
                    yield (part, k * run, y, at, run) if op.name == "PACK" else (x, at, part, k * run, run)
        elif op.name in ("SPLIT", "SPLIT_V"):
            x = op.inputs[1 if op.name == "SPLIT" else 0]
            axes = constant_values(self.graph, tensors[op.inputs[0 if op.name == "SPLIT" else 2]])
            axis = (axes or (0,))[0] % tensors[x].rank
            inner = math.prod(tensors[x].shape[axis + 1 :]) * item
            begin = 0
            for k in range(math.prod(tensors[x].shape[:axis])):
                for part in op.outputs:
                    run = tensors[part].shape[axis] * inner
                    yield x, begin, part, k * run, run
                    begin += run
        elif op.name == "SLICE":
            for to, at in enumerate(list(self.box(s, op.inputs[1], tensors[y], tensors[x]))):
                yield x, at * item, y, to * item, item
        elif op.name == "DYNAMIC_UPDATE_SLICE":
            places = list(self.box(s, op.inputs[2], tensors[op.inputs[1]], tensors[x]))
            yield x, 0, y, 0, size_of(tensors[x])
            for begin, at in enumerate(places):
                yield op.inputs[1], begin * item, y, at * item, item

    def box(self, s: int, starts: int, part: Tensor, whole: Tensor) -> Iterator[int]:
        """Elements of ``whole`` where ``part`` lies in it, ascending."""
        for index in product(*(range(n) for n in part.shape)):
            at = 0
            for start, i, n, size in zip(self.integers(s, starts), index, whole.shape, part.shape, strict=True):
                at = at * n + min(max(start, 0), n - size) + i
            yield at

    # -- control flow ----------------------------------------------------------------------------------------------

    def control(self, s: int, op: Operator) -> None:
        called = called_subgraphs(op)
        ours_in, ours_out = [(s, t) for t in op.inputs], [(s, t) for t in op.outputs]
        ends = {c: ([(c, t) for t in self.graph.subgraphs[c].inputs], [(c, t) for t in self.graph.subgraphs[c].outputs])
                for c in called}  # fmt: skip
        if op.name == "IF":
            c = called[self.branch]
            self.pass_on(ours_in[1:], ends[c][0])
            self.subgraph(c)
            self.pass_on(ends[c][1], ours_out)
        elif op.name == "WHILE":
            condition, body = called
            self.pass_on(ours_in, ends[condition][0])
            self.pass_on(ours_in, ours_out)
            self.subgraph(condition)
            counted = self.graph.is_constant(self.graph.subgraphs[s].tensors[op.inputs[0]])
            for _ in range(COUNTED_TURNS if counted else self.turns):
                self.pass_on(ours_out, ends[body][0])
                self.subgraph(body)
                self.pass_on(ends[body][1], ours_out)
                self.pass_on(ours_out, ends[condition][0])
                self.subgraph(condition)
        elif self.branch == 0:
            self.subgraph(called[0])

    def pass_on(self, sources: Sequence[tuple[int, int]], targets: Sequence[tuple[int, int]]) -> None:
        for source, target in zip(sources, targets, strict=True):
            self.copy(source, 0, target, 0, size_of(self.graph.subgraphs[source[0]].tensors[source[1]]))


def apart(graph: Graph) -> dict[tuple[int, int], int]:
    """Offsets where every tensor has bytes of its own: what the model means."""
    found, at = {}, 0
    for s, subgraph in enumerate(graph.subgraphs):
        for t, tensor in enumerate(subgraph.tensors):
            if not graph.is_constant(tensor):
                found[s, t] = at
                at += size_of(tensor)
    return found
