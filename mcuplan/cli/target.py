"""``mcuplan target``: which TFLM a firmware project has."""

from __future__ import annotations

from pathlib import Path

import click

from mcuplan.cli.parameters import examples


@click.command("target", short_help="Say which TFLM a firmware project has.", epilog=examples(
    "mcuplan target --detect firmware",
    "mcuplan target --detect firmware --format json",
))  # fmt: skip
@click.option("--detect", "project", type=click.Path(path_type=Path), required=True, metavar="PATH",
              help="A project's folder, a lock file or manifest of it, TFLM's sources, or an ELF file.")  # fmt: skip
@click.option("--format", "format_", type=click.Choice(["text", "json"]), default="text", help="How to show it.")
def command(project: Path, format_: str) -> int:
    """Read which TensorFlow Lite Micro, kernel library and core the files at PATH tell, and how sure each is.

    Looks at dependencies.lock, idf_component.yml, sdkconfig, library.properties, platformio.ini, west.yml, TFLM's own
    sources and ELF files; never at the network.

    \b
    Exit codes:
      0  a TFLM is told, or several, which are all shown
      2  none is
    """
    from mcuplan.detect import detect

    found = detect(project)
    if format_ == "json":
        import json

        from mcuplan.cli.output import write_text
        from mcuplan.reports.documents.targets import detection_row

        write_text(json.dumps(detection_row(found), indent=2) + "\n", None)
        return 0
    from mcuplan.cli.output import show
    from mcuplan.reports.terminal.targets import detection_lines

    show(lambda width, _: detection_lines(found, width))
    return 0
