"""Patterns of a configuration against what a slow, obvious matcher says; and within their bound on work."""

from __future__ import annotations

import sys
from types import FrameType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcuplan.budget.patterns import is_pattern, matches


def slow(pattern: str, name: str) -> bool:
    """``*``, ``?`` and ``**`` by trying everything."""
    if not pattern:
        return not name
    if pattern.startswith("**/"):
        return slow(pattern[3:], name) or ("/" in name and slow(pattern, name.partition("/")[2]))
    if pattern == "**":
        return True
    if pattern[0] == "*":
        return slow(pattern[1:], name) or (name[:1] not in ("", "/") and slow(pattern, name[1:]))
    if not name or (pattern[0] == "?" and name[0] == "/"):
        return False
    return pattern[0] in ("?", name[0]) and slow(pattern[1:], name[1:])


PARTS = st.one_of(st.just("**"), st.text("ab?", min_size=1, max_size=3), st.sampled_from(["*", "*a", "a*b", "*a*"]))


@given(
    st.lists(PARTS, min_size=2, max_size=5).map("/".join),
    st.lists(st.text("ab", min_size=1, max_size=3), min_size=1, max_size=5).map("/".join),
)
def test_a_pattern_matches_what_trying_everything_matches(pattern: str, name: str) -> None:
    assert matches(pattern, name) is slow(pattern, name)


HOSTILE = [
    ("*a" * 40 + "b", "a" * 200),
    ("**/" * 60 + "b", "a/" * 100 + "a"),
    ("**/*a" * 30 + "b", "a/" * 100 + "a"),
    ("*/" * 60 + "b", "a/" * 59 + "a"),
    ("?*" * 100 + "b", "a" * 200),
    ("[a-z]*" * 100 + "B", "a" * 200),
    ("*a*" * 100 + "**" * 100 + "b", "a" * 200),
]


@pytest.mark.parametrize(("pattern", "name"), HOSTILE)
def test_work_is_bounded(pattern: str, name: str) -> None:
    """A matcher that backtracks would not come back from these."""
    steps = 0

    def count(_frame: FrameType, event: str, _: object) -> object:
        nonlocal steps
        steps += event == "line"
        return count

    sys.settrace(count)
    try:
        assert not matches(pattern, name)
    finally:
        sys.settrace(None)
    assert steps <= 20 * len(pattern) * len(name)


def test_a_range_that_runs_backwards_is_no_pattern() -> None:
    assert is_pattern("[a-z]?.tflite")
    assert is_pattern("[!-a].tflite")
    assert not is_pattern("a[z-a]")
    assert not is_pattern("[!9-0]")
