"""Convolutions in parts by output channels, split before stages are sought: then stages may hold them.

For kernels that copy all filters of a convolution to scratch: no strip of rows makes that copy smaller, parts do.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

from mcuplan.graph import Graph
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.arena.trials import cut_out
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.forms import Kind, StageForm, even_cuts, write_stage
from mcuplan.patching.writing.reader import UnsupportedStageError
from mcuplan.tflm.arena import predict
from mcuplan.tflm.target import Target

_STEP = 8
"""Channels of a part are a multiple of these: kernels take several at once."""

_PARTS = (1, 2, 3, 4, 6, 8)
_DIVISORS = (4, 8, 16)
"""What the largest copy of filters may shrink to, one after the other."""

_WORTH = 6
"""A copy of filters counts from a sixth of the planned section on; smaller ones are not what an arena is sized by."""


@dataclass(frozen=True, slots=True)
class InParts:
    """A graph with some convolutions in parts.

    ``origins`` holds, for each operator of its main subgraph, its index in the given graph's; ``parts`` are (operator
    of the given graph, number of parts).
    """

    graph: Graph
    origins: tuple[int, ...]
    parts: tuple[tuple[int, int], ...] = ()


def in_parts(graph: Graph, targets: Sequence[Target]) -> Iterator[InParts]:
    """The graph with the convolutions in parts whose filters take the most scratch, ever smaller; none where filters
    take none, or little beside the rest of the arena."""
    copies = {k: size for k in range(len(graph.main.operators)) if (size := _filter_copy(graph, k, targets))}
    largest = max(copies.values(), default=0)
    if _WORTH * largest < max(predict(graph, target).nonpersistent_bytes for target in targets):
        return
    known = set()
    for divisor in _DIVISORS:
        sizes = {k: _size(_channels(graph, k), size, largest // divisor) for k, size in copies.items()}
        chosen = tuple((k, size) for k, size in sorted(sizes.items()) if size < _channels(graph, k))
        if chosen and chosen not in known:
            known.add(chosen)
            yield _split(graph, chosen)


def _channels(graph: Graph, k: int) -> int:
    return graph.main.tensors[graph.main.operators[k].outputs[0]].shape[-1]


def _size(channels: int, copied: int, most: int) -> int:
    """Channels of a part, as many as keep the copy of its filters within ``most`` bytes, or the fewest of all."""
    sizes = [size for parts in _PARTS if (size := _part(channels, parts)) <= channels]
    return next((size for size in sizes if copied * size <= most * channels), sizes[-1])


def _part(channels: int, parts: int) -> int:
    return channels if parts == 1 else -(-channels // parts // _STEP) * _STEP


def _filter_copy(graph: Graph, k: int, targets: Sequence[Target]) -> int:
    """Bytes of scratch that grow with the filters of operator ``k``; 0 for what is not split."""
    op = graph.main.operators[k]
    if op.name != "CONV_2D" or _channels(graph, k) <= _STEP:
        return 0
    channels = _channels(graph, k)
    half = _part(channels, 2)
    small, stage = cut_out(graph, PatchStage(k, k + 1, op.inputs[0], op.outputs[0]))
    with suppress(UnsupportedStageError):
        parts = write_stage(Draft(small), stage, _form(channels, half)).tidy().graph
        saved = max(_scratch(small, target) - _scratch(parts, target) for target in targets)
        return saved * channels // (channels - half)
    return 0


def _scratch(graph: Graph, target: Target) -> int:
    return max((buffer.bytes for buffer in predict(graph, target).plan if buffer.tensor < 0), default=0)


def _form(channels: int, size: int) -> StageForm:
    return StageForm(Kind.CHANNELS, even_cuts(channels, size), "crop", False)


def _split(graph: Graph, chosen: Sequence[tuple[int, int]]) -> InParts:
    draft = Draft(graph)
    origins = list(range(len(graph.main.operators)))
    parts = []
    for k, size in reversed(chosen):
        op, form = graph.main.operators[k], _form(_channels(graph, k), size)
        draft = write_stage(draft, PatchStage(k, k + 1, op.inputs[0], op.outputs[0]), form)
        origins[k : k + 1] = [k] * (form.strips + 1)
        parts.append((k, form.strips))
    return InParts(draft.tidy().graph, tuple(origins), tuple(reversed(parts)))
