"""What may lie over what: small graphs worked by hand, each refusal for its own reason."""

from __future__ import annotations

from mcuplan.graph import Graph
from mcuplan.planning.arena_problem import ArenaProblem
from mcuplan.planning.blocks import Blocks
from mcuplan.tflm import Target
from mcuplan.tflm.aliasing import AliasOption, Relation
from mcuplan.zoo.builder import Builder

TARGET = Target.parse("cortex-m4+reference")


def _laid(graph: Graph) -> tuple[Blocks, tuple[AliasOption, ...]]:
    problem = ArenaProblem(graph, TARGET)
    return problem.blocks(problem.options[0])


def _taken(graph: Graph) -> set[tuple[str, str, int]]:
    names = [t.name for t in graph.main.tensors]
    return {(names[a.inner], names[a.outer], a.at) for a in _laid(graph)[1]}


def test_an_addition_takes_the_place_of_an_input_that_dies() -> None:
    b = Builder()
    x = b.input((1, 4, 4, 4), name="x")
    y = b.conv2d(x, 4, 1, name="y")
    z = b.conv2d(y, 4, 1, name="z")
    out = b.add(y, z, name="sum")
    end = b.conv2d(out, 4, 1, name="end")
    assert _taken(b.graph([end])) == {("sum", "y", 0)}


def test_an_input_that_lives_on_is_not_overwritten() -> None:
    b = Builder()
    x = b.input((1, 4, 4, 4), name="x")
    y = b.conv2d(x, 4, 1, name="y")
    relu = b.relu(y, name="relu")
    end = b.add(relu, y, name="sum")
    # y is read after relu was written: only the sum may take a place.
    assert _taken(b.graph([b.conv2d(end, 2, 1, name="end")])) == {("sum", "relu", 0)}


def test_an_output_of_the_network_is_not_overwritten_by_the_last_operator() -> None:
    b = Builder()
    x = b.input((1, 4, 4, 4), name="x")
    y = b.conv2d(x, 4, 1, name="y")
    assert _taken(b.graph([b.relu(y, name="relu"), y])) == set()


def test_slices_of_rows_are_views_and_a_concatenation_gathers_its_parts() -> None:
    b = Builder()
    x = b.input((1, 4, 4, 4), name="x")
    top = b.slice(x, (0, 0, 0, 0), (1, 2, 4, 4), name="top")
    bottom = b.slice(x, (0, 2, 0, 0), (1, 2, 4, 4), name="bottom")
    swapped = b.concatenation([bottom, top], 1, name="swapped")
    graph = b.graph([b.conv2d(swapped, 2, 1, name="end")])
    # Both slices lie in x; then only one of them can lie at its place in the swapped map as well, which begins at
    # byte 32 of x and goes past its end.
    assert _taken(graph) == {("top", "x", 0), ("bottom", "x", 32), ("bottom", "swapped", 0)}


def test_a_slice_of_columns_has_gaps_and_gets_a_place_of_its_own() -> None:
    b = Builder()
    x = b.input((1, 4, 4, 4), name="x")
    left = b.slice(x, (0, 0, 0, 0), (1, 4, 2, 4), name="left")
    assert _taken(b.graph([b.conv2d(left, 2, 1, name="end")])) == set()


def test_copies_of_one_value_are_not_moved_over_themselves() -> None:
    # x stands twice in a and three times in b: a's bytes equal b's everywhere, yet copying a (at 0) to its place in b
    # (at 16 bytes) would be a memcpy between ranges that overlap.
    b = Builder()
    x = b.input((1, 1, 4, 4), name="x")
    twice = b.concatenation([x, x], 1, name="a")
    thrice = b.concatenation([x, twice], 1, name="c")
    graph = b.graph([b.conv2d(thrice, 2, 1, name="end"), twice])
    index = {t.name: i for i, t in enumerate(graph.main.tensors)}
    places = _laid(graph)[0].of((0, index["c"]))
    a, c = (0, index["a"]), (0, index["c"])
    assert a not in places or places[a] - places[c] == 16


def test_variables_and_constants_take_no_part() -> None:
    b = Builder()
    x = b.input((1, 4, 4, 4), name="x")
    doubled = b.mul(x, b.scalar(0.5, name="half"), name="doubled")
    graph = b.graph([b.conv2d(doubled, 2, 1, name="end")])
    # The shapes differ (a scalar is spread over the map), which the table does not call safe.
    assert _taken(graph) == set()
    assert all(o.relation is Relation.OVERWRITE for o in ArenaProblem(graph, TARGET).options[0])
