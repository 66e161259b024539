"""``mcuplan completion``: scripts that let a shell complete commands, options, boards and models."""

from __future__ import annotations

import click

from mcuplan.cli.parameters import examples


@click.command("completion", short_help="Print a completion script for a shell.",
               epilog=examples("mcuplan completion bash"))  # fmt: skip
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> int:
    """Print a script that completes mcuplan's commands, options, boards and models.

    \b
    bash:  mcuplan completion bash > ~/.local/share/bash-completion/completions/mcuplan
    zsh:   mcuplan completion zsh > a file _mcuplan in a folder of $fpath
    fish:  mcuplan completion fish > ~/.config/fish/completions/mcuplan.fish
    """
    from click.shell_completion import get_completion_class

    from mcuplan.cli import cli
    from mcuplan.cli.output import write_text

    found = get_completion_class(shell)
    assert found is not None
    script = found.source_template % found(cli, {}, "mcuplan", "_MCUPLAN_COMPLETE").source_vars()
    write_text(script + "\n", None)
    return 0
