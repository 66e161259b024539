"""Counts what the proof says of mutated pairs of models, and whether a real TFLM agrees where it says "the same".

Usage: ``python tools/mutant_pairs.py [--count 20000] [--seed 1] [--keep FOLDER] [--no-tflm]``. A pair is a model and a
mutant (:mod:`mutations`) of it, of its planned or of its patched form. Wrong are: any exception; and a pair that is
proven the same (:func:`same_function`, and of a planned model :func:`static_check`), that ``check`` calls runnable, and
of which TFLM gives other bytes or dies. Pairs that the proof cannot follow are counted by the reason.
"""

from __future__ import annotations

import argparse
import random
import re
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from drawn.moving_models import moving_graph
from drawn.random_models import any_graph
from mutations import mutant

from mcuplan.errors import McuplanError
from mcuplan.graph import Graph
from mcuplan.patching.arena.search import find_patch_plan
from mcuplan.planning.plan import make_plan
from mcuplan.proof.function.positions import compare_positions
from mcuplan.proof.function.same_function import same_function
from mcuplan.proof.memory.judge import judge_plan
from mcuplan.proof.memory.static_check import static_check
from mcuplan.proof.runtimes.children import run_tflm
from mcuplan.tflite import read, write
from mcuplan.tflm.support import unsupported
from mcuplan.zoo import build
from mcuplan.zoo.single import build_operator, operator_models

TARGETS = ("cortex-m4+cmsis-nn", "esp32+esp-nn", "riscv32+reference")
PATCHED = ("ds-cnn", "resnet8", "visual-wake-words")
BATCH = 200
LATE = 15.0
"""Seconds for one pair that are worth telling."""


def bases() -> Iterator[tuple[str, Graph, Graph]]:
    """Name, original, and what is mutated."""
    for name in operator_models():
        graph = build_operator(name)
        yield name, graph, graph
    for seed in range(60):
        for kind, draw in (("moving", moving_graph), ("random", any_graph)):
            graph = draw(seed)
            yield f"{kind} {seed}", graph, graph
            yield f"{kind} {seed} planned", graph, make_plan(graph).graph
    for name in PATCHED:
        graph = build(name)
        plan = find_patch_plan(graph, effort="fast", max_overhead=1.2)
        if plan is not None:
            yield f"{name} patched", graph, plan.graph


def attempt(original: Graph, changed: Graph, counts: Counter[str]) -> tuple[bool, list[str]]:
    """Whether the pair is proven the same in every way, and what raised."""
    raised = []
    results: dict[str, object] = {}
    steps = {
        "same_function": lambda: same_function(original, changed),
        "positions": lambda: compare_positions(original, changed),
        "static_check": lambda: static_check(changed),
        **{target: lambda target=target: judge_plan(changed, target) for target in TARGETS},
    }
    for name, step in steps.items():
        try:
            results[name] = step()
        except Exception:
            raised.append(f"{name}: {traceback.format_exc()}")
    compared = results.get("positions")
    reason = re.sub(r"\d+|\[.*?\]", "#", getattr(compared, "reason", ""))
    if reason:
        counts[reason.partition("position by position: ")[2][:90]] += 1
    return results.get("same_function") == () and results.get("static_check") == (), raised


def main() -> int:
    """Run the count; the exit code is 1 where anything was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--no-tflm", action="store_true")
    arguments = parser.parse_args()
    rng = random.Random(arguments.seed)
    models = list(bases())
    counts: Counter[str] = Counter()
    totals: Counter[str] = Counter()
    waiting: list[tuple[str, bytes, bytes]] = []
    while totals["pairs"] < arguments.count:
        name, original, given = rng.choice(models)
        changes, changed = mutant(given, rng)
        try:
            changed = read(write(changed))
        except (McuplanError, ValueError, TypeError, OverflowError, ArithmeticError, LookupError):
            continue
        totals["pairs"] += 1
        begun = time.monotonic()
        same, raised = attempt(original, changed, counts)
        totals["late"] += time.monotonic() - begun > LATE
        for text in raised:
            totals["raised"] += 1
            print(f"RAISED {name} ({changes})\n{text}")
            keep(arguments.keep, f"raised-{totals['raised']}", write(original), write(changed))
        if same:
            totals["proven the same"] += 1
            if not unsupported(changed, "reference") and not unsupported(original, "reference"):
                waiting.append((f"{name} ({changes})", write(original), write(changed)))
        if len(waiting) >= BATCH and not arguments.no_tflm:
            judge(waiting, totals, arguments.keep)
            waiting.clear()
    if waiting and not arguments.no_tflm:
        judge(waiting, totals, arguments.keep)
    print(dict(totals))
    for reason, count in counts.most_common(30):
        print(f"{count:>8,} {reason}")
    return int(bool(totals["raised"] or totals["other bytes"] or totals["died"]))


def judge(pairs: list[tuple[str, bytes, bytes]], totals: Counter[str], folder: Path | None) -> None:
    """Both models of each pair on TFLM."""
    runs = run_tflm([model for _, *both in pairs for model in both], seeds=(3, 4))
    for (name, *both), first, second in zip(pairs, runs[::2], runs[1::2], strict=True):
        totals["run on TFLM"] += 1
        if not first.ok:
            totals["original does not run"] += 1
        elif not second.ok:
            totals["died"] += 1
            print(f"DIED {name}: {second.message[-300:]}")
            keep(folder, f"died-{totals['died']}", *both)
        elif first.calls != second.calls:
            totals["other bytes"] += 1
            print(f"OTHER BYTES {name}")
            keep(folder, f"other-{totals['other bytes']}", *both)


def keep(folder: Path | None, name: str, original: bytes, changed: bytes) -> None:
    """Write a pair for a closer look."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}-orig.tflite").write_bytes(original)
        (folder / f"{name}.tflite").write_bytes(changed)


if __name__ == "__main__":
    sys.exit(main())
