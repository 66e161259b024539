"""What each operator is, in any runtime: its inputs by role, its geometry, its multiply-accumulates."""

from __future__ import annotations

from mcuplan.operators.call import OperatorCall, all_from_front, call_at, facts_of, from_front
from mcuplan.operators.calls import called_subgraphs, callees_first, nested_calls, reachable_subgraphs
from mcuplan.operators.facts import TensorFacts, constant_values
from mcuplan.operators.geometry import Axis, Window, window, window_axis
from mcuplan.operators.likeness import Kind, kinds
from mcuplan.operators.loops import loop_turns, never_ends
from mcuplan.operators.macs import ModelMacs, OperatorMacs, model_macs, operator_macs
from mcuplan.operators.options import Options
from mcuplan.operators.table import OperatorInfo, Trait, operator_info, operators_that, sliding

__all__ = [
    "Axis", "Kind", "ModelMacs", "OperatorCall", "OperatorInfo", "OperatorMacs", "Options", "TensorFacts", "Trait",
    "Window", "all_from_front", "call_at", "called_subgraphs", "callees_first", "constant_values", "facts_of",
    "from_front", "kinds", "loop_turns", "model_macs", "nested_calls", "never_ends", "operator_info", "operator_macs",
    "operators_that", "reachable_subgraphs", "sliding", "window", "window_axis",
]  # fmt: skip
