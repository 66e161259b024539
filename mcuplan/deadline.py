"""When work must end: one object, handed down to every loop that can be long."""

from __future__ import annotations

from collections.abc import Callable
from time import process_time

from mcuplan.errors import McuplanError


class OutOfTimeError(McuplanError):
    """The time was up before there was anything to show for it; whoever has something better catches this."""


class Deadline:
    """Seconds that may be spent from now on, None for as many as it takes.

    ``clock`` counts seconds (default: of CPU time). ``struck`` tells whether anybody was told that the time is up:
    then results may be less than they could be, and depend on the machine.

    Examples
    --------
    >>> seconds = iter([0, 1, 3])
    >>> deadline = Deadline(2, lambda: next(seconds))
    >>> deadline.late(), deadline.late(), deadline.struck
    (False, True, True)
    """

    __slots__ = ("_clock", "_end", "seconds", "struck")

    def __init__(self, seconds: float | None = None, clock: Callable[[], float] = process_time) -> None:
        self.seconds = seconds
        self.struck = False
        self._clock = clock
        self._end = None if seconds is None else clock() + seconds

    def late(self) -> bool:
        """Whether the time is up."""
        if not self.struck and self._end is not None and self._clock() >= self._end:
            self.struck = True
        return self.struck

    def check(self) -> None:
        """Go on only where there is time.

        Raises
        ------
        OutOfTimeError
            Where the time is up.
        """
        if self.late():
            raise OutOfTimeError(f"the time limit of {self.seconds:g} s ended the search")
