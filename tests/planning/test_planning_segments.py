"""Which bytes hold the same values: worked by hand."""

from __future__ import annotations

from mcuplan.planning.segments import Segment, contents, part, same
from mcuplan.tflm.aliasing import AliasOption, Relation


def _share(operator: int, inner: int, outer: int, at: int) -> AliasOption:
    return AliasOption(0, operator, inner, outer, at, Relation.SHARE, "test")


def test_a_concatenation_of_a_slice_and_a_copy() -> None:
    # 0: 16 bytes. op 0: 1 = bytes 4..12 of 0. op 1: 2 = copy of 1. op 2: 3 = [1 | 2].
    options = [_share(0, 1, 0, 4), _share(1, 2, 1, 0), _share(2, 1, 3, 0), _share(2, 2, 3, 8)]
    found = contents([16, 8, 8, 16], options, [(1,), (2,), (3,)])
    assert found[1] == [Segment(0, 8, 0, 4)]
    assert found[2] == [Segment(0, 8, 0, 4)]
    assert found[3] == [Segment(0, 8, 0, 4), Segment(8, 16, 0, 4)]
    assert same(found[3], 8, found[0], 4, 8)
    assert not same(found[3], 8, found[0], 5, 8)


def test_pieces_that_follow_one_another_join() -> None:
    # 0 is split into 1 and 2 and put together again: the whole is 0.
    options = [_share(0, 1, 0, 0), _share(0, 2, 0, 8), _share(1, 1, 3, 0), _share(1, 2, 3, 8)]
    found = contents([16, 8, 8, 16], options, [(1, 2), (3,)])
    assert found[3] == [Segment(0, 16, 0, 0)]


def test_a_part_of_segments() -> None:
    segments = [Segment(0, 4, 7, 0), Segment(4, 12, 9, 100)]
    assert part(segments, 2, 6) == [Segment(0, 2, 7, 2), Segment(2, 4, 9, 100)]
    assert part(segments, 12, 20) == []
