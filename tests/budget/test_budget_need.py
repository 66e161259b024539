"""What a model needs, item by item, and several models together."""

from __future__ import annotations

import pytest

from mcuplan.budget import DEFAULT_STACK_BYTES, Analysis, Arenas, analyse, together
from mcuplan.budget.analysis import operator_kinds, weights_bytes
from mcuplan.errors import McuplanError
from mcuplan.graph import Buffer, DType, Graph, Metadata, Operator, OperatorCode, Subgraph, Tensor
from mcuplan.operators import ModelMacs
from mcuplan.tflm import ArenaPrediction, CodeSize, Target
from mcuplan.tflm.kernels import object_sizes
from mcuplan.zoo import build

M4 = Target.parse("cortex-m4+cmsis-nn")


def tensor(name: str, buffer: int = 0) -> Tensor:
    return Tensor(name, DType.INT8, (1, 4), buffer=buffer)


def graph(*names: str, file_bytes: int = 1_000) -> Graph:
    """A chain of operators, each reading the constant of buffer 1 besides."""
    tensors = (tensor("w", 1), *(tensor(f"t{i}") for i in range(len(names) + 1)))
    operators = tuple(Operator(OperatorCode(name), (i + 1, 0), (i + 2,)) for i, name in enumerate(names))
    main = Subgraph(tensors, operators, (1,), (len(names) + 1,))
    buffers = (Buffer(), Buffer(b"\0" * 300), Buffer(b"\0" * 50))
    return Graph((main,), buffers, metadata=(Metadata("min_runtime_version", 2),), file_bytes=file_bytes)


def analysis(model: Graph, arena: int = 5_000, data: int = 104, bss: int = 8) -> Analysis:
    predicted = ArenaPrediction(
        "cortex-m4+cmsis-nn", "tflm-2026-08", arena, arena, 3_000, 2_000, arena, 0, 0, (), (), 2
    )
    code = CodeSize("O2-logs", 18_000, 7_000, 500, data, bss, (), exact=True)
    return Analysis(model, M4, predicted, code, ModelMacs(12_345, ()))


def test_every_item_of_ram_and_flash() -> None:
    need = analysis(graph("ADD", "RELU", "ADD")).need()
    assert need.ram.arena_bytes == 5_000
    assert need.ram.interpreter_bytes == 208
    assert need.ram.resolver_bytes == 12 + 36 * 2  # ADD once, RELU once
    assert need.ram.data_bytes == 112
    assert need.ram.stack_bytes == DEFAULT_STACK_BYTES == 4_096
    assert need.ram.total_bytes == 5_000 + 208 + 84 + 112 + 4_096
    assert need.flash.model_bytes == 1_000
    assert need.flash.weights_bytes == 300  # the metadata's 50 bytes are no weights
    assert need.flash.runtime_bytes == 25_500 + 104  # .data is kept in flash, .bss is not
    assert need.flash.total_bytes == 26_604
    assert need.macs == 12_345


def test_the_stack_is_what_the_user_states() -> None:
    assert analysis(graph("ADD")).need(10_000).ram.stack_bytes == 10_000


def test_the_resolver_has_a_place_even_for_a_model_without_operators() -> None:
    assert analysis(graph()).need().ram.resolver_bytes == 48


def test_custom_operators_are_kinds_of_their_own() -> None:
    model = graph("CUSTOM", "CUSTOM")
    first, second = (
        Operator(OperatorCode("CUSTOM", custom_code=name), (1, 0), (2,)) for name in ("SignalWindow", "SignalEnergy")
    )
    main = model.main
    both = Graph((Subgraph(main.tensors, (first, second, first), main.inputs, main.outputs),), model.buffers)
    assert operator_kinds(both) == 2


def test_a_buffer_that_two_tensors_share_counts_once() -> None:
    shared = Subgraph((tensor("a", 1), tensor("b", 1)), (), (), ())
    assert weights_bytes(Graph((shared, shared), (Buffer(), Buffer(b"\0" * 70)))) == 70


def test_a_zoo_model_adds_up() -> None:
    found = analyse(build("sine"), M4)
    need = found.need()
    assert need.ram.arena_bytes == found.arena.declare_bytes
    assert need.flash.runtime_bytes == found.code.total_bytes + found.code.data_bytes
    assert found.refusals == ()


def test_models_that_share_a_board() -> None:
    first, second = analysis(graph("ADD"), arena=5_000), analysis(graph("ADD", "MUL", file_bytes=3_000), arena=9_000)
    added = together([first, second], Arenas.SUM)
    in_turn = together([first, second], Arenas.LARGEST)
    assert added.ram.arena_bytes == 14_000
    assert in_turn.ram.arena_bytes == 9_000
    assert added.ram.interpreter_bytes == 416
    assert added.ram.resolver_bytes == (12 + 36) + (12 + 72)
    assert added.ram.stack_bytes == 4_096  # they run one after the other
    assert added.flash.model_bytes == 4_000
    assert added.macs == 24_690


def test_models_with_one_allocator() -> None:
    """In both orders: the largest planned section, every persistent one, one set of allocator objects."""
    one, two = analyse(build("person-detection"), M4), analyse(build("resnet8"), M4)
    for pair in ([one, two], [two, one]):
        shared = together(pair, Arenas.ALLOCATOR).ram.arena_bytes
        used = max(p.arena.nonpersistent_bytes for p in pair) + sum(p.arena.persistent_bytes for p in pair)
        objects = object_sizes(M4)
        once = sum(objects[name] for name in ("SingleArenaBufferAllocator", "GreedyMemoryPlanner", "MicroAllocator"))
        assert used - once - 16 <= shared <= used - once + 32
    assert together([one], Arenas.ALLOCATOR).ram.arena_bytes == one.arena.declare_bytes


def test_shared_code_counts_once() -> None:
    one, two = analyse(build("sine"), M4), analyse(build("autoencoder"), M4)
    alone = one.need().flash.runtime_bytes, two.need().flash.runtime_bytes
    both = together([one, two], Arenas.SUM).flash.runtime_bytes
    assert max(alone) <= both < sum(alone)


def test_a_group_of_no_models_is_refused() -> None:
    with pytest.raises(McuplanError, match="at least one model"):
        together([], Arenas.SUM)
