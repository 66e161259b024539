"""TensorFlow Lite Micro: what it will use, what it will run, and how large its code is."""

from __future__ import annotations

from mcuplan.tflm.arena import place, predict
from mcuplan.tflm.flash import BUILDS, DEFAULT_BUILD, code_size, registration_saving
from mcuplan.tflm.offline import OfflinePlan, encode_offline_plan, read_offline_plan
from mcuplan.tflm.results import (
    ArenaPrediction,
    CodeSize,
    OperatorCode,
    PersistentAllocation,
    PersistentKind,
    PlannedBuffer,
    Refusal,
)
from mcuplan.tflm.target import DEFAULT_TARGET, Target, TargetError, target_names

__all__ = [
    "BUILDS", "DEFAULT_BUILD", "DEFAULT_TARGET", "ArenaPrediction", "CodeSize", "OfflinePlan", "OperatorCode",
    "PersistentAllocation", "PersistentKind", "PlannedBuffer", "Refusal", "Target", "TargetError", "code_size",
    "encode_offline_plan", "place", "predict", "read_offline_plan", "registration_saving", "target_names",
]  # fmt: skip
