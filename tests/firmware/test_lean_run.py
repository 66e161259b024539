"""Lean registrations on a real TFLM: exported sources on an emulated Cortex-M4, beside TFLM's own registrations.

Skipped without a TFLM to compile (``MCUPLAN_TFLM``) and the tools.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from emulated_cortex_m4 import build, requires_emulator, run

from mcuplan import tflite, zoo
from mcuplan.graph import Graph
from mcuplan.tflm import predict
from mcuplan.zoo.builder import Builder
from mcuplan.zoo.single import build_operator, operator_models

STOCK, LEAN = "cortex-m4+cmsis-nn", "cortex-m4+cmsis-nn+lean"
SINGLE = (
    "conv-2d-3x3-int8", "conv-2d-1x1-int16-int8", "conv-2d-3x3-int8-int4", "conv-2d-per-tensor-int8",
    "depthwise-conv-2d-multiplier-int8", "depthwise-conv-2d-3x3-int16-int8", "fully-connected-per-channel-int8",
    "fully-connected-computed-weights-int8", "transpose-conv-s2-int8", "transpose-conv-s2-int8-int16",
    "transpose-conv-deep-int8", "transpose-conv-s2-float32", "unidirectional-sequence-lstm-int8-int16",
)  # fmt: skip


def mixed() -> Graph:
    """A pair of convolutions and dense layers with a scale a channel."""
    builder = Builder()
    x = builder.input((1, 6, 6, 5))
    y = builder.depthwise_conv2d(builder.conv2d(x, 6, 3), 3, multiplier=2)
    y = builder.fully_connected(builder.reshape(y, (1, 6 * 6 * 12)), 10, per_channel=True)
    return builder.graph([builder.fully_connected(y, 3, per_channel=True)])


def models() -> dict[str, bytes]:
    found = {"person": zoo.build("person-detection"), "mixed": mixed()}
    specs = {spec.name: spec for spec in operator_models()}
    found |= {name.replace("-", ""): build_operator(specs[name]) for name in SINGLE}
    return {name: tflite.write(graph) for name, graph in found.items()}


def test_arenas_are_exact_and_outputs_are_the_same(tmp_path: Path) -> None:
    """The predicted bytes are used, 16 less than the declared are refused, and both firmwares give the same outputs."""
    requires_emulator()
    given = models()
    both = {f"stock{n}": (data, STOCK) for n, data in given.items()}
    both |= {f"lean{n}": (data, LEAN) for n, data in given.items()}
    found, text = run(build(tmp_path, both))
    assert not re.findall(r"^[GIR] .*$", text, re.MULTILINE)
    for name, data in given.items():
        graph = tflite.read(data)
        stock, lean = found[f"stock{name}"], found[f"lean{name}"]
        arena = predict(graph, LEAN)
        assert lean.arenas == {arena.declare_bytes: arena.used_bytes, arena.declare_bytes - 16: None}, name
        assert stock.arenas[predict(graph, STOCK).declare_bytes] == predict(graph, STOCK).used_bytes, name
        assert len(lean.hashes) == 2
        assert lean.hashes == stock.hashes, name
    assert predict(zoo.build("person-detection"), LEAN).declare_bytes == 60_400


@pytest.mark.parametrize("change", ["first", "last", "model"])
def test_other_numbers_and_other_models_are_refused(tmp_path: Path, change: str) -> None:
    """One bit of one array wrong, or a model whose filters are elsewhere: AllocateTensors fails and says so."""
    requires_emulator()
    data = tflite.write(zoo.build("person-detection"))
    build(tmp_path, {"person": (data, LEAN)})
    source = tmp_path / "person_lean.cc"
    text = source.read_text()
    if change == "model":
        table = re.search(r"const Kept kLean\w+\[\] = {\n  {(\d+)u", text)
        assert table
        text = text.replace(f"{{{table[1]}u,", f"{{{int(table[1]) + 16}u,")
    else:
        numbers = list(re.finditer(r"^  (-?\d+), ", text, re.MULTILINE))
        at = numbers[0 if change == "first" else -1]
        text = f"{text[: at.start(1)]}{int(at[1]) ^ 1}{text[at.end(1) :]}"
    source.write_text(text)
    found, said = run(tmp_path)
    assert set(found["person"].arenas.values()) == {None}
    assert re.search(r"Lean: what TFLM worked out for the filter at byte \d+ is not what was made for this model", said)
