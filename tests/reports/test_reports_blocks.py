"""Operators grouped into blocks."""

from __future__ import annotations

import pytest

from mcuplan.findings.blocks import INVERTED_RESIDUAL, RESIDUAL_UNIT, SEPARABLE_PAIR, blocks
from mcuplan.zoo import build


def kinds(name: str, **options: float) -> list[tuple[str, int, int]]:
    return [(b.kind, b.first, b.last) for b in blocks(build(name, **options))]


def test_mobilenet_v1_is_separable_pairs() -> None:
    found = kinds("visual-wake-words")
    assert found[0] == ("CONV_2D", 0, 0)
    assert [kind for kind, *_ in found].count(SEPARABLE_PAIR) == 13
    assert found[1] == (SEPARABLE_PAIR, 1, 2)
    assert found[14] == ("AVERAGE_POOL_2D", 27, 27)


def test_resnet8_is_residual_units() -> None:
    assert kinds("resnet8")[:4] == [
        ("CONV_2D", 0, 0),
        (RESIDUAL_UNIT, 1, 3),
        (RESIDUAL_UNIT, 4, 7),
        (RESIDUAL_UNIT, 8, 11),
    ]


def test_mobilenet_v2_is_seventeen_inverted_residuals() -> None:
    found = kinds("mobilenet-v2", width=0.35, resolution=96)
    residuals = [(first, last) for kind, first, last in found if kind == INVERTED_RESIDUAL]
    assert len(residuals) == 17
    assert residuals[0] == (4, 5)  # the first has no expansion
    assert (9, 12) in residuals  # expand, depthwise, project, add


@pytest.mark.parametrize("name", ["sine", "ds-cnn", "micro-speech", "autoencoder", "mcunet-vww"])
def test_every_operator_is_in_exactly_one_block(name: str) -> None:
    model = build(name)
    assert [k for block in blocks(model) for k in block.operators] == list(range(len(model.main.operators)))


def test_dense_layers_stand_alone() -> None:
    assert [kind for kind, *_ in kinds("sine")] == ["FULLY_CONNECTED"] * 3
