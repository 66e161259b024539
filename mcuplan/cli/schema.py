"""``mcuplan schema``: JSON Schemas of what mcuplan reads and writes."""

from __future__ import annotations

from pathlib import Path

import click

from mcuplan.api.schemas import SCHEMAS
from mcuplan.cli.parameters import examples


@click.command("schema", short_help="Print a JSON Schema of what mcuplan reads or writes.", epilog=examples(
    "mcuplan schema report -o report.schema.json",
    "mcuplan schema config",
))  # fmt: skip
@click.argument("what", type=click.Choice(list(SCHEMAS)))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write the schema to a file.")
def command(what: str, output: Path | None) -> int:
    """Print the JSON Schema (2020-12) of what --format json writes, of board files or of the configuration.

    `report` is what `check` and `compare` write, `boards` the list of `boards`, `board` one of it and a board file.
    """
    from mcuplan.cli.output import write_text
    from mcuplan.reports.documents.json import to_json

    write_text(to_json(SCHEMAS[what]()), output)
    return 0
