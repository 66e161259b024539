"""What the static check of a plan finds."""

from __future__ import annotations

import enum
from dataclasses import dataclass

APPLICATION = -1
"""``operator`` of a finding at the ends of ``Invoke``, where the application writes inputs or reads outputs."""

SCRATCH = -1
"""``tensor`` of a finding in an operator's scratch buffer."""


class ClobberKind(enum.StrEnum):
    """How a plan goes wrong."""

    OVERWRITTEN = "overwritten"
    OVERLAP = "overlap"
    PARTIAL_COPY = "partial copy"
    UNWRITTEN = "unwritten"
    UNALIGNED = "unaligned"
    OUTSIDE = "outside"
    VARIABLE = "variable"
    NO_MEMORY = "no memory"
    REFUSED = "refused"
    UNPROVEN = "unproven"
    LEAN = "lean"


@dataclass(frozen=True, slots=True)
class Place:
    """An operator and a tensor that it reads or writes; ``tensor_subgraph`` is the subgraph it calls for the ends of
    control flow. ``APPLICATION`` and ``SCRATCH`` stand for what has no index. Names are the model's: untrusted text.
    """

    subgraph: int = 0
    operator: int = APPLICATION
    operator_name: str = ""
    tensor_subgraph: int = 0
    tensor: int = SCRATCH
    tensor_name: str = ""

    @property
    def who(self) -> str:
        """The operator in words."""
        if self.operator == APPLICATION:
            return "the application"
        return f"operator {self.operator} ({self.operator_name})" + _inside(self.subgraph)

    @property
    def what(self) -> str:
        """The tensor in words."""
        if self.tensor == SCRATCH:
            return f"the scratch of {self.who}"
        return f"tensor {self.tensor} {self.tensor_name!r}" + _inside(self.tensor_subgraph)


def _inside(subgraph: int) -> str:
    return f" of subgraph {subgraph}" if subgraph else ""


@dataclass(frozen=True, slots=True)
class Clobber:
    """Bytes ``[begin, end)`` of the arena that do not hold what ``reader`` needs, and who wrote them last.

    ``reader`` is the operator that reads them, with its tensor; where nothing is read (an unaligned offset, a
    variable in the plan) the tensor in question with operator -1. ``writer`` is None where nothing wrote the bytes.
    ``lost`` counts the bytes that are not as they should be; the range may hold others between them.
    """

    kind: ClobberKind
    reader: Place
    begin: int = 0
    end: int = 0
    writer: Place | None = None
    detail: str = ""
    lost: int = 0

    @property
    def unfollowed(self) -> bool:
        """True where nothing is proven, for the reason in ``detail``."""
        return self.kind is ClobberKind.UNPROVEN

    @property
    def overwrites(self) -> bool:
        """True where live bytes are overwritten; else the plan has another fault, or could not be followed."""
        return self.kind in _OVERWRITES

    def __str__(self) -> str:
        reader, writer = self.reader, self.writer
        where = f"bytes {self.begin:,} to {self.end:,} of the arena"
        match self.kind:
            case ClobberKind.OVERWRITTEN:
                if writer is None:
                    return f"{reader.who} reads {reader.what}, but {where} were never written"
                thing = "its scratch" if writer.tensor == SCRATCH else writer.what
                return f"{reader.who} reads {reader.what}, but {where} were overwritten by {writer.who} with {thing}"
            case ClobberKind.OVERLAP:
                other = writer.what if writer else "something"
                return f"{reader.who} writes {other} while it needs {reader.what}: both lie at {where}"
            case ClobberKind.PARTIAL_COPY:
                other = writer.what if writer else "something"
                return f"{reader.who} copies {reader.what} to {other}, which overlap in part: {where}"
            case ClobberKind.UNWRITTEN:
                return f"{reader.who} reads {reader.what} before anything writes it"
            case ClobberKind.UNALIGNED:
                return f"{reader.what} begins at byte {self.begin:,} of the arena, no multiple of {self.detail}"
            case ClobberKind.OUTSIDE:
                return f"{reader.what} lies outside the arena: {where}"
            case ClobberKind.VARIABLE:
                return f"{reader.what} is a variable with an offset in the plan: TFLM may overwrite its state"
            case ClobberKind.NO_MEMORY:
                return f"{reader.what} is a variable that TFLM gives no memory: {self.detail}"
            case ClobberKind.REFUSED:
                return f"TFLM refuses the plan: {self.detail}"
            case ClobberKind.UNPROVEN:
                return f"not proven: {self.detail}"
            case ClobberKind.LEAN:
                return f"the model was planned for lean registrations ({self.detail}), and this target has none"


_OVERWRITES = frozenset({
    ClobberKind.OVERWRITTEN, ClobberKind.OVERLAP, ClobberKind.PARTIAL_COPY, ClobberKind.UNWRITTEN, ClobberKind.VARIABLE,
})  # fmt: skip
