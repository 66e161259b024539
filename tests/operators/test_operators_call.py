"""One view of a call: its axis counted from the front, and one answer to an axis that is not there."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcuplan.estimates.instructions.calls import call_of
from mcuplan.graph import Buffer, Graph
from mcuplan.operators import OperatorCall, all_from_front, from_front
from mcuplan.operators.geometry.eligibility import Barrier, operator_map
from mcuplan.tflm import Target
from mcuplan.tflm.aliasing import alias_options
from mcuplan.tflm.support import unsupported
from mcuplan.zoo.single import build_operator, operator_models

M4 = Target.parse("cortex-m4+cmsis-nn")
ALONG = ("concatenation-int8", "gather-int8", "pack-int8", "unpack-int8", "split-int8")


def _model(name: str) -> Graph:
    return build_operator(next(spec for spec in operator_models() if spec.name == name))


def _call(graph: Graph) -> OperatorCall:
    return OperatorCall(graph, graph.main, graph.main.operators[0])


def _with(graph: Graph, **fields: Any) -> Graph:
    op = graph.main.operators[0]
    assert op.options is not None
    changed = replace(op, options=replace(op.options, fields={**op.options.fields, **fields}))
    return replace(graph, subgraphs=(replace(graph.main, operators=(changed,)),))


def _along(name: str, axis: int) -> Graph:
    """The model of one operator that goes along another axis."""
    graph = _model(name)
    if name != "split-int8":
        return _with(graph, axis=axis)
    table = graph.main.tensors[graph.main.operators[0].inputs[0]]
    buffers = list(graph.buffers)
    buffers[table.buffer] = Buffer((axis % (1 << 32)).to_bytes(4, "little"))
    return replace(graph, buffers=tuple(buffers))


@given(st.integers(-9, 9), st.integers(0, 6))
def test_an_axis_is_counted_as_python_counts_places(axis: int, rank: int) -> None:
    places = list(range(rank))
    try:
        expected = places[axis]
    except IndexError:
        expected = None
    assert from_front(axis, rank) == expected


def test_several_axes_are_one_set_or_none() -> None:
    assert all_from_front((1, -1, 1), 3) == {1, 2}
    assert all_from_front((), 0) == frozenset()
    assert all_from_front((0, 3), 3) is None


@pytest.mark.parametrize("name", ALONG)
def test_from_behind_is_the_same_axis(name: str) -> None:
    call = _call(_model(name))
    whole = call["y"] if name.startswith(("concat", "pack")) else call["x"]
    assert call.axis is not None
    assert _call(_along(name, call.axis - whole.rank)).axis == call.axis


@pytest.mark.parametrize("axis", [-128, -6, 5, (1 << 31) - 1])
@pytest.mark.parametrize("name", ALONG)
def test_an_axis_that_is_not_there_is_one_answer_in_every_room(name: str, axis: int) -> None:
    """Refused as out of range; so no axis, no shared bytes, no cost, no rows."""
    graph = _along(name, axis)
    assert _call(graph).axis is None
    assert "index-range" in {refusal.rule for refusal in unsupported(graph, M4)}
    assert alias_options(graph, 0, M4) == ()
    assert call_of(_call(graph)) is None
    assert isinstance(operator_map(graph, 0), Barrier)


def test_a_window_without_options_is_none_and_with_anothers_too() -> None:
    """TFLM clears its structures before it parses, so that strides read as 0."""
    graph = _model("conv-2d-3x3-int8")
    assert _call(graph).window is not None
    op = graph.main.operators[0]
    assert op.options is not None
    for options in (None, replace(op.options, table="Pool2DOptions")):
        changed = replace(graph.main, operators=(replace(op, options=options),))
        call = _call(replace(graph, subgraphs=(changed,)))
        assert call.window is None
        assert call.options.strides == (0, 0)
        with pytest.raises(KeyError):
            call["stride_h"]
