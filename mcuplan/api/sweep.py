"""The verb ``sweep``: thousands of models on many boards, targets and manners of planning, as a table of rows."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from mcuplan.api.amounts import Count, Quantity, Size
from mcuplan.api.models import expand
from mcuplan.api.plan import PlanOptions
from mcuplan.api.results import Shown, Summary
from mcuplan.api.stated import check_options
from mcuplan.api.sweeping.configured import configured
from mcuplan.api.sweeping.executors import DaskCluster, Executor, InProcess, ProcessPool
from mcuplan.api.sweeping.items import Item, Settings, digest, prepared
from mcuplan.api.sweeping.tables import FORMATS, Table, rows_in
from mcuplan.api.targets import BoardLike
from mcuplan.errors import McuplanError
from mcuplan.reports.documents.sweep import SweepRow, Way
from mcuplan.text import counted

if TYPE_CHECKING:
    from distributed import Client

Models: TypeAlias = "str | os.PathLike[str] | Iterable[str | os.PathLike[str]] | Mapping[str, bytes]"
"""What is swept: paths, folders, patterns, ``zoo:NAME``, or models' bytes by name."""

_ORDER = ("pass", "fail", "unsupported", "error")


@dataclass(frozen=True, slots=True)
class SweepProgress:
    """Whom a sweep tells how far it is."""

    total: Callable[[int], None] = lambda _items: None
    """Called once with how many items there are."""
    done: Callable[[str, bool], None] = lambda _model, _anew: None
    """Called for each item with its model; False where an earlier run did it."""


_UNTOLD = SweepProgress()


@dataclass(frozen=True, repr=False)
class SweepResult(Shown):
    """What a sweep found. Rows in a file are read from there, one after the other."""

    verdicts: Mapping[str, int]
    """Rows by verdict: ``pass``, ``fail``, ``unsupported``, ``error``; of this run and of earlier ones."""
    items: int
    """Models, times manners of planning."""
    found_done: int
    """Items that an earlier run had done."""
    output: Path | None = None
    kept: tuple[SweepRow, ...] = field(default=())

    @property
    def rows(self) -> Iterator[SweepRow]:
        """Every row, in the order in which items were done."""
        return iter(self.kept) if self.output is None else rows_in(self.output)

    def to_json(self) -> str:
        """The counts as a JSON document; the rows are in the file."""
        from mcuplan.reports.documents.json import to_json

        told = {"items": self.items, "found_done": self.found_done, "verdicts": dict(self.verdicts)}
        return to_json({**told, "output": None if self.output is None else os.fspath(self.output)})

    def summary(self) -> Summary:
        """How many rows there are of each verdict."""
        rows = sum(self.verdicts.values())
        heading = f"{counted(self.items, 'model')} and manners, {counted(rows, 'row')}"
        done = (f"{self.found_done:,} of them were done before",) if self.found_done else ()
        return Summary(heading, ("verdict", "rows"), tuple((n, f"{c:,}") for n, c in self.verdicts.items()), done)


def sweep(
    models: Models,
    *,
    board: BoardLike | Sequence[BoardLike] | None = None,
    output: str | os.PathLike[str] | None = None,
    target: str | Sequence[str] = (),
    kernels: str | None = None,
    lean: bool = False,
    plan: Way | Sequence[Way] = "as-is",
    planning: PlanOptions | None = None,
    jobs: int | None = None,
    dask: str | Client | None = None,
    restart: bool = False,
    ram: Size | None = None,
    arena_size: Size | None = None,
    flash: Size | None = None,
    macs: Count | None = None,
    latency: Quantity | None = None,
    energy: Quantity | None = None,
    power: Quantity | None = None,
    period: Quantity | None = None,
    reserve: Size | None = None,
    reserve_only: Size | None = None,
    stack: Size | None = None,
    arena_in: str | None = None,
    persistent_in: str | None = None,
    build: str | None = None,
    custom_operators: Sequence[str] = (),
    config: str | os.PathLike[str] | None = None,
    board_dirs: Sequence[str | os.PathLike[str]] = (),
    progress: SweepProgress = _UNTOLD,
) -> SweepResult:
    """Check every model on every board and target, as it is or planned, and write a row for each.

    A model that cannot be read, or that ends the process that looks at it, is rows with the verdict ``error`` and hides
    no other. With ``output`` a sweep can be interrupted: run again, it goes on; models that changed are done anew.

    Parameters
    ----------
    models
        Paths, folders, patterns and ``zoo:NAME``; or models' bytes by name.
    board
        Boards: names, paths of board files, or Boards. Without any the tinyML rule of thumb counts.
    output
        The file for the rows, which grows as items are done: ``.jsonl``, ``.csv`` or ``.parquet`` (extra ``parquet``).
        Without it rows are kept in memory.
    target, kernels, lean
        Targets in place of the boards' own, each where it is for a board's core; or the kernel library alone; with lean
        registrations.
    plan
        How models are taken: ``as-is``, with a memory ``plan``, with ``patch`` stages; or several.
    planning
        How long a plan is sought, and what it may do; by default with the fast effort.
    jobs
        Processes; None for one for each processor, 1 for this process alone.
    dask
        The address of a Dask scheduler, or a client, in place of processes (extra ``dask``).
    restart
        Begin anew, whatever ``output`` holds.
    ram, arena_size, flash, macs, latency, energy, power, period, reserve, reserve_only, stack, arena_in, persistent_in,
    build, custom_operators
        As in :func:`mcuplan.check`.
    config
        ``"auto"``: what is not stated comes from the ``mcuplan.toml`` or ``pyproject.toml`` nearest to the working
        folder, as on the command line; a path: from that file. One for all models: what it says of single ones is not
        for a sweep. By default no configuration counts.

    Raises
    ------
    McuplanError
        For unknown boards and targets, amounts that are none, an output that cannot be written or is another sweep's.

    Examples
    --------
    >>> import mcuplan
    >>> found = mcuplan.sweep(["zoo:sine", "zoo:micro-speech"], board=["sparkfun-edge", "raspberry-pi-pico"], jobs=1)
    >>> found.verdicts["pass"], [row.arena_bytes for row in found.rows][:1]
    (4, [1168])
    """
    options = check_options(
        board=board, board_dirs=board_dirs, ram=ram, arena_size=arena_size, flash=flash, macs=macs, latency=latency,
        energy=energy, power=power, period=period, reserve=reserve, reserve_only=reserve_only, stack=stack,
        arena_in=arena_in, persistent_in=persistent_in, kernels=kernels, lean=lean, build=build,
        custom_operators=custom_operators, config=config,
    )  # fmt: skip
    targets = (target,) if isinstance(target, str) else tuple(target)
    settings = configured(Settings(options, targets, _ways(plan), planning or PlanOptions(effort="fast")))
    cases = len(prepared(settings).cases)
    found = _given(models)
    progress.total(len(found) * len(settings.ways))
    table = None if output is None else _table(Path(output), settings, cases, restart)
    executor = _executor(jobs, dask, len(found) * len(settings.ways))
    return _swept(_items(found, settings.ways), settings, executor, table, progress)


def _ways(plan: Way | Sequence[Way]) -> tuple[Way, ...]:
    ways = tuple(dict.fromkeys((plan,) if isinstance(plan, str) else plan))
    for way in ways:
        if way not in ("as-is", "plan", "patch"):
            raise McuplanError(f"{way!r} is no way to take a model: as-is, plan, patch")
    return ways or ("as-is",)


def _given(models: Models) -> Mapping[str, bytes | None]:
    """Names of models, with the bytes of those that do not lie under their name."""
    if isinstance(models, Mapping):
        return {str(name): bytes(data) for name, data in models.items()}
    named = models if isinstance(models, Iterable) and not isinstance(models, str | bytes) else [models]
    # What names no model is an item as well: its rows say so.
    return dict.fromkeys(expand([_path(model) for model in named]))


def _path(model: object) -> str:
    if not isinstance(model, str | os.PathLike):
        raise McuplanError(f"{model!r:.60} is no path: give paths and zoo:NAME, or models' bytes by name")
    return os.fsdecode(model)


def _items(models: Mapping[str, bytes | None], ways: Sequence[Way]) -> Iterator[Item]:
    for name, data in models.items():
        for way in ways:
            yield Item(name, way, data)


def _table(path: Path, settings: Settings, cases: int, restart: bool) -> Table:
    if path.suffix.lower() not in FORMATS:
        raise McuplanError(f"{path}: rows are written as {', '.join(FORMATS[:-1])} or {FORMATS[-1]}: name one of them")
    return Table(path, settings.digest, cases, restart)


def _executor(jobs: int | None, dask: str | Client | None, items: int) -> Executor:
    if dask is not None:
        return DaskCluster(dask)
    workers = min(jobs or os.cpu_count() or 1, max(items, 1))
    if jobs is None and items <= _FEW:
        workers = 1
    return InProcess() if workers == 1 else ProcessPool(workers)


_FEW = 20
"""Items for which starting processes takes longer than they save."""


def _swept(
    items: Iterator[Item], settings: Settings, executor: Executor, table: Table | None, progress: SweepProgress
) -> SweepResult:
    before = Counter[str]()
    changed = False

    def waiting() -> Iterator[Item]:
        nonlocal changed
        for item in items:
            if table is None or item.key not in table.done:
                yield item
            elif digest(item) == table.done[item.key]:
                before["items"] += 1
                progress.done(item.name, False)
            else:
                changed = True
                yield item

    verdicts, kept, anew, complete = Counter[str](), list[SweepRow](), 0, False
    try:
        for item, rows in executor.run(waiting(), settings):
            anew += 1
            if table is None:
                kept.extend(rows)
            else:
                table.append(rows)
            progress.done(item.name, True)
        complete = True
    finally:
        if table is not None:
            table.close(complete, redone=changed)
    for row in kept if table is None else rows_in(table.path):
        verdicts[row.verdict] += 1
    ordered = {name: verdicts[name] for name in _ORDER}
    return SweepResult(
        ordered, anew + before["items"], before["items"], None if table is None else table.path, tuple(kept)
    )  # fmt: skip
