"""Changes of the network itself: accuracy is the user's to look at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace

from mcuplan.budget import Resource
from mcuplan.budget.limits import Counted
from mcuplan.findings import plans
from mcuplan.findings.why.case import Case, Way, planned_graph
from mcuplan.findings.why.model import as_planned, made
from mcuplan.findings.why.worth import verdict_after

_WIDTHS = (0.75, 0.5, 0.35, 0.25)


def network_ways(case: Case) -> Iterator[Way]:
    """Changes of the network itself: accuracy is the user's to look at."""
    from mcuplan.estimates.errors import EstimateError

    with suppress(EstimateError):  # no float model, or one without an int8 form
        yield from _int8(case)
    if not case.broken or case.analysis.refusals:
        return
    yield from _without_operator(case)
    with suppress(EstimateError):  # no network whose filters can be counted down
        yield from _narrower(case)


def _int8(case: Case) -> Iterator[Way]:
    from mcuplan.estimates.quantize import to_int8

    integer = to_int8(case.analysis.graph)
    command = case.command("whatif", "--int8", case.build_option)
    cost = "converted anew with representative data; accuracy has to be measured"
    alone = made(case, "int8", "the network quantized to int8, its ends too", cost, command, case.analyse(integer))
    yield alone
    if not case.broken or alone.refusals or verdict_after(case, alone) == "pass":
        return
    if plans.operators(integer) <= plans.FAST:
        planned = case.analyse(as_planned(case, planned_graph(case, integer)[0]))
        text = "the network quantized to int8, and `mcuplan plan` on the result"
        yield made(case, "int8-plan", text, cost, command, planned)


def _without_operator(case: Case) -> Iterator[Way]:
    """The kind of operator without MACs whose code weighs most."""
    limit = case.limits.flash
    if limit is None or limit.counted is not Counted.NEED or Resource.FLASH not in case.broken:
        return
    graph = case.analysis.graph
    working = {graph.subgraphs[row.subgraph].operators[row.operator].label
               for row in case.analysis.macs.per_operator if row.macs != 0}  # fmt: skip
    idle = [code for code in case.analysis.code.operators if code.name not in working]
    if not idle:
        return
    from mcuplan.tflm import code_size

    name = max(idle, key=lambda code: code.saved_bytes).name
    kept = tuple(
        replace(s, operators=tuple(op for op in s.operators if op.label != name)) for s in graph.subgraphs
    )  # fmt: skip
    code = code_size(replace(graph, subgraphs=kept), case.analysis.target, case.analysis.code.build)
    flash = replace(case.need.flash, runtime_bytes=code.total_bytes + code.data_bytes)
    text = f"no {name} in the network: its code is not linked then"
    cost = "the network changes, or the firmware does what the operator did"
    yield Way("operator", text, cost, case.command("inspect", target=False), replace(case.need, flash=flash), (),
               case.limits)  # fmt: skip


def _narrower(case: Case) -> Iterator[Way]:
    """The widest of some narrower forms that passes; the narrowest where none does."""
    from mcuplan.estimates.resize import widen

    last: Way | None = None
    for factor in _WIDTHS:
        text = f"{factor:g} times the filters of every layer"
        command = case.command("whatif", f"--width {factor:g}", case.build_option)
        cost = "trained anew; accuracy has to be measured"
        last = made(case, "narrower", text, cost, command, case.analyse(widen(case.analysis.graph, factor)))
        if verdict_after(case, last) == "pass":
            break
    if last is not None:
        yield last
