"""The static check of a plan, on plans whose faults are known and on random ones that a toy runtime executes."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
import runtimes
from drawn.hand_models import ROLLED, loop
from drawn.random_models import (
    WIDTH,
    any_graph,
    corrupted,
    counted_graph,
    outputs_of,
    pinned,
    placement,
    random_graph,
    random_plan,
)
from drawn.sketch import Sketch, planned
from drawn.toy_executor import apart

from mcuplan import tflite, zoo
from mcuplan.graph import DType, Graph
from mcuplan.proof.memory import steps
from mcuplan.proof.memory.clobbers import APPLICATION, ClobberKind
from mcuplan.proof.memory.static_check import static_check


def sole(graph: Graph) -> tuple[str, int, int, int, int]:
    """(kind, operator, tensor, first byte, byte behind the last) of the only finding."""
    (found,) = static_check(graph)
    return found.kind.value, found.reader.operator, found.reader.tensor, found.begin, found.end


# -- faults by hand ------------------------------------------------------------------------------------------------


def test_a_live_tensor_overwritten_names_reader_bytes_and_writer() -> None:
    s = Sketch()
    x = s.input(1, 32)
    a = s.opaque(x)  # operator 0
    b = s.opaque(a)  # 1
    c = s.opaque(b)  # 2
    y = s.add(c, a)  # 3 reads a, which must outlive operators 1 and 2
    graph = planned(s.graph(y), {x: 0, a: 32, b: 0, c: 48, y: 128})
    (found,) = static_check(graph)
    assert (found.kind, found.reader.operator, found.reader.tensor) == (ClobberKind.OVERWRITTEN, 3, a)
    assert (found.begin, found.end) == (48, 64)
    assert found.writer is not None
    assert (found.writer.operator, found.writer.operator_name, found.writer.tensor) == (2, "MAXIMUM", c)
    assert str(found) == (
        "operator 3 (ADD) reads tensor 1 't1', but bytes 48 to 64 of the arena were overwritten by operator 2 "
        "(MAXIMUM) with tensor 3 't3'"
    )


def test_the_same_tensors_apart_are_safe() -> None:
    s = Sketch()
    x = s.input(1, 32)
    a = s.opaque(x)
    b = s.opaque(a)
    c = s.opaque(b)
    y = s.add(c, a)
    assert static_check(planned(s.graph(y), {x: 0, a: 32, b: 0, c: 64, y: 64})) == ()


def test_an_unknown_operator_may_not_write_over_its_input() -> None:
    s = Sketch()
    x = s.input(1, 32)
    y = s.opaque(x)
    assert sole(planned(s.graph(y), {x: 0, y: 16})) == ("overlap", 0, x, 16, 32)
    assert sole(planned(s.graph(y), {x: 0, y: 0})) == ("overlap", 0, x, 0, 32)


def test_elementwise_over_a_dying_input_only_at_its_start() -> None:
    s = Sketch()
    x = s.input(1, 32)
    y = s.relu(x)
    assert static_check(planned(s.graph(y), {x: 16, y: 16})) == ()
    assert sole(planned(s.graph(y), {x: 16, y: 0})) == ("overlap", 0, x, 16, 32)
    assert sole(planned(s.graph(y), {x: 0, y: 4})) == ("overlap", 0, x, 4, 32)


def test_elementwise_over_an_input_that_is_read_again() -> None:
    s = Sketch()
    x = s.input(1, 32)
    a = s.relu(x)
    y = s.opaque(a, x)
    assert sole(planned(s.graph(y), {x: 0, a: 0, y: 32}))[:3] == ("overwritten", 1, x)


def test_broadcasting_elementwise_is_not_safe() -> None:
    s = Sketch()
    x = s.input(1, 4, 8)
    small = s.input(1, 1, 8)
    y = s.op("ADD", [x, small], (1, 4, 8))
    assert sole(planned(s.graph(y), {x: 0, small: 32, y: 0})) == ("overlap", 0, x, 0, 32)


def test_both_inputs_of_an_addition_may_be_the_output() -> None:
    s = Sketch()
    x = s.input(1, 32)
    y = s.add(x, x)
    assert static_check(planned(s.graph(y), {x: 0, y: 0})) == ()


def test_one_input_under_the_output_does_not_excuse_the_other() -> None:
    s = Sketch()
    a = s.input(1, 32)
    b = s.input(1, 32)
    y = s.add(a, b)
    assert static_check(planned(s.graph(y), {a: 0, b: 32, y: 0})) == ()
    found = static_check(planned(s.graph(y), {a: 0, b: 16, y: 0}))
    assert {(f.kind.value, f.reader.tensor) for f in found} == {("overwritten", a), ("overwritten", b), ("overlap", b)}


def test_reshape_onto_itself_and_onto_a_part_of_itself() -> None:
    s = Sketch()
    x = s.input(1, 32)
    y = s.reshape(x, 4, 8)
    assert static_check(planned(s.graph(y), {x: 0, y: 0})) == ()
    assert sole(planned(s.graph(y), {x: 0, y: 16})) == ("partial copy", 0, x, 16, 32)


def test_a_reshape_in_place_still_holds_both_tensors() -> None:
    s = Sketch()
    x = s.input(1, 32)
    y = s.reshape(x, 4, 8)
    z = s.opaque(y)
    w = s.concat([s.reshape(z, 1, 32), x], 1)  # x is read again long after y took its place
    assert static_check(planned(s.graph(w), {x: 0, y: 0, z: 32})) == ()


def test_parts_of_a_concatenation_in_their_places() -> None:
    s = Sketch()
    x = s.input(1, 2, 16)
    a = s.opaque(x)
    b = s.opaque(x)
    y = s.concat([a, b], 1)
    assert static_check(planned(s.graph(y), {x: 128, a: 0, b: 32, y: 0})) == ()
    # In each other's place: the first copy overwrites what the second has to copy.
    assert sole(planned(s.graph(y), {x: 128, a: 32, b: 0, y: 0})) == ("overwritten", 2, b, 0, 32)
    # Half beside its place.
    assert sole(planned(s.graph(y), {x: 128, a: 0, b: 48, y: 0})) == ("partial copy", 2, b, 48, 64)


def test_parts_between_other_parts_are_not_contiguous() -> None:
    s = Sketch()
    x = s.input(1, 2, 16)
    a = s.opaque(x)
    b = s.opaque(x)
    y = s.concat([a, b], 2)  # rows of a and b take turns
    assert {f.kind for f in static_check(planned(s.graph(y), {x: 64, a: 0, b: 32, y: 0}))} == {ClobberKind.OVERWRITTEN}


def test_a_concatenated_part_that_was_overwritten_meanwhile() -> None:
    s = Sketch()
    x = s.input(1, 2, 16)
    a = s.opaque(x)
    b = s.opaque(x)
    y = s.concat([a, b], 1)
    assert sole(planned(s.graph(y), {x: 64, a: 0, b: 16, y: 128})) == ("overwritten", 2, a, 16, 32)


def test_slices_of_rows_inside_their_source() -> None:
    s = Sketch()
    x = s.input(1, 8, 16)
    top = s.slice(x, (0, 0, 0), (1, 4, 16))
    bottom = s.slice(x, (0, 3, 0), (1, 5, 16))
    y = s.opaque(top)
    z = s.opaque(bottom)
    assert static_check(planned(s.graph(y, z), {x: 0, top: 0, bottom: 48, y: 128, z: 192})) == ()


def test_a_slice_one_row_off_is_copied_onto_a_part_of_itself() -> None:
    """SLICE copies element by element, the lowest first: rows go down over themselves unharmed, and not up."""
    s = Sketch()
    x = s.input(1, 8, 16)
    y = s.opaque(s.slice(x, (0, 3, 0), (1, 5, 16)))
    assert static_check(planned(s.graph(y), {x: 0, y - 1: 32, y: 192})) == ()
    assert sole(planned(s.graph(y), {x: 0, y - 1: 64, y: 192})) == ("partial copy", 0, x, 64, 128)


def test_a_slice_may_take_the_place_of_where_it_begins() -> None:
    """The counter of a loop: looked up in a table, it replaces itself."""
    s = Sketch()
    at = s.input(1, dtype=DType.INT32)
    table = s.constant([3, 0, 0, 6])
    after = s.op("SLICE", [table, at, s.constant([1])], (1,))
    y = s.opaque(after)
    assert static_check(planned(s.graph(y), {at: 0, after: 0, y: 64})) == ()
    assert "overlap" in {f.kind.value for f in static_check(planned(s.graph(y), {at: 2, after: 0, y: 64}))}


def test_rows_that_went_down_are_gone_where_they_were() -> None:
    s = Sketch()
    x = s.input(1, 8, 16)
    y = s.opaque(s.slice(x, (0, 3, 0), (1, 5, 16)))
    z = s.opaque(x)
    assert sole(planned(s.graph(y, z), {x: 0, y - 1: 32, y: 192, z: 320})) == ("overwritten", 2, x, 32, 112)


@pytest.mark.parametrize(
    ("rows", "at", "safe"),
    [
        ([0, 1, 2, 3], 0, True),  # each onto itself
        ([5, 1, 2, 5], 0, True),  # two rows replaced by a later one
        ([2, 3, 4, 5], 0, True),  # all go down
        ([0, 1, 2, 3], 2, False),  # row 2 is overwritten by row 0
        ([0, 0, 1, 2], 0, False),  # row 1 is overwritten before it is read
        ([0, 1, 2, 3], 1, False),  # all go up: row 1 is overwritten by row 0
    ],
)
def test_gathered_rows_in_place(rows: list[int], at: int, safe: bool) -> None:
    """GATHER copies row after row: a row may be overwritten once it was read for the last time; TFLM does the same."""
    s = Sketch()
    x = s.relu(s.input(1, 6, 4, 4))
    y = s.op("GATHER", [x, s.constant(rows)], (1, 4, 4, 4), axis=1)
    z = s.relu(y)
    model = planned(s.graph(z), {0: 256, x: 0, y: 16 * at, z: 512})
    assert (static_check(model) == ()) is safe
    if safe:
        runtimes.require("tflm")
        picture = bytes(range(96))
        assert runtimes.run_tflm(tflite.write(model), [picture]) == runtimes.run_tflm(
            tflite.write(s.graph(z)), [picture]
        )


def test_padding_around_an_input_in_place() -> None:
    """PAD fills 16 bytes, copies 32 onto themselves and fills 16; one byte further the fill covers the input."""
    s = Sketch()
    x = s.input(1, 2, 16)
    y = s.opaque(s.pad(x, ((0, 0), (1, 1), (0, 0))))
    assert static_check(planned(s.graph(y), {x: 16, y - 1: 0, y: 128})) == ()
    found = static_check(planned(s.graph(y), {x: 0, y - 1: 0, y: 128}))
    assert [(f.kind.value, f.reader.operator, f.begin, f.end) for f in found] == [
        ("overwritten", 0, 0, 16), ("partial copy", 0, 16, 32),
    ]  # fmt: skip
    assert sole(planned(s.graph(y), {x: 32, y - 1: 0, y: 128})) == ("partial copy", 0, x, 32, 48)


def test_padding_fills_what_lies_there() -> None:
    s = Sketch()
    x = s.input(1, 2, 16)
    other = s.opaque(x)
    y = s.opaque(s.pad(x, ((0, 0), (1, 1), (0, 0))))
    z = s.opaque(other)
    placed = {x: 16, y - 1: 0, other: 48, y: 128, z: 192}
    assert sole(planned(s.graph(y, z), placed)) == ("overwritten", 3, other, 48, 64)


def test_dead_rows_of_an_input_may_be_overwritten() -> None:
    """A window: rows that no later slice reads are free while the others are still needed."""
    s = Sketch()
    x = s.input(1, 8, 16)
    top = s.slice(x, (0, 0, 0), (1, 4, 16))
    a = s.opaque(top)  # takes rows 0 to 3 of x
    bottom = s.slice(x, (0, 4, 0), (1, 4, 16))
    b = s.opaque(bottom)
    safe = {x: 0, top: 128, a: 0, bottom: 64, b: 128}
    assert static_check(planned(s.graph(a, b), safe)) == ()
    # One row further and the second slice reads what is gone, and takes what it should not.
    found = static_check(planned(s.graph(a, b), safe | {a: 16}))
    assert [(f.kind.value, f.reader.operator, f.reader.tensor, f.begin, f.end) for f in found] == [
        ("overwritten", 2, x, 64, 80), ("overwritten", APPLICATION, a, 64, 80),
    ]  # fmt: skip


def test_split_and_unpack_pieces_inside_their_source() -> None:
    s = Sketch()
    x = s.input(1, 4, 16)
    a, b = s.tensor(1, 2, 16), s.tensor(1, 2, 16)
    s.into("SPLIT", [s.constant((1,), ()), x], [a, b], num_splits=2)
    y = s.add(a, b)
    assert static_check(planned(s.graph(y), {x: 0, a: 0, b: 32, y: 0})) == ()
    assert {f.reader.tensor for f in static_check(planned(s.graph(y), {x: 0, a: 32, b: 0, y: 64}))} == {x}


def test_an_update_in_place() -> None:
    s = Sketch()
    x = s.input(1, 4, 16)
    part = s.input(1, 1, 16)
    where = s.input(3, dtype=DType.INT32)
    y = s.op("DYNAMIC_UPDATE_SLICE", [x, part, where], (1, 4, 16))
    assert static_check(planned(s.graph(y), {x: 0, part: 64, where: 80, y: 0})) == ()
    assert sole(planned(s.graph(y), {x: 0, part: 96, where: 112, y: 32})) == ("partial copy", 0, x, 32, 64)
    overlapping = static_check(planned(s.graph(y), {x: 128, part: 16, where: 80, y: 0}))
    assert ("overlap", part) in {(f.kind.value, f.reader.tensor) for f in overlapping}


def test_scratch_is_checked_where_tflm_puts_it() -> None:
    """TFLM's planner does not follow an IF that only the old one-byte code names: what the branch uses, scratch and
    all, lies over tensors that are alive."""
    s = Sketch()
    x, keep = s.input(1, 64), s.input(1, 64)
    choice = s.input(1, dtype=DType.BOOL)
    branch = Sketch(s.buffers)
    z = branch.op("SUM", [branch.input(1, 64), branch.constant((1,))], (1,))
    y = s.tensor(1)
    s.into("IF", [choice, x], [y], then_subgraph_index=1, else_subgraph_index=1)
    w = s.opaque(keep)
    graph = s.graph(y, w, others=[branch.subgraph(z)])
    assert static_check(graph) == ()
    old = replace(graph.main.operators[0].code, builtin_code=0)
    operators = (replace(graph.main.operators[0], code=old), *graph.main.operators[1:])
    found = static_check(replace(graph, subgraphs=(replace(graph.main, operators=operators), graph.subgraphs[1])))
    assert [str(f) for f in found] == [
        "operator 1 (MAXIMUM) reads tensor 1 't1', but bytes 64 to 113 of the arena were overwritten by operator 0 "
        "(SUM) of subgraph 1 with its scratch"
    ]


# -- the ends of a model -------------------------------------------------------------------------------------------


def test_an_output_must_last_to_the_end() -> None:
    s = Sketch()
    x = s.input(1, 32)
    early = s.opaque(x)
    late = s.opaque(x)
    graph = planned(s.graph(early, late), {x: 0, early: 32, late: 48})
    assert sole(graph) == ("overwritten", APPLICATION, early, 48, 64)
    assert str(static_check(graph)[0]).startswith("the application reads tensor 1 't1', but bytes 48 to 64")


def test_inputs_may_not_share_bytes_even_where_one_is_not_read() -> None:
    s = Sketch()
    a = s.input(1, 32)
    b = s.input(1, 32)
    y = s.opaque(a)
    assert sole(planned(s.graph(y), {a: 0, b: 16, y: 64})) == ("overwritten", 0, a, 16, 32)


def test_an_input_may_be_overwritten_when_it_is_done_with() -> None:
    s = Sketch()
    x = s.input(1, 32)
    y = s.opaque(s.opaque(x))
    assert static_check(planned(s.graph(y), {x: 0, y: 0})) == ()


def test_reading_what_nothing_wrote() -> None:
    s = Sketch()
    x = s.input(1, 32)
    orphan = s.tensor(1, 32)
    y = s.add(x, orphan)
    (found,) = static_check(s.graph(y))
    assert (found.kind, found.reader.tensor, found.writer) == (ClobberKind.UNWRITTEN, orphan, None)


def test_unaligned_and_negative_offsets() -> None:
    s = Sketch()
    x = s.input(1, 32)
    y = s.opaque(x)
    assert static_check(planned(s.graph(y), {x: 0, y: 33})) == ()  # bytes may lie anywhere
    words = Sketch()
    n = words.input(8, dtype=DType.INT32)
    m = words.op("MAXIMUM", [n, n], (8,))
    assert sole(planned(words.graph(m), {n: 0, m: 34})) == ("unaligned", APPLICATION, m, 34, 66)
    assert sole(planned(s.graph(y), {x: -16, y: 32})) == ("outside", APPLICATION, x, -16, 16)
    other = static_check(planned(s.graph(y), {x: 0, y: 36}), "esp32s3+esp-nn")
    assert [(f.kind.value, f.detail) for f in other] == [("unaligned", "16")]


def test_variables_in_the_plan() -> None:
    s = Sketch()
    x = s.input(1, 32)
    state = s.tensor(1, 32, variable=True)
    y = s.add(x, state)
    assert static_check(planned(s.graph(y), {x: 0, y: 32})) == ()
    assert sole(planned(s.graph(y), {x: 0, y: 32, state: 64})) == ("variable", APPLICATION, state, 64, 64)


def test_a_variable_of_another_subgraph_that_tflm_forgets() -> None:
    """AllocateVariables looks up the offset of the main subgraph's tensor with the same index."""
    s = Sketch()
    x = s.input(1, 32)
    choice = s.input(1, dtype=DType.BOOL)
    branch = Sketch(s.buffers)
    state = branch.tensor(1, 32, variable=True)
    z = branch.add(branch.input(1, 32), state)
    y = s.tensor(1, 32)
    s.into("IF", [choice, x], [y], then_subgraph_index=1, else_subgraph_index=1)
    graph = s.graph(y, others=[branch.subgraph(z)])
    assert state == x == 0
    assert static_check(graph) == ()
    assert static_check(planned(graph, {choice: 64})) == ()
    (found,) = static_check(planned(graph, {x: 0}))
    assert (found.kind, found.reader.subgraph, found.reader.tensor) == (ClobberKind.NO_MEMORY, 1, state)


def test_a_plan_that_tflm_refuses() -> None:
    s = Sketch()
    y = s.relu(s.input(1, 32))
    from mcuplan.rewriting.edit import set_offline_plan

    (found,) = static_check(set_offline_plan(s.graph(y), [0]))
    assert found.kind is ClobberKind.REFUSED
    assert "holds 1 offsets for 2 tensors" in str(found)


# -- control flow --------------------------------------------------------------------------------------------------


def test_a_loop_with_all_its_variables_in_place() -> None:
    graph, names = loop()
    assert static_check(graph) == ()
    assert static_check(pinned(graph, {names[n]: at for n, at in ROLLED.items()})) == ()


@pytest.mark.parametrize(
    ("name", "at"),
    [
        ("verdict", 64),  # the condition writes over the sum
        ("body sum", 0),  # the first turn destroys what the second reads
        ("body big", 32),  # copied onto a part of itself
        ("cond big", 64),  # the condition's copy of one variable over another
        ("total'", 0),
        ("body more", 32),
    ],
)  # fmt: skip
def test_loop_carried_clobbers(name: str, at: int) -> None:
    graph, names = loop()
    assert static_check(pinned(graph, {names[n]: where for n, where in (ROLLED | {name: at}).items()}))


def test_a_loop_that_may_not_run_and_may_run() -> None:
    """Its variables in place of what it began with: right if it runs, and wrong if that is read afterwards."""
    graph, names = loop()
    total, again = names["total"], names["y"]
    rolled = {names[n]: at for n, at in ROLLED.items()}
    reads_it_again = replace(graph.main.operators[1], inputs=(names["total'"][1], total[1]))
    main = replace(graph.main, operators=(graph.main.operators[0], reads_it_again))
    changed = replace(graph, subgraphs=(main, *graph.subgraphs[1:]))
    (found,) = static_check(pinned(changed, rolled))
    assert (found.kind, found.reader.operator, found.reader.tensor) == (ClobberKind.OVERWRITTEN, 1, total[1])
    assert static_check(pinned(changed, {**rolled, total: 160, again: 160})) == ()


def test_a_branch_not_taken_still_counts() -> None:
    s = Sketch()
    x, keep = s.input(1, 32), s.input(1, 32)
    choice = s.input(1, dtype=DType.BOOL)
    branches = []
    for _ in range(2):
        branch = Sketch(s.buffers)
        branches.append((branch, branch.opaque(branch.input(1, 32))))
    y = s.tensor(1, 32)
    s.into("IF", [choice, x], [y], then_subgraph_index=1, else_subgraph_index=2)
    z = s.add(y, keep)
    graph = s.graph(z, others=[branch.subgraph(t) for branch, t in branches])
    places = {(0, x): 0, (0, keep): 32, (0, choice): 96, (0, y): 64, (0, z): 64,
              (1, 0): 128, (1, 1): 160, (2, 0): 128, (2, 1): 160}  # fmt: skip
    assert static_check(pinned(graph, places)) == ()
    for t in (1, 2):
        (found,) = static_check(pinned(graph, {**places, (t, 1): 32}))
        assert (found.reader.operator, found.reader.tensor) == (1, keep)
        assert found.writer is not None
        assert (found.writer.subgraph, found.writer.operator_name) == (t, "MAXIMUM")


def laid_over(graph: Graph, rows: int) -> Graph:
    """A counted loop's result so many rows above its picture, all copies of either in one place."""
    op = next(op for op in graph.main.operators if op.name == "WHILE")
    called = graph.subgraphs[1:]
    picture = [(0, op.inputs[1]), (0, op.outputs[1]), *((i, s.inputs[1]) for i, s in enumerate(called, 1))]
    result = [(0, op.inputs[2]), (0, op.outputs[2]), *((i, s.inputs[2]) for i, s in enumerate(called, 1))]
    result.append((2, called[1].outputs[2]))
    offsets = {key: at + 1024 for key, at in placement(graph)[0].items()}
    return pinned(graph, offsets | dict.fromkeys(picture, 96) | dict.fromkeys(result, 96 + rows * WIDTH))


def counted_models() -> list[Graph]:
    """Counted loops whose picture nobody reads afterwards, and is made after what the result begins with."""
    found = []
    for graph in map(counted_graph, range(24)):
        op = next(op for op in graph.main.operators if op.name == "WHILE")
        kept = op.outputs[1] in graph.main.outputs or op.outputs[1] in graph.main.consumers
        if not kept and graph.main.producers[op.inputs[2]] < graph.main.producers[op.inputs[1]]:
            found.append(graph)
    assert len(found) > 3
    return found


@pytest.mark.parametrize(("rows", "safe"), [(-2, True), (-1, True), (0, True), (1, False), (2, False)])
def test_a_counted_loop_overwrites_rows_it_has_taken(rows: int, safe: bool) -> None:
    """The result one row below the picture, over it, or above: only rows that were taken already may be overwritten.

    It is laid down before the picture is, which then destroys what the result began with, and that is no matter.
    """
    for graph in counted_models():
        model = laid_over(graph, rows)
        assert (static_check(model) == ()) == safe
        if safe:
            assert outputs_of(graph, *placement(model)) == outputs_of(graph, apart(graph), {})


def test_a_counter_that_is_clamped_is_not_followed() -> None:
    """With a fused activation the sum is not what it seems: the turns are not known, and any row may be read."""
    for graph in counted_models():
        body = graph.subgraphs[2]
        operators = list(body.operators)
        (k,) = [k for k, op in enumerate(operators) if op.name == "ADD"]
        options = operators[k].options
        assert options is not None
        clamped = replace(options, fields={**options.fields, "fused_activation_function": 1})
        operators[k] = replace(operators[k], options=clamped)
        changed = replace(graph, subgraphs=(*graph.subgraphs[:2], replace(body, operators=tuple(operators))))
        assert static_check(changed) == ()
        assert static_check(laid_over(changed, -1)) != ()


def test_nested_control_flow_is_given_up_and_not_called_safe(monkeypatch: pytest.MonkeyPatch) -> None:
    """Twenty loops inside one another, two turns each at least."""
    monkeypatch.setattr(steps, "MOST_STEPS", 0)
    s = Sketch()
    deciding = Sketch(s.buffers)
    ends = deciding.input(1, dtype=DType.BOOL), deciding.input(1, 4)
    others = [deciding.subgraph(ends[0])]
    graphs = [s] + [Sketch(s.buffers) for _ in range(20)]
    for depth, inner in enumerate(graphs):
        ends = inner.input(1, dtype=DType.BOOL), inner.input(1, 4)
        outs = inner.tensor(1, dtype=DType.BOOL), inner.tensor(1, 4)
        if depth < 20:
            inner.into("WHILE", ends, outs, cond_subgraph_index=1, body_subgraph_index=depth + 2)
        else:
            outs = ends[0], inner.relu(ends[1])
        if depth:
            others.append(inner.subgraph(*outs))
    assert [f.kind for f in static_check(s.graph(3, others=others))] == [ClobberKind.UNPROVEN]


# -- random plans --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", range(10))
def test_what_is_not_reported_is_safe(block: int) -> None:
    """1,000 corruptions of valid plans: each is reported, or a toy runtime on real bytes gives the same outputs."""
    caught = harmless = 0
    for seed in range(100 * block, 100 * block + 100):
        draw = random.Random(seed)
        graph = any_graph(seed)
        plan = random_plan(graph, draw)
        tries = 0
        while static_check(pinned(graph, plan)):
            tries += 1
            plan = random_plan(graph, draw) if tries < 8 else placement(graph)[0]
        truth = outputs_of(graph, apart(graph), {})
        assert outputs_of(graph, *placement(pinned(graph, plan))) == truth, f"seed {seed}: the valid plan"
        bad = pinned(graph, corrupted(plan, draw))
        if static_check(bad):
            caught += 1
        else:
            harmless += 1
            assert outputs_of(graph, *placement(bad)) == truth, f"seed {seed}: a corruption that was not caught"
    assert caught >= 30
    assert harmless >= 5


def test_plans_found_safe_are_safe_on_a_real_tflm() -> None:
    """Random aliases and corruptions that are not reported, on TFLM itself."""
    runtimes.require("tflm")
    stock, planned_models = [], []
    for seed in range(160):
        draw = random.Random(1_000_000 + seed)
        graph = any_graph(seed)
        plan = random_plan(graph, draw)
        for offsets in (plan, corrupted(plan, draw)):
            model = pinned(graph, offsets)
            if not static_check(model, "cortex-m4+reference"):
                stock.append(tflite.write(graph))
                planned_models.append(tflite.write(model))
    assert len(stock) > 60
    runs = runtimes.run_tflm_each(stock + planned_models)
    assert [run.message for run in runs if not run.ok] == []
    for before, after in zip(runs[: len(stock)], runs[len(stock) :], strict=True):
        assert after.outputs == before.outputs


def test_what_is_reported_goes_wrong_on_a_real_tflm() -> None:
    """The other direction, where a fault can be seen: most reported plans change the outputs."""
    runtimes.require("tflm")
    models = []
    for seed in range(120):
        draw = random.Random(2_000_000 + seed)
        graph = random_graph(seed)
        model = pinned(graph, corrupted(placement(graph)[0], draw))
        if static_check(model, "cortex-m4+reference"):
            models += [tflite.write(graph), tflite.write(model)]
    runs = runtimes.run_tflm_each(models)
    changed = sum(a.outputs != b.outputs for a, b in zip(runs[::2], runs[1::2], strict=True))
    assert changed > len(runs) // 2 * 0.6


# -- whole models --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", zoo.names())
def test_tflms_own_plan_of_every_zoo_model_is_safe(name: str) -> None:
    graph = zoo.build(name)
    assert static_check(graph) == ()
    assert static_check(pinned(graph, placement(graph)[0]), "cortex-m55+cmsis-nn") == ()


def test_tflms_own_plan_of_every_shared_model_is_safe() -> None:
    folder = os.environ.get("MCUPLAN_SHARED")
    if not folder:
        pytest.skip("MCUPLAN_SHARED is not set: the folder with the public reference models")
    files = sorted(Path(folder, "models").rglob("*.tflite"))
    assert len(files) > 80
    for file in files:
        graph = tflite.load(file)
        for target in ("cortex-m4+cmsis-nn", "cortex-m4+reference"):
            assert static_check(graph, target) == (), (file.name, target)
