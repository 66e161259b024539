"""The one family of errors that mcuplan raises on bad input.

Each carries one clear sentence for a person, without a trailing full stop; the command line prints it on stderr and
ends with :attr:`McuplanError.exit_code`. Anything else that escapes is a bug.
"""

from __future__ import annotations


class McuplanError(Exception):
    """Bad input or bad usage; ``str(error)`` is the sentence to show."""

    exit_code = 2


class ModelError(McuplanError):
    """A model file that cannot be read: missing, malformed, inconsistent, or of another format."""
