"""The dataflow graph: tensors, operators, subgraphs, and the whole model that holds them.

Everything here is immutable and complete: a :class:`Graph` carries every fact of the `.tflite` file it was read
from, so that a changed copy (``dataclasses.replace``) can be written back without losing anything. Nothing here
knows files, runtimes or boards.

Tensors and operators are named by their index in their :class:`Subgraph`, as in the TFLite schema; an index of
``-1`` in ``Operator.inputs`` is an optional input that is absent.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from mcuplan.frozen import quick

if TYPE_CHECKING:
    import networkx as nx

_Found = TypeVar("_Found")

CUSTOM = "CUSTOM"
"""`Operator.name` of operators that are not builtin; their own name is `Operator.custom_code`."""


class DType(enum.IntEnum):
    """Element types, with the codes of the TFLite schema's ``TensorType``."""

    FLOAT32 = 0
    FLOAT16 = 1
    INT32 = 2
    UINT8 = 3
    INT64 = 4
    STRING = 5
    BOOL = 6
    INT16 = 7
    COMPLEX64 = 8
    INT8 = 9
    FLOAT64 = 10
    COMPLEX128 = 11
    UINT64 = 12
    RESOURCE = 13
    VARIANT = 14
    UINT32 = 15
    UINT16 = 16
    INT4 = 17
    BFLOAT16 = 18
    INT2 = 19
    UINT4 = 20
    FLOAT8_E4M3FN = 21
    FLOAT8_E5M2 = 22

    @property
    def bits(self) -> int | None:
        """Bits of one element as stored in a file; None where an element has no fixed size."""
        return _BITS.get(self)

    @property
    def label(self) -> str:
        """Short lower-case name, as people write it: ``int8``, ``float32``."""
        return _LABELS[self]


_LABELS: Mapping[DType, str] = {dtype: dtype.name.lower() for dtype in DType}
_BITS: Mapping[DType, int] = {
    DType.FLOAT32: 32, DType.FLOAT16: 16, DType.INT32: 32, DType.UINT8: 8, DType.INT64: 64, DType.BOOL: 8,
    DType.INT16: 16, DType.COMPLEX64: 64, DType.INT8: 8, DType.FLOAT64: 64, DType.COMPLEX128: 128,
    DType.UINT64: 64, DType.UINT32: 32, DType.UINT16: 16, DType.INT4: 4, DType.BFLOAT16: 16, DType.INT2: 2,
    DType.UINT4: 4, DType.FLOAT8_E4M3FN: 8, DType.FLOAT8_E5M2: 8,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Record:
    """One FlatBuffer table as plain values: an operator's options, a sparsity description, ...

    ``fields`` holds every field of the table, absent ones at the schema's default. Values are ints, floats, bools,
    strings, bytes, tuples of these, nested Records, or None for an absent table, vector or string.
    """

    table: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.fields[name]

    def get(self, name: str, default: Any = None) -> Any:
        """The field's value, or ``default`` where this table has no such field."""
        return self.fields.get(name, default)


@quick
@dataclass(frozen=True, slots=True)
class Quantization:
    """How integers stand for reals: ``real = scale * (q - zero_point)``.

    More than one scale means per-channel quantization along ``dimension``. ``has_scales`` and ``has_zero_points``
    tell an absent vector from an empty one: TFLM makes that difference.
    """

    scales: tuple[float, ...] = ()
    zero_points: tuple[int, ...] = ()
    dimension: int = 0
    min: tuple[float, ...] | None = None
    max: tuple[float, ...] | None = None
    details: Record | None = None
    has_scales: bool = True
    has_zero_points: bool = True

    @property
    def per_channel(self) -> bool:
        """True where each channel has a scale of its own."""
        return len(self.scales) > 1


@quick
@dataclass(frozen=True, slots=True)
class Buffer:
    """Constant bytes that tensors and metadata refer to by index.

    ``data`` is None where the file has no data vector and ``b""`` where it is there but empty; ``external`` tells
    that the bytes lie outside the FlatBuffer (``offset``/``size`` fields), in which case ``data`` holds them.
    """

    data: memoryview | bytes | None = None
    external: bool = False

    def __reduce__(self) -> tuple[type[Buffer], tuple[bytes | None, bool]]:
        # A view into a file cannot be pickled, its bytes can.
        return Buffer, (None if self.data is None else bytes(self.data), self.external)

    def __len__(self) -> int:
        return 0 if self.data is None else len(self.data)


@quick
@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor of a subgraph.

    ``shape`` is the static shape; ``shape_signature``, where present, has -1 for dimensions that may change.
    ``buffer`` indexes ``Graph.buffers``; ``external_buffer`` (0 = none) indexes the file's external buffers.
    """

    name: str
    dtype: DType
    shape: tuple[int, ...]
    buffer: int = 0
    quantization: Quantization | None = None
    is_variable: bool = False
    has_shape: bool = True
    """False where the file has no shape vector at all (TFLM reads that as a scalar)."""
    has_rank: bool = False
    shape_signature: tuple[int, ...] | None = None
    sparsity: Record | None = None
    variant_tensors: tuple[Record, ...] | None = None
    external_buffer: int = 0

    @property
    def rank(self) -> int:
        """Number of dimensions; 0 for a scalar."""
        return len(self.shape)

    @property
    def elements(self) -> int:
        """Number of elements; 1 for a scalar."""
        return math.prod(self.shape)

    @property
    def is_dynamic(self) -> bool:
        """True where some dimension is only known at run time."""
        return min(self.shape, default=0) < 0

    @property
    def stored_bytes(self) -> int | None:
        """Bytes of the dense tensor in a file, sub-byte types packed; None where elements have no fixed size."""
        bits = self.dtype.bits
        return None if bits is None else (self.elements * bits + 7) // 8


@dataclass(frozen=True, slots=True)
class OperatorCode:
    """What an operator is, as the file says it.

    ``name`` is the builtin operator's schema name (``CONV_2D``), ``CUSTOM``, or ``BUILTIN_<n>`` for codes newer
    than mcuplan's table. ``deprecated_builtin_code`` and ``builtin_code`` are the file's raw fields, which TFLM
    does not always read alike.
    """

    name: str
    version: int = 1
    custom_code: str | None = None
    deprecated_builtin_code: int = 0
    builtin_code: int = 0


@quick
@dataclass(frozen=True, slots=True)
class Operator:
    """One operator: what it is, which tensors it reads and writes, and its options."""

    code: OperatorCode
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    options: Record | None = None
    options_2: Record | None = None
    custom_options: bytes | None = None
    custom_options_format: int = 0
    intermediates: tuple[int, ...] | None = None
    mutating_variable_inputs: tuple[bool, ...] | None = None
    debug_metadata_index: int = -1
    has_inputs: bool = True
    has_outputs: bool = True
    custom_options_external: bool = False
    """True where the custom options' bytes lie outside the FlatBuffer, as in files above 2 GB."""

    @property
    def name(self) -> str:
        """Schema name of the builtin operator, or ``CUSTOM``."""
        return self.code.name

    @property
    def label(self) -> str:
        """The name people know it by: the custom code of custom operators, the schema name of others."""
        return self.code.custom_code or CUSTOM if self.code.name == CUSTOM else self.code.name

    def option(self, name: str, default: Any = None) -> Any:
        """An option by its schema name, ``default`` where the operator carries no such option."""
        return default if self.options is None else self.options.get(name, default)


@dataclass(frozen=True)
class Subgraph:
    """Tensors and the operators between them, in execution order."""

    tensors: tuple[Tensor, ...]
    operators: tuple[Operator, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    name: str | None = None
    debug_metadata_index: int = -1
    has_tensors: bool = True
    has_inputs: bool = True
    has_outputs: bool = True
    """False where the file has no such vector at all, which TFLM takes for granted."""

    @cached_property
    def producers(self) -> Mapping[int, int]:
        """For each tensor that an operator writes, the index of the (last) operator that writes it."""
        return {t: i for i, op in enumerate(self.operators) for t in op.outputs if t >= 0}

    @cached_property
    def consumers(self) -> Mapping[int, tuple[int, ...]]:
        """For each tensor that operators read, their indices in execution order, each once."""
        found: dict[int, list[int]] = {}
        for i, op in enumerate(self.operators):
            for t in op.inputs:
                if t >= 0 and (not (seen := found.setdefault(t, [])) or seen[-1] != i):
                    seen.append(i)
        return {t: tuple(ops) for t, ops in found.items()}


@dataclass(frozen=True, slots=True)
class Metadata:
    """A named pointer to a buffer, such as ``OfflineMemoryAllocation``."""

    name: str
    buffer: int


def _once(kept: dict[Hashable, Any], what: Hashable, find: Callable[[], _Found]) -> _Found:
    if what not in kept:
        kept[what] = find()
    found: _Found = kept[what]
    return found


@dataclass(frozen=True)
class Graph:
    """A whole model: subgraphs (the first is the main one), constant buffers, metadata and signatures.

    ``file_bytes`` is the size of the file it was read from (0 for a graph made in memory).
    """

    subgraphs: tuple[Subgraph, ...]
    buffers: tuple[Buffer, ...]
    operator_codes: tuple[OperatorCode, ...] = ()
    metadata: tuple[Metadata, ...] = ()
    signatures: tuple[Record, ...] = ()
    description: str | None = None
    schema_version: int = 3
    metadata_buffers: tuple[int, ...] | None = None
    external_buffer_groups: tuple[Record, ...] | None = None
    external_buffers: tuple[Record, ...] | None = None
    file_bytes: int = 0
    notes: tuple[str, ...] = ()
    """What the reader saw that makes figures inexact, one sentence each."""
    appended: memoryview | bytes = b""
    """A zip archive behind the model, which TFLite Metadata uses for associated files; kept as it is."""

    def once(self, what: Hashable, find: Callable[[], _Found]) -> _Found:
        """What ``find`` gives, asked once for this graph; ``what`` names the question, with all it depends on besides.

        It must not refer to the graph, whose bytes would then not be freed before a garbage collection.
        """
        return _once(self.__dict__.setdefault("_kept", {}), what, find)

    def once_bare(self, what: Hashable, find: Callable[[], _Found]) -> _Found:
        """The same of what does not depend on the metadata: graphs that differ in these only share what is found."""
        return _once(self.__dict__.setdefault("_bare", {}), what, find)

    def with_metadata(self, metadata: tuple[Metadata, ...], buffers: tuple[Buffer, ...] | None = None) -> Graph:
        """The graph with other metadata, and ``buffers`` in which that of no tensor is another one."""
        twin = replace(self, metadata=metadata, buffers=self.buffers if buffers is None else buffers)
        twin.__dict__["_bare"] = self.__dict__.setdefault("_bare", {})
        return twin

    def __getstate__(self) -> dict[str, Any]:
        # What was kept is found again by whoever asks.
        kept = {name: value for name, value in self.__dict__.items() if not name.startswith("_")}
        return {**kept, "appended": bytes(self.appended)}

    @property
    def main(self) -> Subgraph:
        """The subgraph that ``Invoke`` runs."""
        return self.subgraphs[0]

    def data(self, tensor: Tensor) -> memoryview | bytes | None:
        """The constant bytes of ``tensor``, None where it has none (an activation, or an empty buffer)."""
        buffer = self.buffers[tensor.buffer]
        return buffer.data if len(buffer) else None

    def is_constant(self, tensor: Tensor) -> bool:
        """True where the file holds the tensor's bytes."""
        return tensor.external_buffer != 0 or len(self.buffers[tensor.buffer]) > 0

    def metadata_data(self, name: str) -> memoryview | bytes | None:
        """The bytes of the last metadata entry called ``name`` (TFLM lets the last one win), or None."""
        for entry in reversed(self.metadata):
            if entry.name == name:
                return self.buffers[entry.buffer].data or b""
        return None

    def operators(self) -> Iterator[tuple[int, int, Operator]]:
        """Every operator of every subgraph as ``(subgraph index, operator index, operator)``."""
        for s, subgraph in enumerate(self.subgraphs):
            for i, op in enumerate(subgraph.operators):
                yield s, i, op

    def dataflow(self, subgraph: int = 0) -> nx.DiGraph[tuple[str, int]]:
        """The subgraph as a bipartite networkx graph.

        Nodes are ``("tensor", i)`` and ``("operator", k)``, their dataclass under the attribute ``data``; an edge
        runs from each tensor to the operators that read it and from each operator to the tensors it writes, with
        the argument's position in ``position``.

        Examples
        --------
        >>> relu = Operator(OperatorCode("RELU"), inputs=(0,), outputs=(1,))
        >>> x, y = (Tensor(n, DType.INT8, (1, 4)) for n in "xy")
        >>> g = Graph((Subgraph((x, y), (relu,), (0,), (1,)),), (Buffer(),)).dataflow()
        >>> list(g.successors(("tensor", 0)))
        [('operator', 0)]
        """
        import networkx as nx

        chosen = self.subgraphs[subgraph]
        flow: nx.DiGraph[tuple[str, int]] = nx.DiGraph()
        flow.add_nodes_from((("tensor", i), {"data": t}) for i, t in enumerate(chosen.tensors))
        flow.add_nodes_from((("operator", k), {"data": op}) for k, op in enumerate(chosen.operators))
        for k, op in enumerate(chosen.operators):
            for position, t in enumerate(op.inputs):
                if t >= 0:
                    flow.add_edge(("tensor", t), ("operator", k), position=position)
            for position, t in enumerate(op.outputs):
                if t >= 0:
                    flow.add_edge(("operator", k), ("tensor", t), position=position)
        return flow
