"""A smaller file for the same model: what no runtime on a microcontroller reads is left out.

Flash is a budget too. TFLM keeps the file as it is in flash, names and all.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from mcuplan.graph import DType, Graph, Metadata, Operator, Quantization, Record, Subgraph, Tensor
from mcuplan.rewriting._constants import share_buffers
from mcuplan.rewriting._identities import renamed, same_quantization
from mcuplan.rewriting.cleanup import may_renumber
from mcuplan.rewriting.dead import drop_subgraphs
from mcuplan.rewriting.edit import compact_buffers, drop_unreferenced_tensors, replace_subgraph, set_offline_plan
from mcuplan.tflite.compression import METADATA_NAME as COMPRESSION
from mcuplan.tflite.files import write
from mcuplan.tflm.offline import METADATA_NAME as OFFLINE_PLAN

READ_METADATA = frozenset({OFFLINE_PLAN, COMPRESSION})
"""Metadata that TFLM itself reads (micro_allocation_info.cc, micro_allocator.cc)."""


@dataclass(frozen=True, slots=True)
class StripSaving:
    """One thing left out, and the bytes by which the written file shrank."""

    name: str
    bytes: int


def strip(graph: Graph, signatures: bool = False) -> tuple[Graph, tuple[StripSaving, ...]]:
    """The graph without what TFLM never reads, and what each omission saves.

    Outputs, arena and operators stay as they are. ``signatures`` leaves out signature definitions as well, by which
    LiteRT calls a model and TFLM does not, with the subgraphs that only they reach. Savings are measured by writing
    the file; those of zero bytes are not told.
    """
    savings = []
    size = len(write(graph))
    for name, rule in _RULES.items():
        if name == _SIGNATURES and not signatures:
            continue
        smaller = rule(graph)
        if smaller is graph or smaller == graph:
            continue
        now = len(write(smaller))
        if now < size:
            savings.append(StripSaving(name, size - now))
            graph, size = smaller, now
    return graph, tuple(savings)


def _each_tensor(graph: Graph, change: Callable[[Tensor], Tensor]) -> Graph:
    return replace(graph, subgraphs=tuple(replace(s, tensors=tuple(map(change, s.tensors))) for s in graph.subgraphs))


def _names(graph: Graph) -> Graph:
    nameless = _each_tensor(graph, lambda t: replace(t, name="") if t.name else t)
    return replace(nameless, subgraphs=tuple(replace(s, name=None) for s in nameless.subgraphs))


def _ranges(graph: Graph) -> Graph:
    def without(tensor: Tensor) -> Tensor:
        q = tensor.quantization
        if q is None or (q.min is None and q.max is None and not _says_nothing(q)):
            return tensor
        return replace(tensor, quantization=None if _says_nothing(q) else replace(q, min=None, max=None))

    return _each_tensor(graph, without)


def _says_nothing(q: Quantization) -> bool:
    """True where no runtime finds any quantization in it."""
    return not q.scales and not q.zero_points and q.details is None


def _shape_signatures(graph: Graph) -> Graph:
    """Which dimensions a runtime could change; TFLM cannot."""
    return _each_tensor(graph, lambda t: t if t.shape_signature is None else replace(t, shape_signature=None))


def _descriptions(graph: Graph) -> Graph:
    def plain(op: Operator) -> Operator:
        return op if op.debug_metadata_index == -1 else replace(op, debug_metadata_index=-1)

    def quiet(s: Subgraph) -> Subgraph:
        return replace(s, operators=tuple(map(plain, s.operators)), debug_metadata_index=-1)

    return replace(graph, description=None, subgraphs=tuple(map(quiet, graph.subgraphs)))


def _metadata(graph: Graph) -> Graph:
    kept = tuple(entry for entry in graph.metadata if entry.name in READ_METADATA)
    return _compact(replace(graph, metadata=_last_of_each(kept), metadata_buffers=None, appended=b""))


def _last_of_each(entries: tuple[Metadata, ...]) -> tuple[Metadata, ...]:
    """Of several plans the last one counts."""
    return tuple(entry for i, entry in enumerate(entries) if entry.name not in {e.name for e in entries[i + 1 :]})


def _buffers(graph: Graph) -> Graph:
    """Buffers that hold nothing become buffer 0, which the schema keeps empty; those that nobody names go."""
    if not graph.buffers or len(graph.buffers[0]):
        return graph

    def grounded(tensor: Tensor) -> Tensor:
        buffer = graph.buffers[tensor.buffer]
        return tensor if not tensor.buffer or len(buffer) or buffer.external else replace(tensor, buffer=0)

    return _compact(_each_tensor(graph, grounded))


def _constants(graph: Graph) -> Graph:
    return share_buffers(graph)[0] if _may_move_buffers(graph) else graph


def _compact(graph: Graph) -> Graph:
    return compact_buffers(graph) if _may_move_buffers(graph) else graph


def _may_move_buffers(graph: Graph) -> bool:
    """Compression metadata names buffers by number."""
    return graph.metadata_data(COMPRESSION) is None


def _operator_codes(graph: Graph) -> Graph:
    return replace(graph, operator_codes=tuple(dict.fromkeys(op.code for _, _, op in graph.operators())))


def _signatures(graph: Graph) -> Graph:
    """Without them, and without subgraphs that only they reach unless a plan has offsets for those."""
    unsigned = replace(graph, signatures=())
    planned = graph.metadata_data(OFFLINE_PLAN) is not None
    return drop_subgraphs(unsigned)[0] if may_renumber(unsigned) and not planned else unsigned


_SIGNATURES = "signature definitions"

_RULES: Mapping[str, Callable[[Graph], Graph]] = {
    "names of tensors and subgraphs": _names,
    "recorded ranges (min, max)": _ranges,
    "shape signatures": _shape_signatures,
    "descriptions": _descriptions,
    "metadata that TFLM does not read": _metadata,
    _SIGNATURES: _signatures,
    "duplicate constants": _constants,
    "empty and unused buffers": _buffers,
    "unused operator codes": _operator_codes,
}


# -- integers at the ends ------------------------------------------------------------------------------------------


def int8_io(graph: Graph) -> tuple[Graph, tuple[StripSaving, ...]]:
    """The graph without QUANTIZE of its inputs and DEQUANTIZE of its outputs, and what each saves in bytes of file.

    The firmware then feeds and reads integers: ``q = round(real / scale) + zero_point``. An end is left as it is
    where something else reads it too, or several operators quantize it differently. An offline plan is dropped,
    since tensors are gone; models whose tensors may not be renumbered are left alone.

    The arena that this saves is the caller's to predict, before and after.
    """
    if not may_renumber(graph):
        return graph, ()
    savings = []
    size = len(write(graph))
    for name, remove in (("quantizing of inputs", _without_quantize), ("dequantizing of outputs", _without_dequantize)):
        smaller = remove(graph)
        if smaller is not graph:
            smaller = compact_buffers(drop_unreferenced_tensors(set_offline_plan(smaller, None)))
            savings.append(StripSaving(name, size - len(write(smaller))))
            graph, size = smaller, size - savings[-1].bytes
    return graph, tuple(savings)


_INTEGERS = (DType.INT8, DType.INT16)


def int8_inputs(graph: Graph, numbers: Collection[int]) -> Graph:
    """The graph without QUANTIZE of the inputs with these numbers, as :func:`int8_io` does; itself where none has."""
    if not may_renumber(graph):
        return graph
    smaller = _without_quantize(graph, numbers)
    if smaller is graph:
        return graph
    return compact_buffers(drop_unreferenced_tensors(set_offline_plan(smaller, None)))


def _without_quantize(graph: Graph, numbers: Collection[int] | None = None) -> Graph:
    for i, t in enumerate(graph.main.inputs):
        if numbers is not None and i not in numbers:
            continue
        main = graph.main
        users = main.consumers.get(t, ())
        quantizers = [main.operators[k] for k in users]
        results = [op.outputs[0] for op in quantizers if op.name == "QUANTIZE" and len(op.outputs) == 1]
        if users and len(results) == len(users) and t not in main.outputs and _agree(main, t, results):
            graph = _joined(graph, dict.fromkeys(results, results[0]), t, results[0], set(users))
    return graph


def _agree(main: Subgraph, t: int, results: Sequence[int]) -> bool:
    """True where all results are the same integers, and not of the type that the end has already."""
    first = main.tensors[results[0]]
    same = all(same_quantization(main.tensors[y], first) and _is_free(main, y) for y in results)
    return same and first.dtype in _INTEGERS and first.dtype != main.tensors[t].dtype


def _is_free(main: Subgraph, t: int) -> bool:
    """True for a tensor that is no end of the network and no variable."""
    return t not in main.outputs and t not in main.inputs and not main.tensors[t].is_variable


def _without_dequantize(graph: Graph) -> Graph:
    for t in graph.main.outputs:
        main = graph.main
        k = main.producers.get(t)
        op = main.operators[k] if k is not None else None
        if k is None or op is None or op.name not in ("DEQUANTIZE", "QUANTIZE") or len(op.inputs) != 1:
            continue
        x = op.inputs[0]
        made = main.producers.get(x)
        alone = main.outputs.count(t) == 1 and not main.consumers.get(t)
        if made is not None and made < k and alone and _agree(main, t, [x]):
            graph = _joined(graph, {}, t, x, {k})
    return graph


def _joined(graph: Graph, same: Mapping[int, int], end: int, inner: int, gone: set[int]) -> Graph:
    """The graph with network end ``end`` replaced by tensor ``inner``, which takes its name, and operators gone."""
    main = graph.main
    operators = tuple(op for k, op in enumerate(main.operators) if k not in gone)
    tensors = list(main.tensors)
    tensors[inner] = replace(tensors[inner], name=tensors[end].name)
    kept = replace(main, tensors=tuple(tensors), operators=operators)
    changed = replace_subgraph(graph, 0, renamed(kept, {**same, end: inner}))
    return replace(changed, signatures=tuple(_resigned(s, end, inner) for s in graph.signatures))


def _resigned(signature: Record, end: int, inner: int) -> Record:
    if signature.get("subgraph_index", 0) != 0:
        return signature
    fields = dict(signature.fields)
    for side in ("inputs", "outputs"):
        fields[side] = tuple(
            replace(entry, fields={**entry.fields, "tensor_index": inner}) if entry["tensor_index"] == end else entry
            for entry in fields.get(side) or ()
        )
    return replace(signature, fields=fields)
