"""What follows from an operator alone is worked out once for all operators that are alike, in whatever model.

A search that changes one block of a network asks about the same operators again and again. Two operators of the same
*form* have the same name, options, and operands of the same shapes, types and roles; of the same *work*, besides, the
same constants (weights and biases count by their bytes' number, which is all that anything asks of them); two of one
*kind*, besides, the same scales and zero points. What is known of each is kept with it, and those least lately met are
forgotten.
"""

from __future__ import annotations

from array import array
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock
from typing import Any, TypeVar

from mcuplan.graph import Graph, Operator, Record, Subgraph, Tensor
from mcuplan.operators.input_rows import is_rows_operator
from mcuplan.operators.table import Trait, operator_info, operators_that

_KEPT = 6144
"""Kinds, works and forms that are remembered; with all that is known of them about 2 kB each."""
_SHORT = 1024
"""Bytes of a constant that are compared as they are; of a longer one its digest."""
_FEW = 8
"""Scales that are compared as they are; of more their digest."""
_LENGTH_ONLY = frozenset({"w", "b", "time"})
"""Roles of constants whose values no kernel, check or count looks at."""

_Found = TypeVar("_Found")


class Likeness:
    """Operators that are alike in some way, and what is known of all of them."""

    __slots__ = ("known",)

    def __init__(self) -> None:
        self.known: dict[Hashable, Any] = {}

    def once(self, what: Hashable, find: Callable[[], _Found]) -> _Found:
        """What ``find`` gives, asked only the first time; ``what`` names the question."""
        known = self.known
        if what not in known:
            known[what] = find()
        found: _Found = known[what]
        return found


@dataclass(frozen=True, slots=True)
class Kind:
    """What one operator is like: the same ``form``, the same ``work``, or in all that anything asks of it ``alike``."""

    form: Likeness
    work: Likeness
    alike: Likeness


_met: OrderedDict[Hashable, Likeness] = OrderedDict()
_turn = Lock()
"""Workers of a sweep may be threads."""


def kinds(graph: Graph) -> tuple[tuple[Kind | None, ...], ...]:
    """The kind of each operator of each subgraph.

    None for control flow, operators with state and input rows, which others decide about; for shapes that are not known
    before run time; and for the rare tables (sparsity, quantization details) that nothing here compares.
    """
    return graph.once_bare("kinds", lambda: tuple(tuple(_subgraph(graph, subgraph)) for subgraph in graph.subgraphs))


_OTHERS_DECIDE = operators_that(Trait.CONTROL, Trait.STATE)


def _subgraph(graph: Graph, subgraph: Subgraph) -> list[Kind | None]:
    tensors: list[tuple[Hashable, Hashable] | None] = [_tensor(graph, tensor) for tensor in subgraph.tensors]
    return [_operator(graph, subgraph, tensors, op) for op in subgraph.operators]


def _tensor(graph: Graph, tensor: Tensor) -> tuple[Hashable, Hashable] | None:
    """The tensor's part of a form, and of a kind but for its constant bytes; None where nothing is compared."""
    found = tensor.quantization
    if tensor.sparsity is not None or tensor.variant_tensors is not None or tensor.is_dynamic:
        return None
    scales: tuple[int, int] = (0, 0)
    values: Hashable = None
    if found is not None:
        if found.details is not None:
            return None
        scales = len(found.scales), len(found.zero_points)
        values = (_scales(found.scales), found.zero_points, found.dimension, found.has_scales, found.has_zero_points)
    form = (tensor.dtype, tensor.shape, scales, graph.is_constant(tensor), tensor.is_variable)
    external = tensor.external_buffer != 0, graph.buffers[tensor.buffer].external
    return form, (values, tensor.has_shape, tensor.shape_signature, external)


def _operator(
    graph: Graph, subgraph: Subgraph, tensors: Sequence[tuple[Hashable, Hashable] | None], op: Operator
) -> Kind | None:
    if op.name in _OTHERS_DECIDE or is_rows_operator(op) or op.options_2 is not None or op.intermediates is not None:
        return None
    operands = (*op.inputs, *op.outputs)
    parts = [tensors[t] if t >= 0 else _ABSENT for t in operands]
    if any(part is None for part in parts):
        return None
    try:
        form = _likeness((
            op.code.name, op.code.custom_code, _fields(op.options), op.custom_options, len(op.inputs),
            *(operands.index(t) for t in operands), *(part[0] for part in parts if part),
        ))  # fmt: skip
        work = _likeness((form, *_constants(graph, subgraph, op)))
        alike = _likeness((
            work, op.code, op.has_inputs, op.has_outputs, op.mutating_variable_inputs, op.custom_options_format,
            *(part[1] for part in parts if part),
        ))  # fmt: skip
        return Kind(form, work, alike)
    except TypeError:  # options with tables in them
        return None


_ABSENT: tuple[Hashable, Hashable] = ("absent", "absent")


def _fields(options: Record | None) -> Hashable:
    return None if options is None else (options.table, *options.fields.items())


def _constants(graph: Graph, subgraph: Subgraph, op: Operator) -> list[Hashable]:
    roles = operator_info(op.label).inputs
    found: list[Hashable] = []
    for position, t in enumerate(op.inputs):
        data = graph.buffers[subgraph.tensors[t].buffer].data if t >= 0 else None
        if data:
            by_length = position < len(roles) and roles[position] in _LENGTH_ONLY and op.label in _WEIGHTED
            found.append((position, len(data) if by_length else _content(data)))
    return found


_WEIGHTED = frozenset({
    "CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV", "SVDF", "BATCH_MATMUL", "CONV_3D",
})  # fmt: skip
"""Operators whose ``w`` and ``b`` are weights and biases; of an element-wise operator ``b`` is its second operand."""


def _scales(scales: tuple[float, ...]) -> Hashable:
    return scales if len(scales) <= _FEW else (len(scales), _digest(array("d", scales)))


def _content(data: memoryview | bytes) -> bytes:
    return bytes(data) if len(data) <= _SHORT else _digest(data)


def _digest(data: memoryview | bytes | array[float]) -> bytes:
    return blake2b(data, digest_size=16).digest()


def _likeness(key: Hashable) -> Likeness:
    with _turn:
        found = _met.get(key)
        if found is None:
            found = _met[key] = Likeness()
            while len(_met) > _KEPT:
                _met.popitem(last=False)
        else:
            _met.move_to_end(key)
    return found
