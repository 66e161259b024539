"""``mcuplan verify``: the proof that a planned model is its original."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from mcuplan.cli.parameters import config_option, examples, kernel_options, one_board, one_board_options

if TYPE_CHECKING:
    from rich.text import Text

    from mcuplan.api.verify import VerifyResult
    from mcuplan.proof.prove import Proof


@click.command("verify", short_help="Prove that a planned model computes what its original does.", epilog=examples(
    "mcuplan plan zoo:visual-wake-words -o planned.tflite",
    "mcuplan verify zoo:visual-wake-words planned.tflite --no-tflm --no-litert",
))  # fmt: skip
@click.argument("original")
@click.argument("planned")
@click.option("--no-tflm", is_flag=True, help="Do not run the models on TFLM (the `tflm` extra).")
@click.option("--no-litert", is_flag=True, help="Do not run the models on LiteRT (the `litert` extra).")
@click.option("--seeds", type=click.IntRange(1, 1000), default=4, show_default=True, help="Random inputs to compare.")
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", show_default=True)
@one_board_options
@config_option
@kernel_options
def command(
    original: str, planned: str, no_tflm: bool, no_litert: bool, seeds: int, format_: str, boards: tuple[str, ...],
    board_dirs: tuple[Path, ...], kernels: str | None, lean: bool, target: str | None, config: Path | None,
) -> int:  # fmt: skip
    """Check that PLANNED is ORIGINAL with another memory plan.

    Always: TFLM does not refuse it, no live byte is overwritten, and each output is computed by the same operators.
    With the extras installed also: outputs bit for bit on a real TFLM and on LiteRT. Exit code 1 where a check fails
    or nothing proves it.
    """
    from mcuplan.api.verify import verify

    result = verify(
        original, planned, board=one_board("verify", boards), board_dirs=board_dirs, kernels=kernels, target=target,
        lean=lean, tflm=not no_tflm, litert=not no_litert, seeds=seeds, config=config or "auto",
    )  # fmt: skip
    _show(result, format_)
    return int(not result.ok)


def _show(result: VerifyResult, format_: str) -> None:
    from mcuplan.cli.output import show, write_text

    if format_ == "json":
        write_text(result.to_json(), None)
    else:
        show(lambda width, _: _lines(result.proof, width))


def _lines(result: Proof, width: int) -> Iterator[Text]:
    from rich.text import Text

    from mcuplan.proof.prove import Status
    from mcuplan.reports.terminal.check import FAIL, PASS, WARN
    from mcuplan.reports.terminal.lines import Lines

    styles = {Status.PASSED: PASS, Status.FAILED: FAIL, Status.SKIPPED: WARN}
    lines = Lines(width)
    for check in result.checks:
        head = Text(f"{check.status.value:<9}", style=styles[check.status])
        yield from lines.wrapped(head + Text(f"{check.name}: {check.detail}"), hang=9)
        for finding in check.findings[:_MOST_FINDINGS]:
            yield from lines.wrapped(Text(finding), indent=9, hang=2)
        if len(check.findings) > _MOST_FINDINGS:
            yield Text(f"        and {len(check.findings) - _MOST_FINDINGS} more")
    verdict = "the same, bit for bit" if result.ok else "not proven the same"
    yield Text(verdict, style=PASS if result.ok else FAIL)


_MOST_FINDINGS = 8
