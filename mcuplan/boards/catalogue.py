"""Finding boards: by the name of their file, by an alias, in the shipped specs and in folders of the user's."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mcuplan import files
from mcuplan.boards.errors import BoardError
from mcuplan.errors import McuplanError

if TYPE_CHECKING:
    from mcuplan.boards.spec import Board

_ID = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*", re.ASCII)
_TABLE_HEADER = re.compile(r"^\s*\[", re.MULTILINE)
_HEAD_LIMIT = 4096
_LIMIT = 256 << 10
_REF_LIMIT = 200


def load_board(ref: str, extra_dirs: Sequence[Path] = ()) -> Board:
    """The board that ``ref`` names.

    ``ref`` is the path of a ``.toml`` file, or an id, an alias or a full name (case, spaces, dots, underscores and
    dashes do not matter); ``@toolchain`` behind it picks another of its toolchains than the usual. Folders in
    ``extra_dirs`` come before the shipped specs. Only one file is parsed.

    Raises
    ------
    BoardError
        When no board has that name (the nearest are named), it has no such toolchain, or its spec is not valid.
    """
    named, at, toolchain = ref.rpartition("@")
    if at and not ref.lower().endswith(".toml"):
        return load_board(named, extra_dirs).built_with(toolchain)
    if ref.lower().endswith(".toml"):
        return _read(Path(ref))
    name = normalised(ref)
    folders = _folders(extra_dirs)
    if len(ref) <= _REF_LIMIT and _ID.fullmatch(name):
        for folder in folders:
            path = folder / f"{name}.toml"
            if path.is_file():
                return _read_named(path)
        for folder in folders:
            for path in _files(folder):
                if _squeezed(name) in map(_squeezed, _names_in(path)):
                    return _read_named(path)
    raise BoardError(_unknown(ref, folders))


def all_boards(extra_dirs: Sequence[Path] = ()) -> tuple[Board, ...]:
    """Every board, by id. A board in ``extra_dirs`` replaces a shipped one of the same id.

    Raises
    ------
    BoardError
        When one of the specs is not valid, or a folder of ``extra_dirs`` is none.
    """
    return tuple(_read_named(path) for path in _paths(extra_dirs).values())


def board_names(extra_dirs: Sequence[Path] = ()) -> tuple[str, ...]:
    """The ids of every board, in order, from the names of the files alone."""
    return tuple(_paths(extra_dirs))


def specs_folder() -> Path:
    """Where the shipped specs are: inside the installed package, or beside it in a source tree or editable install."""
    return _specs_folder()


def normalised(ref: str) -> str:
    """``ref`` as an id: lower case, with one dash between words."""
    return "-".join(re.findall(r"[a-z0-9]+", ref.casefold()))


@cache
def _specs_folder() -> Path:
    package = Path(__file__).resolve().parent
    for folder in (package / "specs", package.parents[1] / "board_specs"):
        if folder.is_dir():
            return folder
    raise BoardError("the board specs that belong to mcuplan are missing: install it again")


def _folders(extra_dirs: Sequence[Path]) -> tuple[Path, ...]:
    for folder in extra_dirs:
        if not Path(folder).is_dir():
            raise BoardError(f"{folder}: not a folder, so no boards can be read from it")
    return (*map(Path, extra_dirs), _specs_folder())


def _paths(extra_dirs: Sequence[Path]) -> dict[str, Path]:
    found = {path.stem: path for folder in reversed(_folders(extra_dirs)) for path in _files(folder)}
    return dict(sorted(found.items()))


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(folder.glob("*.toml"))
    except OSError as error:
        raise BoardError(f"{folder}: cannot list the folder: {error.strerror or error}") from None


def _read(path: Path) -> Board:
    from mcuplan.boards.reading import read_board

    # Nobody changes a shipped spec while a process runs, and a sweep asks for each a thousand times.
    return _shipped(path) if path.parent == _specs_folder() else read_board(path)


@lru_cache(256)
def _shipped(path: Path) -> Board:
    from mcuplan.boards.reading import read_board

    return read_board(path)


def _read_named(path: Path) -> Board:
    board = _read(path)
    if board.id != path.stem:
        raise BoardError(f"{path}: the id is {board.id!r}, so the file must be called {board.id}.toml")
    return board


def _names_in(path: Path) -> Iterator[str]:
    """Names in the head of a board file, before its first table; the rest is not parsed. Nothing if unreadable."""
    import tomllib

    yield path.stem
    try:
        with files.opened(path, _LIMIT) as file:
            text = file.read(_HEAD_LIMIT).decode("utf-8-sig", "replace")
        header = _TABLE_HEADER.search(text)
        head = tomllib.loads(text[: header.start()] if header else text)
    except (McuplanError, ValueError, RecursionError):
        return  # what is wrong with it is said when it is loaded
    for value in (head.get("name"), *_listed(head.get("aliases"))):
        if isinstance(value, str):
            yield value


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _squeezed(name: str) -> str:
    return normalised(name).replace("-", "")


def _unknown(ref: str, folders: Sequence[Path]) -> str:
    shown = "".join(c if c.isprintable() else "?" for c in ref[:_REF_LIMIT])
    if not ref.strip():
        return "a board with an empty name was asked for; `mcuplan boards` lists what there is"
    near = _nearest(ref[:_REF_LIMIT], folders)
    listed = " or ".join(filter(None, (", ".join(near[:-1]), *near[-1:])))
    hint = f"did you mean {listed}?" if near else "`mcuplan boards` lists what there is"
    return f"unknown board {shown!r}: {hint}"


def _nearest(ref: str, folders: Sequence[Path], most: int = 3) -> list[str]:
    """Up to ``most`` ids whose id, name or alias is like ``ref`` or contains its words."""
    import difflib

    wanted, words = _squeezed(ref), normalised(ref).split("-")
    scores: dict[str, float] = {}
    for folder in folders:
        for path in _files(folder):
            for name in _names_in(path):
                like = difflib.SequenceMatcher(None, wanted, _squeezed(name)).ratio()
                holds = sum(word in _squeezed(name) for word in words if len(word) > 1) / len(words)
                scores[path.stem] = max(scores.get(path.stem, 0.0), like, 0.55 + 0.4 * holds if holds == 1 else 0.0)
    close = sorted((-score, name) for name, score in scores.items() if score >= 0.6)
    return [name for _, name in close[:most]]
