"""What kernels ask for, against TFLM itself: figures measured on builds for 32-bit cores, in ``data/``."""

from __future__ import annotations

import functools
import json
import math
from pathlib import Path
from typing import Any

import pytest

from mcuplan.graph import Buffer, DType, Graph, Operator, Quantization, Subgraph, Tensor
from mcuplan.tflite.schema import builtin_code, operator_code
from mcuplan.tflm import ArenaPrediction, PersistentKind, Target, predict
from mcuplan.zoo.operators import options_record
from mcuplan.zoo.single import build_operator, operator_models

MEASURED = json.loads((Path(__file__).parent / "data" / "kernels-measured-2026-08.json").read_text("utf-8"))
ZOO = {spec.name: spec for spec in operator_models()}

# With one input channel and one row TFLM asks CMSIS-NN for the buffer with a stride it never set; what is predicted is
# what the kernel needs.
UNSET_STRIDE = "cortex-m55+cmsis-nn"


def _tensor(index: int, shape: list[int], dtype: str, scales: int = 0, flags: str = "") -> tuple[Tensor, Buffer | None]:
    kind = DType[dtype.upper()]
    constant = Buffer(bytes(math.prod(shape) * max((kind.bits or 0) // 8, 1))) if "c" in flags else None
    quantization = Quantization((1.0,) * scales, (0,) * scales) if scales else None
    buffer = index + 1 if constant else 0
    return Tensor(f"t{index}", kind, tuple(shape), buffer, quantization, is_variable="v" in flags), constant


def _graph(row: dict[str, Any]) -> Graph:
    """The model that a row of the data file describes."""
    made = [_tensor(i, *tensor) for i, tensor in enumerate(row["tensors"])]
    name = row["operator"]
    if builtin_code(name) is None:
        code = operator_code("CUSTOM", custom_code=name)
        operator = Operator(code, tuple(row["in"]), tuple(row["out"]), custom_options=bytes.fromhex(row["custom"]))
    else:
        options = options_record(name, row.get("options", {}))
        operator = Operator(operator_code(name), tuple(row["in"]), tuple(row["out"]), options)
    inputs = tuple(i for i in row["in"] if i >= 0 and made[i][1] is None and not made[i][0].is_variable)
    subgraph = Subgraph(tuple(tensor for tensor, _ in made), (operator,), inputs, tuple(row["out"]))
    return Graph((subgraph,), (Buffer(), *(constant or Buffer() for _, constant in made)))


def _figure(arena: ArenaPrediction) -> str:
    """A prediction as the data file writes a measurement."""
    asked = [a.size for a in arena.persistent if a.kind in (PersistentKind.OP_DATA, PersistentKind.PERSISTENT_BUFFER)]
    scratch = [b.bytes for b in arena.plan if b.operator >= 0]
    parts = ",".join(map(str, asked)), ",".join(map(str, scratch))
    return f"{arena.used_bytes} {arena.prepare_peak_bytes} {parts[0]}|{parts[1]}"


def _by_target(figures: dict[str, str]) -> dict[str, str]:
    return {MEASURED["targets"][int(digit)]: figure for figure, digits in figures.items() for digit in digits}


@functools.cache
def _target(name: str) -> Target:
    return Target.parse(name)


def _compare(graph: Graph, figures: dict[str, str]) -> None:
    measured = _by_target(figures)
    predicted = {name: predict(graph, _target(name)) for name in measured}
    for name, arena in predicted.items():
        if name == UNSET_STRIDE and not arena.exact:
            assert arena.used_bytes >= int(measured[name].split()[0])
            measured[name] = _figure(arena)
    assert {name: _figure(arena) for name, arena in predicted.items()} == measured


@pytest.mark.parametrize("name", MEASURED["zoo"])
def test_zoo_models_of_one_operator(name: str) -> None:
    _compare(build_operator(ZOO[name]), MEASURED["zoo"][name])


@pytest.mark.parametrize(
    "index", range(len(MEASURED["models"])), ids=lambda i: f"{i}-{MEASURED['models'][i]['operator']}"
)
def test_models_of_one_operator(index: int) -> None:
    row = MEASURED["models"][index]
    _compare(_graph(row), row["figures"])


def test_nearly_every_figure_is_exact() -> None:
    exact = dict.fromkeys(MEASURED["targets"], 0)
    for row in MEASURED["models"]:
        for name in _by_target(row["figures"]):
            exact[name] += predict(_graph(row), _target(name)).exact
    rows = len(MEASURED["models"])
    inexact = {name: rows - count for name, count in exact.items() if count < rows}
    # A few requests with the unset stride.
    assert inexact == {UNSET_STRIDE: inexact[UNSET_STRIDE]}
    assert inexact[UNSET_STRIDE] < 10


def test_every_builtin_operator_was_measured() -> None:
    measured = {
        call.operator for name in MEASURED["zoo"] for subgraph in ZOO[name].subgraphs for call in subgraph.calls
    }
    assert len(measured) == 100
