"""A project for a toolchain: which TFLM it builds with, what it is called, what its models must give."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from mcuplan.api.export import ExportResult, refuse_unfit
from mcuplan.api.models import ZOO, Given
from mcuplan.api.targets import choose_target
from mcuplan.errors import McuplanError
from mcuplan.tflite.carray import c_identifier
from mcuplan.tflm import Target

if TYPE_CHECKING:
    from mcuplan.api.criteria import Deployment
    from mcuplan.boards import Board
    from mcuplan.firmware.kinds import Kind
    from mcuplan.firmware.projects import ProjectModel


def export_project(
    models: Sequence[Given],
    folder: str | os.PathLike[str] | None,
    *,
    kind: str,
    place: Deployment,
    explicit: bool = False,
    name: str | None = None,
    golden: bool = True,
    force: bool = False,
    overwrite: bool = False,
    buffer_plan: str | None = None,
) -> ExportResult:
    """A project of ``kind`` for ``place``; see :func:`mcuplan.export` for the parameters and what is raised.

    With ``explicit`` the board's first toolchain was asked for and no other is taken.
    """
    from mcuplan.api.project_place import project_place
    from mcuplan.firmware.output import write_project
    from mcuplan.firmware.projects import project

    found = _kind(kind)
    asked = place.criteria
    chosen = project_target(found, place.board, asked.kernels, asked.target, explicit)
    chosen = chosen.with_lean() if asked.lean else chosen
    for it in models:
        refuse_unfit(it, replace(place, target=chosen), force)
    called = name or _project_name(models, folder)
    named = [(called if len(models) == 1 else _model_name(it.name), it) for it in models]
    where = project_place(
        found, place.board, [it.graph for it in models], chosen, asked.arena_in, asked.persistent_in, buffer_plan
    )
    made = project(
        kind, called, [_project_model(model, it, golden) for model, it in named], chosen,
        build=place.build, place=where, fpu=place.board is None or place.board.soc.fpu,
        board=place.board.toolchain_names if place.board else None,
    )  # fmt: skip
    if folder is not None:
        write_project(made, folder, overwrite)
    written = None if folder is None else Path(folder)
    return ExportResult(", ".join(it.name for it in models), chosen, made.exports[0], written, made)


def _kind(name: str) -> Kind:
    from mcuplan.firmware.kinds import kinds

    if name not in kinds():
        raise McuplanError(f"{name!r} is no kind of project; there are {', '.join(kinds())}")
    return kinds()[name]


def project_target(
    kind: Kind, board: Board | None, kernels: str | None, target: str | None, explicit: bool = False
) -> Target:
    """The target of a project: the one stated, or that of the board's toolchain which the kind builds with.

    With ``explicit`` the board's first toolchain was asked for and no other is taken.

    Raises
    ------
    McuplanError
        Where the kind does not build with the TFLM that is asked for, or with any that the board has.
    """
    from mcuplan.firmware.kinds import refuse_other_tflm

    if target is not None:
        chosen = choose_target(board, kernels, target)
    else:
        chosen = Target.parse(_boards_target(kind, board, explicit) if board else kind.target)
        chosen = chosen.with_library(kernels) if kernels else chosen
    refuse_other_tflm(kind, chosen)
    return chosen


def _boards_target(kind: Kind, board: Board, explicit: bool) -> str:
    if explicit:
        return board.target
    for target in board.targets.values():
        if Target.parse(target).version in kind.versions:
            return target
    raise McuplanError(
        f"{board.id}: no toolchain of this board has a TFLM that a project for {kind.name} builds with "
        f"({' or '.join(kind.versions)}): state one with --target"
    )


def _project_name(models: Sequence[Given], folder: str | os.PathLike[str] | None) -> str:
    if len(models) == 1:
        return _model_name(models[0].name)
    return c_identifier(PurePath(os.path.abspath(folder)).name if folder is not None else "", "models")


def _model_name(name: str) -> str:
    return c_identifier(name.removeprefix(ZOO) if name.startswith(ZOO) else PurePath(name).stem)


def _project_model(name: str, it: Given, golden: bool) -> ProjectModel:
    from mcuplan.api.golden import golden_vector
    from mcuplan.firmware.projects import ProjectModel

    found, why = golden_vector(it.file.data) if golden else (None, "none was asked for")
    return ProjectModel(name, it.file.data, found, why)
