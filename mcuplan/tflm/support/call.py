"""One operator as TFLM's kernel sees it: its operands by name, their shapes, scales and constant values."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mcuplan.graph import DType, Graph, Operator, Subgraph, Tensor
from mcuplan.operators.call import OperatorCall
from mcuplan.tflm.support.table import CheckSpec, Operand, OperatorRule

Shape = tuple[int, ...]

INTEGER_FORMATS = {DType.INT8: "b", DType.INT16: "h", DType.INT32: "i", DType.INT64: "q"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A broken condition: its rule, what is wrong (a verb phrase), and the tensor it is about (-1: none).

    ``unchecked``: TFLM does not look, and goes wrong instead of refusing.
    """

    rule: str
    predicate: str
    tensor: int = -1
    unchecked: bool = False


def has_data(graph: Graph, tensor: Tensor) -> bool:
    """True where TFLM finds constant bytes: it knows the buffer's own ``data`` only, nothing outside."""
    buffer = graph.buffers[tensor.buffer]
    return tensor.external_buffer == 0 and not buffer.external and len(buffer) > 0


def quantized(tensor: Tensor) -> bool:
    """True where TFLM reads a quantization: it wants a scale and a zero point."""
    found = tensor.quantization
    return found is not None and bool(found.scales) and bool(found.zero_points)


def scale(tensor: Tensor) -> float:
    """``TfLiteTensor.params.scale``: the first scale, 0 without quantization."""
    return tensor.quantization.scales[0] if tensor.quantization and quantized(tensor) else 0.0


def zero_point(tensor: Tensor) -> int:
    """``TfLiteTensor.params.zero_point``: the lower 32 bits of the first zero point, 0 without quantization."""
    first = tensor.quantization.zero_points[0] if tensor.quantization and quantized(tensor) else 0
    return (first + 2**31) % 2**32 - 2**31


def scale_count(tensor: Tensor) -> int:
    """Number of scales that TFLM sees."""
    return len(tensor.quantization.scales) if tensor.quantization and quantized(tensor) else 0


class KernelCall(OperatorCall):
    """A call as the table of conditions names its operands, with the shapes that they have after ``Prepare``.

    ``rule`` is the operator's row, ``shapes`` holds the shape of each tensor of the subgraph, None where it is not
    worked out; ``operands`` the indices of tensors by operand, absent ones left out.
    """

    def __init__(
        self,
        graph: Graph,
        subgraph: Subgraph,
        operator: Operator,
        rule: OperatorRule,
        shapes: Sequence[Shape | None],
        known: dict[Any, Any] | None = None,
    ) -> None:
        super().__init__(graph, subgraph, operator, known)
        self.rule = rule
        self.shapes = shapes
        self.operands: dict[str, tuple[int, ...]] = {}
        self._name(rule.inputs, operator.inputs)
        self._name(rule.outputs, operator.outputs)

    def _name(self, operands: Iterable[Operand], indices: Sequence[int]) -> None:
        for position, operand in enumerate(operands):
            found = indices[position:] if operand.variadic else indices[position : position + 1]
            if found and min(found) < 0:
                found = [i for i in found if i >= 0]
            self.operands[operand.name] = tuple(found)

    def index(self, name: str) -> int:
        """The tensor index of an operand (its first for a variadic one); -1 where it is absent."""
        found = self.operands.get(name)
        return found[0] if found else -1

    def tensor(self, name: str) -> Tensor | None:
        """The tensor of an operand, None where it is absent."""
        index = self.index(name)
        return self.subgraph.tensors[index] if index >= 0 else None

    def each(self, names: Iterable[str]) -> Iterator[tuple[str, int, Tensor]]:
        """Every tensor of these operands, absent ones left out, as ``(name, index, tensor)``."""
        for name in names:
            for index in self.operands.get(name, ()):
                yield name, index, self.subgraph.tensors[index]

    def shape(self, name: str) -> Shape | None:
        """The operand's shape; None where it is absent or unknown."""
        index = self.index(name)
        return self.shapes[index] if index >= 0 else None

    def declared(self, index: int) -> Shape | None:
        """A tensor's shape in the file; None where that leaves a dimension open or the index is -1."""
        tensor = self.subgraph.tensors[index] if index >= 0 else None
        return None if tensor is None or tensor.is_dynamic else tensor.shape

    def all_shapes(self, names: Iterable[str]) -> list[Shape] | None:
        """The shapes of these operands; None where one is absent or unknown."""
        found = [self.shape(name) for name in names]
        known = [shape for shape in found if shape is not None]
        return known if len(known) == len(found) else None

    def integers(self, name: str) -> tuple[int, ...] | None:
        """The integers of an operand as TFLM finds them in the model; None where it is no constant of integers."""
        tensor = self.tensor(name)
        if tensor is not None and tensor.elements == 0:
            return ()
        if tensor is None or tensor.dtype not in INTEGER_FORMATS or not has_data(self.graph, tensor):
            return None
        data, letter = self.graph.buffers[tensor.buffer].data or b"", INTEGER_FORMATS[tensor.dtype]
        count = max(0, min(tensor.elements, len(data) // struct.calcsize(letter)))
        return struct.unpack_from(f"<{count}{letter}", data)

    def option(self, name: str, default: Any = 0) -> Any:
        """An option whose name is data of the table; code asks :attr:`options`, by name and type."""
        return self.own_options.get(name, default)

    def applies(self, spec: CheckSpec) -> bool:
        """True where the operands have the types for which the check holds."""
        for name, types in spec.when:
            tensor = self.tensor(name)
            if tensor is None or tensor.dtype not in types:
                return False
        return True


def words(name: str) -> str:
    """An operand's name for a sentence: ``weights_time`` as ``weights time``."""
    return name.replace("_", " ")
