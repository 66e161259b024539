"""A patch stage as ordinary operators: the forms it can take, what each costs, and how it is written."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product

from mcuplan.graph import Subgraph
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.writing.build import Draft, GraphBuilder, SubgraphBuilder
from mcuplan.patching.writing.cascade import CascadeWriter
from mcuplan.patching.writing.channels import check_channels, write_channels
from mcuplan.patching.writing.estimate import (
    least_cascade,
    least_in_place,
    least_of_cascade,
    least_of_channels,
    least_of_flow,
    least_of_patches,
    least_of_strips,
)
from mcuplan.patching.writing.feed import RowsWriter, rows_again
from mcuplan.patching.writing.flow import check_plain, find_flow
from mcuplan.patching.writing.flow_writer import FlowWriter
from mcuplan.patching.writing.headed import HeadedWriter, find_headed
from mcuplan.patching.writing.in_place import check_in_place, write_in_place
from mcuplan.patching.writing.loop import LoopWriter, find_run
from mcuplan.patching.writing.patches import Patches, PatchWriter, find_patches
from mcuplan.patching.writing.price import Price, Rows, StagePricer
from mcuplan.patching.writing.reader import Form, StageReader, UnsupportedStageError
from mcuplan.patching.writing.rows import StageNet, StripRows, stage_macs, strip_windows
from mcuplan.patching.writing.strips import StripWriter
from mcuplan.rewriting.edit import without_signed_input


class Kind(enum.StrEnum):
    """How the strips or patches of a stage are written."""

    STRIPS = "strips"
    """One after the other, each with operators of its own."""
    BORDERED_LOOP = "bordered loop"
    """Strips that are alike as one loop, those at the borders of the map before and behind it."""
    LOOP = "loop"
    """One loop through which rows flow, borders included."""
    HEADED_LOOP = "headed loop"
    """The same with the first strip before the loop: then no turn is spent on filling it."""
    CASCADE = "cascade"
    """The same with the first layers several times a turn, on fewer rows each time."""
    PATCHES = "patches"
    """One loop over patches in two dimensions."""
    CHANNELS = "channels"
    """A convolution, and what behind it takes each channel by itself, in parts by output channels."""
    IN_PLACE = "in place"
    """One 1x1 convolution, whole, by a kernel that lets its result lie over its source."""


@dataclass(frozen=True, slots=True, order=True)
class StageForm:
    """How to write a stage.

    ``cuts`` are the rows of the result where strips begin, 0 first, and its height last; loops and patches take
    strips of ``cuts[1]`` rows. Of :attr:`Kind.CHANNELS` they are channels, of :attr:`Kind.IN_PLACE` 0 and the
    height. ``padding`` tells how SAME padding is kept,
    ``stream`` whether rows that the next strip needs again are kept or computed again. ``columns`` are the columns of a
    patch. ``fast`` tells that rows are copied by GATHER and not by SLICE, which takes a tenth of the instructions and a
    few bytes more.
    """

    kind: Kind
    cuts: tuple[int, ...]
    padding: Form = "pad"
    stream: bool = True
    columns: int = 0
    fast: bool = False

    @property
    def strips(self) -> int:
        """Number of strips, or of rows of patches."""
        return len(self.cuts) - 1


def even_cuts(height: int, rows: int) -> tuple[int, ...]:
    """Strips of ``rows`` rows each, the last one with what is left."""
    return (*range(0, height, rows), height)


def stage_strips(reader: StageReader, stage: PatchStage, form: StageForm) -> tuple[StageNet, list[StripRows]]:
    """The stage's layers and the windows of each of its strips."""
    net = reader.net(stage, form.padding)
    keep = set(net.tensors) - net.free if form.stream else set()
    return net, strip_windows(net, form.cuts, keep)


@dataclass(frozen=True, slots=True)
class StageCost:
    """MACs and instructions of a stage's operators run whole and in a form, and the least bytes that the form takes.

    ``inside`` are bytes in use while it runs, ``growth`` those by which the persistent section grows. Instructions are
    0 where the target has no cost model.
    """

    whole_macs: int
    macs: int
    inside: int
    growth: int
    whole_instructions: float = 0.0
    instructions: float = 0.0

    @property
    def extra_macs(self) -> int:
        """MACs that the stage adds."""
        return self.macs - self.whole_macs


def stage_rows(reader: StageReader, stage: PatchStage, form: StageForm, pricer: StagePricer) -> Rows:
    """What a form's rows tell of it, before they are priced.

    Raises
    ------
    UnsupportedStageError
        Where the stage cannot be written in this form.
    """
    key = stage, form.kind, form.cuts, form.padding, form.stream, form.columns, form.kind is Kind.LOOP and form.fast
    if pricer.recent is None or pricer.recent[0] != key:  # forms that differ in how they are copied follow one another
        pricer.recent = key, _rows(reader, stage, form, pricer)
    return pricer.recent[1]


def stage_cost(reader: StageReader, stage: PatchStage, form: StageForm, pricer: StagePricer) -> StageCost:
    """What a stage costs in a form, without writing it out.

    Raises
    ------
    UnsupportedStageError
        Where the stage cannot be written in this form.
    """
    found = stage_rows(reader, stage, form, pricer)
    price = found.price(form.fast)
    return StageCost(
        found.net.whole_macs, found.macs, found.inside, price.growth, pricer.whole(stage), price.instructions
    )


def _rows(reader: StageReader, stage: PatchStage, form: StageForm, pricer: StagePricer) -> Rows:
    """What a form's rows tell of it, and how they are priced."""
    _check(reader, stage, form)
    if form.kind is Kind.CHANNELS:
        check_channels(reader.graph, stage, form.cuts)
        net = reader.net(stage, "crop")
        taken, own, calls = pricer.keeps.parts(stage, form.cuts)
        inside = least_of_channels(net, form.cuts, own, _stays(reader, stage))
        return Rows(net, net.whole_macs, inside, lambda _: pricer.channels(calls, taken))
    if form.kind is Kind.IN_PLACE:
        check_in_place(reader.graph, stage)
        net = reader.net(stage, "crop")
        added, own_scratch = pricer.keeps.in_place(stage)
        inside = least_in_place(net, own_scratch, _stays(reader, stage))
        return Rows(net, net.whole_macs, inside, lambda _: pricer.in_place(stage, added))
    over, scratch = _is_over(reader, stage), pricer.keeps.scratch
    if form.kind is Kind.PATCHES:
        patches = _patches(reader, stage, form)
        inside = least_of_patches(patches, over, scratch)
        return Rows(patches.net, patches.macs, inside, lambda fast: pricer.patches(patches, fast, over))
    if form.kind is Kind.HEADED_LOOP:
        headed = find_headed(reader.net(stage, form.padding), form.cuts[1])
        macs = (
            stage_macs(headed.net, [headed.head]) + stage_macs(headed.flow.net, [headed.flow.strip]) * headed.flow.turns
        )
        inside = least_of_flow(headed.flow, over, scratch)
        return Rows(headed.net, macs, inside, lambda fast: pricer.headed(headed, fast))
    if form.kind is Kind.CASCADE:
        cascade = least_cascade(reader.net(stage, form.padding), form.cuts[1])
        first, second = (stage_macs(flow.net, [flow.strip]) for flow in (cascade.first, cascade.second))
        macs = (first * cascade.times + second) * cascade.second.turns
        inside = least_of_cascade(cascade, scratch)
        return Rows(reader.net(stage, "pad"), macs, inside, lambda fast: pricer.cascade(cascade, fast))
    if form.kind is Kind.LOOP:
        flow = find_flow(reader.net(stage, form.padding), form.cuts[1], form.fast)
        if reader.plain:
            check_plain(flow)
        macs = stage_macs(flow.net, [flow.strip]) * flow.turns
        inside = least_of_flow(flow, not _stays(reader, stage), scratch)
        return Rows(reader.net(stage, form.padding), macs, inside, lambda fast: pricer.flow(flow, fast, over))
    net, strips = stage_strips(reader, stage, form)
    run = find_run(net, strips) if form.kind is Kind.BORDERED_LOOP else None
    inside = least_of_strips(net, strips, run, _stays(reader, stage), scratch)
    priced: list[Callable[[bool], Price]] = []

    def price(fast: bool) -> Price:
        if not priced:
            priced.append(pricer.strips(net, strips, run))
        return priced[0](fast)

    return Rows(net, stage_macs(net, strips), inside, price)


def _check(reader: StageReader, stage: PatchStage, form: StageForm) -> None:
    """Raise UnsupportedStageError where a form that looks at its source anywhere gets it by rows, or where it writes
    to any place of its result and the TFLM has no operator for that."""
    if reader.plain and form.kind in (Kind.BORDERED_LOOP, Kind.HEADED_LOOP, Kind.CASCADE, Kind.PATCHES):
        raise UnsupportedStageError(f"a {form.kind} is not written without DYNAMIC_UPDATE_SLICE")
    if form.padding == "wide" and not (form.fast and form.kind in (Kind.LOOP, Kind.CASCADE)):
        raise UnsupportedStageError(f"a {form.kind} whose rows are not gathered is not made wide")
    if form.kind in (Kind.CHANNELS, Kind.PATCHES, Kind.IN_PLACE) and stage.source == reader.streamed:
        raise UnsupportedStageError(f"the form {form.kind} reads all of its source, which comes by rows")


def _is_over(reader: StageReader, stage: PatchStage) -> bool:
    """Whether nobody reads the source behind the stage, so that the result may take its place; not where all of the
    result moves each turn."""
    return not reader.plain and not _stays(reader, stage)


def _stays(reader: StageReader, stage: PatchStage) -> bool:
    """Whether the source is read, or given out, behind the stage."""
    main = reader.graph.main
    return stage.source in main.outputs or max(main.consumers[stage.source]) >= stage.last


def _inside(reader: StageReader, stage: PatchStage, form: StageForm) -> int:
    """Bytes that strips have in use at least."""
    return least_of_strips(*stage_strips(reader, stage, form), None, _stays(reader, stage), {})


def balanced(reader: StageReader, stage: PatchStage, form: StageForm) -> StageForm:
    """The form with its strips made uneven, so that the hungriest of them needs less; the form itself where none does.

    Borders between strips are moved one at a time, by ever smaller steps, as long as that helps.
    """
    best, step = form, max(form.cuts[1] // 2, 1)
    least = _inside(reader, stage, form)
    while step:
        found = best
        for i, way in product(range(1, best.strips), (-step, step)):
            cuts = (*found.cuts[:i], found.cuts[i] + way, *found.cuts[i + 1 :])
            if not cuts[i - 1] < cuts[i] < cuts[i + 1]:
                continue
            moved = replace(found, cuts=cuts)
            try:
                inside = _inside(reader, stage, moved)
            except UnsupportedStageError:
                continue
            if inside < least:
                found, least = moved, inside
        step = step if found is not best else step // 2
        best = found
    return best


def _patches(reader: StageReader, stage: PatchStage, form: StageForm) -> Patches:
    return find_patches(reader.net(stage, "crop"), form.cuts[1], form.columns)


def write_stage(draft: Draft, stage: PatchStage, form: StageForm) -> Draft:
    """The graph with a stage run strip by strip; its result is the same bit for bit.

    Write the last stage of a graph first: operators behind a stage get other indices.
    """
    reader = StageReader(draft.graph, draft.streamed, draft.plain)
    parent = GraphBuilder(draft, form.fast)
    main = draft.graph.main
    builder = SubgraphBuilder(parent, 0, list(main.tensors))
    builder.operators.extend(main.operators[: stage.first])
    over = _is_over(reader, stage)
    loops: tuple[Subgraph, ...] = ()
    _check(reader, stage, form)
    if form.kind is Kind.CHANNELS:
        write_channels(builder, stage, form.cuts)
    elif form.kind is Kind.IN_PLACE:
        write_in_place(builder, stage)
    elif form.kind is Kind.PATCHES:
        loops = PatchWriter(parent, builder, _patches(reader, stage, form), stage, over).write()
    elif form.kind is Kind.HEADED_LOOP:
        headed = find_headed(reader.net(stage, form.padding), form.cuts[1])
        loops = HeadedWriter(parent, builder, headed, stage).write()
    elif form.kind is Kind.CASCADE:
        cascade = least_cascade(reader.net(stage, form.padding), form.cuts[1])
        loops = CascadeWriter(parent, builder, cascade, stage).write()
    elif form.kind is Kind.LOOP:
        flow = find_flow(reader.net(stage, form.padding), form.cuts[1], form.fast)
        if reader.plain:
            check_plain(flow)
        loops = FlowWriter(parent, builder, flow, stage, over).write()
    else:
        net, strips = stage_strips(reader, stage, form)
        if form.kind is Kind.BORDERED_LOOP:
            loops = LoopWriter(parent, builder, net, stage, strips, over).write()
        else:
            _unrolled(builder, StripWriter(builder, net, main.operators), stage, strips)
    added = len(builder.operators) - stage.last
    builder.operators.extend(main.operators[stage.last :])
    fed = stage.source == draft.streamed
    inputs = tuple(t for t in main.inputs if not (fed and t == stage.source))
    subgraph = replace(main, tensors=tuple(builder.tensors), operators=tuple(builder.operators), inputs=inputs)
    older = [replace(loop, operator=loop.operator + added) for loop in draft.loops]
    graph = replace(
        draft.graph,
        buffers=tuple(parent.buffers),
        subgraphs=(subgraph, *draft.graph.subgraphs[1:], *loops),
    )
    graph = without_signed_input(graph, stage.source) if fed else graph
    streamed = None if fed else draft.streamed
    return Draft(graph, tuple(parent.ties), (*older, *parent.loops), frozenset(parent.own), streamed, draft.plain)


def _unrolled(builder: SubgraphBuilder, writer: StripWriter, stage: PatchStage, strips: Sequence[StripRows]) -> None:
    parts = []
    net = writer.net
    feed = None if net.feed is None else RowsWriter(net, rows_again(net, strips))
    for j, strip in enumerate(strips):
        after = strips[j + 1] if j + 1 < len(strips) else None
        if feed is None:
            part = writer.write(stage.source, 0, strip, after, f"strip{j}")
        else:
            given = feed.strip(builder, strip, f"{feed.feed.picture.name}/rows{j}")
            part = writer.write(given, strip[net.source].low, strip, after, f"strip{j}")
        if part is not None:
            parts.append(part)
    result = builder.tensors[stage.result]
    builder.stacked(parts, result, result.name, into=stage.result)
