"""The verb ``export``: firmware sources for a model, or a whole project, that runs on the target."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mcuplan.api.criteria import deployment
from mcuplan.api.models import ModelLike, given
from mcuplan.api.refusing import refuse_refused, refuse_wrong_plan
from mcuplan.api.results import Shown, Summary
from mcuplan.api.stated import check_options
from mcuplan.api.targets import BoardLike
from mcuplan.errors import McuplanError
from mcuplan.text import counted

if TYPE_CHECKING:
    from mcuplan.api.criteria import Deployment
    from mcuplan.api.models import Given
    from mcuplan.firmware.projects import Project
    from mcuplan.firmware.sources import Export, SourceFile
    from mcuplan.tflm import Target

Build = Literal["O2-logs", "O2", "Os"]


@dataclass(frozen=True, repr=False)
class ExportResult(Shown):
    """Firmware sources, and what stands in them."""

    name: str
    target: Target
    sources: Export
    """Of the model; of a project's first one."""
    folder: Path | None = None
    """Where they were written; None where they were not."""
    project: Project | None = None
    """The project they are part of; None where only sources were asked for."""

    @property
    def files(self) -> tuple[SourceFile, ...]:
        """Each file's name and text."""
        return self.project.files if self.project else self.sources.files

    @property
    def arena_bytes(self) -> int:
        """The arena to declare: one for all models."""
        return self.project.arena_bytes if self.project else self.sources.arena_bytes

    @property
    def exports(self) -> tuple[Export, ...]:
        """The sources of each model."""
        return self.project.exports if self.project else (self.sources,)

    @property
    def brought(self) -> tuple[str, ...]:
        """Custom operators whose kernels the firmware must bring."""
        return tuple(dict.fromkeys(custom for made in self.exports for custom in made.brought))

    def to_json(self) -> str:
        """The sources and figures as JSON."""
        from mcuplan.reports.documents.json import to_json

        folder = None if self.folder is None else str(self.folder)
        made: dict[str, Any] = asdict(self.project) if self.project else asdict(self.sources)
        return to_json({"model": self.name, "target": str(self.target), "folder": folder, **made})

    def summary(self) -> Summary:
        """The files, the arena, the operators."""
        rows = tuple((file.name, f"{len(file.text):,} characters") for file in self.files)
        model_bytes = sum(made.model_bytes for made in self.exports)
        operators = {registered.operator for made in self.exports for registered in made.operators}
        figures = (
            f"model {model_bytes:,} bytes, arena to declare {self.arena_bytes:,} bytes, "
            f"{counted(len(operators), 'operator')} registered"
        )
        brought = tuple(f"your firmware must bring the kernel of {custom}" for custom in self.brought)
        return Summary(f"{self.name} for {self.target}", ("file", ""), rows, (figures, *brought))


def export(
    model: ModelLike | Sequence[ModelLike],
    folder: str | os.PathLike[str] | None = None,
    *,
    project: str | None = None,
    board: BoardLike | None = None,
    target: str | None = None,
    kernels: str | None = None,
    lean: bool = False,
    name: str | None = None,
    namespace: str = "",
    build: Build | None = None,
    custom_operators: Sequence[str] = (),
    golden: bool = True,
    arena_in: str | None = None,
    persistent_in: str | None = None,
    buffer_plan: str | None = None,
    force: bool = False,
    overwrite: bool = False,
    config: str | os.PathLike[str] | None = None,
    board_dirs: Sequence[str | os.PathLike[str]] = (),
) -> ExportResult:
    """Firmware sources: the model as an aligned array, the arena to declare, an op resolver with its operators.

    Parameters
    ----------
    model
        A path, ``zoo:NAME``, the bytes of a `.tflite` file, or a Graph; for a project also several of them, which
        share one arena.
    folder
        Where to write the sources, each whole or not at all; None writes nothing.
    project
        A kind of project (``cmake``, ``arduino``, ``platformio``, ``esp-idf``, ``zephyr``): a folder that builds with
        that toolchain and tests itself on the device.
    board, target, kernels
        What the firmware is for, as in :func:`mcuplan.plan`; a project takes the board's toolchain of its kind.
    lean
        Also write lean registrations, which keep in flash what kernels would keep in the arena; for this model only.
    name, namespace
        Name files and identifiers; made safe for C++. A project's name must be an identifier, and is its namespace.
    build
        How TFLM is compiled, for the flash that registrations for one type save.
    custom_operators
        Custom operators for which the firmware has kernels.
    golden
        Put what TFLM's own Python package (or LiteRT) gives into a project, for the device to compare with.
    arena_in, persistent_in
        Which of the board's RAMs a project's arena lies in (``"psram"``), and its persistent section, in an arena of
        its own.
    buffer_plan
        Which RAM (``"dtcm"``, or ``"dtcm:64KiB"`` of it) a project's most-touched activations and scratch lie in, by a
        BufferPlan; the rest stays in the arena. For one model without a memory plan of its own.
    force
        Export a model that TFLM refuses, or whose memory plan is wrong on the target, all the same.
    overwrite
        Replace files of a project that were changed, or are somebody else's.
    config
        Where what is not stated comes from, as for :func:`mcuplan.check`: ``"auto"``, a path, or None.

    Raises
    ------
    RefusedError
        For such a model, without ``force``.
    McuplanError
        For a model that cannot be read or exported, an unknown board or target, a folder that cannot be made or has
        foreign files.

    Examples
    --------
    >>> import mcuplan
    >>> [file.name for file in mcuplan.export("zoo:sine", name="sine").files]
    ['sine.h', 'sine.cc', 'sine_arena.h', 'sine_op_resolver.h']
    """
    models = tuple(model) if isinstance(model, list | tuple) else (model,)
    read = [given(each) for each in models]
    place = deployment(read[0].name, check_options(
        board=board, board_dirs=board_dirs, target=target, kernels=kernels, lean=lean, build=build, config=config,
        custom_operators=custom_operators, arena_in=arena_in, persistent_in=persistent_in,
    ))  # fmt: skip
    if project is not None:
        from mcuplan.api.project import export_project

        explicit = isinstance(board, str) and "@" in board
        return export_project(
            read, folder, kind=project, place=place, explicit=explicit, name=name, golden=golden, force=force,
            overwrite=overwrite, buffer_plan=buffer_plan,
        )  # fmt: skip
    if len(models) != 1:
        raise McuplanError("sources are of one model; several models need a project of a kind")
    from mcuplan.firmware import sources

    (it,) = read
    refuse_unfit(it, place, force)
    called = name or "model"
    made = sources.firmware_sources(
        it.file.data, target=place.target, name=called, namespace=namespace, build=place.build
    )
    if folder is not None:
        sources.write_sources(made, folder)
    return ExportResult(it.name, place.target, made, None if folder is None else Path(folder))


def refuse_unfit(it: Given, place: Deployment, force: bool) -> None:
    """Raise RefusedError for a model that would not run right where it is meant for, unless ``force`` is set."""
    if not force:
        analysis = place.analyse(it.graph)
        refuse_refused(it.name, analysis)
        refuse_wrong_plan(it.name, analysis)
