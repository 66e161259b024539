"""What ``check --why`` works out: hand-worked cases, and the commands run to see that they give what was told."""

from __future__ import annotations

from dataclasses import replace

from mcuplan import budget
from mcuplan.boards import all_boards, load_board
from mcuplan.budget import Asked, Limits
from mcuplan.findings.change import Change
from mcuplan.findings.situation import Situation
from mcuplan.findings.why import Case, why
from mcuplan.graph import Graph
from mcuplan.reports.terminal.lines import Lines
from mcuplan.reports.terminal.why import gain_text, why_lines
from mcuplan.tflite import read, write
from mcuplan.tflm import Target
from mcuplan.zoo import resolve


def model(name: str) -> Graph:
    return read(write(resolve(f"zoo:{name}")), name)


def case(name: str, limits: Limits, graph: Graph | None = None) -> Case:
    found = budget.analyse(graph or model(name), Target.parse("cortex-m4+cmsis-nn"))
    need = found.need()
    judgement = budget.judge(need, limits, found.refusals)
    return Case(Situation(f"zoo:{name}", found, need, limits, judgement), boards=all_boards())


def asked(**limits: int) -> Limits:
    return budget.limits_without_board(Asked(**limits))


def named(changes: tuple[Change, ...]) -> dict[str, Change]:
    return {change.name: change for change in changes}


def test_plan_makes_ram_fit() -> None:
    """The arena goes from 100,720 to 82,192 bytes; the resolver needs no place for the operators cleaned up."""
    it = case("visual-wake-words", asked(ram=90_000, flash=500_000))
    best = why(it)[0]
    assert (best.name, best.verdict, best.effect) == ("plan", "pass", "RAM then fits")
    assert best.ram_bytes >= 100_720 - 82_192
    assert best.command == ("mcuplan plan zoo:visual-wake-words --effort fast -o visual-wake-words.planned.tflite")


def test_board_without_a_limit_of_the_user() -> None:
    """The rule of thumb goes away with a board: the cheapest with a price in dollars on which the model passes."""
    it = case("person-detection", budget.RULE_OF_THUMB)
    found = named(why(it))
    assert found["board"].verdict == "pass"
    name = found["board"].command.split("--board ")[1].split()[0]
    board = load_board(name)
    assert board.price is not None
    need = it.analysis.need()
    for other in all_boards():
        limits = budget.limits_on_board(other, Asked())
        if other.price and other.price.currency == "USD" and other.price.amount < board.price.amount:
            after = budget.analyse(it.analysis.graph, Target.parse(other.target)).need()
            assert budget.judge(after, limits).violations
    assert found["board"].flash_bytes > 0
    assert need.flash.model_bytes == 297_392


def test_limits_of_the_user_stay_on_another_board() -> None:
    found = named(why(case("person-detection", asked(ram=1_000_000, flash=200_000))))
    assert "board" not in found


def test_still_too_many_is_to_the_byte() -> None:
    """297,392 bytes of model, 250,000 excluded: 47,393 must go; stripping saves 3,104 of them, less the 224
    bytes of the entry that says what the file was planned for."""
    strip = named(why(case("person-detection", budget.RULE_OF_THUMB)))["strip"]
    assert strip.flash_bytes == 2_880
    assert strip.effect == f"flash still {47_393 - 2_880:,} bytes too many"
    assert strip.verdict == "fail"


def test_passing_changes_come_first_and_no_more_than_asked_for() -> None:
    changes = why(case("person-detection", budget.RULE_OF_THUMB))
    verdicts = [change.verdict for change in changes]
    assert verdicts == sorted(verdicts, key=lambda verdict: verdict != "pass")
    assert len(changes) <= 5
    assert why(case("person-detection", budget.RULE_OF_THUMB), most=1) == changes[:1]


def test_smaller_build_when_code_counts() -> None:
    """18.8 kB of TFLM's interpreter shrink without log strings: sine fits 40 kB then."""
    it = case("sine", asked(flash=40_000))
    assert it.situation.judgement.verdict is budget.Verdict.FAIL
    builds = [change for change in why(it) if change.name == "build"]
    assert [change.verdict for change in builds] == ["pass", "pass"]
    os_build = next(change for change in builds if change.command.endswith("--build Os"))
    after = budget.analyse(it.analysis.graph, it.analysis.target, "Os").need()
    assert os_build.flash_bytes == it.need.flash.total_bytes - after.flash.total_bytes


def test_more_macs_are_a_loss() -> None:
    """Patch stages compute some rows twice; only where RAM is short are they looked for."""
    found = named(why(case("visual-wake-words", asked(ram=75_000, flash=900_000))))
    assert found["patch"].verdict == "pass"
    assert found["patch"].macs < 0 < found["patch"].ram_bytes
    roomy = why(case("visual-wake-words", asked(ram=900_000, flash=900_000)))
    assert "patch" not in named(roomy)


def test_refused_models_are_not_helped_by_size() -> None:
    it = case("sine", budget.RULE_OF_THUMB)
    main = it.analysis.graph.main
    operator = replace(main.operators[0], code=replace(main.operators[0].code, name="CUSTOM", custom_code="Strange"),
                       options=None)  # fmt: skip
    graph = replace(it.analysis.graph, subgraphs=(replace(main, operators=(operator, *main.operators[1:])),),
                    operator_codes=())  # fmt: skip
    refused = case("sine", budget.RULE_OF_THUMB, read(write(graph), "strange"))
    assert refused.analysis.refusals
    assert why(refused) == ()


CHANGE = Change(
    "plan", "a plan\x1b[2J", "nothing", "mcuplan plan M " + "x" * 120, "pass", "RAM then fits", 18_528, -288, 0
)


def test_gains_and_losses_in_words() -> None:
    assert gain_text(CHANGE) == "saves 18,528 bytes of RAM, loses 288 bytes of flash"
    assert gain_text(replace(CHANGE, ram_bytes=0, flash_bytes=0, macs=5)) == "saves 5 MACs"


def test_lines_fit_but_commands_are_never_broken() -> None:
    lines = [line.plain for line in why_lines([CHANGE], False, Lines(60))]
    assert CHANGE.command in lines[-1]
    assert all(len(line) <= 60 for line in lines[:-1])
    assert not any("\x1b" in line for line in lines)
    assert "nothing that mcuplan can work out" in [line.plain for line in why_lines([], True, Lines(60))][-1]


def test_int8_and_a_plan_where_int8_alone_is_not_enough() -> None:
    """A float model whose int8 form is over the limit with TFLM's own plan, and keeps it with mcuplan's."""
    from mcuplan.estimates.quantize import to_int8
    from mcuplan.planning.plan import PlanOptions, make_plan

    graph = model("visual-wake-words?precision=float32")
    target = Target.parse("cortex-m4+cmsis-nn")
    integer = to_int8(graph)
    alone = budget.analyse(integer, target).need().ram.total_bytes
    planned = budget.analyse(make_plan(integer, target, PlanOptions(effort="fast")).graph, target).need().ram
    assert planned.total_bytes < alone
    found = named(why(case("float", asked(ram=planned.total_bytes, flash=10_000_000, macs=10**9), graph), most=20))
    assert found["int8"].verdict == "fail"
    assert found["int8-plan"].verdict == "pass"
    assert found["int8-plan"].effect == "RAM then fits"


def test_the_file_is_changed_before_the_product() -> None:
    """A float ResNet is over 250 kB of model: its int8 form passes, and so do boards; the same network comes first."""
    changes = why(case("resnet8", budget.RULE_OF_THUMB, model("resnet8?precision=float32")), most=20)
    order = [change.name for change in changes if change.verdict == "pass"]
    assert order.index("int8") < order.index("board")
