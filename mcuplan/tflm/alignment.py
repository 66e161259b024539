"""What TFLM aligns to, in bytes: known here, and nowhere else."""

from __future__ import annotations

ARENA_ALIGNMENT = 16
"""The arena's begin, every tensor and what kernels ask for: ``MicroArenaBufferAlignment()`` in
``micro/memory_helpers.h``, the same in every version since 2021."""

SCRATCH_ALIGNMENT = 4
"""What kernels need of their scratch at least, which TFLM puts wherever the tensors around it end: most hold words."""

WORD = 4
"""What TFLM aligns its own objects in the tail to: nodes, eval tensors, most options, handles."""

LENT_ALIGNMENT = 4
"""What lean registrations ask for the memory that they lend a kernel while it prepares: that of its int32 arrays. The
memory comes from TFLM's temporary buffers (``MicroContext::AllocateTempBuffer``), between the head and the tail."""


def aligned(size: int, alignment: int = ARENA_ALIGNMENT) -> int:
    """``size`` rounded up to a multiple of ``alignment``.

    Examples
    --------
    >>> aligned(1), aligned(16), aligned(17), aligned(5, 4)
    (16, 16, 32, 8)
    """
    return -(-size // alignment) * alignment
