"""Files: the one place where one is opened for reading, and writing one so that nobody ever sees half of it.

What is read may be anything that a path of somebody else's configuration names. So only regular files are opened (a
FIFO or a device could keep a run waiting, or never end), and each reader states how large its files can be.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TextIO

from mcuplan.errors import McuplanError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_TEMPORARY = re.compile(r"\.mcuplan-[0-9a-f]{16}\.tmp")
_LONGEST_WRITE, _LONGEST_START = 3600, 2
"""Seconds after which a temporary file is surely not being written; and after which its writer has surely locked it."""

_HOW = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)
"""Without blocking: what was a regular file a moment ago may be a FIFO now."""

ANY_SIZE = 1 << 62
"""For those who look at a part of a file only."""

_CHUNK = 1 << 20

MODEL_LIMIT = (1 << 31) - 1
"""Bytes of a model: offsets in a FlatBuffer are signed 32-bit numbers."""


@contextlib.contextmanager
def opened(
    path: str | os.PathLike[str],
    limit: int,
    error: type[McuplanError] = McuplanError,
    failure: str = "cannot be read",
) -> Iterator[BinaryIO]:
    """The regular file at ``path`` of at most ``limit`` bytes, open for reading.

    Raises
    ------
    McuplanError
        ``error``, in a sentence that begins with the path and says ``failure`` and why: where there is no such file,
        it is none of the regular ones, is larger than ``limit``, or reading from it fails.
    """
    shown = _shown(path)
    try:
        with _open_regular(path) as file:
            if os.fstat(file.fileno()).st_size > limit:
                raise _RefusedError(_too_large(limit))
            yield file
    except OSError as problem:
        raise error(f"{shown}: {failure}: {problem.strerror or problem}") from None
    except _RefusedError as problem:
        raise error(f"{shown}: {failure}: {problem}") from None


def read(
    path: str | os.PathLike[str],
    limit: int,
    error: type[McuplanError] = McuplanError,
    failure: str = "cannot be read",
) -> bytes:
    """The bytes of a regular file; see :func:`opened` for the limit and for what is raised."""
    with opened(path, limit, error, failure) as file:
        return read_all(file, limit)


def read_all(file: BinaryIO, limit: int) -> bytes:
    """The rest of an opened file, whose size may be another than it states (as in /proc); at most ``limit`` bytes."""
    size = os.fstat(file.fileno()).st_size
    if size > limit:
        raise _RefusedError(_too_large(limit))
    data = file.read(size + 1)
    while more := file.read(min(_CHUNK, limit + 1 - len(data))):
        data += more
    if len(data) > limit:
        raise _RefusedError(_too_large(limit))
    return data


class _RefusedError(Exception):
    """A file that is not read; ``str`` says why."""


def _open_regular(path: str | os.PathLike[str]) -> BinaryIO:
    try:
        # Looked at before it is opened, for opening a device may do something; and after, for it may be another now.
        _refuse_irregular(os.stat(path))
        file = open(os.open(path, _HOW), "rb")  # noqa: SIM115
    except ValueError as problem:  # a path with a zero byte, or one that the system has no bytes for
        raise _RefusedError(str(problem)) from None
    try:
        _refuse_irregular(os.fstat(file.fileno()))
    except BaseException:
        file.close()
        raise
    return file


def _refuse_irregular(found: os.stat_result) -> None:
    if stat.S_ISDIR(found.st_mode):
        raise _RefusedError("this is a folder")
    if not stat.S_ISREG(found.st_mode):
        raise _RefusedError("this is not a regular file")


def _too_large(limit: int) -> str:
    size = f"{limit >> 20} MiB" if limit >> 20 else f"{limit >> 10} KiB"
    return f"it is larger than {size}, the most that is read of such a file"


def open_sink() -> int:
    """The number of a newly opened file that swallows what is written to it."""
    return os.open(os.devnull, os.O_RDWR)


def sink() -> TextIO:
    """A stream that swallows what is written to it."""
    return open(os.devnull, "w", encoding="utf-8")


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


@contextlib.contextmanager
def replaced(path: str | os.PathLike[str]) -> Iterator[BinaryIO]:
    """A file to write that takes the place of the one at ``path`` once it is whole, and leaves that as it is if not.

    Raises
    ------
    McuplanError
        Where it cannot be written.
    """
    target = Path(os.path.realpath(path))
    temporary = target.with_name(f".mcuplan-{os.urandom(8).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            _lock(file)
            yield file
        temporary.replace(target)
    except OSError as error:
        raise McuplanError(f"{_shown(path)}: cannot be written: {error.strerror or error}") from None
    finally:
        temporary.unlink(missing_ok=True)


def appended_to(path: str | os.PathLike[str]) -> BinaryIO:
    """The regular file at ``path``, made where there is none, open for writing at its end; nobody else may have it so.

    Raises
    ------
    McuplanError
        Where it cannot be written, is no regular file, or another process appends to it.
    """
    how = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        if os.path.lexists(path):
            _refuse_irregular(os.stat(path))
        file = open(os.open(path, how | getattr(os, "O_CLOEXEC", 0), 0o666), "ab")  # noqa: SIM115
    except (OSError, ValueError, _RefusedError) as problem:
        why = getattr(problem, "strerror", None) or problem
        raise McuplanError(f"{_shown(path)}: cannot be written: {why}") from None
    if fcntl is not None and not _lock(file):
        file.close()
        raise McuplanError(f"{_shown(path)}: another run is writing to it")
    return file


def holds(path: str | os.PathLike[str], data: bytes) -> bool:
    """Whether a regular file at ``path`` has just these bytes: then it need not be written."""
    try:
        return os.path.getsize(path) == len(data) and read(path, len(data)) == data
    except (OSError, McuplanError):
        return False


def _replace(target: Path, data: bytes) -> None:
    _remove_stale(target.parent)
    temporary = target.with_name(f".mcuplan-{os.urandom(8).hex()}.tmp")
    try:
        with temporary.open("xb") as file:
            _lock(file)
            file.write(data)
        if target.exists():
            temporary.chmod(target.stat().st_mode & 0o777)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _remove_stale(folder: Path) -> None:
    """Remove what runs that were killed while they wrote left in ``folder``."""
    with contextlib.suppress(OSError):
        for entry in list(os.scandir(folder)):
            if _TEMPORARY.fullmatch(entry.name) and entry.is_file(follow_symlinks=False) and _is_stale(entry):
                os.unlink(entry)


def _is_stale(entry: os.DirEntry[str]) -> bool:
    """Whether nobody writes to a temporary file any more: its lock is free, and was there time to take it."""
    age = time.time() - entry.stat(follow_symlinks=False).st_mtime
    if fcntl is None:
        return age > _LONGEST_WRITE
    if age < _LONGEST_START:
        return False
    with open(entry, "rb") as file:
        return _lock(file)


def _lock(file: BinaryIO) -> bool:
    """Take a file's lock, which lasts until it is closed; False where another process has it, or there are none."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _shown(path: str | os.PathLike[str]) -> str:
    return os.fsdecode(path)
