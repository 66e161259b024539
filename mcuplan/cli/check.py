"""``mcuplan check``: from models to verdicts."""

from __future__ import annotations

from pathlib import Path

import click

from mcuplan.cli import complain
from mcuplan.cli.parameters import COUNT, SIZE, board_options, models_argument, performance_options, target_options
from mcuplan.reports.formats import FORMATS, renderer


@click.command("check", short_help="Check models against boards and limits.")
@models_argument()
@board_options
@click.option("--ram", type=SIZE, help="Limit on RAM: 64kB (1,000 bytes each), 64KiB (1,024).")
@click.option("--flash", type=SIZE, help="Limit on flash, model and code.")
@click.option("--macs", type=COUNT, help="Limit on multiply-accumulates: 60M.")
@performance_options
@click.option("--reserve", metavar="SIZE|FILE", help="RAM that other code takes (40kB; ram=40kB,flash=200kB), or a "
              "firmware's linker map, ELF file or `size` output to read it from.")  # fmt: skip
@click.option("--stack", type=SIZE, help="Stack counted for the calling thread (default 4096).")
@target_options
@click.option("--format", "format_", type=click.Choice(["text", *FORMATS]), default="text", help="How to report.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the report to a file.")
@click.option("-q", "--quiet", is_flag=True, help="Report only what does not pass.")
@click.option("--why", is_flag=True, help="Work out what would change the verdict, with the commands; takes seconds.")
@click.option("--config", type=click.Path(path_type=Path), help="Configuration to use for every model.")
@click.option("--baseline", type=click.Path(path_type=Path), help="Allow what this file records, forbid growth.")
@click.option("--write-baseline", is_flag=True, help="Record what is over its limits in the baseline file.")
def command(
    models: tuple[str, ...],
    boards: tuple[str, ...],
    board_dirs: tuple[Path, ...],
    ram: int | None,
    flash: int | None,
    macs: int | None,
    latency: float | None,
    energy: float | None,
    power: float | None,
    period: float | None,
    reserve: str | None,
    stack: int | None,
    kernels: str | None,
    target: str | None,
    build: str | None,
    custom_operators: tuple[str, ...],
    format_: str,
    output: Path | None,
    quiet: bool,
    why: bool,
    config: Path | None,
    baseline: Path | None,
    write_baseline: bool,
) -> int:
    """Will these models run on those boards?

    MODEL is a .tflite file, a C array, a folder, a pattern, or zoo:NAME. Without a board the tinyML rule of thumb
    counts: arena and model each under 250,000 bytes, under 60 million MACs.

    \b
    Exit codes:
      0  every model passes
      1  a limit is broken, or TFLM cannot run a model
      2  bad usage, or a model that cannot be read
    """
    from mcuplan.api.checking import Options
    from mcuplan.api.runs import check

    options = Options(
        boards=boards, board_dirs=board_dirs, ram=ram, flash=flash, macs=macs, kernels=kernels, target=target,
        build=build, custom_operators=custom_operators, stack=stack, reserve=reserve, config=config, baseline=baseline,
        latency=latency, energy=energy, power=power, period=period,
    )  # fmt: skip
    report = check(models, options, write_baseline=write_baseline, why=why)
    errors = [*(result.error for result in report.results), *(group.error for group in report.shared)]
    for sentence in dict.fromkeys(error for error in errors if error is not None):
        complain(sentence)
    if format_ in FORMATS:
        from mcuplan.cli.output import write_text

        write_text(renderer(format_)(report), output)
        return report.exit_code
    from mcuplan.cli.output import show
    from mcuplan.reports.terminal.check import report_lines

    show(lambda width, glyphs: report_lines(report, width, glyphs, quiet=quiet, errors=output is not None), output)
    return report.exit_code
