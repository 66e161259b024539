"""Every operator that works element by element, between two convolutions of a stage: the same outputs by strips."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from runtimes import require, run_tflm_each

from mcuplan.graph import Graph, OperatorCode, Record
from mcuplan.operators import Trait, operator_info, operators_that, sliding
from mcuplan.patching.arena.placing import DraftProblem
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.forms import Kind, StageForm, even_cuts, write_stage
from mcuplan.patching.writing.reader import StageReader
from mcuplan.proof.function.positions import positions_agree
from mcuplan.proof.memory.static_check import static_check
from mcuplan.tflite import write
from mcuplan.tflite.schema import schema
from mcuplan.tflm import Target
from mcuplan.tflm.support import unsupported
from mcuplan.zoo.builder import Builder
from mcuplan.zoo.windows import Padding

REFERENCE = Target.parse("cortex-m4+reference")


def _between(name: str, *, binary: bool) -> Graph:
    """Two convolutions on float32 maps and the operator between them, on one map or on two."""
    b = Builder(precision="float32", seed=5)
    x = b.input((1, 12, 6, 2))
    first = b.conv2d(x, 3, 3, activation="RELU6", name="first")
    made = b.add(first, b.conv2d(x, 3, 1, name="other")) if binary else b.relu(first)
    graph = b.graph([b.conv2d(made, 2, 3, name="last")])
    table = operator_info(name).options
    options = Record(table, {}) if table in schema().tables else None
    operators = [
        replace(op, code=OperatorCode(name), options=options)
        if op.name in ("ADD", "RELU") else op for op in graph.main.operators
    ]  # fmt: skip
    codes = tuple(dict.fromkeys(op.code for op in operators))
    main = replace(graph.main, operators=tuple(operators))
    return replace(graph, subgraphs=(main,), operator_codes=codes)


def _stages() -> Iterator[tuple[str, Graph, Graph]]:
    for name in sorted(operators_that(Trait.POINTWISE)):
        for binary in (False, True):
            graph = _between(name, binary=binary)
            if unsupported(graph, REFERENCE):
                continue
            stages = [s for s in StageReader(graph).stages(0) if s.last == len(graph.main.operators)]
            assert bool(stages) == (name not in operators_that(Trait.PARTIAL)), name
            if not stages:
                continue
            form = StageForm(Kind.LOOP if binary else Kind.STRIPS, even_cuts(12, 3), "crop", True)
            draft = write_stage(Draft(graph), stages[0], form).tidy()
            yield name, graph, DraftProblem(draft, REFERENCE).plan("fast").graph


def test_by_strips_as_in_one_go() -> None:
    require("tflm")
    cases = list(_stages())
    assert {name for name, _, _ in cases} >= {"MAXIMUM", "MINIMUM", "SQUARED_DIFFERENCE", "EXP", "SQRT"}
    runs = run_tflm_each([write(graph) for _, before, after in cases for graph in (before, after)])
    for (name, before, after), a, b in zip(cases, runs[::2], runs[1::2], strict=True):
        assert a.ok, (name, a.message)
        assert b.ok, (name, b.message)
        assert a.outputs == b.outputs, name
        assert static_check(after, REFERENCE) == (), name
        assert positions_agree(before, after) is True, name


def test_pools_of_every_kind_by_strips() -> None:
    """Pools count and look at what lies inside the map alone, whatever a strip pads."""
    require("tflm")
    models = []
    for name in sorted(sliding("pool")):
        b = Builder(precision="float32", seed=3)
        x = b.conv2d(b.input((1, 16, 6, 2)), 3, 3, activation="RELU6", name="first")
        graph = b.graph([b.conv2d(b.average_pool(x, 3, stride=2, padding=Padding.SAME), 2, 3, name="last")])
        operators = tuple(replace(op, code=OperatorCode(name)) if op.name.endswith("POOL_2D") else op
                          for op in graph.main.operators)  # fmt: skip
        main, codes = replace(graph.main, operators=operators), tuple(dict.fromkeys(op.code for op in operators))
        graph = replace(graph, subgraphs=(main,), operator_codes=codes)
        stage = next(s for s in StageReader(graph).stages(0) if s.last == len(operators))
        draft = write_stage(Draft(graph), stage, StageForm(Kind.STRIPS, even_cuts(8, 2), "crop", True)).tidy()
        planned = DraftProblem(draft, REFERENCE).plan("fast").graph
        assert positions_agree(graph, planned) is True, name
        models += [write(graph), write(planned)]
    runs = run_tflm_each(models)
    assert all(run.ok for run in runs)
    assert [run.outputs for run in runs[::2]] == [run.outputs for run in runs[1::2]]
