"""A patch stage as one loop over patches of the result, in two dimensions, halos computed again.

Every turn takes a region of the source, always of one size and always inside it, runs the stage's operators on it as
they are, and puts the part of the result that came out right into its place. At a border of the map the region ends
where the map ends, and the operators' own padding is the right one; elsewhere it is not, and what it spoils, more with
each operator, is cut off. So each operator exists once, nothing is kept, masked or padded, and the cost is what
regions have in common.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import product

from mcuplan.graph import Subgraph
from mcuplan.operators import Axis, window_axis
from mcuplan.operators.geometry import SAME, VALID
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.writing.build import GraphBuilder, SubgraphBuilder
from mcuplan.patching.writing.loop import begin_over_source, displacement
from mcuplan.patching.writing.reader import UnsupportedStageError
from mcuplan.patching.writing.rows import Layer, StageNet
from mcuplan.patching.writing.turns import Tables, Variables


@dataclass(frozen=True, slots=True)
class Part:
    """What a region holds of a map along one axis: its first position is position ``origin`` of the map.

    ``size`` positions are computed, of which ``[begin, end)`` (counted in the map) are those of the whole map.
    """

    origin: int
    size: int
    begin: int
    end: int


@dataclass(frozen=True, slots=True)
class Cuts:
    """One axis of a stage in patches.

    ``size`` is the region's size in the source; per patch ``begins`` is where its region begins, ``drops`` how many
    positions of what the region gives come before the patch, and ``places`` where the patch lies in the result, in
    pieces of ``piece``. ``sizes`` are the sizes of all tensors in a region.
    """

    size: int
    piece: int
    begins: tuple[int, ...]
    drops: tuple[int, ...]
    places: tuple[int, ...]
    sizes: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Step:
    """One operator of a stage along one axis: a window over its input, or ``window`` None and positions of padding."""

    inputs: tuple[int, ...]
    output: int
    size: int
    window: Axis | None = None
    same: bool = False
    before: int = 0
    after: int = 0

    def needs(self, begin: int, end: int, whole: int) -> tuple[int, int]:
        """The positions of an input of ``whole`` that output positions ``[begin, end)`` read."""
        if self.window is not None:
            return self.window.needs(begin, end)
        return max(begin - self.before, 0), min(end - self.before, whole)


def steps_of(net: StageNet, columns: bool) -> tuple[Step, ...]:
    """The stage's operators along rows or columns; its layers must be the model's own."""
    found = []
    for layer in net.layers:
        size = net.tensors[layer.output].shape[2 if columns else 1]
        if layer.pads:
            around = layer.columns if columns else (layer.rows.before, layer.rows.after)
            found.append(Step(layer.inputs, layer.output, size, None, False, *around))
        elif layer.across is None:
            found.append(Step(layer.inputs, layer.output, size))
        else:
            found.append(Step(layer.inputs, layer.output, size, layer.across if columns else layer.rows, layer.same))
    return tuple(found)


def find_cuts(steps: Sequence[Step], source: int, source_size: int, piece: int) -> Cuts:
    """The smallest regions that give pieces of ``piece`` positions; the last one may overlap the one before it.

    Raises
    ------
    UnsupportedStageError
        Where no region smaller than the source gives them.
    """
    size, result = steps[-1].size, steps[-1].output
    places = tuple(min(at, size - piece) for at in range(0, size, piece))
    needed = [_needed(steps, source, source_size, at, at + piece) for at in places]
    for region in range(max(end - begin for begin, end in needed), source_size):
        found: list[tuple[int, dict[int, Part]]] = []
        for at, (first, last) in zip(places, needed, strict=True):
            begins = range(max(last - region, 0), min(first, source_size - region) + 1)
            ways = ((begin, _parts(steps, source, source_size, begin, region)) for begin in begins)
            way = next(((b, p) for b, p in ways if p and p[result].begin <= at and at + piece <= p[result].end), None)
            if way is None:
                break
            found.append(way)
        if len(found) == len(places):
            drops = tuple(at - parts[result].origin for at, (_, parts) in zip(places, found, strict=True))
            sizes = {t: part.size for t, part in found[0][1].items()}
            return Cuts(region, piece, tuple(begin for begin, _ in found), drops, places, sizes)
    raise UnsupportedStageError(f"pieces of {piece} positions need the whole source")


def _needed(steps: Sequence[Step], source: int, source_size: int, begin: int, end: int) -> tuple[int, int]:
    """The positions of the source that result positions ``[begin, end)`` need."""
    whole = {source: source_size} | {step.output: step.size for step in steps}
    need = {steps[-1].output: (begin, end)}
    for step in reversed(steps):
        if step.output not in need:
            continue
        for t in step.inputs:
            first, last = step.needs(*need[step.output], whole[t])
            known = need.get(t, (first, last))
            need[t] = min(known[0], first), max(known[1], last)
    return need.get(source, (0, 0))


def _parts(steps: Sequence[Step], source: int, source_size: int, begin: int, size: int) -> dict[int, Part] | None:
    """What a region of the source gives of each map; None where strides would put windows elsewhere."""
    parts = {source: Part(begin, size, begin, begin + size)}
    whole = {source: source_size}
    for step in steps:
        given = [parts[t] for t in step.inputs]
        if any((p.origin, p.size) != (given[0].origin, given[0].size) for p in given):
            return None  # branches that see another part of their maps
        both = replace(given[0], begin=max(p.begin for p in given), end=min(p.end for p in given))
        part = _through(step, both, whole[step.inputs[0]])
        if part is None or part.begin >= part.end:
            return None
        parts[step.output] = part
        whole[step.output] = step.size
    return parts


def _through(step: Step, given: Part, whole: int) -> Part | None:
    """One operator: where its output lies, and how much of it is as if the map had been whole."""
    if step.window is None:
        origin, size, stride, before, extent = given.origin, given.size + step.before + step.after, 1, step.before, 1
    else:
        axis = step.window
        own = window_axis(given.size, axis.kernel, axis.stride, axis.dilation, SAME if step.same else VALID)
        stride, before, extent, size = axis.stride, axis.before, axis.extent, own.output
        origin, rest = divmod(given.origin - own.before + before, stride)
        if rest:
            return None
    begin, end = max(origin, 0), min(origin + size, step.size)
    while begin < end and not _same_taps(begin * stride - before, extent, given, whole):
        begin += 1
    while begin < end and not _same_taps((end - 1) * stride - before, extent, given, whole):
        end -= 1
    return Part(origin, size, begin, end)


def _same_taps(first: int, extent: int, given: Part, whole: int) -> bool:
    """Whether a window finds in a region what it finds in the whole map, padding included."""
    begin, end = max(first, 0), min(first + extent, whole)
    held = max(first, given.origin), min(first + extent, given.origin + given.size)
    if begin >= end:
        return held[0] >= held[1]
    return held == (begin, end) and given.begin <= begin and end <= given.end


@dataclass(frozen=True)
class Patches:
    """A stage in patches: its cuts along rows and columns; turns go along the rows of patches, one after the other."""

    net: StageNet
    rows: Cuts
    columns: Cuts

    @property
    def turns(self) -> list[tuple[int, int]]:
        """Row and column of each patch."""
        return list(product(range(len(self.rows.places)), range(len(self.columns.places))))

    @property
    def macs(self) -> int:
        """MACs of all turns."""
        return len(self.turns) * sum(self.layer_macs(layer) for layer in self.net.layers)

    @property
    def cut(self) -> bool:
        """Whether regions give more of the result than their patch."""
        return (self.rows.piece, self.columns.piece) != self.shape(self.net.result)[1:3]

    def layer_macs(self, layer: Layer) -> int:
        """MACs of one layer in one turn."""
        columns = self.net.tensors[layer.output].shape[2]
        return layer.row_macs // columns * self.rows.sizes[layer.output] * self.columns.sizes[layer.output]

    def shape(self, t: int) -> tuple[int, ...]:
        """Shape of a tensor in a region."""
        return (1, self.rows.sizes[t], self.columns.sizes[t], self.net.tensors[t].shape[3])

    @cached_property
    def displaced(self) -> int | None:
        """How many bytes behind the result's first one the source may begin; None where they have to lie apart."""
        rows = self.rows
        later = [*rows.begins[1:], self.net.height(self.net.source)]
        last = len(self.columns.places) - 1
        needed = [later[r] if c == last else rows.begins[r] for r, c in self.turns]
        return displacement(self.net, [rows.places[r] + rows.piece for r, _ in self.turns], needed)


def find_patches(net: StageNet, rows: int, columns: int) -> Patches:
    """The stage in patches of ``rows`` x ``columns`` of its result.

    Raises
    ------
    UnsupportedStageError
        Where no such regions exist.
    """
    found = []
    for across, piece in ((False, rows), (True, columns)):
        cuts = _cuts(net, across, piece)
        if isinstance(cuts, str):
            raise UnsupportedStageError(cuts)
        found.append(cuts)
    return Patches(net, *found)


@lru_cache(maxsize=1 << 10)
def _cuts(net: StageNet, across: bool, piece: int) -> Cuts | str:
    """The cuts along one axis, which forms with other pieces along the other one share; why there are none."""
    size = net.tensors[net.source].shape[2 if across else 1]
    steps = steps_of(net, across)
    if piece == steps[-1].size:
        return Cuts(size, piece, (0,), (0,), (0,), {net.source: size} | {step.output: step.size for step in steps})
    try:
        return find_cuts(steps, net.source, size, piece)
    except UnsupportedStageError as error:
        return str(error)


class PatchWriter:
    """Writes one stage as a loop over patches into a graph under construction."""

    def __init__(
        self, parent: GraphBuilder, main: SubgraphBuilder, patches: Patches, stage: PatchStage, over: bool
    ) -> None:
        self.parent = parent
        self.main = main
        self.stage = stage
        self.patches = patches
        self.over = over
        count = len(parent.draft.graph.subgraphs)
        self.condition = SubgraphBuilder(parent, count)
        self.body = SubgraphBuilder(parent, count + 1)

    def write(self) -> tuple[Subgraph, Subgraph]:
        """Write the stage; returns the two new subgraphs."""
        main, body, patches = self.main, self.body, self.patches
        net, turns = patches.net, patches.turns
        source, result = net.tensors[net.source], net.tensors[net.result]
        outer = [main.integers([0]), self.stage.source, self._begun()]
        variables = Variables.declare(main, self.condition, body, outer)
        given = variables.given
        variables.done[2] = self.stage.result
        whole = patches.columns.piece == result.shape[2]  # then regions are rows
        tables = Tables(body, given[0], patches.rows.size if whole else 0)

        begins = [(patches.rows.begins[r], patches.columns.begins[c]) for r, c in turns]
        size = (patches.rows.size, patches.columns.size)
        region = tables.piece(given[1], begins, size, f"{source.name}/region")
        made = self._operators(region)
        patch, piece = made, (patches.rows.piece, patches.columns.piece)
        if patches.cut:
            drops = [(patches.rows.drops[r], patches.columns.drops[c]) for r, c in turns]
            patch = tables.piece(made, drops, piece, f"{result.name}/patch")
        written = body.tensor(result, f"{result.name}/written")
        place = tables.place([(patches.rows.places[r], patches.columns.places[c]) for r, c in turns])
        body.operation("DYNAMIC_UPDATE_SLICE", [given[2], patch, place], [written], "DynamicUpdateSliceOptions")
        body.tie(written, given[2])
        variables.back = [tables.next_turn(len(turns)), given[1], written]
        return variables.close(main, self.condition, body, len(turns), tables.step)

    def _begun(self) -> int:
        """The result before the loop: over the source's used rows where that is safe, else its own bytes."""
        displaced = self.patches.displaced if self.over else None
        if displaced is not None:
            return begin_over_source(self.main, self.patches.net, self.stage.source, displaced)
        return self.main.filled(self.patches.net.tensors[self.patches.net.result])

    def _operators(self, region: int) -> int:
        """The stage's operators on a region; returns the tensor with what they give."""
        body, patches = self.body, self.patches
        held = {patches.net.source: region}
        operators = self.parent.draft.graph.main.operators
        for layer in patches.net.layers:
            like = patches.net.tensors[layer.output]
            held[layer.output] = body.tensor(like, f"{like.name}/patch", patches.shape(layer.output), own=False)
            op = operators[layer.operator]
            inputs = tuple(i if i < 0 else held[i] if i in held else body.imported(i) for i in op.inputs)
            body.add(replace(op, inputs=inputs, outputs=(held[layer.output],), debug_metadata_index=-1))
        return held[patches.net.result]
