"""What a TFLM of another date lacks or computes wrongly: by hand, and against every measured verdict."""

from __future__ import annotations

import functools
import json
import os
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mcuplan.graph import Buffer, DType, Graph, Operator, Quantization, Subgraph, Tensor
from mcuplan.operators import operator_info
from mcuplan.operators.formulas import compile_formula
from mcuplan.tflite import load
from mcuplan.tflite.schema import builtin_codes, operator_code, record
from mcuplan.tflm import Target, predict
from mcuplan.tflm.history import (
    NEEDS_NEWER,
    dated_rules,
    has_operator,
    refusals,
    warnings,
    while_copies_unconditionally,
)
from mcuplan.tflm.results import UNNOTICED, PersistentKind
from mcuplan.tflm.support import unsupported
from mcuplan.tflm.support.table import support_table
from mcuplan.tflm.target import all_targets

SHARED = os.environ.get("MCUPLAN_SHARED")
PICO, NANO = "pico-2024-12/cortex-m0plus+cmsis-nn", "arduino-2023-02/cortex-m4+cmsis-nn"


def whole(name: str, inputs: list[Tensor], output: Tensor, options: Any = None) -> Graph:
    indices = tuple(range(len(inputs)))
    op = Operator(operator_code(name), indices, (len(inputs),), options)
    constants = tuple(i for i, t in enumerate(inputs) if t.buffer)
    fed = tuple(i for i in indices if i not in constants)
    return Graph((Subgraph((*inputs, output), (op,), fed, (len(inputs),)),), (Buffer(), Buffer(bytes(4096))))


def dense(scales: int) -> Graph:
    q, w = Quantization((0.5,), (0,)), Quantization((0.5,) * scales, (0,) * scales)
    x = Tensor("x", DType.INT8, (1, 8), 0, q)
    weights = Tensor("w", DType.INT8, (8, 8), 1, w)
    return whole(
        "FULLY_CONNECTED", [x, weights], Tensor("y", DType.INT8, (1, 8), 0, q), record("FullyConnectedOptions")
    )


def said(graph: Graph, target: str) -> list[str]:
    return [refusal.reason for refusal in refusals(graph, Target.parse(target))]


def test_an_operator_that_came_later() -> None:
    tensors = [Tensor(n, DType.FLOAT32, (4,)) for n in "xus"]
    graph = whole("DYNAMIC_UPDATE_SLICE", tensors, Tensor("y", DType.FLOAT32, (4,)))
    assert said(graph, PICO) == [
        "DYNAMIC_UPDATE_SLICE works since 2025-11-10 (62cbc8e3e), and pico-2024-12 has TFLM of 2024-12-23"
    ]
    (refusal,) = refusals(graph, Target.parse(PICO))
    assert (refusal.rule, refusal.subgraph, refusal.operator) == (NEEDS_NEWER, 0, 0)
    assert "upstream-2026-08" in refusal.remedy
    assert said(graph, "upstream-2026-08/cortex-m4") == said(graph, "esp-tflite-micro-1.4.0/esp32") == []
    # 1.3.5 was synchronized a week after, 1.3.4 before; both are between versions whose arenas are known.
    assert said(graph, "esp-tflite-micro-1.3.5/esp32") == []
    assert len(said(graph, "esp-tflite-micro-1.3.4/esp32")) == 1
    assert said(graph, "upstream-2025-12/cortex-m4") == []
    assert len(said(graph, "upstream-2025-11/cortex-m4")) == 1  # some day of that month: it may lack it


def test_a_dense_layer_with_a_scale_a_channel() -> None:
    assert all(said(dense(1), str(target)) == [] for target in all_targets())
    refused = "FULLY_CONNECTED with a scale a channel works since 2024-09-27 (47b545074), and "
    assert said(dense(8), "zephyr-2024-05/cortex-m4") == [f"{refused}zephyr-2024-05 has TFLM of 2024-05-29"]
    assert said(dense(8), "upstream-2024-07/cortex-m4") == [f"{refused}upstream-2024-07 has TFLM of 2024-07"]
    (wrong,) = said(dense(8), NANO)
    assert wrong == f"{refused}arduino-2023-02 has TFLM of 2023-02-25{UNNOTICED}"
    assert said(dense(8), PICO) == said(dense(8), "esp-tflite-micro-1.4.0/esp32") == []
    (esp,) = said(dense(8), "esp-tflite-micro-1.3.3~1/esp32s3")
    assert "312a65a" in esp
    assert esp.endswith(UNNOTICED)


def test_types_of_operators() -> None:
    tensors = [Tensor(n, DType.INT32, (4,)) for n in "ab"]
    graph = whole("SUB", tensors, Tensor("y", DType.INT32, (4,)), record("SubOptions"))
    assert said(graph, PICO) == [
        "SUB of int32 works since 2025-06-04 (686df2db9), and pico-2024-12 has TFLM of 2024-12-23"
    ]
    floats = [Tensor(n, DType.FLOAT32, (4,)) for n in "ab"]
    assert said(whole("SUB", floats, Tensor("y", DType.FLOAT32, (4,)), record("SubOptions")), PICO) == []


def test_a_warning_is_no_refusal() -> None:
    tensors = [Tensor("x", DType.INT16, (1, 4)), Tensor("axes", DType.INT32, (1,), 1)]
    graph = whole("SUM", tensors, Tensor("y", DType.INT16, (1,)), record("ReducerOptions"))
    assert said(graph, NANO) == []
    (warning,) = warnings(graph, Target.parse(NANO))
    assert warning.startswith("SUM outside its type's range may go wrong on arduino-2023-02: ")
    assert warnings(graph, Target.parse(PICO)) == ()


def test_a_dense_layer_of_rank_3_stops_debug_builds() -> None:
    q = Quantization((0.5,), (0,))
    options = record("FullyConnectedOptions", keep_num_dims=True)

    def said_of(depth: int, scales: int, target: str, rank: int = 3) -> int:
        w = Quantization((0.5,) * scales, (0,) * scales)
        shapes = [(1, 2, depth)[3 - rank :], (1, 2, 8)[3 - rank :]]
        x, y = (Tensor(n, DType.INT8, shape, 0, q) for n, shape in zip("xy", shapes, strict=True))
        graph = whole("FULLY_CONNECTED", [x, Tensor("w", DType.INT8, (8, depth), 1, w)], y, options)
        assert said(graph, target) == []
        return len(warnings(graph, Target.parse(target)))

    new = "upstream-2026-08/cortex-m4+cmsis-nn"
    assert said_of(8, 1, new) == said_of(8, 1, PICO) == 1
    # Another kernel: by its depth, its scales, its rank, its library, its date.
    others = [(6, 1, new, 3), (8, 8, new, 3), (8, 1, new, 2), (8, 1, "cortex-m4+reference", 3)]
    assert [said_of(*other) for other in [*others, (8, 1, "zephyr-2024-05/cortex-m4", 3)]] == [0] * 5


def test_softmax_overruns_its_scratch_on_esp_nn() -> None:
    """4 bytes for each of dimension 1 are asked for and 4 for each of the last are written, in steps of 16."""
    q, p = Quantization((0.5,), (0,)), Quantization((1 / 256,), (-128,))

    def refused(target: str, *shape: int) -> bool:
        tensors = [Tensor(n, DType.INT8, shape, 0, quantization) for n, quantization in (("x", q), ("y", p))]
        found = said(whole("SOFTMAX", tensors[:1], tensors[1], record("SoftmaxOptions", beta=1.0)), target)
        assert all("ESP-NN asks for 4 bytes" in reason and reason.endswith(UNNOTICED) for reason in found)
        return bool(found)

    for target in ("esp-tflite-micro-1.4.0/esp32", "esp-tflite-micro-1.3.3~1/esp32s3+esp-nn-1.2.1", "esp32p4"):
        assert not refused(target, 1, 10)
        assert refused(target, 1, 2, 10)
        assert not refused(target, 1, 10, 2)
        assert not refused(target, 1, 9, 12)  # 36 bytes lie in 48
        assert refused(target, 1, 9, 13)
        assert refused(target, 10)  # dimension 1 is read from beyond the shape
    assert not refused("esp32+esp-nn-ansi", 1, 2, 10)
    assert not refused("cortex-m4+cmsis-nn", 1, 2, 10)


EDGE = "edge-impulse-1.93.20/cortex-m4+cmsis-nn"


def only_in_edge_impulse(name: str, **changed: tuple[int, ...]) -> Graph:
    """One of the operators that Edge Impulse's SDK adds, on small tensors; ``changed`` shapes of y."""
    q = Quantization((0.5,), (0,))

    def constant(*values: int) -> tuple[Tensor, bytes]:
        return Tensor("c", DType.INT32, (len(values),), 1), struct.pack(f"<{len(values)}i", *values)

    shapes = {"TILE": (2, 9), "SCATTER_ND": (5, 3), "TOPK_V2": (2, 2), "REDUCE_ANY": (2,)} | changed
    dtype = DType.BOOL if name == "REDUCE_ANY" else DType.INT8
    x = Tensor("x", dtype, (2, 3), 0, q if dtype is DType.INT8 else None)
    y = replace(x, name="y", shape=shapes[name])
    table, data = constant(*{"TILE": (1, 3), "SCATTER_ND": (5, 3), "TOPK_V2": (2,), "REDUCE_ANY": (1,)}[name])
    if name == "TOPK_V2":
        table = replace(table, shape=())
    tensors = [Tensor("i", DType.INT32, (2, 1)), x, table] if name == "SCATTER_ND" else [x, table]
    graph = whole(name, tensors, y, record("ReducerOptions") if name == "REDUCE_ANY" else None)
    main = graph.main
    if name == "TOPK_V2":
        places = Tensor("places", DType.INT32, (2, 2))
        both = (len(main.tensors) - 1, len(main.tensors))
        op = replace(main.operators[0], outputs=both)
        main = replace(main, tensors=(*main.tensors, places), operators=(op,), outputs=both)
    return replace(graph, subgraphs=(main,), buffers=(Buffer(), Buffer(data)))


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("TILE", [1]), ("SCATTER_ND", []), ("TOPK_V2", []), ("REDUCE_ANY", [1, 36])],
)
def test_operators_that_only_edge_impulse_has(name: str, sizes: list[int]) -> None:
    """Parsed options of REDUCE_ANY are a bool; operator data as the kernels' structures: a bool, none, none, 36."""
    graph = only_in_edge_impulse(name)
    assert unsupported(graph, Target.parse(EDGE)) == ()
    for other in ("arduino-2023-02/cortex-m4", "cortex-m4+cmsis-nn"):
        assert [refusal.rule for refusal in unsupported(graph, Target.parse(other))] == ["unsupported-operator"]
    arena = predict(graph, EDGE)
    assert arena.exact
    kinds = (PersistentKind.BUILTIN_DATA, PersistentKind.OP_DATA)
    assert [a.size for a in arena.persistent if a.kind in kinds] == sizes


def test_shapes_that_edge_impulses_operators_do_not_give() -> None:
    edge = Target.parse(EDGE)
    for name, shape in (("TILE", (2, 6)), ("SCATTER_ND", (4, 3)), ("TOPK_V2", (2, 1)), ("REDUCE_ANY", (3,))):
        (refusal,) = unsupported(only_in_edge_impulse(name, **{name: shape}), edge)
        assert refusal.rule == "shape-mismatch", name


def test_edge_impulse_mixes_up_what_is_selected() -> None:
    tensors = [Tensor("c", DType.BOOL, (4,)), *(Tensor(n, DType.FLOAT32, (4,)) for n in "ab")]
    graph = whole("SELECT_V2", tensors, Tensor("y", DType.FLOAT32, (4,)))
    (wrong,) = said(graph, EDGE)
    assert "takes the first choice for the condition" in wrong
    assert wrong.endswith(UNNOTICED)
    assert said(graph, NANO) == []


def test_what_planner_and_exporter_ask() -> None:
    old, new = Target.parse(PICO), Target.parse("upstream-2026-08/cortex-m4")
    assert not has_operator(old, "DYNAMIC_UPDATE_SLICE", "int8")
    assert has_operator(new, "DYNAMIC_UPDATE_SLICE", "int8")
    assert has_operator(old, "WHILE")
    assert has_operator(old, "SLICE", "bool")
    assert not has_operator(Target.parse(NANO), "SLICE", "bool")
    assert not has_operator(old, "PACK", "int16")
    assert has_operator(old, "PACK", "int8")
    # The resolver offers IF there, and entering a branch faults.
    assert has_operator(Target.parse(NANO), "IF")
    assert while_copies_unconditionally(Target.parse("esp-tflite-micro-1.4.0/esp32"))
    assert not while_copies_unconditionally(new)


def test_rules_name_what_exists() -> None:
    customs = support_table().document["custom_operators"]
    for rule in dated_rules():
        assert rule.operators <= builtin_codes().keys() | customs.keys()
        assert rule.types <= {dtype.label for dtype in DType}
        for formula in filter(None, (rule.of, rule.when)):
            compile_formula(formula)
        assert bool(rule.when) == bool(rule.what)
        assert not rule.since or rule.commit
        assert rule.why or not (rule.unnoticed or rule.warning)
        for name in rule.operators & builtin_codes().keys():
            assert operator_info(name)


# -- every measured verdict --------------------------------------------------------------------------------------------


def _truth(name: str) -> Any:
    return json.loads((Path(SHARED or "") / "truth" / name).read_text("utf-8"))


@functools.cache
def _model(name: str) -> Graph:
    folder = Path(SHARED or "") / "models"
    path = folder / f"{name}.tflite"
    return load(path if path.exists() else folder / "operators" / f"{name}.tflite")


@functools.cache
def _verdicts() -> dict[str, dict[str, dict[str, Any]]]:
    if SHARED is None:
        return {}
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in _truth("arena-versions.json"):
        for target, run in entry["targets"].items():
            found.setdefault(target, {})[entry["model"].rpartition("/")[2]] = run
    arduino = _truth("arena-arduino-2023-02.json")
    found[arduino["target"]] = {run["model"]: run for run in arduino["models"]}
    return found


# Refused, and not told by these records: channels of one scale give the same with one for all, int4 outputs are judged
# by their bytes elsewhere, and a convolution without bias was invoked on the plain C build only.
NOT_TOLD = {"fc_i8_pc", "fc_i8_3d_pc", "conv_i4", "conv_i4_1x1", "dw_i4", "dw_i4_5x5", "fc_i4", "conv_i8_nobias"}


@pytest.mark.parametrize("target", _verdicts())
def test_what_a_target_refused_or_died_on_is_unsupported(target: str) -> None:
    for model, run in _verdicts()[target].items():
        refused = unsupported(_model(model), Target.parse(target))
        died = "invoke" in run or (run["ok"] and "output_crc32" in run and run["output_crc32"] is None)
        if model == "var_handle" and not run["ok"]:
            continue  # that application gave no resource variables
        if not run["ok"] or died:
            assert refused, model
        elif model not in NOT_TOLD:
            assert refused == (), model
