"""The verb ``export``: firmware sources for a model that runs on the target."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from mcuplan.api.models import ModelLike, given
from mcuplan.api.refusing import refuse_refused, refuse_wrong_plan
from mcuplan.api.results import Shown, Summary
from mcuplan.api.targets import BoardLike, choose_target, find_board

if TYPE_CHECKING:
    from mcuplan.firmware.sources import Export, SourceFile
    from mcuplan.tflm import Target


@dataclass(frozen=True, repr=False)
class ExportResult(Shown):
    """Firmware sources, and what stands in them."""

    name: str
    target: Target
    sources: Export
    folder: Path | None = None
    """Where they were written; None where they were not."""

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """Each file's name and text."""
        return self.sources.files

    @property
    def arena_bytes(self) -> int:
        """The arena to declare."""
        return self.sources.arena_bytes

    def to_json(self) -> str:
        """The sources and figures as JSON."""
        from mcuplan.reports.documents.json import to_json

        folder = None if self.folder is None else str(self.folder)
        return to_json({"model": self.name, "target": str(self.target), "folder": folder, **asdict(self.sources)})

    def summary(self) -> Summary:
        """The files, the arena, the operators."""
        made = self.sources
        rows = tuple((file.name, f"{len(file.text):,} characters") for file in made.files)
        figures = (
            f"model {made.model_bytes:,} bytes, arena to declare {made.arena_bytes:,} bytes, "
            f"{len(made.operators)} operators registered"
        )
        brought = tuple(f"your firmware must bring the kernel of {custom}" for custom in made.brought)
        return Summary(f"{self.name} for {self.target}", ("file", ""), rows, (figures, *brought))


def export(
    model: ModelLike,
    folder: str | os.PathLike[str] | None = None,
    *,
    board: BoardLike | None = None,
    target: str | None = None,
    kernels: str | None = None,
    lean: bool = False,
    name: str = "model",
    namespace: str = "",
    build: Literal["O2-logs", "O2", "Os"] = "O2-logs",
    force: bool = False,
    board_dirs: Sequence[str | os.PathLike[str]] = (),
) -> ExportResult:
    """Firmware sources: the model as an aligned array, the arena to declare, an op resolver with its operators.

    Parameters
    ----------
    model
        A path, ``zoo:NAME``, the bytes of a `.tflite` file, or a Graph.
    folder
        Where to write the sources, each whole or not at all; None writes nothing.
    board, target, kernels
        What the firmware is for, as in :func:`mcuplan.plan`.
    lean
        Also write lean registrations, which keep in flash what kernels would keep in the arena; for this model only.
    name, namespace
        Name files and identifiers; made safe for C++.
    build
        How TFLM is compiled, for the flash that registrations for one type save.
    force
        Export a model that TFLM refuses, or whose memory plan is wrong on the target, all the same.

    Raises
    ------
    RefusedError
        For such a model, without ``force``.
    McuplanError
        For a model that cannot be read or exported, an unknown board or target, a folder that cannot be made.

    Examples
    --------
    >>> import mcuplan
    >>> [file.name for file in mcuplan.export("zoo:sine", name="sine").files]
    ['sine.h', 'sine.cc', 'sine_arena.h', 'sine_op_resolver.h']
    """
    from mcuplan import budget
    from mcuplan.firmware import sources

    chosen = choose_target(find_board(board, board_dirs), kernels, target, lean)
    it = given(model)
    if not force:
        analysis = budget.analyse(it.graph, chosen)
        refuse_refused(it.name, analysis)
        refuse_wrong_plan(it.name, analysis)
    made = sources.firmware_sources(it.file.data, target=chosen, name=name, namespace=namespace, build=build)
    if folder is not None:
        sources.write_sources(made, folder)
    return ExportResult(it.name, chosen, made, None if folder is None else Path(folder))
