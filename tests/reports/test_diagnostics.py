"""Traps that TFLM walks into silently: each found where it is, and nothing found in a healthy model."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mcuplan import zoo
from mcuplan.findings.diagnostics import diagnose
from mcuplan.graph import Buffer, DType, Graph, Operator, OperatorCode, Record, Subgraph, Tensor
from mcuplan.rewriting.edit import set_offline_plan
from mcuplan.tflm import Target, predict

M4 = Target.parse("cortex-m4+cmsis-nn")
RELU = Operator(OperatorCode("RELU", deprecated_builtin_code=19, builtin_code=19), (0,), (1,))
X, Y = (Tensor(name, DType.INT8, (1, 32)) for name in "xy")


def _rules(graph: Graph) -> list[tuple[str, str]]:
    return [(d.rule, d.name) for d in diagnose(graph, M4, predict(graph, M4))]


def _graph(*subgraphs: Subgraph) -> Graph:
    return Graph(subgraphs, (Buffer(),))


def test_a_healthy_model_has_no_traps() -> None:
    assert _rules(zoo.build("person-detection")) == []


def test_tensors_that_nothing_touches() -> None:
    orphan = Tensor("orphan", DType.INT8, (1, 100))
    graph = _graph(Subgraph((X, Y, orphan), (RELU,), (0,), (1,)))
    assert _rules(graph) == [("dead-tensors", "orphan")]
    (found,) = diagnose(graph, M4, predict(graph, M4))
    assert "112 bytes" in found.message  # 100 rounded up to 16


def test_a_subgraph_that_is_never_run() -> None:
    main = Subgraph((X, Y), (RELU,), (0,), (1,))
    assert _rules(_graph(main, replace(main, name="spare"))) == [("dead-subgraph", "spare")]


def test_a_plan_that_overwrites_live_bytes() -> None:
    graph = _graph(Subgraph((X, Y), (replace(RELU, code=OperatorCode("MAXIMUM"), inputs=(0, 0)),), (0,), (1,)))
    assert [rule for rule, _ in _rules(set_offline_plan(graph, (0, 16)))] == ["offline-overlap"]
    assert _rules(set_offline_plan(graph, (0, 32))) == []


def test_a_plan_that_does_not_fit_the_model() -> None:
    graph = set_offline_plan(_graph(Subgraph((X, Y), (RELU,), (0,), (1,))), (0, 32, 64))
    assert [rule for rule, _ in _rules(graph)] == ["offline-refused"]


def test_a_variable_in_the_plan() -> None:
    state = Tensor("state", DType.INT8, (1, 32), is_variable=True)
    add = Operator(OperatorCode("ADD"), (0, 2), (1,), Record("AddOptions", {"fused_activation_function": 0}))
    graph = _graph(Subgraph((X, Y, state), (add,), (0,), (1,)))
    assert _rules(set_offline_plan(graph, (0, 32, -1))) == []
    assert "offline-variable" in [rule for rule, _ in _rules(set_offline_plan(graph, (0, 32, 64)))]


@pytest.mark.parametrize(("builtin", "found"), [(118, []), (0, ["deprecated-builtin-code"])])
def test_control_flow_named_by_the_old_code_only(builtin: int, found: list[str]) -> None:
    options = Record("IfOptions", {"then_subgraph_index": 1, "else_subgraph_index": 1})
    branch = Operator(OperatorCode("IF", deprecated_builtin_code=118, builtin_code=builtin), (2, 0), (1,), options)
    flag = Tensor("flag", DType.BOOL, ())
    inner = Subgraph((X, Y), (RELU,), (0,), (1,))
    graph = _graph(Subgraph((X, Y, flag), (branch,), (0, 2), (1,)), inner)
    rules = [rule for rule, _ in _rules(graph)]
    assert [rule for rule in rules if rule == "deprecated-builtin-code"] == found


def test_a_reshape_that_writes_into_the_model() -> None:
    one, scalar = Tensor("one", DType.INT8, (1,)), Tensor("scalar", DType.INT8, (0,))
    reshape = Operator(OperatorCode("RESHAPE"), (0,), (1,))
    assert ("scalar-reshape", "") in _rules(_graph(Subgraph((one, scalar), (reshape,), (0,), (1,))))
