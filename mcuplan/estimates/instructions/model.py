"""The cost model of a target: instructions of one call of an operator.

Instructions are a sum over the parts of the kernel's path: how often a part runs, counted from shapes by the kernels'
own conditions (``_windows``, ``_others``), times what it takes, fitted by ``tools/fit_instructions.py`` to measurements
on an emulated Cortex-M4 and kept in ``data/``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources
from typing import Any

from mcuplan.estimates.instructions._copies import copied, filled, run
from mcuplan.estimates.instructions._others import element_bytes
from mcuplan.estimates.instructions.call import Call
from mcuplan.estimates.instructions.paths import FEATURES, PARTS, kernel_key
from mcuplan.operators import Trait, operator_info, operators_that
from mcuplan.operators.input_rows import ROWS_OPERATOR
from mcuplan.tflm.target import Target


@dataclass(frozen=True, slots=True)
class Cost:
    """Instructions of one call. With ``modelled`` False they are a bound from above, not an estimate."""

    instructions: float
    modelled: bool = True


@dataclass(frozen=True, slots=True)
class Control:
    """Instructions of what is not an operator's kernel: :mod:`~mcuplan.estimates.instructions.graphs` says of what."""

    invoke: float
    dispatch: float
    loop: float
    turn: float
    variable: float
    branch: float
    operand: float


MEASURED_VERSION = "upstream-2026-08"
"""The TFLM whose kernels were measured; it stands in for others, unmeasured."""


def loop_instructions(model: CostModel, turns: int, variables: int, copied: Sequence[int] = ()) -> float:
    """What a WHILE takes itself, without the operators of its condition and body.

    ``variables`` counts all, the counter too; ``copied`` holds the bytes of each copy of a turn, of those whose two
    sides do not share an address. (WhileEval in micro/kernels/while.cc looks at each variable on the way to the body,
    back, and on to the condition.)
    """
    own = model.control
    turn = own.turn + 3 * variables * own.variable + sum(run(size, 4) for size in copied)
    return own.loop + 2 * variables * own.variable + turns * turn


class CostModel:
    """What one kernel library's operators take on one core. Cheap to ask: calls are remembered."""

    def __init__(self, library: str, core: str, about: str, tables: Mapping[str, Any]) -> None:
        self.library = library
        self.core = core
        self.about = about
        self.control = Control(**tables["control"])
        self._kernels: Mapping[str, tuple[float, ...]] = {
            key: tuple(row["instructions"].get(part, 0.0) for part in PARTS[row["path"]])
            for key, row in tables["kernels"].items()
        }
        self._dearest: Mapping[str, float] = tables["dearest"]
        self._features = FEATURES[library]
        self.cost = lru_cache(maxsize=1 << 16)(self._cost)

    def _cost(self, call: Call) -> Cost:
        """Instructions of one call, without the interpreter's dispatch; bounded where no kernel was measured."""
        if call.operator == ROWS_OPERATOR:
            return self._rows(call)
        features = self._features.get(call.operator)
        if features is not None:
            path, counts = features(call)
            for alike in (call, *_moved_alike(call)):
                known = self._kernels.get(kernel_key(self.library, alike, path))
                if known is not None:
                    return Cost(sum(n * each for n, each in zip(counts, known, strict=True)))
        return Cost(self._bound(call), False)

    def _rows(self, call: Call) -> Cost:
        """``MCUPLAN_ROWS``: all is filled, then each row copied by the firmware's function; not what that waits for."""
        rows = call.result[1] if len(call.result) > 1 else 1
        size = math.prod(call.result) * element_bytes(call)
        each = _ROWS_ROW + copied(size // max(rows, 1), 2, 1)
        return Cost(_ROWS_CALL + filled(size) + rows * each)

    def _bound(self, call: Call) -> float:
        """The dearest that was measured of the operator's kind, for each element it reads or writes, or MAC."""
        work = max(math.prod(call.source), math.prod(call.result))
        if operator_info(call.operator).macs:
            taps = math.prod(call.kernel) * call.source[-1] if call.source else 1
            depth = math.prod(call.other[1:]) if call.other else taps
            return self._dearest["call"] + self._dearest["mac"] * math.prod(call.result) * max(depth, 1)
        kind = "move" if call.operator in operators_that(Trait.MOVES, Trait.STATE) else "element"
        window = math.prod(call.kernel)
        return self._dearest["call"] + self._dearest[kind] * work * window


_ROWS_CALL, _ROWS_ROW = 175.0, 48.0
"""Instructions of ``MCUPLAN_ROWS`` beside the bytes that it fills and copies: each call, and each row.

Measured on an emulated Cortex-M4F, the firmware's function being a copy that looks at the order of rows: 66 calls of 0
to 8 rows of 96 and 288 bytes with padding beside them, within 3%. Rows without padding are not filled first.
"""

_COPIES = frozenset({"CONCATENATION", "DYNAMIC_UPDATE_SLICE", "GATHER", "RESHAPE", "SLICE", "SPLIT", "SPLIT_V"})
"""Operators that move elements of any type by one template: a type that was not measured takes what another takes."""


def _moved_alike(call: Call) -> Iterator[Call]:
    """The call with types whose elements are copied by the same code: those of one size first."""
    if call.operator in _COPIES:
        for dtype in ("float32", "int8") if call.dtype in ("int32", "float32") else ("int8", "float32"):
            yield call._replace(dtype=dtype)


def _read(name: str) -> dict[str, Any]:
    document = json.loads(resources.files("mcuplan.estimates.instructions").joinpath(f"data/{name}").read_text("utf-8"))
    assert isinstance(document, dict)
    return document


@cache
def _model(library: str, core: str, about: str) -> CostModel:
    shared, own = _read(f"tflm.{core}.json"), _read(f"{library}.{core}.json")
    return CostModel(library, core, about, {**shared, "kernels": {**shared["kernels"], **own["kernels"]}})


def cost_model(target: Target) -> CostModel | None:
    """The model that holds for ``target``; None where there is none, of its own or of a core like it.

    ``about`` of the model says whose it is and how far it may be off where it stands in for another.
    """
    for row in _read("targets.json")["rows"]:
        if target.core.name in row["cores"] and target.library.name in row["libraries"]:
            other = "" if target.version == MEASURED_VERSION else f"; {MEASURED_VERSION} stands in for {target.version}"
            return _model(row["library"], row["core"], row["about"] + other)
    return None
