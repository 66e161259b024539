"""The allocation problem and its solvers; knows nothing of operators or of any runtime."""

from __future__ import annotations

from mcuplan.memory.bounds import lower_bound
from mcuplan.memory.problem import AllocationError, Buffer, Problem, Solution, Window, conflicts, height
from mcuplan.memory.solver import Objective, Progress, solve

__all__ = [
    "AllocationError", "Buffer", "Objective", "Problem", "Progress", "Solution", "Window", "conflicts", "height",
    "lower_bound", "solve",
]  # fmt: skip
