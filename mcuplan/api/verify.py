"""The verb ``verify``: the proof that a planned model is its original."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from mcuplan.api.models import ModelLike, given
from mcuplan.api.results import Shown, Summary
from mcuplan.api.stated import check_options
from mcuplan.api.targets import BoardLike

if TYPE_CHECKING:
    from mcuplan.proof.prove import Check, Proof


@dataclass(frozen=True, repr=False)
class VerifyResult(Shown):
    """Whether one model is another with another memory plan, and what was checked."""

    original: str
    planned: str
    proof: Proof

    @property
    def ok(self) -> bool:
        """True where nothing failed, and the outputs are proven equal: by structure, or by running both models."""
        return self.proof.ok

    @property
    def checks(self) -> tuple[Check, ...]:
        """What was checked, in order."""
        return self.proof.checks

    def __bool__(self) -> bool:
        return self.ok

    def to_json(self) -> str:
        """The proof as ``mcuplan verify --format json`` writes it."""
        from mcuplan.reports.documents.json import to_json

        return to_json({"ok": self.ok, **asdict(self.proof)})

    def summary(self) -> Summary:
        """Each check and how it ended."""
        verdict = "the same, bit for bit" if self.ok else "not proven the same"
        rows = tuple((check.status.value, check.name, check.detail) for check in self.checks)
        found = tuple(finding for check in self.checks for finding in check.findings)
        return Summary(f"{self.original} and {self.planned}: {verdict}", ("", "check", ""), rows, found)


def verify(
    original: ModelLike,
    planned: ModelLike,
    *,
    board: BoardLike | None = None,
    target: str | None = None,
    kernels: str | None = None,
    lean: bool = False,
    tflm: bool = True,
    litert: bool = True,
    seeds: int = 4,
    config: str | os.PathLike[str] | None = None,
    board_dirs: Sequence[str | os.PathLike[str]] = (),
) -> VerifyResult:
    """Prove that ``planned`` computes what ``original`` does, and that its memory plan is safe on the target.

    Always by following bytes and operators; with the extras ``tflm`` and ``litert`` installed also by running both
    models on ``seeds`` random inputs each, on a real TFLM and on LiteRT, unless ``tflm`` or ``litert`` says not to.
    ``original`` and ``planned`` are paths, ``zoo:NAME``, the bytes of `.tflite` files, or graphs. ``lean`` is for
    firmware with lean registrations. ``config`` says where a board or target that is not stated comes from, as for
    :func:`mcuplan.check`: that of ``planned``.

    Raises
    ------
    McuplanError
        For a model that cannot be read, an unknown board or target.

    Examples
    --------
    >>> import mcuplan
    >>> found = mcuplan.plan("zoo:visual-wake-words")
    >>> mcuplan.verify("zoo:visual-wake-words", found.model, tflm=False, litert=False).ok
    True
    """
    from mcuplan.api.criteria import deployment
    from mcuplan.proof.prove import prove

    first, second = given(original), given(planned)
    asked = check_options(board=board, board_dirs=board_dirs, target=target, kernels=kernels, lean=lean, config=config)
    place = deployment(second.name, asked)
    proof = prove(first.graph, second.graph, place.target, on_tflm=tflm, on_litert=litert, seeds=range(1, seeds + 1))
    return VerifyResult(first.name, second.name, proof)
