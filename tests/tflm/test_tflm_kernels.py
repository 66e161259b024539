"""The table of kernels: whole, in its language, and right where it is worked out by hand."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from importlib import resources
from typing import Any

import pytest

from mcuplan.graph import Buffer, DType, Graph, Operator, Quantization, Subgraph, Tensor
from mcuplan.operators import OperatorCall, TensorFacts, operator_info
from mcuplan.operators.formulas import FUNCTIONS, compile_formula
from mcuplan.tflite.schema import builtin_codes, operator_code, record, schema
from mcuplan.tflm import Target, predict, target_names
from mcuplan.tflm.kernels import UNKNOWN_OP_DATA, node_needs, tables
from mcuplan.tflm.target import all_targets
from mcuplan.tflm.versions import document
from mcuplan.zoo.operators import options_table
from mcuplan.zoo.single import build_operator, operator_models

VERSION = "upstream-2026-08"
DATA = document(VERSION, "kernels")


def rows_of(data: dict[str, Any]) -> dict[str, Any]:
    return {**data["operators"], **data["custom_operators"]}


ALL = {
    (version, rules): document(version, "kernels", rules)
    for version, rules in sorted({(target.version, target.library.rules) for target in all_targets()})
}
KERNELS = sorted(
    {
        (name, library, json.dumps(kernel))
        for data in ALL.values()
        for name, row in rows_of(data).items()
        for library, kernel in row["kernels"].items()
    }
)

WINDOW = {"kh", "kw", "stride_h", "stride_w", "dil_h", "dil_w", "pad_h", "pad_w", "pad_h2", "pad_w2"}
EVERYWHERE = {"inputs", "outputs", "y", "dsp", "mve", "core", "new_resource", "custom", *FUNCTIONS}


def formulas(kernel: dict[str, Any]) -> Iterator[str]:
    """Every formula of a kernel."""
    yield from kernel.get("let", {}).values()
    yield from kernel.get("temps", ())
    yield from (kernel["lean"],) if "lean" in kernel else ()
    for request in (*kernel.get("init", ()), *kernel.get("prepare", ())):
        yield from (value for key, value in request.items() if isinstance(value, str) and key != "keeps")


def facts(name: str) -> set[str]:
    """What formulas may call an operator's tensors, options and geometry."""
    info = operator_info(name)
    known = {*info.inputs, *EVERYWHERE}
    table = options_table(name) if name in builtin_codes() else None
    if table:
        known |= {field.name for field in schema().tables[table].fields}
    return known | WINDOW if info.window else known


# -- the table as a whole ---------------------------------------------------------------------------------------------


def test_every_operator_that_tflm_registers_has_a_row() -> None:
    registered = {call.operator for spec in operator_models() for s in spec.subgraphs for call in s.calls}
    assert DATA["operators"].keys() == registered
    assert DATA["custom_operators"].keys() == {
        "CIRCULAR_BUFFER",
        "MCUPLAN_ROWS",  # mcuplan's own
        "SignalDelay",
        "SignalEnergy",
        "SignalFftAutoScale",
        "SignalFilterBank",
        "SignalFilterBankLog",
        "SignalFilterBankSpectralSubtraction",
        "SignalFilterBankSquareRoot",
        "SignalFramer",
        "SignalIrfft",
        "SignalOverlapAdd",
        "SignalPCAN",
        "SignalRfft",
        "SignalStacker",
        "SignalWindow",
        "TFLite_Detection_PostProcess",
        "ethos-u",
    }
    assert DATA["unknown_operators"].keys() == {"TFLM_DECODE"}


@pytest.mark.parametrize(("name", "library", "kernel_json"), KERNELS)
def test_formulas_are_in_the_language_and_use_names_that_exist(name: str, library: str, kernel_json: str) -> None:
    kernel = json.loads(kernel_json)
    known = facts(name) | kernel.get("let", {}).keys()
    for formula in formulas(kernel):
        compile_formula(formula)
        tree = ast.parse(formula, mode="eval")
        bound = {node.target.id for node in ast.walk(tree) if isinstance(node, ast.comprehension)}  # type: ignore[attr-defined]
        assert {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} <= known | bound, formula
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and not (isinstance(node.value, ast.Name) and node.value.id == "custom"):
                assert hasattr(TensorFacts, node.attr), formula


@pytest.mark.parametrize(("name", "library", "kernel_json"), KERNELS)
def test_rows_say_nothing_that_is_not_read(name: str, library: str, kernel_json: str) -> None:
    kernel = json.loads(kernel_json)
    assert kernel.keys() <= {"op_data", "init", "lean", "let", "prepare", "temps"}
    for part in ("init", "prepare"):
        for request in kernel.get(part, ()):
            assert request.keys() <= {"scratch", "persistent", "if", "times", "bound", "keeps"}
            assert ("scratch" in request) != ("persistent" in request)
    assert not [name for name, text in kernel.get("let", {}).items() if not text]


@pytest.mark.parametrize(("version", "rules"), ALL)
def test_rows_name_their_upstream_files(version: str, rules: str) -> None:
    for row in rows_of(ALL[version, rules]).values():
        check_sources(row)


def check_sources(row: dict[str, Any]) -> None:
    assert row.keys() <= {"source", "builtin_data", "kernels", "note"}
    assert "reference" in row["kernels"]
    assert all(source.endswith(".cc") for source in row["source"])
    folders = {"cmsis-nn": "/cmsis_nn/", "esp-nn": "/esp_nn/"}
    for library in row["kernels"].keys() - {"reference"}:
        assert any(folders[library] in source for source in row["source"])


OPERATORS = json.loads(resources.files("mcuplan.operators").joinpath("data/operators.json").read_text("utf-8"))[
    "operators"
]
CALLS = json.loads(resources.files("mcuplan.tflm").joinpath("data/upstream-2026-08/support.json").read_text("utf-8"))[
    "operators"
]


@pytest.mark.parametrize("name", OPERATORS)
def test_roles_of_inputs_tell_inputs_apart(name: str) -> None:
    info = operator_info(name)
    assert len(set(info.inputs)) == len(info.inputs)
    assert all(role.isidentifier() for role in info.inputs)
    assert not set(info.inputs) & (WINDOW | EVERYWHERE)
    if info.window:
        assert {"x", "w"} <= {*info.inputs, *(["w"] if info.window == "pool" else [])}
    assert name in builtin_codes()


@pytest.mark.parametrize("name", DATA["operators"])
def test_no_role_is_of_an_input_that_the_kernel_does_not_take(name: str) -> None:
    taken = [word for word in CALLS[name]["call"].split("->")[0].split(",") if word.strip()]
    assert len(operator_info(name).inputs) <= len(taken)


def test_both_abis_have_the_same_objects_and_operators() -> None:
    arm, other = DATA["abis"]["arm-eabi"], DATA["abis"]["long-enums"]
    assert arm.keys() == other.keys()
    for row in rows_of(DATA).values():
        if isinstance(row.get("builtin_data"), dict):
            assert row["builtin_data"].keys() == DATA["abis"].keys()
    # Enums of four bytes never make an object smaller.
    assert all(arm[name] <= other[name] for name in arm)


@pytest.mark.parametrize("target", target_names())
def test_every_target_predicts_every_operator(target: str) -> None:
    chosen = Target.parse(target)
    for spec in operator_models()[:: 1 if target.startswith("cortex-m4+") else 7]:
        graph = build_operator(spec)
        for s, _, op in graph.operators():
            known = node_needs(OperatorCall(graph, graph.subgraphs[s], op), chosen).known
            assert known or op.label in tables(chosen).unknown_operators, (spec.name, op.name)


# -- operators without a row ------------------------------------------------------------------------------------------


def custom(name: str, options: bytes | None = None) -> Graph:
    x, y = (Tensor(n, DType.INT8, (1, 40)) for n in "xy")
    op = Operator(operator_code("CUSTOM", custom_code=name), (0,), (1,), custom_options=options)
    return Graph((Subgraph((x, y), (op,), (0,), (1,)),), (Buffer(),))


def test_unknown_operators_are_bounded_and_said_to_be() -> None:
    arena = predict(custom("MyOperator"))
    assert not arena.exact
    # A kibibyte of operator data and scratch for 40 + 40 bytes of activations.
    assert arena.bounded_bytes == UNKNOWN_OP_DATA + 80 + 4
    assert arena.notes == (
        "operator 0 (MyOperator) has no measured kernel data: assumed are 1 KiB of state and scratch as large as its "
        "activations",
    )


def test_why_decode_is_unknown() -> None:
    (note,) = predict(custom("TFLM_DECODE")).notes
    assert note.startswith("operator 0 (TFLM_DECODE) keeps what the encoding inside its ancillary tensors needs: ")


@pytest.mark.parametrize("options", [None, b"", b"\x00", bytes(40)])
def test_custom_operators_with_options_that_cannot_be_read_are_unknown(options: bytes | None) -> None:
    assert not predict(custom("SignalFramer", options)).exact


# -- ESP-NN, worked out by hand ---------------------------------------------------------------------------------------


def weighted(name: str, x: tuple[int, ...], w: tuple[int, ...], y: tuple[int, ...], **options: int) -> Graph:
    """A quantized convolution, padded SAME with stride 1 unless ``options`` say otherwise."""
    channels = 0 if name == "CONV_2D" else 3
    scales = Quantization((0.5,) * w[channels], (0,) * w[channels])
    tensors = (
        Tensor("x", DType.INT8, x, quantization=Quantization((0.5,), (0,))),
        Tensor("w", DType.INT8, w, 1, scales),
        Tensor("y", DType.INT8, y, quantization=Quantization((0.5,), (0,))),
    )
    table = "Conv2DOptions" if name == "CONV_2D" else "DepthwiseConv2DOptions"
    op = Operator(operator_code(name), (0, 1), (2,), record(table, **{"stride_h": 1, "stride_w": 1, **options}))
    return Graph((Subgraph(tensors, (op,), (0,), (2,)),), (Buffer(), Buffer(bytes(1))))


def scratch(graph: Graph, target: str) -> list[int]:
    return [b.bytes for b in predict(graph, target).plan if b.tensor < 0]


SAME, VALID = 0, 1


@pytest.mark.parametrize(
    ("x", "filters", "kernel", "padding", "s3", "p4"),
    [
        # 1x1, channels in eights: filters 8 x 24, two rows of 8 x 24 to transpose, and the slack of the chip.
        ((1, 4, 4, 24), 8, (1, 1), VALID, 192 + 384 + 64, 192 + 384 + 32),
        # 1x1, channels not in eights: the input widened from 20 to 24 channels as well.
        ((1, 4, 4, 20), 8, (1, 1), VALID, 384 + 192 + 384 + 64, 384 + 192 + 384 + 32),
        # 1x1, fewer than 16 channels: on the P4 sums, filters of 16 and a window of 32.
        ((1, 4, 4, 3), 8, (1, 1), VALID, 128 + 64 + 128 + 64, 32 + 128 + 32 + 32),
        # 1x1 on fewer than eight pixels: nothing to transpose.
        ((1, 1, 4, 24), 8, (1, 1), VALID, 192 + 64, 192 + 32),
        # 3x3 over 3 channels: rows of 9 are short, windows of 27 are not. S3: filters and one window in 32s; P4: one
        # window as it is.
        ((1, 8, 8, 3), 8, (3, 3), SAME, 32 + 16 + 8 * 32 + 16 + 32 + 64, 32 + 27 + 32),
        # 3x3 over 16 channels, padded by one on all sides: S3: the padded input 10 x 10 x 16, filters twice (9 x 16 x
        # 8; rows of 48), the input with two rows and columns behind it, sums; P4: one window.
        ((1, 8, 8, 16), 8, (3, 3), SAME, 1600 + 1152 + 1152 + 1600 + 32 + 64, 32 + 144 + 32),
        # 3x3 over 16 channels, not padded: S3: no padded input, and 6 + 2 positions end with the input; P4: filters.
        ((1, 8, 8, 16), 8, (3, 3), VALID, 1152 + 1152 + 32 + 64, 32 + 1152 + 32),
        # 3x3 over one channel: windows of 9 are short too. P4: the padded input and filters of 16 channels.
        ((1, 8, 8, 1), 4, (3, 3), SAME, 100 + 576 + 192 + 100 + 16 + 64, 100 + 576 + 16 + 32),
        # the same, not padded: P4: channels widened to 16 for 16 bytes a row, in filters and input.
        ((1, 8, 8, 1), 4, (3, 3), VALID, 576 + 192 + 16 + 64, 16 + 576 + 1024 + 32),
    ],
)
def test_scratch_of_esp_nn_convolutions(
    x: tuple[int, ...], filters: int, kernel: tuple[int, int], padding: int, s3: int, p4: int
) -> None:
    rows, columns = (x[1], x[2]) if padding == SAME else (x[1] - kernel[0] + 1, x[2] - kernel[1] + 1)
    graph = weighted("CONV_2D", x, (filters, *kernel, x[3]), (1, rows, columns, filters), padding=padding)
    assert scratch(graph, "esp32s3+esp-nn") == [s3]
    assert scratch(graph, "esp32p4+esp-nn") == [p4]
    assert scratch(graph, "esp32+esp-nn") == []
    assert scratch(graph, "esp32s3+reference") == []


def test_p4_convolves_large_narrow_inputs_in_bands() -> None:
    # 3x3 over 200 x 200 x 1, four filters: the padded input, 202 x 202, is over 32 KiB. Rows of 202 x 16 bytes, filters
    # of 4 x 9 x 16; of 32,768 - 16 - 576 bytes 9 rows are left, so 7 rows of output at once, and a row of padding above
    # and below.
    graph = weighted("CONV_2D", (1, 200, 200, 1), (4, 3, 3, 1), (1, 200, 200, 4), padding=SAME)
    assert scratch(graph, "esp32p4+esp-nn") == [(7 - 1 + 3 + 2) * 202 * 16 + 576 + 16 + 32]


@pytest.mark.parametrize(
    ("x", "multiplier", "kernel", "s3"),
    [
        # 3x3 over 16 channels: the filter, the padded input, 16 of slack.
        ((1, 8, 8, 16), 1, 3, 144 + 1600 + 16),
        # over 40 KiB of padded input: three padded rows of it.
        ((1, 48, 48, 32), 1, 3, 288 + 50 * 3 * 32 + 16),
        # 3x3 over 8 channels, and 5x5: filter and input as 16-bit numbers.
        ((1, 8, 8, 8), 1, 3, 2 * (72 + 512) + 32),
        ((1, 8, 8, 8), 1, 5, 2 * (200 + 512) + 32),
        # over 48 KiB of both: as many rows as the filter has.
        ((1, 48, 48, 16), 1, 5, 2 * 400 + 2 * 48 * 5 * 16 + 32),
        # 6 channels, widened to 8: filter 144 and input 1,024 as 16-bit numbers, output 512, three words a channel.
        ((1, 8, 8, 6), 1, 3, 144 + 1024 + 512 + 96 + 16),
        # few channels; and one multiplied by four, by two.
        ((1, 8, 8, 3), 1, 3, 32),
        ((1, 8, 8, 3), 4, 3, 2 * (108 + 192) + 32),
        ((1, 8, 8, 3), 2, 3, 32),
    ],
)
def test_scratch_of_esp_nn_depthwise_convolutions(x: tuple[int, ...], multiplier: int, kernel: int, s3: int) -> None:
    channels = x[3] * multiplier
    graph = weighted(
        "DEPTHWISE_CONV_2D",
        x,
        (1, kernel, kernel, channels),
        (*x[:3], channels),
        padding=SAME,
        depth_multiplier=multiplier,
    )
    assert scratch(graph, "esp32s3+esp-nn") == [s3]
    assert scratch(graph, "esp32p4+esp-nn") == []
    assert scratch(graph, "esp32c3+esp-nn") == []


@pytest.mark.parametrize("chip", ["esp32", "esp32s3", "esp32p4"])
def test_esp_nn_softmax_asks_for_four_bytes_for_each_of_the_second_dimension(chip: str) -> None:
    x, y = (Tensor(n, DType.INT8, (1, 12), quantization=Quantization((0.5,), (0,))) for n in "xy")
    softmax = Operator(operator_code("SOFTMAX"), (0,), (1,), record("SoftmaxOptions", beta=1.0))
    graph = Graph((Subgraph((x, y), (softmax,), (0,), (1,)),), (Buffer(),))
    assert scratch(graph, f"{chip}+esp-nn") == [48]
    assert scratch(graph, f"{chip}+reference") == []


def test_chips_with_optimized_convolutions_ask_for_what_their_esp_nn_does() -> None:
    graph = weighted("CONV_2D", (1, 8, 8, 16), (8, 3, 3, 16), (1, 8, 8, 8), padding=SAME)

    def scratch(target: str) -> list[int]:
        return [b.bytes for b in predict(graph, target).plan if b.tensor < 0]

    # 3 x 3 x 16 x 8 = 1,152 of filter, 10 x 10 x 16 = 1,600 of padded input, 8 sums of 4; since 1.2.1 also the
    # filter in rows (48 * 3 * 8 = 1,152) and the input with its right and bottom edges (9 x 9 x 16 - but both edges
    # are 2 * 1 wide here: 10 x 10 x 16 = 1,600).
    old = 32 + 1_600 + 1_152 + 32
    new = 1_600 + 1_152 + 1_152 + 1_600 + 32
    assert (
        scratch("esp32s3+esp-nn-1.1.2") == scratch("esp32s3+esp-nn-1.2.0") == scratch("esp32p4+esp-nn-1.2.1") == [old]
    )
    assert scratch("esp32s3+esp-nn-1.2.1") == scratch("esp32s3+esp-nn-1.2.2") == [32 + new]
    assert scratch("esp32s3+esp-nn") == scratch("esp32s3+esp-nn-1.2.3") == [64 + new]
    assert scratch("esp32+esp-nn") == scratch("esp32s3+esp-nn-ansi") == []
    assert predict(graph, "esp32s3+esp-nn").exact
