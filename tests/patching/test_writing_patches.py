"""Regions of patches, worked out by hand, and against the whole map position by position."""

from __future__ import annotations

import random

import pytest
from random_networks import random_network

from mcuplan.graph import Graph
from mcuplan.operators import model_macs
from mcuplan.operators.geometry.eligibility import Direction
from mcuplan.operators.geometry.stages import PatchStage, halo, mapped
from mcuplan.patching.arena.trials import Trials
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.forms import Kind, StageForm, even_cuts, stage_cost, write_stage
from mcuplan.patching.writing.patches import find_patches
from mcuplan.patching.writing.price import StagePricer
from mcuplan.patching.writing.reader import StageReader, UnsupportedStageError
from mcuplan.proof.function.same_function import same_function
from mcuplan.tflm import DEFAULT_TARGET, Target
from mcuplan.tflm.results import Refusal
from mcuplan.tflm.support import unsupported
from mcuplan.zoo.builder import Builder
from mcuplan.zoo.windows import Padding


def whole(graph: Graph) -> tuple[StageReader, PatchStage]:
    reader = StageReader(graph)
    return reader, list(reader.stages(0))[-1]


def lectures_example(size: int = 8) -> Graph:
    """Two 3x3 convolutions with stride 1 on a map of ``size`` x ``size`` x 2."""
    b = Builder()
    return b.graph([b.conv2d(b.conv2d(b.input((1, size, size, 2)), 2, 3), 2, 3)])


def test_the_lectures_example() -> None:
    """A patch of 4 x 4 needs 8 x 8 of the input, but 6 x 6 at a corner: regions of 6 rows that begin at 0 and 2."""
    reader, stage = whole(lectures_example())
    patches = find_patches(reader.net(stage, "crop"), 4, 4)
    for axis in (patches.rows, patches.columns):
        assert (axis.size, axis.begins, axis.drops, axis.places) == (6, (0, 2), (0, 2), (0, 4))
    assert halo(mapped(reader.graph, stage)) == 4
    assert halo(mapped(reader.graph, stage), Direction.COLUMNS) == 4


def test_patches_inside_need_their_halo_on_both_sides() -> None:
    """Pieces of 4 of 16: those inside begin 2 earlier and end 2 later; those at a border have more than they need."""
    reader, stage = whole(lectures_example(16))
    rows = find_patches(reader.net(stage, "crop"), 4, 16).rows
    assert (rows.size, rows.begins, rows.drops) == (8, (0, 2, 6, 8), (0, 2, 2, 4))
    assert find_patches(reader.net(stage, "crop"), 4, 16).columns.size == 16


def test_pieces_that_do_not_divide_overlap_at_the_end() -> None:
    reader, stage = whole(lectures_example())
    assert find_patches(reader.net(stage, "crop"), 3, 8).rows.places == (0, 3, 5)


def test_strides_bind_where_regions_begin() -> None:
    """SAME with stride 2 on 8 rows pads below only: regions begin at even rows."""
    b = Builder()
    reader, stage = whole(b.graph([b.conv2d(b.input((1, 8, 8, 2)), 2, 3, stride=2)]))
    rows = find_patches(reader.net(stage, "crop"), 2, 4).rows
    assert (rows.size, rows.begins) == (6, (0, 2))  # 5 rows would do, but an odd region is padded above
    assert all(begin % 2 == 0 for begin in rows.begins)


def test_macs_are_those_of_whole_regions() -> None:
    graph = lectures_example()
    reader, stage = whole(graph)
    pricer = StagePricer(reader, Target.parse(DEFAULT_TARGET), None)
    cost = stage_cost(reader, stage, StageForm(Kind.PATCHES, (0, 4, 8), "crop", False, 4), pricer)
    assert cost.whole_macs == model_macs(graph).total == 2 * 64 * 2 * 18
    assert cost.macs == 4 * 2 * 36 * 2 * 18


def test_a_patch_as_large_as_the_map_is_none() -> None:
    reader, stage = whole(lectures_example(4))
    with pytest.raises(UnsupportedStageError, match="need the whole source"):
        find_patches(reader.net(stage, "crop"), 2, 4)


def test_a_stage_that_ends_with_padding_is_written_whole() -> None:
    """Rows of padding at the top of a result were once left unwritten by loops."""
    b = Builder()
    x = b.depthwise_conv2d(b.input((1, 12, 6, 2)), 1, stride=2, padding=Padding.VALID)
    graph = b.graph([b.conv2d(b.pad(x, ((0, 0), (2, 0), (0, 0), (0, 0))), 2, 1)])
    reader = StageReader(graph)
    stage = next(s for s in reader.stages(0) if s.last == 2)
    for rows in (1, 2):
        draft = write_stage(Draft(graph), stage, StageForm(Kind.LOOP, even_cuts(8, rows))).tidy()
        assert same_function(graph, draft.graph) == ()


@pytest.mark.parametrize("precision", ["int8", "int16", "float32"])
def test_a_result_apart_from_its_source_begins_as_tflm_can(precision: str) -> None:
    """FILL takes no int16, which TFLM tells only when it runs."""
    b = Builder(precision=precision)
    graph = b.graph([b.depthwise_conv2d(b.input((1, 8, 8, 2)), 3)])
    reader, stage = whole(graph)
    form = StageForm(Kind.PATCHES, (0, 8), "crop", False, 2)
    assert find_patches(reader.net(stage, "crop"), 8, 2).displaced is None
    draft = write_stage(Draft(graph), stage, form).tidy()
    begun = draft.graph.main.operators[0]
    assert begun.name == ("PAD" if precision == "int16" else "FILL")
    assert unsupported(draft.graph, "cmsis-nn") == unsupported(draft.graph, "reference") == ()
    assert same_function(graph, draft.graph) == ()


def test_what_tflm_would_refuse_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    graph = lectures_example()
    _, stage = whole(graph)
    form = StageForm(Kind.PATCHES, (0, 4, 8), "crop", False, 4)
    assert Trials(graph, Target.parse("cortex-m4+cmsis-nn"))(stage, form) is not None
    loops = Refusal("no loops here", "", "test")
    monkeypatch.setattr(
        "mcuplan.patching.arena.trials.unsupported", lambda graph, _: (loops,) if len(graph.subgraphs) > 1 else ()
    )
    assert Trials(graph, Target.parse("cortex-m4+cmsis-nn"))(stage, form) is None


@pytest.mark.parametrize("seed", range(60))
def test_random_networks_in_patches_compute_every_position_alike(seed: int) -> None:
    graph = random_network(seed)
    draw = random.Random(seed)
    reader = StageReader(graph)
    stages = [s for k in range(len(graph.main.operators)) for s in reader.stages(k)]
    written = 0
    for stage in draw.sample(stages, min(4, len(stages))):
        _, height, width, _ = graph.main.tensors[stage.result].shape
        rows, columns = draw.randint(1, height), draw.randint(1, width)
        form = StageForm(Kind.PATCHES, even_cuts(height, rows), "crop", False, columns)
        try:
            draft = write_stage(Draft(graph), stage, form).tidy()
        except UnsupportedStageError:
            continue
        written += 1
        assert same_function(graph, draft.graph) == (), form
        loop = draft.loops[0]
        assert len(draft.graph.subgraphs[loop.body].operators) <= stage.last - stage.first + 7
    assert written or not stages or all(s.last - s.first for s in stages)
