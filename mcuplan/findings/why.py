"""``check --why``: what would change the verdict on a model, worked out one change at a time.

Nothing is estimated from rules: each change is made to the model (or the board is taken), TFLM is replayed on the
result, and the verdict is given anew.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import cached_property
from shlex import quote
from typing import TYPE_CHECKING

from mcuplan import budget
from mcuplan.budget import Limits, Need, Resource
from mcuplan.budget.limits import RULE_OF_THUMB, Counted, Limit
from mcuplan.budget.verdict import figure_for
from mcuplan.findings import plans
from mcuplan.findings.change import Change, Outcome
from mcuplan.text import show_share
from mcuplan.tflm import DEFAULT_BUILD, Target
from mcuplan.tflm.flash import BUILDS

if TYPE_CHECKING:
    from mcuplan.boards import Board
    from mcuplan.budget import Analysis
    from mcuplan.findings.situation import Situation
    from mcuplan.graph import Graph
    from mcuplan.patching.arena.search import PatchPlan
    from mcuplan.tflm.results import Refusal

MOST = 5
"""Changes that are told."""
_EFFORT = "fast"
"""Effort of the searches; it stands in the commands, so that they give the very figures that were told."""
_OVERHEAD = 1.1
"""Most multiply-accumulates of patch stages, as a factor: what ``mcuplan plan --patch`` takes by itself."""
_WIDTHS = (0.75, 0.5, 0.35, 0.25)
_ORDER = (
    "plan", "export", "strip", "build", "int8-io", "patch", "together", "board", "int8", "operator", "narrower",
)  # fmt: skip
"""Changes from the cheapest to the dearest for those who make them: no cost, other code, other hardware, training."""
_LABELS = {Resource.RAM: "RAM", Resource.FLASH: "flash", Resource.MACS: "MACs"}


@dataclass(frozen=True)
class Case:
    """One situation, and all that changes to it are worked out from.

    ``options`` are the command-line options that name board and target; ``boards`` the boards that could be taken
    instead.
    """

    situation: Situation
    options: str = ""
    boards: tuple[Board, ...] = ()

    @property
    def analysis(self) -> Analysis:
        """The model and what it needs, on the target that counts."""
        return self.situation.analysis

    @property
    def board(self) -> Board | None:
        """The board it was judged on."""
        return self.situation.board

    @property
    def limits(self) -> Limits:
        """The limits that counted."""
        return self.situation.limits

    @property
    def stack(self) -> int:
        """Bytes of stack that were counted."""
        return self.need.ram.stack_bytes

    @property
    def need(self) -> Need:
        """What the model takes as it is."""
        return self.situation.need

    @property
    def broken(self) -> frozenset[Resource]:
        """Resources whose limit is broken."""
        return self.situation.broken

    @cached_property
    def planned(self) -> tuple[Graph, int]:
        """The model that ``mcuplan plan`` writes, and the arena to declare for it."""
        return _planned(self, self.analysis.graph)

    @cached_property
    def patch(self) -> PatchPlan | None:
        """Patch stages, where RAM is short and they take less arena than the plan alone."""
        return _patched(self) if self.situation.tight(Resource.RAM) else None

    @cached_property
    def custom_operators(self) -> frozenset[str]:
        """Custom operators that were taken for available."""
        graph = self.analysis.graph
        refused = {(r.subgraph, r.operator) for r in self.analysis.refusals if r.rule == "custom-operator"}
        return frozenset(
            op.code.custom_code for s, k, op in graph.operators() if op.code.custom_code and (s, k) not in refused
        )

    def analyse(self, graph: Graph, build: str = "") -> Analysis:
        """``graph`` instead of the model, with the bytes that its file would have."""
        from mcuplan.tflite import write

        if graph is not self.analysis.graph:
            graph = replace(graph, file_bytes=len(write(graph)))
        return budget.analyse(graph, self.analysis.target, build or self.analysis.code.build, self.custom_operators)

    @property
    def planned_file(self) -> str:
        """A name for the planned model, quoted for a shell."""
        stem = os.path.basename(self.situation.model.replace("\\", "/")).removeprefix("zoo:").partition("?")[0]
        return quote(f"{os.path.splitext(stem)[0] or 'model'}.planned.tflite")

    def command(self, name: str, *options: str, target: bool = True) -> str:
        """``mcuplan NAME MODEL`` with options, those of board and target among them."""
        parts = ("mcuplan", name, quote(self.situation.model), self.options if target else "", *options)
        return " ".join(part for part in parts if part)

    @property
    def build_option(self) -> str:
        """``--build``, where it is not the usual one."""
        build = self.analysis.code.build
        return "" if build == DEFAULT_BUILD else f"--build {build}"


@dataclass(frozen=True, slots=True)
class _Way:
    """A change with what the model then needs, against which limits, and what TFLM then refuses."""

    name: str
    text: str
    cost: str
    command: str
    need: Need
    refusals: Sequence[Refusal]
    limits: Limits


def why(case: Case, most: int = MOST) -> tuple[Change, ...]:
    """At most ``most`` changes that would change the verdict, best first.

    Changes after which the model passes come first, the cheapest to make before others; then those that leave least
    over the limits. Of a model that passes, those that make most room. What brings no limit closer is not told.

    Examples
    --------
    >>> from mcuplan.findings.situation import Situation
    >>> from mcuplan.tflite import read, write
    >>> from mcuplan.zoo import build
    >>> graph = read(write(build("visual-wake-words")), "vww.tflite")
    >>> found = budget.analyse(graph, Target.parse("cortex-m4+cmsis-nn"))
    >>> limits = budget.limits_without_board(budget.Asked(ram=90_000, flash=500_000))
    >>> judgement = budget.judge(found.need(), limits)
    >>> best = why(Case(Situation("vww.tflite", found, found.need(), limits, judgement)))[0]
    >>> best.name, best.ram_bytes, best.effect
    ('plan', 18528, 'RAM then fits')
    """
    ways = list(_model_ways(case))
    if not any(_verdict(case, way) == "pass" for way in ways) and case.broken:
        ways += _together(case)
    ways += _dear_ways(case)
    if case.broken and not case.analysis.refusals:
        ways += _boards(case)
    helpful = [way for way in ways if _helps(case, way)]
    helpful.sort(key=lambda way: _rank(case, way))
    return tuple(_change(case, way) for way in helpful[:most])


# -- what a change is worth ----------------------------------------------------------------------------------------


def _verdict(case: Case, way: _Way) -> Outcome:
    judged: Outcome = "unsupported" if way.refusals else "pass"
    if judged == "pass" and budget.judge(way.need, way.limits).violations:
        judged = "fail"
    # Limits on time or energy stay as they are: what they say of the changed model is not known.
    return "fail" if case.situation.judgement.overruns and judged == "pass" else judged


def _over(limit: Limit | None, need: Need) -> int:
    """Bytes or MACs that must go; negative: room that is left."""
    return 0 if limit is None else figure_for(limit, need) - limit.amount + int(limit.strict)


def _gain(case: Case, way: _Way, resource: Resource) -> int:
    before: Limit | None = getattr(case.limits, resource.value)
    after: Limit | None = getattr(way.limits, resource.value)
    if before is not None and after is not None:
        return _over(before, case.need) - _over(after, way.need)
    return _total(case.need, resource) - _total(way.need, resource)


def _total(need: Need, resource: Resource) -> int:
    totals = {Resource.RAM: need.ram.total_bytes, Resource.FLASH: need.flash.total_bytes, Resource.MACS: need.macs}
    return totals[resource]


def _helps(case: Case, way: _Way) -> bool:
    if case.analysis.refusals:
        return len(way.refusals) < len(case.analysis.refusals)
    wanted = case.broken or {limit.resource for limit in case.limits}
    return any(_gain(case, way, resource) > 0 for resource in wanted)


def _rank(case: Case, way: _Way) -> tuple[int, float, int, float]:
    """Smaller is better: passes, how far over the limits it stays, how dear it is, how much it gains."""
    passes = _verdict(case, way) == "pass"
    excess = sum(max(_over(limit, way.need), 0) / limit.amount for limit in way.limits)
    gain = sum(_gain(case, way, limit.resource) / limit.amount for limit in case.limits)
    if not case.broken and not case.analysis.refusals:
        return 0, 0.0, 0, -gain  # nothing to mend: the most room first
    return 0 if passes else 1, excess, _ORDER.index(way.name), -gain


def _effect(case: Case, way: _Way) -> str:
    """What becomes of the limits that were broken or are broken now; of none, the fullest."""
    if way.refusals:
        return "TFLM still refuses the model"
    said = []
    for limit in way.limits:
        over, label = _over(limit, way.need), _LABELS[limit.resource]
        unit = "MACs" if limit.resource is Resource.MACS else "bytes"
        if over > 0:
            said.append(f"{label} {'still' if limit.resource in case.broken else 'then'} {over:,} {unit} too many")
        elif limit.resource in case.broken:
            said.append(f"{label} then fits")
    if not said and case.analysis.refusals:
        return "TFLM then runs the model"
    return ", ".join(said) or _room(case, way)


def _room(case: Case, way: _Way) -> str:
    """How full the limit that gains most is before and after."""
    pairs = [(limit, getattr(case.limits, limit.resource.value)) for limit in way.limits]
    after, before = max(pairs, key=lambda pair: _gain(case, way, pair[0].resource) / pair[0].amount)
    then, now = figure_for(after, way.need) / after.amount, figure_for(before, case.need) / before.amount
    return f"{_LABELS[after.resource]} at {show_share(then)} of its limit, now {show_share(now)}"


def _change(case: Case, way: _Way) -> Change:
    verdict = _verdict(case, way)
    ram, flash, macs = (_gain(case, way, resource) for resource in (Resource.RAM, Resource.FLASH, Resource.MACS))
    return Change(way.name, way.text, way.cost, way.command, verdict, _effect(case, way), ram, flash, macs)


# -- the changes ---------------------------------------------------------------------------------------------------


def _made(case: Case, name: str, text: str, cost: str, command: str, after: Analysis) -> _Way:
    return _Way(name, text, cost, command, after.need(case.stack), after.refusals, case.limits)


def _graph_way(case: Case, name: str, text: str, cost: str, graph: Graph, *options: str) -> _Way:
    command = case.command("plan", *options, f"--effort {_EFFORT}", f"-o {case.planned_file}")
    return _made(case, name, text, cost, command, case.analyse(graph))


_SAME = "nothing at run time: the same operators, the same outputs bit for bit"


def _planned(case: Case, graph: Graph) -> tuple[Graph, int]:
    """The model that ``mcuplan plan`` writes, and the arena to declare for it."""
    from mcuplan.planning.plan import PlanOptions

    plan = plans.plan(graph, case.analysis.target, PlanOptions(effort=_EFFORT))
    return plan.graph, plan.after.declare_bytes


def _model_ways(case: Case) -> Iterator[_Way]:
    """Changes that leave the network as it is."""
    from mcuplan.rewriting.strip import int8_io, strip

    graph = case.analysis.graph
    if plans.operators(graph) <= plans.FAST and not case.analysis.refusals:
        planned, _ = case.planned
        if planned is not graph:
            yield _graph_way(case, "plan", "a better memory plan, for unmodified TFLM", _SAME, planned)
        stripped, savings = strip(planned)
        if savings:
            named = "a smaller file without what TFLM never reads, planned too"
            cost = f"{_SAME}; tensors lose their names"
            yield _graph_way(case, "strip", named, cost, stripped, "--strip")
        patch = case.patch
        if patch is not None:
            yield _graph_way(case, "patch", "the first layers in strips of rows", _patch_cost(patch), patch.graph,
                             "--patch")  # fmt: skip
        integer, dropped = int8_io(graph)
        if dropped:
            text = "int8 inputs and outputs: no QUANTIZE and DEQUANTIZE at the ends"
            cost = "the firmware feeds and reads int8 itself"
            yield _graph_way(case, "int8-io", text, cost, _planned(case, integer)[0], "--int8-io")
    yield from _exported(case)
    yield from _builds(case)


def _patched(case: Case) -> PatchPlan | None:
    from mcuplan.patching.arena.search import PatchRefusal

    if plans.operators(case.analysis.graph) > plans.STAGES:
        return None
    try:
        found = plans.patches(case.analysis.graph, case.analysis.target, _OVERHEAD, _EFFORT)
    except PatchRefusal:
        return None
    return found if found is not None and found.after.declare_bytes < case.planned[1] else None


def _patch_cost(patch: PatchPlan) -> str:
    return f"{patch.macs_factor - 1:+.1%} MACs, more operators; the same outputs bit for bit"


def _exported(case: Case) -> Iterator[_Way]:
    """Registrations of kernels for the model's own types, as the exported op resolver has them."""
    limit = case.limits.flash
    if limit is None or limit.counted is not Counted.NEED or case.analysis.refusals:
        return
    from mcuplan.firmware.sources import resolver_saving

    saved = resolver_saving(case.analysis.graph, case.analysis.target, case.analysis.code.build)
    if saved:
        need = replace(case.need, flash=replace(case.need.flash, runtime_bytes=case.need.flash.runtime_bytes - saved))
        text = "an op resolver with kernels for the model's own types only"
        command = case.command("export", case.build_option, "-o firmware")
        cost = "nothing at run time; `mcuplan check` goes on counting kernels for all types"
        yield _Way("export", text, cost, command, need, (), case.limits)


_BUILD_COSTS = {
    "O2": "no log messages: an error of TFLM is a status without a sentence",
    "Os": "no log messages, and kernels compiled for size: slower",
}


def _builds(case: Case) -> Iterator[_Way]:
    limit = case.limits.flash
    if limit is None or limit.counted is not Counted.NEED:
        return
    names = {"O2": "TFLM built without log strings", "Os": "TFLM built -Os, without log strings"}
    for build in BUILDS[BUILDS.index(case.analysis.code.build) + 1 :]:
        command = case.command("check", f"--build {build}")
        yield _made(case, "build", names[build], _BUILD_COSTS[build], command, case.analyse(case.analysis.graph, build))


def _together(case: Case) -> Iterator[_Way]:
    """Plan or patch stages, stripping and the smallest build at once, where none of them suffices."""
    if case.analysis.refusals or plans.operators(case.analysis.graph) > plans.FAST:
        return
    from mcuplan.rewriting.strip import strip

    patch = case.patch if Resource.RAM in case.broken else None
    limit = case.limits.flash
    code = limit is not None and limit.counted is Counted.NEED and Resource.FLASH in case.broken
    if patch is None and not code:
        return  # that is the stripped file alone
    stripped, _ = strip(patch.graph if patch else case.planned[0])
    costs = [_patch_cost(patch)] if patch else []
    build = BUILDS[-1] if code else case.analysis.code.build
    options = ["--patch", "--strip"] if patch else ["--strip"]
    command = case.command("plan", *options, f"--effort {_EFFORT}", f"-o {case.planned_file}")
    text = f"{'patch stages' if patch else 'a plan'} and a stripped file"
    if code:
        checked = ("mcuplan check", case.planned_file, case.options, f"--build {build}")
        command += " && " + " ".join(part for part in checked if part)
        costs.append(_BUILD_COSTS[build])
        text += f", with TFLM built -{build}"
    yield _made(
        case, "together", text, "; ".join([*costs, "tensors lose their names"]), command, case.analyse(stripped, build)
    )


def _dear_ways(case: Case) -> Iterator[_Way]:
    """Changes of the network itself: accuracy is the user's to look at."""
    from mcuplan.estimates.errors import EstimateError

    with suppress(EstimateError):  # no float model, or one without an int8 form
        yield from _int8(case)
    if not case.broken or case.analysis.refusals:
        return
    yield from _without_operator(case)
    with suppress(EstimateError):  # no network whose filters can be counted down
        yield from _narrower(case)


def _int8(case: Case) -> Iterator[_Way]:
    from mcuplan.estimates.quantize import to_int8

    after = case.analyse(to_int8(case.analysis.graph))
    command = case.command("whatif", "--int8", case.build_option)
    cost = "converted anew with representative data; accuracy has to be measured"
    yield _made(case, "int8", "the network quantized to int8, its ends too", cost, command, after)


def _without_operator(case: Case) -> Iterator[_Way]:
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
    yield _Way("operator", text, cost, case.command("inspect", target=False), replace(case.need, flash=flash), (),
               case.limits)  # fmt: skip


def _narrower(case: Case) -> Iterator[_Way]:
    """The widest of some narrower forms that passes; the narrowest where none does."""
    from mcuplan.estimates.resize import widen

    last: _Way | None = None
    for factor in _WIDTHS:
        text = f"{factor:g} times the filters of every layer"
        command = case.command("whatif", f"--width {factor:g}", case.build_option)
        cost = "trained anew; accuracy has to be measured"
        last = _made(case, "narrower", text, cost, command, case.analyse(widen(case.analysis.graph, factor)))
        if _verdict(case, last) == "pass":
            break
    if last is not None:
        yield last


# -- another board -------------------------------------------------------------------------------------------------


def _boards(case: Case) -> Iterator[_Way]:
    """The cheapest board on which the model passes; without a price, the smallest. Limits of the user stay."""
    if any(not _follows_board(case, getattr(case.limits, resource.value)) for resource in case.broken):
        return
    analyses: dict[Target, Analysis] = {}
    passing: list[tuple[Board, _Way]] = []
    for board in case.boards:
        if case.board is not None and board.id == case.board.id:
            continue
        way = _on_board(case, board, analyses)
        if way is not None and _verdict(case, way) == "pass":
            passing.append((board, way))
    if passing:
        yield min(passing, key=lambda found: _price(case, found[0]))[1]


def _follows_board(case: Case, limit: Limit) -> bool:
    """Whether the limit goes away with the board, or with the rule of thumb that counts where there is none."""
    if case.board is None:
        return limit in tuple(RULE_OF_THUMB) and limit.resource is not Resource.MACS
    totals = {Resource.RAM: case.board.arena_ram_bytes, Resource.FLASH: case.board.flash_bytes}
    return limit.resource in totals and limit.source.startswith(f"{totals[limit.resource]:,} on the board")


def _price(case: Case, board: Board) -> tuple[int, int, float, int, str]:
    """Boards with a price first, those of the same currency before others: no exchange rate is assumed."""
    own = case.board.price.currency if case.board is not None and case.board.price else "USD"
    size = board.arena_ram_bytes + board.flash_bytes
    if board.price is None:
        return 1, 0, 0.0, size, board.id
    return 0, int(board.price.currency != own), board.price.amount, size, board.id


def _on_board(case: Case, board: Board, analyses: dict[Target, Analysis]) -> _Way | None:
    target = Target.parse(board.target)
    if board.older_tflm:
        target = replace(target, older=board.tflm_note or "")
    if target not in analyses:
        build = case.analysis.code.build
        analyses[target] = budget.analyse(case.analysis.graph, target, build, case.custom_operators)
    after = analyses[target]
    limits = budget.limits_on_board(board, budget.Asked())
    options = [f"--board {board.id}", case.build_option]
    if case.limits.macs is not None and case.limits.macs != RULE_OF_THUMB.macs:
        limits = replace(limits, macs=case.limits.macs)
        options.append(f"--macs {case.limits.macs.amount}")
    if case.stack != budget.DEFAULT_STACK_BYTES:
        options.append(f"--stack {case.stack}")
    price = board.price
    cost = f"other hardware, {price.amount:g} {price.currency} in {price.year}" if price else "other hardware"
    if board.reserved is not None:
        cost += "; counted beside its usual firmware"
    text = f"another board: {board.name}"
    command = case.command("check", *options, target=False)
    return _Way("board", text, cost, command, after.need(case.stack), after.refusals, limits)
