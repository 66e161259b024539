"""A golden vector: what an official runtime gives for an input that the device can make itself."""

from __future__ import annotations

from dataclasses import dataclass

SEED = 12345
"""Of the generator that fills inputs, on the device and in the runtime alike: that of the published measurements."""


@dataclass(frozen=True, slots=True)
class GoldenVector:
    """The outputs of one call on ``runtime`` with inputs made from :data:`SEED`.

    ``step`` is by how much an integer may differ on the device: 0 where the runtime's kernels compute the same
    integers as TFLM's, 1 where they round in another way.
    """

    runtime: str
    outputs: tuple[bytes, ...]
    step: int = 0


def picture_bytes(count: int) -> bytes:
    """``count`` bytes of an 8-bit input as the device and the runtimes make it from :data:`SEED`.

    Examples
    --------
    >>> picture_bytes(4).hex()
    '393c0c89'
    """
    s, made = SEED, bytearray()
    for _ in range(count):
        s = (s * 1664525 + 1013904223) & 0xFFFFFFFF
        made.append(s >> 16 & 0xFF)
    return bytes(made)
