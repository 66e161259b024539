"""Instructions of the C library's memcpy and memset, counted along their paths.

newlib's for Armv7-M, as GCC 12.2's multilib for a Cortex-M4F holds them: blocks of 64 and 16 bytes, words, bytes.
"""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=1 << 14)
def copied(size: int, source: int = 0, result: int = 0) -> int:
    """Instructions of copying ``size`` bytes between addresses that are ``source`` and ``result`` modulo 4.

    Examples
    --------
    >>> copied(64), copied(4), copied(3, 1, 0)
    (48, 18, 19)
    """
    if not source and not result:
        return 4 + _words(size)
    if size < 8:
        return 6 + _few(size)
    if not source or not result:
        return (10 if source else 8) + _words(size)
    step = 4 - result
    return (20 if step >= 2 else 17) + _words(size - step)


def _few(size: int) -> int:
    """Fewer than 8 bytes that are not aligned."""
    return 2 + (4 * (size - 3) + 8 if size >= 4 else _rest(size))


def _words(size: int) -> int:
    blocks = 34 * (size // 64) + 10 * (size % 64 // 16) + 4 * (size % 16 // 4)
    return 6 + blocks + _rest(size % 4)


def _rest(size: int) -> int:
    """The last three bytes or fewer."""
    return 4 if not size else 9 if size == 1 else 11


def _phases(stride: int) -> tuple[int, ...]:
    """Addresses modulo 4 at which runs begin that lie ``stride`` bytes apart."""
    return (0,) if stride % 4 == 0 else (0, 2) if stride % 2 == 0 else (0, 1, 2, 3)


@lru_cache(maxsize=1 << 14)
def run(size: int, source: int, result: int | None = None) -> float:
    """Instructions of copying ``size`` bytes, on average over runs that begin every ``source`` and ``result`` bytes."""
    result = size if result is None else result
    pairs = [(s, r) for s in _phases(source) for r in _phases(result)]
    return sum(copied(size, s, r) for s, r in pairs) / len(pairs)


@lru_cache(maxsize=1 << 14)
def filled(size: int, stride: int = 0) -> float:
    """Instructions of filling ``size`` bytes, on average over runs that begin every ``stride`` bytes.

    Examples
    --------
    >>> filled(0), filled(4), filled(16)
    (10.0, 26.0, 37.0)
    """
    phases = _phases(stride)
    return sum(_filled(size, phase) for phase in phases) / len(phases)


def _filled(size: int, phase: int) -> int:
    if not phase:
        return 6 + _filled_words(size)
    if not size:
        return 7
    head = min(4 - phase, size)
    return 9 + 5 * head - 2 + (_filled_words(size - head) if head == 4 - phase else 3)


def _filled_words(size: int) -> int:
    rest, words = size % 4, size % 16 // 4
    last = 2 + 3 * rest if rest else 0
    if size < 4:
        return 2 + 1 + last + 1
    if size < 16:
        return 14 + 3 * words + 2 + last + 1
    count = 18 + 7 * (size // 16)
    return count + (4 + 3 * words + 2 + last + 1 if words else 4 + (last or 1) + 1)
