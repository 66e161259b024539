"""Writing a file so that nobody ever sees half of it."""

from __future__ import annotations

import os
from pathlib import Path

from mcuplan.errors import McuplanError


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write ``data`` to ``path`` through a temporary file in the same folder.

    A link is followed, and the permissions of a file that is replaced are kept. What is no regular file (a pipe,
    /dev/stdout) is written to as it is: atomicity means nothing there.

    Raises
    ------
    McuplanError
        Where the folder is missing, is not writable, or the disk is full; no partial file is left.
    """
    target = Path(os.path.realpath(path))
    try:
        if target.is_dir():
            raise McuplanError(f"{_shown(path)}: cannot write there, it is a folder")
        if target.exists() and not target.is_file():
            target.write_bytes(data)
        else:
            _replace(target, data)
    except FileNotFoundError:
        raise McuplanError(
            f"{_shown(path)}: cannot be written: the folder {_shown(Path(path).parent)} does not exist"
        ) from None
    except OSError as error:
        raise McuplanError(f"{_shown(path)}: cannot be written: {error.strerror or error}") from None


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write UTF-8 ``text`` to ``path`` as :func:`write_bytes` does; what is no text becomes escapes."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def copy(source: Path, path: str | os.PathLike[str]) -> int:
    """Copy ``source`` to ``path`` as :func:`write_bytes` writes; the bytes copied. Nothing happens to a file itself."""
    try:
        data = source.read_bytes()
    except OSError as error:
        raise McuplanError(f"{_shown(source)}: cannot be read: {error.strerror or error}") from None
    if not (os.path.exists(path) and os.path.samefile(source, path)):
        write_bytes(path, data)
    return len(data)


def _replace(target: Path, data: bytes) -> None:
    temporary = target.with_name(f".mcuplan-{os.urandom(8).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o777)
        temporary.replace(target)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise


def _shown(path: str | os.PathLike[str]) -> str:
    return os.fsdecode(path)
