"""``mcuplan zoo``: reference models."""

from __future__ import annotations

from pathlib import Path

import click
from click.shell_completion import CompletionItem

from mcuplan.cli.parameters import complete_zoo, examples


def _complete(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    return complete_zoo(incomplete)


@click.command("zoo", short_help="List reference models, or write one to a file.", epilog=examples(
    "mcuplan zoo",
    "mcuplan zoo ds-cnn -o ds-cnn.tflite",
    'mcuplan check "zoo:mobilenet-v2?width=0.35&resolution=96" --ram 300kB',
))  # fmt: skip
@click.argument("name", required=False, shell_complete=_complete)
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="File to write the model to.")
def command(name: str | None, output: Path | None) -> int:
    """List the zoo's models; with NAME show its options, with NAME and -o FILE write it as a .tflite file.

    Options go behind the name: "mobilenet-v2?width=0.5&resolution=96". Wherever a model is taken, zoo:NAME works too.
    """
    from mcuplan import zoo
    from mcuplan.cli.output import write_text

    if name is None:
        if output is not None:
            raise click.UsageError("--output needs the NAME of a model to write")
        width = max(map(len, zoo.names()))
        write_text("".join(f"{entry:<{width}}  {zoo.describe(entry).title}\n" for entry in zoo.names()), None)
        return 0
    if output is None:
        entry = zoo.describe(name.removeprefix(zoo.PREFIX).partition("?")[0])
        options = "".join(
            f"option {o}: {span.default} ({span.low} to {span.high})\n" for o, span in entry.options.items()
        )
        write_text(f"{entry.name}: {entry.title}\nsource: {entry.source}\n{options}", None)
        return 0
    from mcuplan.text import safe_name
    from mcuplan.tflite import save

    written = save(zoo.resolve(name), output)
    write_text(f"{safe_name(str(output), 200)}: {written:,} bytes\n", None)
    return 0
