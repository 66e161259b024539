"""``mcuplan targets``: what predictions can be for."""

from __future__ import annotations

import click

from mcuplan.cli.parameters import examples


@click.command("targets", short_help="List targets: TFLM versions, cores, kernel libraries.", epilog=examples(
    "mcuplan targets",
    "mcuplan targets cortex-m4 arduino",
))  # fmt: skip
@click.argument("words", nargs=-1)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", help="How to show them.")
def command(words: tuple[str, ...], format_: str) -> int:
    """List the targets that mcuplan has rules for, with the measured arenas behind each; WORDS narrow the list.

    A target is VERSION/CORE+LIBRARY[-LIBVERSION]; short forms mean the newest. Versions between two listed ones are
    taken too, with the greater figures of both.
    """
    from mcuplan.tflm.target import all_targets

    chosen = [target for target in all_targets() if all(word.lower() in str(target) for word in words)]
    if format_ == "json":
        import json

        from mcuplan.cli.output import write_text
        from mcuplan.reports.documents.targets import target_row

        write_text(json.dumps([target_row(target) for target in chosen], indent=2) + "\n", None)
        return 0
    from mcuplan.cli.output import show
    from mcuplan.reports.terminal.targets import target_table

    show(lambda width, _: target_table(chosen, width))
    return 0
