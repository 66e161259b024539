"""Counts how often `mcuplan check` is wrong about mutated models, against a real TFLM.

Usage: ``python tools/mutants.py [--count 30000] [--seed 1] [--keep FOLDER]``. Needs the `tflite-micro` wheel.

Base models are every single-operator model of the zoo, models of several operators built here and, where the
environment variable MCUPLAN_SHARED names a folder of models, its small ones. Each mutant has one to three changes
(:mod:`mutations`). A mutant is *runnable* where ``check`` reads it and finds no reason against it (reference kernels).
Wrong are: a runnable one that TFLM refuses, dies of or plans with another number of bytes, and any exception of
mcuplan's own. What ``check`` refuses and TFLM runs to the same outputs twice is listed by operator and rule: most of
it TFLM does not notice, and the reason says so.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from mutations import mutant

from mcuplan import tflite
from mcuplan.errors import McuplanError
from mcuplan.graph import Graph
from mcuplan.tflm import place, predict
from mcuplan.tflm.support import UNNOTICED, unsupported
from mcuplan.zoo.single import build_operator, operator_models

ARENA_BYTES = 64 * 1024 * 1024
TARGET = "riscv32+reference"
"""Four-byte enums as on the host; of the arena only the part without pointers is compared."""

LARGEST_SHARED = 40_000
"""Bytes of the shared models that are mutated."""


@dataclass
class Case:
    """One mutant, what mcuplan said of it and what TFLM did."""

    base: str
    changes: str
    data: bytes
    verdict: str
    reasons: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    planned: int = -1
    stateful: bool = False
    by_value: str = ""
    outcome: dict[str, object] = field(default_factory=dict)


def bases() -> list[tuple[str, Graph]]:
    """Models to change, by name."""
    found = [(spec.name, build_operator(spec)) for spec in operator_models()]
    shared = os.environ.get("MCUPLAN_SHARED")
    if shared:
        for path in sorted(Path(shared).glob("models/**/*.tflite")):
            if path.stat().st_size <= LARGEST_SHARED:
                found.append((path.stem, tflite.load(path)))
    return found


def stateful(graph: Graph) -> bool:
    """True where a second call may rightly answer otherwise than the first."""
    variables = any(tensor.is_variable for subgraph in graph.subgraphs for tensor in subgraph.tensors)
    return variables or any(op.name in ("CUSTOM", "VAR_HANDLE") for _, _, op in graph.operators())


def by_value(graph: Graph) -> str:
    """How a model that runs may end for some values of its inputs, or in the wheel's own code; empty where it may not.

    A loop may never end (``late``), an index may lie outside (``refused``, ``died``). RESHAPE fills an open dimension
    in, but ``TfLiteTensor::bytes``, by which the wheel copies outputs, stays wrong (``died``).
    """
    names = {op.name for _, _, op in graph.operators()}
    open_output = any(graph.main.tensors[i].is_dynamic for i in graph.main.outputs)
    looked_up = any(
        op.name in ("GATHER", "GATHER_ND", "EMBEDDING_LOOKUP", "SLICE", "RSQRT", "DIV", "FLOOR_DIV")
        and not all(t < 0 or graph.is_constant(graph.subgraphs[s].tensors[t]) for t in op.inputs[1:2] or op.inputs)
        for s, _, op in graph.operators()
    )
    ends = {
        "late at invoke": "WHILE" in names,
        "refused at invoke": looked_up,
        "died at invoke": looked_up,
        "died at outputs": open_output,
    }
    return ", ".join(end for end, possible in ends.items() if possible)


def planned_bytes(graph: Graph) -> int:
    """The non-persistent section where pointers have eight bytes: ADD_N asks for one pointer an input."""
    arena = predict(graph, TARGET)
    doubled = [
        replace(b, bytes=2 * b.bytes, size=-(-2 * b.bytes // 16) * 16)
        if b.operator >= 0 and graph.subgraphs[b.subgraph].operators[b.operator].name == "ADD_N"
        else b
        for b in arena.plan
    ]
    return max((b.end for b in place(doubled)), default=0)


def judged(base: str, changes: str, data: bytes) -> Case:
    """What mcuplan says of a file."""
    try:
        graph = tflite.read(data)
    except McuplanError as error:
        return Case(base, changes, data, "unreadable", (str(error),))
    except Exception:
        return Case(base, changes, data, "exception", (traceback.format_exc()[-1500:],))
    try:
        found = unsupported(graph, "reference")
        planned = planned_bytes(graph) if not found else -1
    except Exception:
        return Case(base, changes, data, "exception", (traceback.format_exc()[-1500:],))
    verdict = (
        "runnable" if not found else "unnoticed" if all(r.reason.endswith(UNNOTICED) for r in found) else "refused"
    )
    rules = tuple(dict.fromkeys(f"{r.operator_name} {r.rule}" for r in found))
    reasons = tuple(r.reason for r in found)
    return Case(base, changes, data, verdict, reasons, rules, planned, stateful(graph), by_value(graph))


def mutants(seed: int, count: int) -> Iterator[Case]:
    """``count`` different mutants that could be written as files."""
    models, rng, seen = bases(), random.Random(seed), set()
    while len(seen) < count:
        name, graph = rng.choice(models)
        changes, changed = mutant(graph, rng)
        try:
            data = tflite.write(changed)
        except (McuplanError, ValueError, OverflowError, struct.error, TypeError, IndexError):
            continue
        if data not in seen:
            seen.add(data)
            yield judged(name, changes, data)


def run(cases: list[Case], seed: int) -> None:
    """Fill in what the real TFLM does with each case."""
    with tempfile.TemporaryDirectory() as name:
        models, result = Path(name, "models"), Path(name, "result")
        models.write_bytes(b"".join(struct.pack("<I", len(case.data)) + case.data for case in cases))
        python = os.environ.get("MCUPLAN_RUNTIME_PYTHON") or sys.executable
        child = Path(__file__).with_name("tflm_batch.py")
        subprocess.run([python, str(child), str(models), str(result), str(ARENA_BYTES), str(seed)], check=True)
        for case, outcome in zip(cases, json.loads(result.read_text("utf-8")), strict=True):
            case.outcome = outcome


def fault(case: Case) -> str:
    """What is wrong with the verdict; empty where nothing is."""
    if case.verdict == "exception":
        return "exception"
    if case.verdict != "runnable" or case.planned > ARENA_BYTES // 2:
        return ""
    how = case.outcome["how"]
    if how != "ok" and f"{how} at {case.outcome['stage']}" in case.by_value:
        return ""
    if how != "ok":
        return f"TFLM {how} at {case.outcome['stage']}"
    if case.planned != case.outcome["head"]:
        return f"planned {case.planned} bytes, TFLM {case.outcome['head']}"
    return "" if case.outcome["same"] or case.stateful else "equal inputs, other outputs"


def false_refusal(case: Case) -> bool:
    """True for what is called unsupported and ran well."""
    return case.verdict in ("refused", "unnoticed") and case.outcome["how"] == "ok" and bool(case.outcome["same"])


def main() -> None:
    """Count, and print every fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=30_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--keep", type=Path, help="folder for the files of wrong verdicts")
    parser.add_argument("--refusals", type=int, default=0, help="show up to this many false refusals a rule")
    given = parser.parse_args()
    totals, wrong, explained, refused, shown = Counter[str](), 0, 0, Counter[str](), Counter[str]()
    batch: list[Case] = []
    for number, case in enumerate(mutants(given.seed, given.count), 1):
        if case.verdict != "unreadable":
            batch.append(case)
        totals[case.verdict] += 1
        if len(batch) < given.batch and number < given.count:
            continue
        run(batch, given.seed * 1_000_003 + number)
        for each in batch:
            if what := fault(each):
                wrong += 1
                print(f"WRONG {what}\n  {each.base}: {each.changes}\n  {each.outcome} {each.reasons}", flush=True)
                if given.keep:
                    given.keep.mkdir(parents=True, exist_ok=True)
                    (given.keep / f"{given.seed}-{wrong}-{each.base}.tflite").write_bytes(each.data)
            elif each.verdict == "runnable" and each.outcome["how"] != "ok" and each.planned <= ARENA_BYTES // 2:
                explained += 1
                print(f"BY VALUE {each.outcome['how']}\n  {each.base}: {each.changes}\n  {each.outcome}", flush=True)
            elif false_refusal(each):
                key = f"{each.verdict}: {' | '.join(each.rules)}"
                refused[key] += 1
                shown[key] += 1
                if shown[key] <= given.refusals:
                    print(f"REFUSED {each.base}: {each.changes}\n  {each.reasons}", flush=True)
            totals[f"{each.verdict}, TFLM {each.outcome['how']}"] += 1
        batch = []
        print(f"... {number}: {dict(sorted(totals.items()))}", file=sys.stderr, flush=True)
    print(f"mutants {sum(totals[v] for v in ('unreadable', 'exception', 'runnable', 'unnoticed', 'refused'))}")
    print(dict(sorted(totals.items())))
    noticed, unnoticed = (sum(n for k, n in refused.items() if k.startswith(v)) for v in ("refused", "unnoticed"))
    print(f"by the values of inputs {explained}, wrong {wrong}")
    print(f"refused and runs: noticed {noticed}, unnoticed {unnoticed}")
    for key, count in refused.most_common():
        print(f"  {count} {key}")


if __name__ == "__main__":
    main()
