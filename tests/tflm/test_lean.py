"""Lean registrations: what kernels keep lies in flash, and the memory for it is lent while they prepare."""

from __future__ import annotations

import json
import math
import os
import struct
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcuplan.graph import Buffer, Graph, Quantization
from mcuplan.tflite import load
from mcuplan.tflm import Target, TargetError, code_size, predict
from mcuplan.tflm.lean import kept, lean_size, quantized_multiplier
from mcuplan.tflm.persistent import prepare
from mcuplan.tflm.results import LeanSize, PersistentKind
from mcuplan.tflm.target import all_targets
from mcuplan.tflm.versions import find_version, known_versions
from mcuplan.zoo import build
from mcuplan.zoo.builder import Builder
from mcuplan.zoo.single import build_operator, operator_models

SHARED = os.environ.get("MCUPLAN_SHARED")

TARGET = "upstream-2026-08/cortex-m4+cmsis-nn"


def test_a_lean_target_is_spelled_with_a_last_lean():
    lean = Target.parse("cortex-m4+cmsis-nn+lean")
    assert lean == Target.parse(TARGET).with_lean()
    assert (str(lean), lean.short, lean.lean) == (f"{TARGET}+lean", "cortex-m4+cmsis-nn+lean", True)
    assert Target.parse(str(lean)) == lean
    assert lean.without_lean() == Target.parse(TARGET) != lean
    assert str(Target.parse("cortex-m4+lean")) == f"{TARGET}+lean"
    assert str(lean.with_library("reference")) == "upstream-2026-08/cortex-m4+reference+lean"
    assert lean.records == 0, "a measured arena of the stock target is none of the lean one"


def test_kernels_nobody_read_for_it_are_refused_in_one_sentence(monkeypatch):
    unread = replace(find_version("arduino-2023-02"), lean=())
    monkeypatch.setattr("mcuplan.tflm.target.find_version", lambda name: unread)
    target = Target.parse("cortex-m4+cmsis-nn")
    assert not target.can_be_lean
    with pytest.raises(TargetError, match=r"^\S+: no lean registrations, the \S+ kernels of \S+ were not read [^\n]*$"):
        target.with_lean()


@pytest.mark.parametrize("name", ["cortex-m4+lean+cmsis-nn", "cortex-m4+cmsis-nn+lean+lean", "+lean", "lean"])
def test_lean_is_last_and_once(name):
    with pytest.raises(TargetError):
        Target.parse(name)


def test_a_convolution_by_hand():
    """sine's dense layers keep nothing; person detection's 14 convolutions keep 8 bytes a channel, each array at 16."""
    sine = build("sine")
    assert predict(sine, f"{TARGET}+lean").persistent == predict(sine, TARGET).persistent

    graph = build("person-detection")
    stock, lean = (prepare(graph, Target.parse(t)) for t in (TARGET, f"{TARGET}+lean"))
    channels = [graph.main.tensors[op.outputs[0]].shape[3] for _, _, op in graph.operators()
                if op.name in ("CONV_2D", "DEPTHWISE_CONV_2D")]  # fmt: skip
    assert stock.tail - lean.tail == sum(2 * -(-4 * n // 16) * 16 for n in channels) == 21_920
    assert not [a for a in lean.allocations if a.kind is PersistentKind.PERSISTENT_BUFFER]
    assert lean.scratch == stock.scratch


def _pointwise(units: int = 64) -> Graph:
    builder = Builder()
    x = builder.input((1, 4, 4, 3))
    return builder.graph([builder.conv2d(x, units, 1)])


def test_what_is_lent_counts_while_its_operator_prepares():
    """One 1x1 convolution of 3 to 64 channels: its Prepare's peak holds temporaries and the lent 2 x 256 bytes.

    The head's request table is 12 x 12; temporaries x, w, y, x, w, b, y of 32 each with quantization 12 + 4 + 4 n (n
    = 1 for x and y, 64 for w and b). A pointwise convolution asks for no scratch.
    """
    graph = _pointwise()
    stock, lean = (prepare(graph, Target.parse(t)) for t in (TARGET, f"{TARGET}+lean"))
    temporaries = 7 * 32 + 4 * 20 + 3 * (16 + 4 * 64)
    assert lean.prepare_peak == 144 + temporaries + 2 * 256 + lean.tail
    assert stock.prepare_peak == 144 + temporaries + stock.tail
    assert stock.tail - lean.tail == 2 * 256


def test_a_planned_section_smaller_than_what_is_lent_grows_the_arena_exactly():
    """A planned section of 48 + 80 bytes, 128 channels' arrays of 512 bytes each: preparing rules, not the plan."""
    builder = Builder()
    x = builder.input((1, 1, 1, 3))
    graph = builder.graph([builder.conv2d(builder.conv2d(x, 128, 1), 16, 1)])
    arena = predict(graph, f"{TARGET}+lean")
    assert arena.nonpersistent_bytes == 128 + 16 < 2 * 512
    assert arena.declare_bytes == -(-arena.prepare_peak_bytes // 16) * 16 > arena.final_bytes


@given(st.integers(1, 70))
def test_lean_never_takes_more(units):
    for library in ("cmsis-nn", "reference"):
        target = Target.parse(f"cortex-m4+{library}")
        stock, lean = (predict(_pointwise(units), t) for t in (target, target.with_lean()))
        assert lean.used_bytes == stock.used_bytes - 2 * -(-4 * units // 16) * 16
        assert lean.declare_bytes <= stock.declare_bytes


def test_filters_that_are_worked_out_stay_in_the_arena():
    """A node is known by its filter's place in the model; one that the model works out has none."""
    graph = _pointwise()
    buffers = tuple(Buffer() if len(b.data or b"") == 3 * 64 else b for b in graph.buffers)
    worked_out = replace(graph, buffers=buffers)
    assert predict(worked_out, f"{TARGET}+lean").persistent == predict(worked_out, TARGET).persistent


MEASURED = [
    (target, model, *figures)
    for target, rows in json.loads((Path(__file__).parent / "data" / "lean-arenas.json").read_text("utf-8"))[
        "used_and_declare"
    ].items()
    for model, figures in rows.items()
]


@pytest.mark.skipif(SHARED is None, reason="MCUPLAN_SHARED is not set: the shared models are not at hand")
@pytest.mark.parametrize(("target", "model", "used", "declare"), MEASURED)
def test_measured_arenas(target, model, used, declare):
    (path,) = (Path(SHARED or "") / "models").rglob(f"{model}.tflite")
    arena = predict(load(path), f"upstream-2026-08/{target}")
    assert (arena.used_bytes, arena.declare_bytes) == (used, declare)


# -- flash ------------------------------------------------------------------------------------------------------------


def test_flash_knows_the_arrays():
    """8 bytes a channel of person detection's 28 convolutions, a table's 12 bytes each, and the registrations' code."""
    graph = build("person-detection")
    stock, lean = (code_size(graph, t) for t in (TARGET, f"{TARGET}+lean"))
    assert stock.lean == LeanSize()
    assert lean.lean.flash_bytes >= 21_904 + 28 * 12 + 1_030
    assert lean.total_bytes - stock.total_bytes == lean.lean.flash_bytes
    assert lean.data_bytes - stock.data_bytes == 2 * 28, "CONV_2D's and DEPTHWISE_CONV_2D's"


def test_models_that_share_a_board_have_registrations_each():
    from mcuplan import budget

    lean = budget.analyse(build("person-detection"), Target.parse(f"{TARGET}+lean"))
    stock = budget.analyse(build("person-detection"), Target.parse(TARGET))
    once, twice = (budget.together([lean] * n, budget.Arenas.SUM) for n in (1, 2))
    assert once.flash.runtime_bytes == lean.need().flash.runtime_bytes
    own = twice.flash.runtime_bytes - once.flash.runtime_bytes
    assert own == lean.code.lean.flash_bytes + lean.code.lean.data_bytes
    assert once.ram.data_bytes - budget.together([stock], budget.Arenas.SUM).ram.data_bytes == 2 * 28 + 28


def test_multipliers_are_tflm_s():
    """Rounded to 31 bits, halves away from zero; what rounds up to 2^31 is halved."""
    assert quantized_multiplier(0.5) == (1 << 30, 0)
    assert quantized_multiplier(1 - 2.0**-33) == (1 << 30, 1)
    assert quantized_multiplier((2**30 + 0.5) / 2**31) == ((1 << 30) + 1, 0)
    assert quantized_multiplier(2.0**-32) == (1 << 30, -31)
    assert quantized_multiplier(2.0**-33) == (0, 0)
    assert quantized_multiplier(math.inf) == quantized_multiplier(0.0) == (0, 0)


@pytest.mark.parametrize("quantization", [None, Quantization(), Quantization((0.5, 0.25), (0, 0))])
def test_models_that_no_kernel_takes_have_a_size_too(quantization):
    """Filters without scales, or with as many as fit nothing: TFLM refuses them, and nothing here falls over."""
    graph = _pointwise()
    tensors = tuple(replace(t, quantization=quantization) if t.shape == (64, 1, 1, 3) else t
                    for t in graph.main.tensors)  # fmt: skip
    broken = replace(graph, subgraphs=(replace(graph.main, tensors=tensors),))
    assert code_size(broken, f"{TARGET}+lean").lean.flash_bytes > 0
    (found,) = kept(broken, Target.parse(f"{TARGET}+lean"))
    assert [len(part) for part in found.values] == [64, 64]


def test_kernel_sums_by_hand():
    """MVE: each filter's sum less its zero point, times the input's offset, plus the bias; in 32 bits."""
    builder = Builder()
    graph = builder.graph([builder.fully_connected(builder.input((1, 3)), 2)])
    weights, bias = (graph.main.operators[0].inputs[i] for i in (1, 2))
    for zero_point, sums in ((-4, (4 * 6 + 7, 4 * -6 - 9)), (2**40 + 5, (-5 * 6 + 7, -5 * -6 - 9))):
        buffers = list(graph.buffers)
        buffers[graph.main.tensors[weights].buffer] = Buffer(bytes([1, 2, 3, 255, 254, 253]))
        buffers[graph.main.tensors[bias].buffer] = Buffer(struct.pack("<2i", 7, -9))
        tensors = list(graph.main.tensors)
        tensors[graph.main.inputs[0]] = replace(
            tensors[graph.main.inputs[0]], quantization=Quantization((0.5,), (zero_point,))
        )
        changed = replace(graph, buffers=tuple(buffers), subgraphs=(replace(graph.main, tensors=tuple(tensors)),))
        (found,) = kept(changed, Target.parse("cortex-m55+cmsis-nn+lean"))
        assert (found.parts, found.values) == (("sums(w, w, x, b)",), (sums,))


# -- other versions ---------------------------------------------------------------------------------------------------

READ = sorted({(str(t), t.library.name) for t in all_targets() if t.can_be_lean})


UNREAD = {"nxp-2025-07"}
"""Versions whose kernels nobody has read for what they keep: no lean target."""


def test_the_versions_that_were_read():
    assert {name.split("/")[0] for name, _ in READ} == set(known_versions()) - UNREAD


@pytest.mark.parametrize("name", ["nxp-2025-07", "zephyr-2025-06"])
def test_a_version_that_was_not_read_or_lies_beside_one_is_refused(name):
    with pytest.raises(TargetError, match="the cmsis-nn kernels of nxp-2025-07 were not read for what they keep"):
        Target.parse(f"{name}/cortex-m4+cmsis-nn+lean")


@pytest.mark.parametrize("name", [name for name, _ in READ])
def test_convolutions_keep_nothing_in_the_arena_of_a_lean_target(name):
    """The kernels' requests of every version that was read are tagged: 28 convolutions, 8 bytes a channel."""
    graph = build("person-detection")
    target = Target.parse(name)
    stock, lean = prepare(graph, target), prepare(graph, target.with_lean())
    assert stock.tail - lean.tail == 21_920
    assert len(kept(graph, target.with_lean())) == 28
    assert lean_size(graph, target.with_lean()).flash_bytes > 21_904


def test_what_an_older_kernel_keeps_otherwise_stays_in_the_arena():
    """Zephyr's SVDF of 2024 keeps sums without offsets: with MVE they are no business of lean registrations there."""
    graph = build_operator(next(spec for spec in operator_models() if spec.name == "svdf-int8"))
    lean = {v: len(kept(graph, Target.parse(f"{v}/cortex-m55+cmsis-nn+lean")))
            for v in ("upstream-2026-08", "zephyr-2025-02", "zephyr-2024-05")}  # fmt: skip
    assert lean == {"upstream-2026-08": 1, "zephyr-2025-02": 1, "zephyr-2024-05": 0}


def test_a_version_between_two_that_were_read():
    between = Target.parse("zephyr-2024-09/cortex-m4+cmsis-nn+lean")
    assert between.bounds
    assert all(bound.lean for bound in between.bounds)
    arena = predict(build("person-detection"), between)
    assert arena.declare_bytes < 62_000
    assert arena.target == str(between)
