"""The process's standard streams: closed ones, broken ones, and being ended from outside."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from types import FrameType
from typing import TextIO

from mcuplan import files


class TerminatedError(BaseException):
    """The process was asked to end (SIGTERM); raised so that temporary files go on the way out."""


def prepare() -> None:
    """Make the standard streams of this process fit to be written to, whatever it was started with.

    A stream that is closed (``>&-``) gets a sink. Its number must not be left free: the next file opened would get it,
    and what a library writes there would end up in that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            files.open_sink()  # takes the lowest free number, this one
    if sys.stdout is None:
        sys.stdout = files.sink()
    if sys.stderr is None:
        sys.stderr = files.sink()
    with contextlib.suppress(ValueError):  # where this is not the main thread
        signal.signal(signal.SIGTERM, _terminate)


def _terminate(_number: int, _frame: FrameType | None) -> None:
    raise TerminatedError


def settle() -> None:
    """Flush the streams; the interpreter must not fail when it does so again at the end."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):
            drop(stream)


def drop(stream: TextIO) -> None:
    """Send what ``stream`` still holds, and will be given, nowhere."""
    with contextlib.suppress(OSError, ValueError):  # a stream that is no file, as under a test runner
        os.dup2(files.open_sink(), stream.fileno())


def say(text: str) -> None:
    """Print ``text`` on stderr, if anybody listens: a message that is not heard changes no exit code."""
    from mcuplan.text import without_controls

    try:
        print(without_controls(text), file=sys.stderr, flush=True)
    except (OSError, ValueError):
        drop(sys.stderr)
