"""The support table against the real TFLM: one-operator models of every operator, run one by one.

The wheel has TFLM's reference kernels. By default a seeded part of the combinations is run (every operator and every
type among them); with ``MCUPLAN_EXHAUSTIVE`` set, all of them, which takes minutes.
"""

from __future__ import annotations

import json
import os
import random
import struct
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import runtimes
from support_changes import changes
from support_models import (
    RECIPES,
    bases,
    conditional,
    double,
    loop,
    model,
    operands,
    operator,
    plain,
    values,
    variables,
    whole,
)

from mcuplan.graph import DType, Graph
from mcuplan.tflite import write
from mcuplan.tflite.schema import builtin_codes
from mcuplan.tflm.results import Refusal
from mcuplan.tflm.support import UNNOTICED, unsupported
from mcuplan.tflm.support.table import OperatorRule, operator_rule, support_table

TYPES = tuple(dtype for dtype in DType if dtype is not DType.RESOURCE)
EXHAUSTIVE = bool(os.environ.get("MCUPLAN_EXHAUSTIVE"))
SAMPLE = 640

LATER = {("CAST", "output", DType.BOOL)}
"""What wheels newer than the table's TFLM run and it does not: operator, operand and type."""

LATER_SIZED = (DType.FLOAT8_E4M3FN, DType.FLOAT8_E5M2)
"""Types whose size newer wheels know."""

BY_VALUE = ("RSQRT", "FLOOR_DIV", "DIV", "GATHER", "GATHER_ND", "EMBEDDING_LOOKUP", "REVERSE_V2")
"""Operators that fail at Invoke for some values of their operands."""

Case = tuple[str, Graph]


def run_all(graphs: Sequence[Graph], folder: Path, risky: Sequence[bool] = ()) -> list[str]:
    """What the real TFLM does with each model: ``ok``, ``refused`` or the signal that ended it.

    ``risky`` marks the models that may damage the process they run in.
    """
    runtimes.require("tflm")
    models, result = folder / "models", folder / "result.json"
    with models.open("wb") as file:
        for i, graph in enumerate(graphs):
            data = write(graph)
            file.write(struct.pack("<IB", len(data), bool(risky and risky[i])) + data)
    python = os.environ.get("MCUPLAN_RUNTIME_PYTHON") or sys.executable
    child = Path(__file__).with_name("support_child.py")
    subprocess.run([python, str(child), str(models), str(result)], check=True, timeout=1200)
    outcomes: list[str] = json.loads(result.read_text("utf-8"))
    return outcomes


def unnoticed(refusals: Sequence[Refusal]) -> bool:
    """True where TFLM itself notices none of the reasons (an unknown shape it may take for an empty tensor)."""
    return all(r.reason.endswith(UNNOTICED) or r.rule == "dynamic-shape" for r in refusals)


def compare(cases: Sequence[Case], folder: Path) -> tuple[list[str], Counter[str]]:
    """The cases in which the table and the real TFLM differ, and how many agree in what."""
    found = [unsupported(graph, "reference") for _, graph in cases]
    outcomes = run_all([graph for _, graph in cases], folder, [bool(r) and unnoticed(r) for r in found])
    wrong, counts = [], Counter[str]()
    for (name, _), outcome, refusals in zip(cases, outcomes, found, strict=True):
        verdict = "ok" if not refusals else "unnoticed" if unnoticed(refusals) else "refused"
        counts[f"{verdict}, TFLM {'ok' if outcome == 'ok' else 'refused'}"] += 1
        if verdict != "unnoticed" and (outcome == "ok") != (verdict == "ok"):
            wrong.append(f"{name}: TFLM {outcome}, table {verdict} {[r.reason for r in refusals]}")
    print(len(cases), dict(counts))
    return wrong, counts


def _rules() -> Iterator[tuple[str, OperatorRule]]:
    for name in RECIPES:
        rule = operator_rule(name, "reference")
        assert rule is not None, name
        yield name, rule


def _varied(name: str, rule: OperatorRule) -> Iterator[dict[str, DType]]:
    """Each accepted combination, then with each operand at each type, then with all alike operands at each type."""
    names = [n for n in operands(rule) if n in RECIPES[name].parts]
    for base in bases(rule):
        for column_name in names:
            for dtype in TYPES:
                yield {**base, column_name: dtype}
    base = bases(rule)[0]
    anchor = base[rule.anchor or names[0]]
    for dtype in TYPES:
        yield {n: dtype if base[n] is anchor else base[n] for n in base}


def _type_cases() -> list[Case]:
    cases: dict[tuple[str, tuple[DType, ...]], Case] = {}
    for name, rule in _rules():
        given = [n for n in operands(rule) if n in RECIPES[name].parts]
        for types in _varied(name, rule):
            key = (name, tuple(types[n] for n in given))
            later = any((name, n, types[n]) in LATER or types[n] in LATER_SIZED for n in given)
            if key not in cases and not later:
                text = f"{name}({', '.join(f'{n}: {types[n].label}' for n in given)})"
                cases[key] = (text, model(RECIPES[name], rule, types))
    return list(cases.values())


def _sample(cases: list[Case], must: Sequence[Case] = ()) -> list[Case]:
    return cases if EXHAUSTIVE else [*must, *random.Random(1).sample(cases, SAMPLE)]


def test_accepted_combinations_run(tmp_path: Path) -> None:
    """No combination of the table is one that TFLM refuses."""
    cases = [(name, model(RECIPES[name], rule, base)) for name, rule in _rules() for base in bases(rule)]
    assert [(name, unsupported(graph, "reference")) for name, graph in cases if unsupported(graph, "reference")] == []
    assert [n for (n, _), o in zip(cases, run_all([g for _, g in cases], tmp_path), strict=True) if o != "ok"] == []
    assert len(cases) > 240


def test_types(tmp_path: Path) -> None:
    """Every operator with every type on every operand: the verdict is TFLM's."""
    alike = [
        (f"{name} of {dtype.label}", model(RECIPES[name], rule, dict.fromkeys(operands(rule), dtype)))
        for name, rule in _rules()
        for dtype in TYPES
        if dtype not in LATER_SIZED and (name, "output", dtype) not in LATER
    ]
    wrong, counts = compare(_sample(_type_cases(), alike), tmp_path)
    assert wrong == []
    assert counts["refused, TFLM refused"] > 1000


def _by_value(text: str) -> bool:
    """True for a failure that hangs on values at run time, which is not judged: a wild index, a division by 0."""
    return "table ok" in text and (text.split()[0] in BY_VALUE or ", not constant " in text)


def test_changes(tmp_path: Path) -> None:
    """Every operator with each single change of shape, quantization, constness, option or count."""
    cases = [
        (f"{name} of {next(iter(base.values())).label}, {change}", graph)
        for name, rule in _rules()
        for base in bases(rule)
        for change, graph in changes(model(RECIPES[name], rule, base))
    ]
    wrong, counts = compare(_sample(cases), tmp_path)
    assert [text for text in wrong if not _by_value(text)] == []
    assert counts["ok, TFLM ok"] > 300


def test_operators_without_a_kernel(tmp_path: Path) -> None:
    missing = sorted(builtin_codes().keys() - support_table().document["operators"].keys())
    graphs = [
        whole(plain(operator(name, (0,), (1,)), tensors=values((1, 4), (1, 4)), feeds=(0,), results=(1,)))
        for name in missing
        if name not in ("CUSTOM", "PLACEHOLDER_FOR_GREATER_OP_CODES")
    ]
    assert len(graphs) > 90
    assert {r.rule for graph in graphs for r in unsupported(graph)} == {"unsupported-operator"}
    assert set(run_all(graphs, tmp_path)) == {"refused"}


def test_control_flow_and_variables(tmp_path: Path) -> None:
    small, large = double((1, 4)), double((1, 5))
    one = double((1, 1))
    cases = [
        ("if", conditional(small, small)),
        ("if of an int8 condition", conditional(small, small, DType.INT8)),
        ("if without such a branch", conditional(small, small, then_index=7)),
        ("while", loop(DType.BOOL, one)),
        ("while without such a body", loop(DType.BOOL, one, body_index=5)),
        ("while with a body of two values", loop(DType.BOOL, _two_values())),
        ("variables", variables(DType.RESOURCE, DType.FLOAT32)),
        ("int8 variables", variables(DType.RESOURCE, DType.INT8)),
        ("float resource", variables(DType.FLOAT32, DType.FLOAT32)),
        ("recursion", whole(_calls(1), _calls(1))),
        ("call of a subgraph that is not there", whole(_calls(4), one)),
        ("call", whole(_calls(1), one)),
    ]
    wrong, _ = compare(cases, tmp_path)
    assert wrong == []
    # Only the branch that is taken is copied by TFLM, so that a mismatch may go unseen in one run.
    assert unsupported(conditional(small, large))[0].rule == "subgraph"


def _two_values() -> object:
    add = operator("ADD", (0, 1), (2,), "AddOptions")
    return plain(add, tensors=values((1, 1), (1, 1), (1, 1)), feeds=(0, 1), results=(2,))


def _calls(subgraph: int) -> object:
    """A subgraph that calls another once and passes its input on."""
    call = operator("CALL_ONCE", (), (), "CallOnceOptions", init_subgraph_index=subgraph)
    add = operator("ADD", (0, 0), (1,), "AddOptions")
    return plain(call, add, tensors=values((1, 1), (1, 1)), feeds=(0,), results=(1,))


def test_every_operator_is_tried() -> None:
    flow = {"IF", "WHILE", "CALL_ONCE", "VAR_HANDLE", "ASSIGN_VARIABLE", "READ_VARIABLE"}
    assert support_table().document["operators"].keys() == RECIPES.keys() | flow
