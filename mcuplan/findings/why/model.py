"""Changes that leave the network as it is: plans, patch stages, smaller files, less code."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from mcuplan.budget import Resource
from mcuplan.budget.limits import Counted
from mcuplan.findings import plans
from mcuplan.findings.why.case import EFFORT, Case, Way, planned_graph
from mcuplan.rewriting.origin import PlanOrigin, set_plan_origin
from mcuplan.tflm.flash import BUILDS
from mcuplan.version import __version__

if TYPE_CHECKING:
    from mcuplan.budget import Analysis
    from mcuplan.graph import Graph
    from mcuplan.patching.arena.search import PatchPlan
    from mcuplan.tflm import Target


def made(case: Case, name: str, text: str, cost: str, command: str, after: Analysis) -> Way:
    """The change that makes ``after`` of the model; the limits stay."""
    return Way(name, text, cost, command, after.need(case.stack), after.refusals, case.limits)


def graph_way(case: Case, name: str, text: str, cost: str, graph: Graph, *options: str) -> Way:
    """The change that ``mcuplan plan`` with ``options`` writes as ``graph``."""
    command = case.command("plan", *options, f"--effort {EFFORT}", f"-o {case.planned_file}")
    return made(case, name, text, cost, command, case.analyse(as_planned(case, graph)))


def as_planned(case: Case, graph: Graph, target: Target | None = None) -> Graph:
    """``graph`` with the entry that says what it was planned for, which takes bytes of flash."""
    if graph is case.analysis.graph:
        return graph
    return set_plan_origin(graph, PlanOrigin((str(target or case.analysis.target),), __version__, "0" * 64))


_SAME_OUTPUTS = "the same operators, the same outputs bit for bit"
SAME = f"nothing at run time: {_SAME_OUTPUTS}"


def model_ways(case: Case) -> Iterator[Way]:
    """Changes that leave the network as it is."""
    from mcuplan.rewriting.strip import int8_io, strip

    graph = case.analysis.graph
    if plans.operators(graph) <= plans.FAST and not case.analysis.refusals:
        planned, _ = case.planned
        if planned is not graph:
            yield graph_way(case, "plan", "a better memory plan, for unmodified TFLM", SAME, planned)
        stripped, savings = strip(planned)
        if savings:
            named = "a smaller file without what TFLM never reads, planned too"
            cost = f"{SAME}; tensors lose their names"
            yield graph_way(case, "strip", named, cost, stripped, "--strip")
        patch = case.patch
        if patch is not None:
            yield graph_way(case, "patch", "the first layers in strips of rows", patch_cost(patch), patch.graph,
                             " ".join(("--patch", *case.stages.options())))  # fmt: skip
        integer, dropped = int8_io(graph)
        if dropped:
            text = "int8 inputs and outputs: no QUANTIZE and DEQUANTIZE at the ends"
            cost = "the firmware feeds and reads int8 itself"
            yield graph_way(case, "int8-io", text, cost, planned_graph(case, integer)[0], "--int8-io")
    yield from _lean(case)
    yield from _exported(case)
    yield from _builds(case)


def _lean(case: Case) -> Iterator[Way]:
    """Lean registrations: alone, and with a plan where RAM is short."""
    analysis = case.analysis
    if analysis.target.lean or not analysis.target.can_be_lean or analysis.refusals:
        return
    lean = analysis.target.with_lean()
    after = case.analyse(analysis.graph, target=lean)
    saved = analysis.arena.declare_bytes - after.arena.declare_bytes
    if not saved:
        return
    flash = after.code.lean.flash_bytes + after.code.lean.data_bytes
    cost = f"{flash:,} bytes of flash and one source file; kernels read there what they read in RAM; {_SAME_OUTPUTS}"
    text = f"lean registrations: what kernels keep lies in flash, which saves {saved:,} bytes of arena"
    yield made(case, "lean", text, cost, case.command("export", "--lean", "-o firmware"), after)
    if not case.situation.tight(Resource.RAM) or plans.operators(analysis.graph) > plans.FAST:
        return
    planned, _ = case.planned
    if planned is not analysis.graph:
        command = case.command("plan", "--lean", f"--effort {EFFORT}", f"-o {case.planned_file}")
        export = ("mcuplan export", case.planned_file, case.options, "--lean -o firmware")
        command += " && " + " ".join(part for part in export if part)
        graph = as_planned(case, planned, lean)
        yield made(case, "lean-plan", "lean registrations and a better memory plan", cost, command,
                   case.analyse(graph, target=lean))  # fmt: skip


def patch_cost(patch: PatchPlan) -> str:
    """What patch stages cost, in words."""
    return f"{patch.price}, more operators; the same outputs bit for bit"


def _exported(case: Case) -> Iterator[Way]:
    """Registrations of kernels for the model's own types, as the exported op resolver has them."""
    limit = case.limits.flash
    if limit is None or limit.counted is not Counted.NEED or case.analysis.refusals:
        return
    from mcuplan.firmware.resolver import resolver_saving

    saved = resolver_saving(case.analysis.graph, case.analysis.target, case.analysis.code.build)
    if saved:
        need = replace(case.need, flash=replace(case.need.flash, runtime_bytes=case.need.flash.runtime_bytes - saved))
        text = "an op resolver with kernels for the model's own types only"
        command = case.command("export", case.build_option, "-o firmware")
        cost = "nothing at run time; `mcuplan check` goes on counting kernels for all types"
        yield Way("export", text, cost, command, need, (), case.limits)


_BUILD_COSTS = {
    "O2": "no log messages: an error of TFLM is a status without a sentence",
    "Os": "no log messages, and kernels compiled for size: slower",
}


def _builds(case: Case) -> Iterator[Way]:
    limit = case.limits.flash
    if limit is None or limit.counted is not Counted.NEED:
        return
    names = {"O2": "TFLM built without log strings", "Os": "TFLM built -Os, without log strings"}
    for build in BUILDS[BUILDS.index(case.analysis.code.build) + 1 :]:
        command = case.command("check", f"--build {build}")
        yield made(case, "build", names[build], _BUILD_COSTS[build], command, case.analyse(case.analysis.graph, build))


def together(case: Case) -> Iterator[Way]:
    """Plan or patch stages, stripping and the smallest build at once, where none of them suffices."""
    if case.analysis.refusals or plans.operators(case.analysis.graph) > plans.FAST:
        return
    from mcuplan.rewriting.strip import strip

    patch = case.patch if case.situation.short_of_ram else None
    limit = case.limits.flash
    code = limit is not None and limit.counted is Counted.NEED and Resource.FLASH in case.broken
    if patch is None and not code:
        return  # that is the stripped file alone
    stripped, _ = strip(patch.graph if patch else case.planned[0])
    costs = [patch_cost(patch)] if patch else []
    build = BUILDS[-1] if code else case.analysis.code.build
    options = ["--patch", *case.stages.options(), "--strip"] if patch else ["--strip"]
    command = case.command("plan", *options, f"--effort {EFFORT}", f"-o {case.planned_file}")
    text = f"{'patch stages' if patch else 'a plan'} and a stripped file"
    if code:
        checked = ("mcuplan check", case.planned_file, case.options, f"--build {build}")
        command += " && " + " ".join(part for part in checked if part)
        costs.append(_BUILD_COSTS[build])
        text += f", with TFLM built -{build}"
    yield made(
        case,
        "together",
        text,
        "; ".join([*costs, "tensors lose their names"]),
        command,
        case.analyse(as_planned(case, stripped), build),
    )
