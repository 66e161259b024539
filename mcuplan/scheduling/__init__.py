"""Operator order: the schedule whose peak of live bytes is least.

>>> from mcuplan.scheduling import Problem, Task, find_schedule, peak_bytes
"""

from __future__ import annotations

from mcuplan.scheduling.candidates import Candidate, candidates
from mcuplan.scheduling.problem import (
    Problem,
    ScheduleError,
    Task,
    check_order,
    from_subgraph,
    live_bytes,
    peak_bytes,
)
from mcuplan.scheduling.solver import EffortName, Progress, Schedule, find_schedule

__all__ = [
    "Candidate",
    "EffortName",
    "Problem",
    "Progress",
    "Schedule",
    "ScheduleError",
    "Task",
    "candidates",
    "check_order",
    "find_schedule",
    "from_subgraph",
    "live_bytes",
    "peak_bytes",
]
