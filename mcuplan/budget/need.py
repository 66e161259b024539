"""What one model needs of a board: RAM and flash, item by item. All sizes are bytes."""

from __future__ import annotations

from dataclasses import dataclass

from mcuplan.tflm.kernels import object_sizes
from mcuplan.tflm.results import ArenaPrediction, CodeSize
from mcuplan.tflm.target import Target

DEFAULT_STACK_BYTES = 4_096
"""Stack counted for the thread that calls ``Invoke`` where the user states none.

An allowance, not a measurement: TFLM's kernels keep small arrays on the stack and call a few levels deep.
"""


@dataclass(frozen=True, slots=True)
class RamNeed:
    """RAM that inference takes.

    ``interpreter_bytes`` is the ``MicroInterpreter`` object, ``resolver_bytes`` the ``MicroMutableOpResolver`` with a
    place for each kind of operator, ``data_bytes`` the ``.data`` and ``.bss`` of the kernels, ``stack_bytes`` what is
    counted for the calling thread. ``elsewhere_bytes`` of the arena lie outside the RAM that a limit counts.
    """

    arena_bytes: int
    interpreter_bytes: int
    resolver_bytes: int
    data_bytes: int
    stack_bytes: int
    elsewhere_bytes: int = 0

    @property
    def total_bytes(self) -> int:
        """Sum of all items, less what lies elsewhere."""
        arena = self.arena_bytes - self.elsewhere_bytes
        return arena + self.interpreter_bytes + self.resolver_bytes + self.data_bytes + self.stack_bytes


@dataclass(frozen=True, slots=True)
class FlashNeed:
    """Flash that the model and the code that runs it take.

    ``weights_bytes`` of ``model_bytes`` are constant tensors; ``runtime_bytes`` is TFLM's code, its read-only data
    and the initial values of its ``.data``.
    """

    model_bytes: int
    weights_bytes: int
    runtime_bytes: int

    @property
    def total_bytes(self) -> int:
        """Model and code."""
        return self.model_bytes + self.runtime_bytes


@dataclass(frozen=True, slots=True)
class Need:
    """All that one model takes."""

    ram: RamNeed
    flash: FlashNeed
    macs: int


def ram_need(
    arena: ArenaPrediction, code: CodeSize, target: Target, kinds: int, stack_bytes: int = DEFAULT_STACK_BYTES
) -> RamNeed:
    """RAM for a model whose operators are of ``kinds`` different kinds.

    The interpreter and the resolver are objects of the application: ``sizeof(MicroInterpreter)`` and
    ``sizeof(MicroMutableOpResolver<kinds>)``, a header and a place for each kind (micro_interpreter.h and
    micro_mutable_op_resolver.h of TFLM; sizes are in the data file of its version).
    """
    sizes = object_sizes(target)
    per_kind = sizes["MicroMutableOpResolverPerOperator"]
    return RamNeed(
        arena_bytes=arena.declare_bytes,
        interpreter_bytes=sizes["MicroInterpreter"],
        resolver_bytes=sizes["MicroMutableOpResolverBase"] + per_kind * max(kinds, 1),
        data_bytes=code.data_bytes + code.bss_bytes,
        stack_bytes=stack_bytes,
    )
