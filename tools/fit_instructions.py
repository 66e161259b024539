#!/usr/bin/env python3
"""Fits the cost model of operators to measured instructions, and prints how far it is off.

    python tools/fit_instructions.py [FOLDER]            writes mcuplan/estimates/instructions/data
    python tools/fit_instructions.py [FOLDER] --errors   prints errors: of the fit, left out, beyond what was fitted

FOLDER (default: the environment's MCUPLAN_SHARED) holds ``truth/instructions.csv``; ``tools/data/instructions.jsonl``
holds more, measured the same way by ``tools/measure_instructions``, and ``branches.jsonl`` what IF takes. Instructions
of a kernel's path are a sum of non-negative coefficients times the counts of its parts, and the sum of squared relative
errors is least (rows weigh less below the 40 instructions that a measurement is read to).
"""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
from fitting import truth_folder
from measured_calls import Measured, MeasuredLoop, read_calls, read_rows
from numpy.typing import NDArray

from mcuplan.estimates.instructions import Call
from mcuplan.estimates.instructions._copies import run
from mcuplan.estimates.instructions.paths import FEATURES, PARTS, kernel_key

Floats = NDArray[np.float64]
HERE = Path(__file__).resolve().parent
DATA = HERE.parent / "mcuplan" / "estimates" / "instructions" / "data"
OWN = HERE / "data" / "instructions.jsonl"
BRANCHES = HERE / "data" / "branches.jsonl"
CORE = "cortex-m4"
STEP = 40.0
"""Instructions to which a measurement is read."""

ABOUT = (
    "Written by tools/fit_instructions.py: instructions of each part of a kernel's path. Measured on an emulated "
    "Cortex-M4F (QEMU, -icount shift=0), TFLM 90b983c2b, CMSIS-NN 4ab83cc3, GCC 12.2, kernels -O2, core -Os."
)


def nonnegative_least_squares(a: Floats, y: Floats) -> Floats:
    """The x >= 0 that makes |a x - y| least (C. Lawson and R. Hanson, Solving Least Squares Problems, 1974, ch. 23)."""
    size = a.shape[1]
    x, free = np.zeros(size), np.zeros(size, dtype=bool)
    for _ in range(20 * size):
        gradient = a.T @ (y - a @ x)
        if free.all() or gradient[~free].max() <= 1e-9 * np.abs(a.T @ y).max():
            break
        free[np.argmax(np.where(free, -np.inf, gradient))] = True
        x = _towards(a, y, x, free)
    return x


def _towards(a: Floats, y: Floats, x: Floats, free: NDArray[np.bool_]) -> Floats:
    """The least squares solution over ``free``, its unknowns dropped one after the other until all are positive."""
    while free.any():
        best = np.zeros(len(x))
        best[free] = np.linalg.lstsq(a[:, free], y, rcond=None)[0]
        low = free & (best <= 0)
        if not low.any():
            return best
        x = x + np.min(x[low] / (x[low] - best[low])) * (best - x)
        free &= x > 1e-12 * np.abs(x).max()
        x = np.where(free, x, 0.0)
    return np.zeros(len(x))


def fit(counts: Floats, measured: Floats) -> Floats:
    """Coefficients of least relative error."""
    weight = 1.0 / (measured + STEP / 2)
    scaled = counts * weight[:, None]
    size = np.maximum(np.abs(scaled).max(axis=0), 1e-12)
    return nonnegative_least_squares(scaled / size, measured * weight) / size


class Group:
    """The measured calls of one kernel's path."""

    def __init__(self, path: str) -> None:
        self.path = path
        self.rows: list[Measured] = []
        self.counts: list[tuple[float, ...]] = []

    @property
    def matrix(self) -> Floats:
        """Counts, a row for each call."""
        return np.array(self.counts, dtype=np.float64)

    @property
    def measured(self) -> Floats:
        """Instructions of each call."""
        return np.array([row.instructions for row in self.rows])

    def errors(self, train: NDArray[np.bool_], test: NDArray[np.bool_]) -> Floats:
        """Relative errors of the calls in ``test``, fitted to those in ``train``."""
        matrix, measured = self.matrix, self.measured
        return matrix[test] @ fit(matrix[train], measured[train]) / measured[test] - 1


def grouped(rows: Iterable[Measured]) -> dict[str, Group]:
    """Calls by kernel and path."""
    groups: dict[str, Group] = {}
    for row in rows:
        path, counts = FEATURES[row.library][row.call.operator](row.call)
        key = kernel_key(row.library, row.call, path)
        group = groups.setdefault(key, Group(path))
        group.rows.append(row)
        group.counts.append(tuple(map(float, counts)))
    return dict(sorted(groups.items()))


# -- splits ---------------------------------------------------------------------------------------------------------


def family(call: Call) -> tuple[object, ...]:
    """Calls of one family differ only in how high they are: never one of them to fit and another to judge by."""
    return (call.source[2:], call.result[2:], call.kernel, call.stride, call.detail[:1])


def folds(group: Group, parts: int = 8) -> Iterator[NDArray[np.bool_]]:
    """Calls to judge by, family by family dealt out to ``parts`` hands."""
    names = sorted({repr(family(row.call)) for row in group.rows})
    order = np.random.default_rng(1).permutation(len(names))
    hand = {name: int(order[i]) % parts for i, name in enumerate(names)}
    hands = np.array([hand[repr(family(row.call))] for row in group.rows])
    for part in range(parts):
        if (hands == part).any() and (hands != part).any():
            yield hands == part


def _dearest_quarter(group: Group) -> NDArray[np.bool_]:
    return group.measured > np.quantile(group.measured, 0.75)


def _cheapest_quarter(group: Group) -> NDArray[np.bool_]:
    return group.measured < np.quantile(group.measured, 0.25)


def _strips(group: Group) -> NDArray[np.bool_]:
    return np.array([len(row.call.result) == 4 and row.call.result[1] <= 2 for row in group.rows])


SPLITS: Mapping[str, Callable[[Group], NDArray[np.bool_]]] = {
    "largest": _dearest_quarter,
    "smallest": _cheapest_quarter,
    "strips": _strips,
}
"""Calls left out to see how the model goes on: the dearest quarter, the cheapest, results of one or two rows."""


def left_out(group: Group) -> Floats:
    """Errors of every call, fitted to the calls of other families."""
    errors = np.full(len(group.rows), np.nan)
    for test in folds(group):
        errors[test] = group.errors(~test, test)
    return errors


def beyond(group: Group, split: str) -> Floats:
    """Errors of what a split leaves out; none where too few calls stay to fit to."""
    test = SPLITS[split](group)
    if not test.any() or (~test).sum() < len(PARTS[group.path]) + 3:
        return np.zeros(0)
    return group.errors(~test, test)


# -- the data files -------------------------------------------------------------------------------------------------


def _figures(errors: Floats) -> dict[str, float]:
    known = np.abs(errors[~np.isnan(errors)]) * 100
    if not known.size:
        return {}
    return {"median": round(float(np.median(known)), 2), "worst": round(float(known.max()), 2)}


def kernel_rows(groups: Mapping[str, Group], mine: str) -> dict[str, object]:
    """Coefficients of the kernels of one owner, with their errors in per cent."""
    found: dict[str, object] = {}
    for key, group in groups.items():
        if key.split(" ", 1)[0] != mine:
            continue
        values = fit(group.matrix, group.measured)
        named = {p: float(f"{v:.5g}") for p, v in zip(PARTS[group.path], values, strict=True) if v > 0}
        everything = np.ones(len(group.rows), dtype=bool)
        found[key] = {
            "path": group.path, "calls": len(group.rows), "instructions": named,
            "fitted_percent": _figures(group.errors(everything, everything)),
            "left_out_percent": _figures(left_out(group)),
        }  # fmt: skip
    return found


def loop_counts(loop: MeasuredLoop) -> tuple[float, ...]:
    """One WHILE: itself, turns, variables moved (the counter of 4 bytes among them), bytes copied."""
    moves = 3 * loop.turns + 2
    variables = moves * (loop.variables + 1)
    return 1.0, loop.turns, variables, moves * (loop.variables * run(loop.bytes, 4) + run(4, 4))


def control(loops: Sequence[MeasuredLoop], other: Mapping[str, float]) -> dict[str, float]:
    """What the interpreter and control flow take themselves.

    A turn runs two operators in these loops (LESS and ADD), whose dispatch was counted with the turn.
    """
    counts = np.array([loop_counts(loop) for loop in loops])
    measured = np.array([loop.instructions for loop in loops])
    fixed = measured - counts[:, 3]
    loop, turn, variable = fit(counts[:, :3], fixed)
    dispatch = other["dispatch"]
    values = {**other, "loop": loop, "turn": max(turn - 2 * dispatch, 0.0), "variable": variable}
    return {name: round(float(value), 1) for name, value in sorted(values.items())}


_KINDS = {
    "mac": ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED"),
    "move": ("SLICE", "STRIDED_SLICE", "GATHER", "SPLIT", "CONCATENATION", "PAD", "TRANSPOSE", "RESHAPE"),
    "element": ("ADD", "SUB", "MUL", "LOGISTIC", "TANH", "LEAKY_RELU", "SOFTMAX", "QUANTIZE", "DEQUANTIZE", "MEAN"),
}


def dearest(rows: Iterable[Measured]) -> dict[str, float]:
    """The dearest element or MAC of each kind, of calls large enough for the fixed cost to be small, and a call."""
    most: dict[str, float] = defaultdict(float)
    for row in rows:
        call = row.call
        for kind, operators in _KINDS.items():
            if call.operator not in operators:
                continue
            work = math.prod(call.result)
            if kind == "mac":
                work *= math.prod(call.kernel) * (call.source[-1] if call.operator != "DEPTHWISE_CONV_2D" else 1)
            else:
                work = max(work, math.prod(call.source))
            if work >= 1000:
                most[kind] = max(most[kind], row.instructions / work)
    return {**{kind: round(value, 2) for kind, value in sorted(most.items())}, "call": 2000.0}


INTERPRETER = {"invoke": 300.0, "dispatch": 190.0}


def branches(path: Path) -> dict[str, float]:
    """What IF takes itself, and each operand of it that is looked at: on the way to the branch, or back."""
    rows = np.array([json.loads(line) for line in path.read_text("utf-8").splitlines()], dtype=np.float64)
    looked_at = 2 * rows[:, 0]
    copies = looked_at * [run(int(size), 4) for size in rows[:, 1]]
    branch, operand = fit(np.stack([np.ones(len(rows)), looked_at], axis=1), rows[:, 2] - copies)
    return {"branch": branch, "operand": operand}


def documents(
    groups: Mapping[str, Group], rows: Sequence[Measured], loops: Sequence[MeasuredLoop]
) -> dict[str, object]:
    """The data files by name."""
    files: dict[str, object] = {
        f"{library}.{CORE}.json": {"about": ABOUT, "kernels": kernel_rows(groups, library)} for library in FEATURES
    }
    shared = {
        "about": ABOUT,
        "control": control(loops, {**INTERPRETER, **branches(BRANCHES)}),
        "dearest": dearest(rows),
    }
    files[f"tflm.{CORE}.json"] = {**shared, "kernels": kernel_rows(groups, "tflm")}
    return files


# -- what is printed ------------------------------------------------------------------------------------------------


def _line(name: str, columns: Sequence[Floats]) -> str:
    cells = []
    for errors in columns:
        known = np.abs(errors[~np.isnan(errors)]) * 100
        if known.size:
            within = float((known <= 15).mean() * 100)
            cells.append(f"{np.median(known):5.2f} {np.quantile(known, 0.95):6.1f} {within:4.0f}%")
        else:
            cells.append(" " * 18)
    return f"{name:<34} {len(columns[0]):5d}   " + "   ".join(cells)


def print_errors(groups: Mapping[str, Group]) -> None:
    """Errors in per cent by operator class: median, what 95% stay below, share within 15%."""
    classes: dict[str, list[Group]] = defaultdict(list)
    for key, group in groups.items():
        mine, operator, dtype, _ = key.split(" ")
        classes[f"{mine} {operator} {dtype}"].append(group)
    heads = ["fitted", "other families", *SPLITS]
    print("errors in per cent: median, 95%, within 15%")
    print(f"{'':34} calls   " + "   ".join(f"{head:<18}" for head in heads))
    total: dict[str, list[Floats]] = defaultdict(list)
    for name, members in classes.items():
        columns = _columns(members)
        kind = "int8 of CMSIS-NN" if name.startswith("cmsis-nn") and name.endswith("int8") else "others"
        for where in ("all", kind):
            total[where].append(np.array([len(columns[0])]))
        print(_line(name, columns))
    print()
    for name, chosen in (("cmsis-nn library, int8", _int8_on_cmsis), ("everything else", _others)):
        members = [group for key, group in groups.items() if chosen(key)]
        print(_line(name, _columns(members)))


def _int8_on_cmsis(key: str) -> bool:
    return key.split(" ")[0] in ("cmsis-nn", "tflm") and key.split(" ")[2] in ("int8", "int32")


def _others(key: str) -> bool:
    return not _int8_on_cmsis(key)


def _columns(members: Sequence[Group]) -> list[Floats]:
    everything = [np.ones(len(group.rows), dtype=bool) for group in members]
    fitted = [group.errors(e, e) for group, e in zip(members, everything, strict=True)]
    columns = [fitted, [left_out(group) for group in members]]
    columns += [[beyond(group, split) for group in members] for split in SPLITS]
    return [np.concatenate(parts) for parts in columns]


def main(arguments: Sequence[str]) -> int:
    """Fit and write, or fit and tell."""
    folder, errors = truth_folder(__doc__, "truth/instructions.csv", arguments)
    rows, loops = read_rows(folder / "truth" / "instructions.csv")
    rows += read_calls(OWN)
    groups = grouped(rows)
    if errors:
        print_errors(groups)
        return 0
    for name, document in documents(groups, rows, loops).items():
        (DATA / name).write_text(json.dumps(document, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
