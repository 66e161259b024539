"""Who works the items of a sweep off: this process, a pool of processes, or a Dask cluster; all by one interface.

An executor holds a few items at a time, whatever their number, and gives each one back once, with its rows, in the
order in which they are done. A worker that dies takes nothing along: its items are worked off again, and one that ends
every worker it is given to becomes rows that say so.
"""

from __future__ import annotations

import gc
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing.connection import wait as wait_for
from typing import TYPE_CHECKING, Protocol, TypeAlias
from uuid import uuid4

from mcuplan.api.models import ZOO
from mcuplan.api.sweeping.items import Item, Settings, failed, prepared, rows_of
from mcuplan.errors import McuplanError
from mcuplan.reports.documents.sweep import SweepRow

if TYPE_CHECKING:
    from distributed import Client

Done: TypeAlias = "tuple[Item, tuple[SweepRow, ...]]"

_AHEAD = 3
"""Items that wait for each worker: enough that none is idle, and few enough to hold."""


class Executor(Protocol):
    """Works items off."""

    def run(self, items: Iterable[Item], settings: Settings) -> Iterator[Done]:
        """Each item with its rows, as soon as it is done."""


@dataclass(frozen=True, slots=True)
class InProcess:
    """One item after the other, in this process."""

    def run(self, items: Iterable[Item], settings: Settings) -> Iterator[Done]:
        """Each item with its rows, in the order given."""
        for item in items:
            yield item, rows_of(item, settings)


@dataclass(frozen=True, slots=True)
class ProcessPool:
    """A pool of processes on this machine."""

    workers: int

    def run(self, items: Iterable[Item], settings: Settings) -> Iterator[Done]:
        """Each item with its rows, in the order in which they are done."""
        waiting = iter(items)
        while True:
            lost: list[Item] = []
            yield from self._pool(waiting, settings, lost)
            if not lost:
                return
            yield from _one_by_one(lost, settings)

    def _pool(self, waiting: Iterator[Item], settings: Settings, lost: list[Item]) -> Iterator[Done]:
        """Items until none waits, or a worker dies: then ``lost`` gets those that were under way."""
        pool = _processes(self.workers)
        pending: dict[Future[tuple[SweepRow, ...]], Item] = {}
        try:
            while True:
                while len(pending) < _AHEAD * self.workers and (item := next(waiting, None)) is not None:
                    pending[_submitted(pool, item, settings)] = item
                if not pending:
                    return
                for future in wait(pending, return_when=FIRST_COMPLETED).done:
                    item = pending.pop(future)
                    try:
                        rows = future.result()
                    except BrokenProcessPool:
                        lost.append(item)
                    else:
                        yield item, rows
                if lost:
                    lost.extend(pending.values())
                    return
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _one_by_one(items: Iterable[Item], settings: Settings) -> Iterator[Done]:
    """Items that were under way when a worker died, each by itself: the rows of one that was the cause say so."""
    pool = _processes(1)
    try:
        for item in items:
            try:
                yield item, _submitted(pool, item, settings).result()
            except BrokenProcessPool:
                pool.shutdown()
                pool = _processes(1)
                yield item, failed(item, prepared(settings), f"{item.model}: the process that looked at it ended")
    finally:
        pool.shutdown()


def _submitted(pool: ProcessPoolExecutor, item: Item, settings: Settings) -> Future[tuple[SweepRow, ...]]:
    try:
        return pool.submit(rows_of, item, settings)
    except BrokenProcessPool as broken:
        future: Future[tuple[SweepRow, ...]] = Future()
        future.set_exception(broken)
        return future


def _processes(workers: int) -> ProcessPoolExecutor:
    # A fork would copy the thread that draws the progress bar in the middle of whatever it does.
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _begin)
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(_LOADED_ONCE))
    return ProcessPoolExecutor(workers, context, _begin)


_LOADED_ONCE = (
    "mcuplan.api.sweeping.items", "mcuplan.tflite.verify", "mcuplan.tflite.reading", "mcuplan.tflite.checks",
    "mcuplan.tflite.compression", "mcuplan.tflm.support", "mcuplan.boards.reading", "mcuplan.estimates.latency",
    "mcuplan.proof.memory.judge",
)  # fmt: skip
"""What workers work with: loaded by the server that they are forked from, and not by each of them."""


_NEW_OBJECTS = 20_000
"""Objects that a worker makes before it looks for garbage in cycles: those of a few models (Python's own: 700)."""


def _begin() -> None:
    """A worker leaves interruptions to its parent, and ends when that does."""
    # A model leaves thousands of objects behind and next to no cycles: looking for them takes a fifth of its time.
    gc.set_threshold(_NEW_OBJECTS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait_for([parent.sentinel])
        os._exit(1)


@dataclass(frozen=True, slots=True)
class DaskCluster:
    """The workers of a Dask cluster, named by its scheduler's address or by a client.

    Models go there as bytes, so that workers need not see the same files. mcuplan has to be installed on them.
    """

    cluster: str | Client

    def run(self, items: Iterable[Item], settings: Settings) -> Iterator[Done]:
        """Each item with its rows, in the order in which they are done."""
        client, ours = _client(self.cluster)
        try:
            yield from _on_dask(client, iter(items), settings)
        finally:
            if ours:
                client.close()


def _client(cluster: str | Client) -> tuple[Client, bool]:
    try:
        from distributed import Client
    except ImportError:
        raise McuplanError("Dask is not installed: pip install 'mcuplan[dask]'") from None
    if not isinstance(cluster, str):
        return cluster, False
    try:
        return Client(cluster, timeout=_PATIENCE, set_as_default=False), True
    except (OSError, TimeoutError, ValueError) as error:
        raise McuplanError(f"--dask {cluster}: no scheduler answers there: {error}") from None


_PATIENCE = 10
"""Seconds in which a scheduler has to answer."""


def _on_dask(client: Client, waiting: Iterator[Item], settings: Settings) -> Iterator[Done]:
    from distributed import as_completed

    pending: dict[str, Item] = {}
    done = as_completed(loop=client.loop)

    def more() -> None:
        ahead = _AHEAD * max(sum(client.nthreads().values()), 1)
        while len(pending) < ahead and (item := next(waiting, None)) is not None:
            key = f"mcuplan-{uuid4().hex}"
            pending[key] = item
            done.add(client.submit(rows_of, _sent(item), settings, key=key, pure=False))

    more()
    while pending:
        future = next(done)
        item = pending.pop(future.key)
        error = future.exception()
        if error is None:
            yield item, future.result()
        else:
            said = f"{item.model}: no worker could look at it: {type(error).__name__}: {error}"
            yield item, failed(item, prepared(settings), said)
        future.release()
        more()


def _sent(item: Item) -> Item:
    """The item with the bytes of its model; where they cannot be read the worker says why."""
    from mcuplan import files

    if item.data is not None or item.model.startswith(ZOO):
        return item
    try:
        return replace(item, data=files.read(item.model, files.MODEL_LIMIT))
    except McuplanError:
        return item
