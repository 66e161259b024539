"""The allocation problem and its solvers; knows nothing of operators or of any runtime."""

from __future__ import annotations

from mcuplan.memory.bounds import lower_bound
from mcuplan.memory.check import check, conflicts
from mcuplan.memory.problem import AllocationError, Buffer, Problem, Solution, Window, height
from mcuplan.memory.solver import EFFORTS, Effort, Objective, Progress, solve
from mcuplan.memory.table import read_csv, write_csv

__all__ = [
    "EFFORTS", "AllocationError", "Buffer", "Effort", "Objective", "Problem", "Progress", "Solution", "Window",
    "check", "conflicts", "height", "lower_bound", "read_csv", "solve", "write_csv",
]  # fmt: skip
