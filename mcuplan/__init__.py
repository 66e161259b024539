"""mcuplan: says whether a `.tflite` model runs on a microcontroller, and plans one that does.

The verbs, the same as those of the command line, and what they return. Each is imported when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from mcuplan.version import __version__

if TYPE_CHECKING:
    from mcuplan.api.check import CheckResult, check
    from mcuplan.api.export import ExportResult, export
    from mcuplan.api.plan import PlanOptions, PlanResult, plan
    from mcuplan.api.refusing import RefusedError
    from mcuplan.api.sweep import SweepResult, sweep
    from mcuplan.api.verify import VerifyResult, verify
    from mcuplan.boards import Board, load_board
    from mcuplan.errors import McuplanError, ModelError
    from mcuplan.graph import Graph


__all__ = [
    "Board",
    "CheckResult",
    "ExportResult",
    "Graph",
    "McuplanError",
    "ModelError",
    "PlanOptions",
    "PlanResult",
    "RefusedError",
    "SweepResult",
    "VerifyResult",
    "__version__",
    "check",
    "export",
    "load_board",
    "plan",
    "sweep",
    "verify",
]  # fmt: skip

_ROOMS = {
    "mcuplan.api.check": ("CheckResult", "check"),
    "mcuplan.api.export": ("ExportResult", "export"),
    "mcuplan.api.plan": ("PlanOptions", "PlanResult", "plan"),
    "mcuplan.api.refusing": ("RefusedError",),
    "mcuplan.api.sweep": ("SweepResult", "sweep"),
    "mcuplan.api.verify": ("VerifyResult", "verify"),
    "mcuplan.boards": ("Board", "load_board"),
    "mcuplan.errors": ("McuplanError", "ModelError"),
    "mcuplan.graph": ("Graph",),
}


def __getattr__(name: str) -> object:
    room = next((room for room, names in _ROOMS.items() if name in names), None)
    if room is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    found: object = getattr(import_module(room), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
