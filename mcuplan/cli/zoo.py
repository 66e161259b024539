"""``mcuplan zoo``: reference models."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from mcuplan.cli.parameters import complete_zoo


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return complete_zoo(incomplete)


@click.command("zoo", short_help="List reference models, or write one to a file.")
@click.argument("name", required=False, shell_complete=_complete)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write the model to.")
def command(name: str | None, output: Path | None) -> int:
    """List the zoo's models; with NAME show its options, with NAME and -o FILE write it as a .tflite file.

    Options go behind the name: "mobilenet-v2?width=0.5&resolution=96". Wherever a model is taken, zoo:NAME works too.
    """
    from mcuplan import zoo

    if name is None:
        if output is not None:
            raise click.UsageError("--output needs the NAME of a model to write")
        width = max(map(len, zoo.names()))
        click.echo("\n".join(f"{entry:<{width}}  {zoo.describe(entry).title}" for entry in zoo.names()))
        return 0
    if output is None:
        entry = zoo.describe(name.removeprefix(zoo.PREFIX).partition("?")[0])
        click.echo(f"{entry.name}: {entry.title}\nsource: {entry.source}")
        for option, span in entry.options.items():
            click.echo(f"option {option}: {span.default} ({span.low} to {span.high})")
        return 0
    from mcuplan.tflite import save

    written = save(zoo.resolve(name), output)
    click.echo(f"{output}: {written:,} bytes")
    return 0
