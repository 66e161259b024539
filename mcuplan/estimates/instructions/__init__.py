"""Instructions of operators and of whole models, from shapes, types and options.

Public: :class:`Call` (one call of one operator, with or without a graph), :func:`cost_model` (what a target's kernels
take; None where there are no data), :func:`model_instructions` (a whole Invoke). Figures are of kernels as the compiler
made them; instructions are not cycles.
"""

from __future__ import annotations

from mcuplan.estimates.instructions.call import Call
from mcuplan.estimates.instructions.calls import call_of, known_call
from mcuplan.estimates.instructions.graphs import (
    Address,
    ModelInstructions,
    OperatorInstructions,
    addresses,
    in_place,
    invoke_instructions,
    model_instructions,
    planned_addresses,
)
from mcuplan.estimates.instructions.model import Control, Cost, CostModel, cost_model, loop_instructions

__all__ = [
    "Address", "Call", "Control", "Cost", "CostModel", "ModelInstructions", "OperatorInstructions", "addresses",
    "call_of", "cost_model", "in_place", "invoke_instructions", "known_call", "loop_instructions", "model_instructions",
    "planned_addresses",
]  # fmt: skip
