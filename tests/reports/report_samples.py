"""A model, its arena and its code, written out by hand.

Three operators in a row: input 32 bytes -> RELU 48 -> RELU 16 -> LOGISTIC 16, the second with scratch of 96 bytes;
each reads a constant besides, and tensor 8 is used by nobody.
"""

from __future__ import annotations

from dataclasses import replace

from mcuplan.budget import Analysis, judge
from mcuplan.budget.limits import RULE_OF_THUMB, Limits
from mcuplan.graph import Buffer, DType, Graph, Operator, OperatorCode, Subgraph, Tensor
from mcuplan.operators import ModelMacs, OperatorMacs
from mcuplan.reports.documents import build
from mcuplan.reports.documents.report import Report, Result
from mcuplan.tflm import ArenaPrediction, CodeSize, PersistentAllocation, PersistentKind, PlannedBuffer, Target
from mcuplan.tflm.results import OperatorCode as CodeOf


def tensor(name: str, size: int, buffer: int = 0) -> Tensor:
    return Tensor(name, DType.INT8, (1, size), buffer=buffer)


def graph(names: tuple[str, str, str] = ("RELU", "RELU", "LOGISTIC"), tensor_prefix: str = "t") -> Graph:
    sizes = (32, 48, 16, 16)
    activations = tuple(tensor(f"{tensor_prefix}{i}", size) for i, size in enumerate(sizes))
    constants = (tensor("w0", 100, 1), tensor("w1", 700, 2), tensor("w2", 100, 1), tensor("spare", 64), tensor("z", 1))
    operators = tuple(
        Operator(OperatorCode("CUSTOM", custom_code=name) if name.startswith("!") else OperatorCode(name), (i, 4 + i),
                 (i + 1,))
        for i, name in enumerate(names)
    )  # fmt: skip
    main = Subgraph((*activations, *constants), operators, (0,), (3,))
    return Graph((main,), (Buffer(), Buffer(b"\0" * 100), Buffer(b"\0" * 700)), file_bytes=1_500)


PLAN = (
    PlannedBuffer(offset=64, size=32, bytes=32, first=0, last=1, subgraph=0, tensor=0),
    PlannedBuffer(offset=0, size=48, bytes=48, first=1, last=2, subgraph=0, tensor=1),
    PlannedBuffer(offset=48, size=16, bytes=16, first=2, last=3, subgraph=0, tensor=2),
    PlannedBuffer(offset=0, size=16, bytes=16, first=3, last=3, subgraph=0, tensor=3),
    PlannedBuffer(offset=96, size=96, bytes=90, first=2, last=2, subgraph=0, operator=1),
)
"""The head is 192 bytes high where at most 160 are live at once (step 2)."""

UNUSED = PlannedBuffer(offset=0, size=256, bytes=256, first=-1, last=-1, subgraph=0, tensor=7)

PERSISTENT = (
    PersistentAllocation(PersistentKind.ALLOCATOR, 116, 4, 116),
    PersistentAllocation(PersistentKind.NODES, 96, 4, 96),
    PersistentAllocation(PersistentKind.OP_DATA, 28, 16, 44, operator=0),
    PersistentAllocation(PersistentKind.OP_DATA, 28, 16, 32, operator=1),
)


def arena(plan: tuple[PlannedBuffer, ...] = PLAN, **changes: object) -> ArenaPrediction:
    head = max((b.end for b in plan), default=0)
    base = ArenaPrediction(
        target="cortex-m4+cmsis-nn", tflm_version="tflm-2026-08", used_bytes=head + 288, declare_bytes=head + 288,
        nonpersistent_bytes=head, persistent_bytes=288, final_bytes=head + 288, planning_peak_bytes=100,
        prepare_peak_bytes=100, persistent=PERSISTENT, plan=plan, steps=3,
    )  # fmt: skip
    return replace(base, **changes)  # type: ignore[arg-type]


def analysis(
    model: Graph | None = None, plan: tuple[PlannedBuffer, ...] = PLAN, macs: int = 40_000, **changes: object
) -> Analysis:
    code = CodeSize("O2-logs", 18_000, 7_000, 500, 104, 0, (CodeOf("LOGISTIC", 3_000), CodeOf("RELU", 2_500)), True)
    rows = (OperatorMacs(0, 0, macs * 3 // 4), OperatorMacs(0, 1, macs // 4), OperatorMacs(0, 2, 0))
    target = Target.parse("cortex-m4+cmsis-nn")
    return Analysis(model or graph(), target, arena(plan, **changes), code, ModelMacs(macs, rows))


def result(found: Analysis | None = None, limits: Limits = RULE_OF_THUMB, model: str = "model.tflite") -> Result:
    found = found or analysis()
    need = found.need()
    return build.result(model, None, found, need, limits, judge(need, limits, found.refusals))


def report(*results: Result) -> Report:
    return build.report(results or (result(),))


HOSTILE_NAME = "\x1b[2J\x1b]0;owned\x07[red]x[/red]\n\u202e<script>alert(1)</script>"
