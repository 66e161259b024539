"""Reports as HTML, made in this process."""

from __future__ import annotations

from dataclasses import replace

from mcuplan import budget
from mcuplan.boards import load_board
from mcuplan.budget.stages import stage_limits
from mcuplan.findings.situation import Situation
from mcuplan.graph import Buffer, DType, Graph, Operator, OperatorCode, Quantization, Subgraph, Tensor
from mcuplan.reports.documents import build
from mcuplan.reports.documents.performance import with_performance
from mcuplan.reports.html.render import render_report
from mcuplan.reports.html.subject import subjects
from mcuplan.tflite import read, write
from mcuplan.tflm import Target
from mcuplan.zoo import build as zoo_build

HOSTILE = (
    '"><script>alert(1)</script><img src=x onerror=alert(2)>',
    "</style></script><svg onload=alert(3)>",
    "{{ 7*7 }}{% raw %}",
    "\u202eevil\x00\x1b[31m\n'\"&amp;",
    "javascript:alert(4)",
    "x" * 10_000,
)


def html(
    graph: Graph,
    name: str = "model.tflite",
    board: str | None = "sparkfun-edge",
    planned: bool = False,
    max_overhead: float | None = None,
) -> str:
    """The report of one model on one board."""
    chosen = load_board(board) if board else None
    graph = read(write(graph), "model")
    analysis = budget.analyse(graph, Target.parse(chosen.target if chosen else "cortex-m4"))
    need = analysis.need()
    limits = budget.limits_on_board(chosen, budget.Asked()) if chosen else budget.limits_without_board(budget.Asked())
    judged = budget.judge(need, limits, analysis.refusals)
    found = budget.estimate_performance(analysis, chosen, budget.AskedPerformance())
    situation = Situation(name, analysis, need, limits, judged, chosen, stages=stage_limits(max_overhead))
    shown = with_performance(build.result_of(situation), found, period=None)
    report = build.report([shown])
    return render_report(
        report, subjects(report, {(name, chosen.id if chosen else None): situation}, planned, max_overhead is not None)
    )


def hostile() -> Graph:
    """The zoo's keyword spotter, its tensors named by somebody evil, a custom operator too."""
    graph = zoo_build("ds-cnn")
    main = graph.main
    tensors = tuple(replace(t, name=HOSTILE[i % len(HOSTILE)]) for i, t in enumerate(main.tensors))
    first = main.operators[3]
    evil = replace(first, code=OperatorCode("CUSTOM", custom_code=HOSTILE[0]), options=None)
    operators = (*main.operators[:3], evil, *main.operators[4:])
    return replace(
        graph, subgraphs=(replace(main, tensors=tensors, operators=operators),), operator_codes=(),
        description=HOSTILE[1],
    )  # fmt: skip


def chain(count: int) -> Graph:
    """``count`` RELUs in a row."""
    quantization = Quantization((0.5,), (0,))
    tensors = tuple(Tensor(f"t{i}", DType.INT8, (1, 64), quantization=quantization) for i in range(count + 1))
    operators = tuple(Operator(OperatorCode("RELU"), (i,), (i + 1,)) for i in range(count))
    return Graph((Subgraph(tensors, operators, (0,), (count,)),), (Buffer(),))
