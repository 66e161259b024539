"""A patch stage written as ordinary operators of the main subgraph, strip after strip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mcuplan.graph import Subgraph
from mcuplan.patching.writing.build import Draft, GraphBuilder, SubgraphBuilder
from mcuplan.patching.writing.estimate import Least, least_of_flow, least_of_strips
from mcuplan.patching.writing.flow import FlowWriter, find_flow
from mcuplan.patching.writing.loop import LoopWriter, find_run
from mcuplan.patching.writing.reader import Form, Stage, StageReader
from mcuplan.patching.writing.rows import StageNet, Strip, stage_macs, strip_windows
from mcuplan.patching.writing.strips import StripWriter


@dataclass(frozen=True, slots=True, order=True)
class StageForm:
    """How to write a stage: rows of the result where strips begin (and its height), padding, streaming, rolling.

    ``flow`` is one loop without border strips; its strips have ``cuts[1]`` rows.
    """

    cuts: tuple[int, ...]
    form: Form = "pad"
    stream: bool = True
    rolled: bool = False
    flow: bool = False

    @property
    def strips(self) -> int:
        """Number of strips."""
        return len(self.cuts) - 1


def even_cuts(height: int, rows: int) -> tuple[int, ...]:
    """Strips of ``rows`` rows each, the last one with what is left."""
    return (*range(0, height, rows), height)


def stage_strips(reader: StageReader, stage: Stage, form: StageForm) -> tuple[StageNet, list[Strip]]:
    """The stage's layers and the windows of each of its strips."""
    net = reader.net(stage, form.form)
    keep = set(net.tensors) - net.free() if form.stream else set()
    return net, strip_windows(net, form.cuts, keep)


@dataclass(frozen=True, slots=True)
class StageCost:
    """MACs of a stage's operators run whole, MACs of the stage in a form, and the least bytes that it takes."""

    whole_macs: int
    macs: int
    least: Least

    @property
    def extra_macs(self) -> int:
        """MACs that the stage adds."""
        return self.macs - self.whole_macs


def stage_cost(reader: StageReader, stage: Stage, form: StageForm) -> StageCost:
    """What a stage costs in a form, without writing it out.

    Raises
    ------
    UnsupportedStageError
        Where the stage cannot be written in this form.
    """
    if form.flow:
        net = reader.net(stage, form.form)
        flow = find_flow(net, form.cuts[1])
        macs, least = stage_macs(flow.net, [flow.strip]) * flow.turns, least_of_flow(flow)
    else:
        net, strips = stage_strips(reader, stage, form)
        macs, least = (
            stage_macs(net, strips),
            least_of_strips(net, strips, find_run(net, strips) if form.rolled else None),
        )
    return StageCost(sum(layer.row_macs * net.height(layer.output) for layer in net.layers), macs, least)


def write_stage(draft: Draft, stage: Stage, form: StageForm) -> Draft:
    """The graph with a stage run strip by strip; its result is the same bit for bit.

    Write the last stage of a graph first: operators behind a stage get other indices.
    """
    net, strips = stage_strips(StageReader(draft.graph), stage, form)
    parent = GraphBuilder(draft)
    main = draft.graph.main
    builder = SubgraphBuilder(parent, 0, list(main.tensors))
    builder.operators.extend(main.operators[: stage.first])
    over = stage.source not in main.outputs and max(main.consumers[stage.source]) < stage.last
    loops: tuple[Subgraph, ...] = ()
    if form.flow:
        loops = FlowWriter(parent, builder, net, stage, form.cuts[1], over).write()
    elif form.rolled:
        loops = LoopWriter(parent, builder, net, stage, strips, over).write()
    else:
        _unrolled(builder, StripWriter(builder, net, main.operators), stage, strips)
    added = len(builder.operators) - stage.last
    builder.operators.extend(main.operators[stage.last :])
    subgraph = replace(main, tensors=tuple(builder.tensors), operators=tuple(builder.operators))
    older = [replace(loop, operator=loop.operator + added) for loop in draft.loops]
    graph = replace(
        draft.graph,
        buffers=tuple(parent.buffers),
        subgraphs=(subgraph, *draft.graph.subgraphs[1:], *loops),
    )
    return Draft(graph, tuple(parent.ties), (*older, *parent.loops), frozenset(parent.own))


def _unrolled(builder: SubgraphBuilder, writer: StripWriter, stage: Stage, strips: Sequence[Strip]) -> None:
    parts = []
    for j, strip in enumerate(strips):
        after = strips[j + 1] if j + 1 < len(strips) else None
        part = writer.write(stage.source, 0, strip, after, f"strip{j}")
        if part is not None:
            parts.append(part)
    result = builder.tensors[stage.result]
    builder.stacked(parts, result, result.name, into=stage.result)
