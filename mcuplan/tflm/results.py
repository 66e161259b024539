"""What the replay of TensorFlow Lite Micro returns. All sizes are bytes."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from mcuplan.frozen import quick

UNNOTICED = "; TFLM does not notice and goes wrong when it runs"
"""How the reason of a refusal ends that TFLM itself would not report."""


class PersistentKind(enum.StrEnum):
    """What a persistent allocation is for, as TFLM's recording allocator names it where it has a name."""

    ALLOCATOR = "planner and allocator objects"
    RESOURCE_VARIABLES = "resource variables table"
    BUILTIN_DATA = "parsed operator options"
    NODES = "nodes and registrations"
    EVAL_TENSORS = "eval tensors"
    OP_DATA = "operator data"
    PERSISTENT_BUFFER = "persistent buffers"
    SCRATCH_HANDLES = "scratch handles"
    VARIABLES = "variable tensors"
    IO_TENSORS = "input and output tensors"
    IO_QUANTIZATION = "input and output quantization"
    VERSION_MARGIN = "margin for an older TFLM"


@quick
@dataclass(frozen=True, slots=True)
class PersistentAllocation:
    """One allocation from the arena's tail, in the order TFLM makes them.

    ``size`` is what is asked for, ``used`` what the tail grows by (alignment padding included). ``exact`` is False
    where the size is an upper bound. Indices are -1 where they do not apply.
    """

    kind: PersistentKind
    size: int
    align: int
    used: int
    subgraph: int = -1
    operator: int = -1
    tensor: int = -1
    exact: bool = True

    @property
    def padding(self) -> int:
        """Bytes lost to alignment."""
        return self.used - self.size


@quick
@dataclass(frozen=True, slots=True)
class PlannedBuffer:
    """One buffer of the non-persistent section: a tensor (``tensor >= 0``) or an operator's scratch request.

    ``first`` and ``last`` are TFLM's closed time steps (0 before the first operator; -1 for never), ``size`` is
    ``bytes`` rounded up to 16. ``offline`` tells that ``OfflineMemoryAllocation`` metadata fixed the offset.
    """

    offset: int
    size: int
    bytes: int
    first: int
    last: int
    subgraph: int
    tensor: int = -1
    operator: int = -1
    offline: bool = False
    exact: bool = True

    @property
    def end(self) -> int:
        """First byte behind the buffer."""
        return self.offset + self.size

    def at(self, offset: int) -> PlannedBuffer:
        """The same buffer at another offset (``dataclasses.replace``, which takes three times as long)."""
        return PlannedBuffer(
            offset, self.size, self.bytes, self.first, self.last, self.subgraph, self.tensor, self.operator,
            self.offline, self.exact,
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ArenaPrediction:
    """TFLM's tensor arena for one model on one target.

    ``used_bytes`` is ``MicroInterpreter::arena_used_bytes()`` after ``Invoke``; ``declare_bytes`` the smallest
    arena (a multiple of 16, 16-aligned) that is safe to declare: the greatest of ``final_bytes`` (both sections),
    ``planning_peak_bytes`` and ``prepare_peak_bytes`` (temporaries while ``AllocateTensors`` works).
    With ``exact`` False every figure is an upper bound, and ``bounded_bytes`` of ``declare_bytes`` come from
    parts that are not known exactly; ``notes`` say which.
    """

    target: str
    tflm_version: str
    used_bytes: int
    declare_bytes: int
    nonpersistent_bytes: int
    persistent_bytes: int
    final_bytes: int
    planning_peak_bytes: int
    prepare_peak_bytes: int
    persistent: tuple[PersistentAllocation, ...]
    plan: tuple[PlannedBuffer, ...]
    steps: int
    exact: bool = True
    bounded_bytes: int = 0
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SharedPrediction:
    """The one arena of several models with one allocator: bytes as in :class:`ArenaPrediction`.

    ``nonpersistent_bytes`` is the largest planned section, ``persistent_bytes`` the sum of the persistent ones.
    """

    target: str
    used_bytes: int
    declare_bytes: int
    nonpersistent_bytes: int
    persistent_bytes: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class SplitPrediction:
    """Two arenas, one for each section: bytes used, and the least to declare (a multiple of 16, 16-aligned)."""

    target: str
    persistent_bytes: int
    persistent_declare_bytes: int
    nonpersistent_bytes: int
    nonpersistent_declare_bytes: int
    used_bytes: int
    exact: bool = True


@dataclass(frozen=True, slots=True)
class FixedPlanPrediction:
    """The arena of a model with a ``BufferPlan``: bytes that TFLM says it uses, and the least to declare."""

    used_bytes: int
    declare_bytes: int


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason why TFLM cannot run the model; ``operator`` and ``tensor`` are indices in ``subgraph`` (-1: none)."""

    reason: str
    remedy: str
    rule: str
    subgraph: int = 0
    operator: int = -1
    operator_name: str = ""
    tensor: int = -1
    tensor_name: str = ""


@dataclass(frozen=True, slots=True)
class OperatorCode:
    """Code bytes of one operator: what dropping it alone would save."""

    name: str
    saved_bytes: int


@dataclass(frozen=True, slots=True)
class LeanSize:
    """What lean registrations take beside the arena.

    ``flash_bytes`` are arrays, tables and code; ``data_bytes`` of ``.data`` cost flash and RAM, ``bss_bytes`` RAM.
    """

    flash_bytes: int = 0
    data_bytes: int = 0
    bss_bytes: int = 0


@dataclass(frozen=True, slots=True)
class CodeSize:
    """Flash taken by TFLM's own code for one set of operators.

    ``total_bytes`` = ``interpreter_bytes`` + ``kernels_bytes`` + ``margin_bytes`` (the stated margin that keeps the
    figure from being under the real link, which it is over by less than 6%) + what ``lean`` registrations take;
    ``data_bytes`` of ``.data`` cost flash and RAM, ``bss_bytes`` RAM, those of lean registrations among them. ``exact``
    is False where something was not measured; ``notes`` say what.
    """

    build: str
    interpreter_bytes: int
    kernels_bytes: int
    margin_bytes: int
    data_bytes: int
    bss_bytes: int
    operators: tuple[OperatorCode, ...]
    exact: bool
    notes: tuple[str, ...] = ()
    lean: LeanSize = LeanSize()

    @property
    def total_bytes(self) -> int:
        """Bytes of ``.text`` and ``.rodata``, margin included."""
        return self.interpreter_bytes + self.kernels_bytes + self.margin_bytes + self.lean.flash_bytes
