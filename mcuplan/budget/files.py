"""Writing a file so that nobody ever sees half of it."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from mcuplan.errors import McuplanError


def write_text_atomically(path: Path, text: str) -> None:
    """Write UTF-8 ``text`` to ``path`` through a temporary file in the same folder.

    Raises
    ------
    McuplanError
        Where the folder is missing, is not writable, or the disk is full; no partial file is left.
    """
    write_bytes_atomically(path, text.encode("utf-8", "backslashreplace"))


def write_bytes_atomically(path: Path, data: bytes) -> None:
    """Write ``data`` to ``path`` through a temporary file in the same folder; errors as for text."""
    # Replacing a device or a pipe (/dev/null, /dev/stdout) by a regular file would be wrong, and atomicity means
    # nothing there.
    if path.exists() and not path.is_file():
        if path.is_dir():
            raise McuplanError(f"{path}: cannot write there, it is a folder")
        try:
            path.write_bytes(data)
        except OSError as error:
            raise McuplanError(f"{path}: cannot be written: {error.strerror or error}") from None
        return
    target = Path(os.path.realpath(path))
    temporary: str | None = None
    try:
        descriptor, temporary = tempfile.mkstemp(prefix=".mcuplan-", suffix=".tmp", dir=target.parent)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        os.chmod(temporary, _mode(target))
        os.replace(temporary, target)
        temporary = None
    except FileNotFoundError:
        raise McuplanError(f"{path}: cannot be written: the folder {path.parent} does not exist") from None
    except OSError as error:
        raise McuplanError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        if temporary is not None:
            os.unlink(temporary)


def _mode(target: Path) -> int:
    """The mode the file has, or what a plain ``open`` would give a new one (mkstemp's 0600 would shut others out)."""
    try:
        return target.stat().st_mode & 0o777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
