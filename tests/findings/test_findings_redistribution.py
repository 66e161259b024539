"""Overlap layer by layer, and what moving kernels and strides does to it."""

from __future__ import annotations

import pytest
from papers.accounting import PAPERS, patches
from papers.chain import LayerSpec, chain
from papers.mcunet import front_stage, redistribute

from mcuplan.findings.chains import Chain, chain_of
from mcuplan.findings.redistribution import advise, field, overlap, redesigned
from mcuplan.operators.geometry import Axis
from mcuplan.operators.geometry.regions import even
from mcuplan.operators.geometry.stages import PatchError
from mcuplan.zoo import build

FOUR = chain(16, 16, 4, [LayerSpec(3, 1, 1, 4), LayerSpec(3, 1, 1, 4), LayerSpec(3, 2, 1, 8), LayerSpec(3, 1, 1, 8)])


def mobilenet() -> tuple[Chain, int]:
    network = chain_of(build("mobilenet-v2"))
    return network, next(i for i, layer in enumerate(network.layers) if layer.operator == 15)


def test_overlap_by_hand() -> None:
    # Two 3x3 convolutions in 2x2 patches of 8x8: the first computes 9 + 9 = 18 rows of 16, and as many columns.
    found = overlap(FOUR, 0, 1, (8, 8), (8, 8))
    first, second = found.layers
    assert (first.computed_rows, first.computed_columns, first.field) == (18, 18, 3)
    assert (second.computed_rows, second.field) == (16, 1)
    assert (first.extra_macs, second.extra_macs) == ((18 * 18 - 256) * 9 * 16, 0)
    assert found.stage_overhead == (18 * 18 - 256) / 512
    assert found.network_overhead == found.extra_macs / FOUR.macs


def test_overlap_of_mobilenet_v2_is_that_of_its_graph() -> None:
    # The chain leaves out residual adds, which never ask for more than the branch beside them.
    network, last = mobilenet()
    found = overlap(network, 0, last, (14, 14), (14, 14))
    assert found.extra_macs == 8_801_904
    assert found.stage_macs == 91_282_688
    assert [layer.computed_rows for layer in found.layers[:2]] == [121, 119]
    assert overlap(network, 0, last, (7,) * 4, (7,) * 4).extra_macs == 27_919_344


@pytest.mark.parametrize("parts", [2, 3])
def test_the_front_stage_of_mobilenet_v2_is_the_one_that_mcunetv2_patches(parts: int) -> None:
    network, last = mobilenet()
    assert front_stage(network, parts) == last


def test_front_stage_needs_something_to_cut() -> None:
    with pytest.raises(PatchError, match="no layer of the network can be cut into 3 x 3"):
        front_stage(chain(2, 2, 1, [LayerSpec(1, 1, 0, 1)]), 3)


def test_receptive_field() -> None:
    # 1 + 2 + 2 + 2 with stride 1 so far, and 2 x 2 behind the stride.
    assert field(FOUR) == 1 + 2 + 2 + 2 + 4


def test_redesigned_windows() -> None:
    changed = redesigned(FOUR, {1: (1, 1), 3: (5, 1)})
    assert changed.layers[1].rows == Axis(16, 16, 1, 1, 1, 0, 0)
    assert changed.layers[3].rows == Axis(8, 8, 5, 1, 1, 2, 2)
    assert [layer.macs for layer in changed.layers] == [
        FOUR.layers[0].macs, FOUR.layers[1].macs // 9, FOUR.layers[2].macs, FOUR.layers[3].macs * 25 // 9,
    ]  # fmt: skip
    moved = redesigned(FOUR, {2: (3, 1), 3: (3, 2)})
    assert [layer.rows.output for layer in moved.layers] == [16, 16, 16, 8]
    assert moved.layers[2].macs == 4 * FOUR.layers[2].macs
    with pytest.raises(PatchError, match="does not fit"):
        redesigned(chain(4, 4, 1, [LayerSpec(3, 1, 0, 1)]), {0: (5, 1)})


def test_moving_a_kernel_by_hand() -> None:
    # Of the two 3x3 windows of the stage only the second one makes patches overlap. Its two lost taps are given to
    # the third window, where they cost half of what they would cost in the fourth: 36,864 + 4,096 + 51,200 + 36,864.
    advice = advise(FOUR, 0, 1, (8, 8), (8, 8))
    best = advice.moves[0]
    assert (best.taken.layer, best.taken.kernel) == (1, (3, 1))
    assert (best.given.layer, best.given.kernel) == (2, (3, 5))
    assert best.overlap.extra_macs == 0
    assert best.field == (11, 11)
    assert best.sentence() == (
        "kernel 3 -> 1 in convolution 3x3 (layer 1) and 3 -> 5 in convolution 3x3 (layer 2): patches add 0.0% MACs "
        "(0.0% of the stage), 129,024 in all"
    )
    assert best.patched_macs == redesigned(FOUR, {1: (1, 1), 2: (5, 2)}).macs


def test_advice_says_why() -> None:
    network, last = mobilenet()
    advice = advise(network, 0, last, (7,) * 4, (7,) * 4)
    why, *moves = advice.sentences()
    assert why == (
        "patches of 7 x 7 add 9.3% MACs (30.6% of the stage): one output row of the stage needs 13 rows of the output "
        "of CONV_2D 3x3 (operator 3)"
    )
    assert len(moves) == len(advice.moves) == 10


def test_every_move_is_counted_on_the_changed_network() -> None:
    network, last = mobilenet()
    now = overlap(network, 0, last, (7,) * 4, (7,) * 4)
    for move in advise(network, 0, last, (7,) * 4, (7,) * 4, most=3).moves:
        changed = redesigned(network, {c.layer: (c.kernel[1], c.stride[1]) for c in (move.taken, move.given)})
        rows = changed.layers[last].rows.output
        sizes = even(rows, -(-rows // 4))
        assert patches(changed, 0, last, sizes, sizes, PAPERS).macs == move.overlap.stage_macs + move.overlap.extra_macs
        assert move.overlap.network_overhead < now.network_overhead
        assert move.given.layer > move.taken.layer
        if not move.is_stride:
            assert move.given.layer > last
            assert field(changed) == move.field[1] >= move.field[0] == field(network)


def test_redistribution_reaches_its_target_step_by_step() -> None:
    network, last = mobilenet()
    moves = redistribute(network, 0, last, (7,) * 4, (7,) * 4, target=0.01)
    overheads = [move.overlap.network_overhead for move in moves]
    assert len(moves) > 1
    assert overheads == sorted(overheads, reverse=True)
    assert overheads[-1] <= 0.01 < overheads[-2]
    assert redistribute(network, 0, last, (28,), (28,), target=0.0) == ()


def test_redistribution_ends_where_nothing_helps() -> None:
    only = chain(8, 8, 1, [LayerSpec(3, 1, 1, 1), LayerSpec(3, 1, 1, 1)])
    assert redistribute(only, 0, 1, (4, 4), (4, 4), target=0.0) == ()
    assert advise(only, 0, 1, (4, 4), (4, 4)).moves == ()
