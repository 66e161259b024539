"""Every single-operator model on real TFLMs: the 32-bit one to the byte, the 64-bit one where pointers do not count."""

from __future__ import annotations

import dataclasses
import functools

import pytest
import runtimes

from mcuplan import tflite
from mcuplan.graph import Graph
from mcuplan.tflm import ArenaPrediction, PersistentKind, place, predict
from mcuplan.zoo.single import OperatorSpec, build_operator, operator_models

SPECS = operator_models()

# The 32-bit runtime is built with four-byte enums and a RecordingMicroInterpreter; it makes room for 100 resource
# variables whatever the model has.
TARGET = "riscv32+reference"
VARIABLES = [(12, 16), (2000, 16)]
ALLOCATORS = 3
"""Objects in the tail before the resource variables."""


@functools.cache
def models() -> tuple[tuple[OperatorSpec, Graph], ...]:
    return tuple((spec, build_operator(spec)) for spec in SPECS)


def prediction(graph: Graph) -> ArenaPrediction:
    return predict(graph, TARGET, recording=True)


def tail_with_room_for_variables(arena: ArenaPrediction) -> int:
    asked = [(a.size, a.align) for a in arena.persistent if a.kind is not PersistentKind.RESOURCE_VARIABLES]
    used = 0
    for size, align in (*asked[:ALLOCATORS], *VARIABLES, *asked[ALLOCATORS:]):
        used = -(-(used + size) // align) * align
    return used


def head_with_wide_pointers(graph: Graph, arena: ArenaPrediction) -> int:
    """The non-persistent section where pointers have eight bytes: ADD_N asks for one pointer an input."""
    doubled = [
        dataclasses.replace(b, bytes=2 * b.bytes, size=-(-2 * b.bytes // 16) * 16)
        if b.operator >= 0 and graph.subgraphs[b.subgraph].operators[b.operator].name == "ADD_N"
        else b
        for b in arena.plan
    ]
    return max((b.end for b in place(doubled)), default=0)


@pytest.fixture(scope="module")
def wasm() -> list[runtimes.TflmRun]:
    runtimes.require("wasm")
    return runtimes.run_wasm_each([tflite.write(graph) for _, graph in models()])


@pytest.fixture(scope="module")
def tflm() -> list[runtimes.TflmRun]:
    runtimes.require("tflm")
    return runtimes.run_tflm_each([tflite.write(graph) for _, graph in models()])


def test_both_sections_on_the_32_bit_tflm(wasm: list[runtimes.TflmRun]) -> None:
    predicted = {spec.name: prediction(graph) for spec, graph in models()}
    measured = {spec.name: run for (spec, _), run in zip(models(), wasm, strict=True)}

    assert {name: run.message for name, run in measured.items() if not run.ok} == {}
    assert {name: arena.nonpersistent_bytes for name, arena in predicted.items()} == {
        name: run.head_bytes for name, run in measured.items()
    }
    assert {name: tail_with_room_for_variables(arena) for name, arena in predicted.items()} == {
        name: run.tail_bytes for name, run in measured.items()
    }


def test_the_non_persistent_section_on_the_64_bit_tflm(tflm: list[runtimes.TflmRun]) -> None:
    predicted = {spec.name: head_with_wide_pointers(graph, prediction(graph)) for spec, graph in models()}
    measured = {spec.name: run for (spec, _), run in zip(models(), tflm, strict=True)}

    assert {name: run.message for name, run in measured.items() if not run.ok} == {}
    assert predicted == {name: run.head_bytes for name, run in measured.items()}
