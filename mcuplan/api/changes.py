"""Models before and after: two of them, two folders of them, or all that changed in a repository."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mcuplan.api.checking import Checker, Kept
from mcuplan.api.criteria import CheckOptions, deployments
from mcuplan.api.models import expand, load_file
from mcuplan.api.repository import Repository
from mcuplan.api.revisions import load_revision, place_of
from mcuplan.api.targets import choose_target
from mcuplan.errors import McuplanError
from mcuplan.findings.diff.boards import BoardChange, Changes, FigureChange, Held, Kind, ModelChange, Remedy
from mcuplan.findings.diff.difference import Diff, diff
from mcuplan.findings.diff.parts import Measure, Part
from mcuplan.findings.tool import Tool
from mcuplan.reports.documents import build as building
from mcuplan.reports.documents.report import Result, Rule
from mcuplan.reports.problems import result_problems
from mcuplan.version import __version__

if TYPE_CHECKING:
    from mcuplan.budget import Analysis
    from mcuplan.findings.situation import Situation
    from mcuplan.tflite import ModelFile

_REMEDIES, _PROBLEMS = 3, 5


@dataclass
class Comparing:
    """One run over models before and after; limits are those of now on both sides."""

    options: CheckOptions
    growth: Mapping[Measure, int] = field(default_factory=dict)
    why: bool = False
    """Also work out what would bring back a model that no longer passes; takes seconds each."""

    def boards(
        self, name: str, old: ModelFile | None, new: ModelFile | None
    ) -> tuple[tuple[BoardChange, ...], Diff | None]:
        """The boards that ``name`` is for, and how the model differs on the first; ``name`` is where it lies now."""
        before, after = self._side(name, old, False), self._side(name, new, self.why)
        diffs: dict[str, Diff] = {}
        first: Diff | None = None
        changes = []
        for board in dict.fromkeys([*before.results, *after.results]):
            was, now = before.results.get(board), after.results.get(board)
            a, b = before.kept.get((name, board)), after.kept.get((name, board))
            found = None
            if a is not None and b is not None:
                target = str(b.analysis.target)
                if target not in diffs:
                    diffs[target] = diff(name, a.analysis, name, b.analysis, self.growth)
                found = diffs[target]
                first = first or found
            changes.append(_board(was, now, found, a, b))
        return tuple(changes), first

    def _side(self, name: str, model: ModelFile | None, why: bool) -> _Side:
        if model is None:
            return _Side({}, {})
        kept: Kept = {}
        checker = Checker(self.options, analyses=kept)
        report = building.report(checker.check(name, model))
        if why and report.exit_code == 1:
            from mcuplan.api.reasons import with_reasons

            report = with_reasons(report, checker)
        return _Side({result.board: result for result in report.results}, kept)

    def change(self, at: str, found: ModelChange, old: _Load, new: _Load) -> ModelChange:
        """``found`` with all that is to be told of it; ``old`` and ``new`` read its sides, ``at`` is where it lies."""
        notes: list[str] = []
        was, now = _read(old, notes), _read(new, notes)
        boards, first = self.boards(at, was, now)
        return replace(
            found, old_bytes=None if was is None else len(was.data), new_bytes=None if now is None else len(now.data),
            boards=boards, notes=tuple(notes), growth=() if first is None else first.growth,
        )  # fmt: skip


_Load = Callable[[], "ModelFile"] | None


@dataclass(frozen=True, slots=True)
class _Side:
    results: Mapping[str | None, Result]
    kept: Kept


def _read(load: _Load, notes: list[str]) -> ModelFile | None:
    if load is None:
        return None
    try:
        return load()
    except McuplanError as error:
        notes.append(str(error))
        return None


def repository_changes(base: str, paths: Sequence[str], comparing: Comparing) -> Changes:
    """Every model of the repository around the working folder that changed since it left ``base``.

    Files as they are are compared with the commit that HEAD and ``base`` have in common (git's merge base). Without
    ``paths`` the whole repository counts.

    Raises
    ------
    McuplanError
        Where there is no repository, git does not know ``base``, or the two have nothing in common.
    """
    repository = Repository.around(Path())
    commit = repository.merge_base(base)
    changed, configurations = repository.changed(commit, paths)
    found = []
    for file in changed:
        at = os.path.relpath(repository.root / file.path)
        old, new = _loads(repository, commit, file.path, file.was, file.kind)
        renamed = file.was if file.was not in ("", file.path) else ""
        found.append(comparing.change(at, ModelChange(file.path, file.kind, renamed), old, new))
    notes = [f"{path} changed: both sides are held against what it says now" for path in configurations if found]
    sides = f"{base} ({commit[:12]})", "the files as they are"
    return Changes(Tool("mcuplan", __version__), *sides, tuple(found), tuple(notes))


def _loads(repository: Repository, commit: str, path: str, was: str, kind: str) -> tuple[_Load, _Load]:
    from mcuplan.tflite import parse

    def old() -> ModelFile:
        return parse(repository.blob(commit, was), f"{was} at {commit[:12]}")

    def new() -> ModelFile:
        return parse(repository.current(path), path)

    return None if kind == "added" else old, None if kind == "removed" else new


def folder_changes(old: str, new: str, comparing: Comparing) -> Changes:
    """Every model that differs between two folders, by its path in them.

    Raises
    ------
    McuplanError
        Where a folder cannot be listed.
    """
    before, after = _models_in(old), _models_in(new)
    found = []
    for path in sorted({*before, *after}):
        was, now = before.get(path), after.get(path)
        if was is not None and now is not None and _same(was, now):
            continue
        kind: Kind = "added" if was is None else "removed" if now is None else "changed"
        at = now if now is not None else os.path.join(new, path)
        found.append(comparing.change(at, ModelChange(path, kind), _file(was), _file(now)))
    return Changes(Tool("mcuplan", __version__), old, new, tuple(found))


def _models_in(folder: str) -> dict[str, str]:
    return {
        os.path.relpath(path, folder).replace(os.sep, "/"): path
        for path, error in expand([folder]).items()
        if error is None
    }


def _same(a: str, b: str) -> bool:
    from mcuplan import files

    try:
        return files.read(a, files.MODEL_LIMIT) == files.read(b, files.MODEL_LIMIT)
    except McuplanError:
        return False


def _file(path: str | None) -> _Load:
    return None if path is None else lambda: load_file(path)


def _board(
    was: Result | None, now: Result | None, found: Diff | None, before: Situation | None, after: Situation | None
) -> BoardChange:
    shown = now or was
    assert shown is not None
    grew, grew_in = (_grown(found, now) if found is not None else None) or (None, None)
    return BoardChange(
        board=shown.board,
        board_name=shown.board_name,
        target=shown.target,
        before=None if was is None else was.verdict,
        after=None if now is None else now.verdict,
        figures=tuple(_figures(was, now, before, after)),
        problems=() if now is None else tuple(p.message for p in result_problems(now))[:_PROBLEMS],
        grew=grew,
        grew_in=grew_in,
        remedies=tuple(_remedies(now, after))[:_REMEDIES],
    )


def _figures(
    was: Result | None, now: Result | None, before: Situation | None, after: Situation | None
) -> Iterator[FigureChange]:
    resources: tuple[Held, ...] = ("arena", "ram", "flash", "macs", "instructions", "latency")
    for resource in resources:
        if resource == "instructions":
            old, new = _instructions(before), _instructions(after)
        else:
            old, new = _figure(was, resource), _figure(now, resource)
        if old is None and new is None:
            continue
        shown = now or was
        rule = _limit(shown, resource) if shown is not None else None
        limit, strict = rule if rule is not None else (None, False)
        left = None if limit is None or new is None else limit - new - strict
        yield FigureChange(resource, old, new, limit, left)


def _instructions(situation: Situation | None) -> float | None:
    counted = None if situation is None else situation.analysis.instructions
    return None if counted is None else round(counted.total)


def _figure(result: Result | None, resource: Held) -> float | None:
    """The figure that a limit is held against, or the total where there is none."""
    if result is None or result.arena is None or result.ram is None or result.flash is None:
        return None
    if resource == "latency":
        return None if result.latency is None else result.latency.us
    rule = _rule(result, resource)
    if rule is not None:
        return rule.figure
    totals = {"arena": result.arena.declare_bytes, "ram": result.ram.total_bytes, "flash": result.flash.total_bytes}
    return result.macs if resource == "macs" else totals[resource]


def _rule(result: Result, resource: Held) -> Rule | None:
    return next((rule for rule in result.limits.rules if rule.resource == resource), None)


def _limit(result: Result, resource: Held) -> tuple[float, bool] | None:
    if resource == "latency":
        held = next((rule for rule in result.limits.estimates if rule.quantity == "latency"), None)
        return None if held is None else (held.limit, False)
    rule = _rule(result, resource)
    return None if rule is None else (rule.limit, rule.strict)


def _grown(found: Diff, now: Result | None) -> tuple[Part, Held] | None:
    """The item that grew most, of a resource that is over its limit if there is one, else of the first that grew."""
    broken = {violation.resource for violation in now.violations} if now is not None else set()
    order: tuple[Held, ...] = ("ram", "arena", "flash", "macs")
    for resource in sorted(order, key=lambda name: name not in broken):
        change = next((c for c in found.changes if c.resource == resource), None)
        if change is None or change.change <= 0:
            continue
        most = max((part for part in change.parts if part.change > 0), key=lambda part: part.change, default=None)
        if most is not None:
            return most, resource
    return None


def _remedies(now: Result | None, situation: Situation | None) -> Iterator[Remedy]:
    """What would bring a model back that does not pass: what changes its verdict where that was worked out."""
    if now is None or now.verdict == "pass" or situation is None:
        return
    turning = [change for change in now.why or () if change.verdict == "pass"]
    for change in turning:
        yield Remedy(f"{change.text}: {change.effect}", change.command)
    if not turning:
        for tip in now.help:
            yield Remedy(tip.text, tip.command)
    for refusal in now.refusals:
        if refusal.remedy:
            yield Remedy(refusal.remedy)


@dataclass(frozen=True, slots=True)
class Compared:
    """Two models: how they differ on the first of their boards, and what both are there."""

    found: Diff
    old: Analysis
    new: Analysis


def compared(old: str, new: str, to: str | None, comparing: Comparing) -> Compared:
    """Two models, each a path, ``zoo:NAME`` or ``REVISION:path``; ``to`` is another target for the new one.

    Raises
    ------
    McuplanError
        Where a model cannot be read, or for an unknown board or target.
    """
    was, now = load_revision(old), load_revision(new)
    at = place_of(new)
    place, *_ = deployments(at, comparing.options)
    there = place if to is None else replace(place, target=choose_target(place.board, None, to, comparing.options.lean))
    before, after = place.analyse(was.graph), there.analyse(now.graph)
    found = diff(old, before, new, after, comparing.growth)
    boards = comparing.boards(at, was, now)[0] if to is None else ()
    return Compared(replace(found, boards=boards), before, after)
