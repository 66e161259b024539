from __future__ import annotations

import pytest
from hypothesis import given, settings
from schedules_by_force import problems, step_bytes

from mcuplan.graph import CUSTOM, DType, Operator, OperatorCode, Subgraph, Tensor
from mcuplan.scheduling import Problem, ScheduleError, Task, check_order, from_subgraph, live_bytes, peak_bytes

# x -> a -> b -> y with a skip from a to y's operator.
RESIDUAL = Problem(
    (Task((0,), (1,), scratch=8), Task((1,), (2,)), Task((1, 2), (3,))), (64, 32, 48, 16), inputs=(0,), outputs=(3,)
)


def test_live_bytes_of_a_residual_unit() -> None:
    # step 0: x; 1: x + a + scratch; 2: a + b; 3: a + b + y
    assert live_bytes(RESIDUAL) == (64, 64 + 32 + 8, 32 + 48, 32 + 48 + 16)
    assert peak_bytes(RESIDUAL) == 104


def test_an_output_lives_to_the_end_and_an_unread_tensor_for_its_own_step() -> None:
    problem = Problem(
        (Task((0,), (1, 2)), Task((1,), (3,)), Task((3,), (4,))), (16, 32, 64, 16, 16), inputs=(0,), outputs=(3, 4)
    )
    # 1: x + t1 + the unread t2; 2: t1 + t3; 3: t3 (kept) + t4
    assert live_bytes(problem) == (16, 112, 48, 32)


def test_an_input_that_is_also_an_output_never_dies() -> None:
    problem = Problem((Task((0,), (1,)), Task((1,), (2,))), (64, 16, 16), inputs=(0,), outputs=(0, 2))
    assert live_bytes(problem) == (64, 80, 96)


def test_an_input_that_nobody_reads_is_live_at_the_first_step_only() -> None:
    problem = Problem((Task((0,), (2,)),), (16, 128, 16), inputs=(0, 1), outputs=(2,))
    assert live_bytes(problem) == (144, 32)


def test_a_network_without_operators() -> None:
    assert live_bytes(Problem((), (32,), inputs=(0,), outputs=(0,))) == (32,)


def test_tensors_that_share_their_bytes_are_one_buffer() -> None:
    # relu in place: x and its relu are one place of 64 bytes from the conv to the last reader.
    plain = Problem((Task((0,), (1,)), Task((1,), (2,)), Task((2,), (3,))), (16, 64, 64, 16), (0,), (3,))
    in_place = Problem(plain.tasks, plain.sizes, (0,), (3,), shared=((1, 2),))
    assert live_bytes(plain) == (16, 80, 128, 80)
    assert live_bytes(in_place) == (16, 80, 64, 80)


@settings(max_examples=60, deadline=None)
@given(problems())
def test_live_bytes_agree_with_the_definition_step_by_step(problem: Problem) -> None:
    live = live_bytes(problem)
    for k in range(len(problem.tasks)):
        assert live[k + 1] == step_bytes(problem, frozenset(range(k)), k)


def subgraph(*operators: tuple[str, tuple[int, ...], tuple[int, ...]], outputs: tuple[int, ...]) -> Subgraph:
    count = 1 + max(t for _, reads, writes in operators for t in (*reads, *writes))
    return Subgraph(
        tuple(Tensor(f"t{i}", DType.INT8, (1, 16)) for i in range(count)),
        tuple(Operator(OperatorCode(name), reads, writes) for name, reads, writes in operators),
        inputs=(0,),
        outputs=outputs,
    )


def test_from_subgraph_takes_sizes_scratch_and_order() -> None:
    graph = subgraph(
        ("CONV_2D", (0, 4, -1), (1,)), ("READ", (4,), (2,)), ("ADD", (1, 1, 2), (3,)), ("ASSIGN", (3, 4), ()),
        outputs=(3,),
    )  # fmt: skip
    problem = from_subgraph(graph, lambda t: 0 if t == 4 else 16 * (t + 1), lambda k: 8 * k, ordered=[3, 1, 1])
    assert problem.tasks == (
        Task((0, 4), (1,), 0, "CONV_2D"), Task((4,), (2,), 8, "READ"), Task((1, 2), (3,), 16, "ADD"),
        Task((3, 4), (), 24, "ASSIGN"),
    )  # fmt: skip
    assert problem.sizes == (16, 32, 48, 64, 0)
    assert problem.chains == ((1, 3),)
    # x; x + t1; t1 + t2 + 8; t1 + t2 + t3 + 16; t3 + 24
    assert live_bytes(problem) == (16, 48, 88, 160, 88)


@pytest.mark.parametrize(
    ("operators", "sentence"),
    [
        (
            [("A", (2,), (1,)), ("B", (1,), (2,))],
            "wait for each other in a circle: operator 0 (A), then operator 1 (B)",
        ),
        ([("A", (0, 1), (1,))], "operator 0 (A) reads what it writes itself"),
        ([("A", (0, 3), (1,))], "operator 0 (A) reads tensor 3, which no operator writes"),
        ([("A", (0,), (1, 1))], "tensor 1 is written by operator 0 (A) and operator 0 (A)"),
        ([("A", (0,), (1,)), ("B", (0,), (1,))], "tensor 1 is written by operator 0 (A) and operator 1 (B)"),
        ([("A", (1,), (0,))], "tensor 0 is an input of the network, yet operator 0 (A) writes it"),
        ([("B", (2,), (1,)), ("A", (0,), (2,))], "operator 0 (B) needs operator 1 (A), which comes later"),
        ([("A", (0,), (2,))], "tensor 1 is an output of the network, but no operator writes it"),
    ],
)
def test_graphs_without_an_order_are_refused(
    operators: list[tuple[str, tuple[int, ...], tuple[int, ...]]], sentence: str
) -> None:
    with pytest.raises(ScheduleError) as refusal:
        from_subgraph(subgraph(*operators, outputs=(1,)), lambda _: 16, lambda _: 0)
    assert sentence in str(refusal.value)
    assert refusal.value.exit_code == 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"sizes": (16, -16)}, "tensor 1 has a negative size"),
        ({"tasks": (Task((0,), (7,)),)}, "operator 0 refers to tensor 7, but there are only 2"),
        ({"tasks": (Task((-1,), (1,)),)}, "operator 0 refers to tensor -1"),
        ({"tasks": (Task((0,), (1,), -4),)}, "operator 0 asks for a negative amount of scratch"),
        ({"tasks": (Task((0,), (1, 1)),)}, "tensor 1 is written by operator 0 and operator 0"),
        ({"outputs": (2,)}, "the network refers to tensor 2"),
        ({"chains": ((0, 1),)}, "an order to keep names operator 1, but there are only 1"),
        ({"chains": ((0, 0),)}, "an order to keep does not follow the file's order"),
        ({"shared": ((0, 1), (1,))}, "a tensor is in two groups"),
    ],
)
def test_malformed_problems_are_refused(change: dict[str, object], sentence: str) -> None:
    good: dict[str, object] = {"tasks": (Task((0,), (1,)),), "sizes": (16, 16), "inputs": (0,), "outputs": (1,)}
    Problem(**good)  # type: ignore[arg-type]
    with pytest.raises(ScheduleError, match=sentence):
        Problem(**(good | change))  # type: ignore[arg-type]


def test_labels_from_files_are_shown_as_harmless_text() -> None:
    evil = Operator(OperatorCode(CUSTOM, custom_code="\x1b[31m" + "x" * 100), (0, 2), (1,))
    tensors = tuple(Tensor("t", DType.INT8, (16,)) for _ in range(3))
    with pytest.raises(ScheduleError) as refusal:
        from_subgraph(Subgraph(tensors, (evil,), (0,), (1,)), lambda _: 16, lambda _: 0)
    assert "\x1b" not in str(refusal.value)
    assert len(str(refusal.value)) < 160


@pytest.mark.parametrize("order", [(0, 1), (0, 1, 1), (1, 0, 2), (0, 1, 3)])
def test_an_order_that_is_none_is_refused(order: tuple[int, ...]) -> None:
    with pytest.raises(ScheduleError):
        check_order(RESIDUAL, order)
    with pytest.raises(ScheduleError):
        peak_bytes(RESIDUAL, order)
