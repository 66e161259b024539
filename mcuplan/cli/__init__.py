"""The command line. Each command is a module of its own, imported when it runs."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

import click

from mcuplan.cli import streams
from mcuplan.cli.output import ReaderGoneError
from mcuplan.errors import McuplanError
from mcuplan.version import __version__

_COMMANDS = {
    "allocate": "mcuplan.cli.allocate",
    "boards": "mcuplan.cli.boards",
    "check": "mcuplan.cli.check",
    "compare": "mcuplan.cli.compare",
    "completion": "mcuplan.cli.completion",
    "diff": "mcuplan.cli.diff",
    "energy": "mcuplan.cli.energy",
    "explain": "mcuplan.cli.explain",
    "export": "mcuplan.cli.export",
    "fit-search": "mcuplan.cli.fit_search",
    "inspect": "mcuplan.cli.inspect",
    "latency": "mcuplan.cli.latency",
    "plan": "mcuplan.cli.plan",
    "report": "mcuplan.cli.report",
    "schema": "mcuplan.cli.schema",
    "sweep": "mcuplan.cli.sweep",
    "target": "mcuplan.cli.target",
    "targets": "mcuplan.cli.targets",
    "verify": "mcuplan.cli.verify",
    "whatif": "mcuplan.cli.whatif",
    "zoo": "mcuplan.cli.zoo",
}
_JOBS = {
    "See whether it fits": ("check", "compare", "sweep", "boards", "targets", "target"),
    "See where it goes": ("inspect", "explain", "report", "latency", "energy"),
    "Make it fit": ("plan", "whatif", "fit-search"),
    "Guard and ship it": ("verify", "export", "diff"),
    "More": ("zoo", "allocate", "schema", "completion"),
}
"""Every command, by what it is for."""
_ROADS = """\
Will this .tflite model run on that microcontroller? Three roads:

Does it fit?
  mcuplan check model.tflite --board arduino-nano-33-ble-sense
  mcuplan compare model.tflite --cheapest

Make it fit.
  mcuplan check model.tflite --board arduino-nano-33-ble-sense --why
  mcuplan plan model.tflite --board arduino-nano-33-ble-sense -o planned.tflite

Guard it.
  mcuplan check models --write-baseline
  mcuplan diff HEAD~1:model.tflite model.tflite --max-growth ram=2kB

No model at hand: zoo:person-detection is one. All commands: mcuplan --help"""
"""What `mcuplan` alone says."""
_LISTED = "\n\t"
_INTERRUPTED, _BROKEN_PIPE, _TERMINATED, _BAD_USAGE = 130, 141, 143, 2


class _LazyGroup(click.Group):
    """A group that imports a command's module only when that command is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        """Names of all commands, in alphabetical order."""
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """The command of that name, its module imported now; None where there is none."""
        module = _COMMANDS.get(cmd_name)
        if module is None:
            return None
        command = import_module(module).command
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by what they are for."""
        width = max(map(len, _COMMANDS))
        for job, names in _JOBS.items():
            with formatter.section(job):
                formatter.write_dl([(f"{name:<{width}}", self._about(ctx, name)) for name in names])

    def _about(self, ctx: click.Context, name: str) -> str:
        command = self.get_command(ctx, name)
        assert command is not None
        return command.get_short_help_str(limit=120)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest name in the error where no command has the one given."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError:
            raise click.UsageError(f"no command {args[0]!r}{_nearest(args[0])}", ctx) from None


def _nearest(name: str) -> str:
    import difflib

    close = difflib.get_close_matches(name, _COMMANDS, n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; commands are {', '.join(sorted(_COMMANDS))}"


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="mcuplan")
def cli() -> None:
    """Will this .tflite model run on that microcontroller?

    \b
    Exit codes:
      0  every model passes
      1  a limit is broken, or TFLM cannot run a model
      2  bad usage, or an input that cannot be read
    The highest one wins where several models are checked.
    """


_NEW_OBJECTS = 50_000
"""Objects that come to be before garbage is looked for: the process ends soon, and little of what it makes is garbage
in cycles (a search takes a tenth less)."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    streams.prepare()
    gc.set_threshold(_NEW_OBJECTS)
    code = run(arguments)
    streams.settle()
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code. Errors are one sentence on stderr, never a traceback."""
    for stream in (sys.stdout, sys.stderr):
        # Names that a terminal's encoding lacks must not end the program.
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(args=None if arguments is None else list(arguments), prog_name="mcuplan", standalone_mode=False)
        sys.stdout.flush()
    except McuplanError as error:
        complain(str(error))
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        alone = error.ctx is not None and error.ctx.command is cli
        streams.say(_ROADS if alone else error.format_message())
        return _BAD_USAGE
    except click.UsageError as error:
        hint = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
        # click lists choices on lines of their own.
        complain(f"{error.format_message().replace(_LISTED, ' ').rstrip('.')}{hint}")
        return _BAD_USAGE
    except click.ClickException as error:
        complain(error.format_message())
        return _BAD_USAGE
    except (click.Abort, KeyboardInterrupt):
        complain("interrupted")
        return _INTERRUPTED
    except streams.TerminatedError:
        complain("terminated")
        return _TERMINATED
    except (ReaderGoneError, BrokenPipeError):
        streams.drop(sys.stdout)
        return _BROKEN_PIPE
    except OSError as error:
        streams.drop(sys.stdout)
        complain(f"{error.strerror or error}{f': {error.filename}' if error.filename else ''}")
        return _BAD_USAGE
    except Exception as error:
        if os.environ.get("MCUPLAN_DEBUG"):
            raise
        complain(f"{type(error).__name__}: {error} (a bug in mcuplan, please report it; MCUPLAN_DEBUG=1 shows where)")
        return _BAD_USAGE
    return code if isinstance(code, int) else 0


def complain(sentence: str) -> None:
    """Say on stderr what is wrong."""
    from mcuplan.text import safe_name

    streams.say(f"mcuplan: error: {safe_name(sentence, 2000)}")
