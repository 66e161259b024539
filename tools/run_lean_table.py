#!/usr/bin/env python3
"""Runs models on an emulated Cortex-M4 as given, lean, planned and patched, and holds each against its prediction.

    MCUPLAN_TFLM=$HOME/tflite-micro python tools/run_lean_table.py [MODEL.tflite ...]

For each model (default: the zoo's person detection, visual wake words, ResNet-8 and keyword spotting): the stock model,
with lean registrations, with a plan for them, and with patch stages at no more than 1.1 times the instructions. Each
form must use exactly the predicted bytes in exactly the declared arena, be refused in 16 bytes less (lean ones), and
give the stock model's outputs, two inputs twice in a row. Models with float ends are taken without them
(``--int8-io``). Prints a row each, with the instructions that ran; exit code 1 where one differs. Needs
``arm-none-eabi-g++``, ``qemu-system-arm`` and, the first time, CMake, which builds TFLM from ``MCUPLAN_TFLM``
(docs/guide/firmware.md).
"""

from __future__ import annotations

import argparse
import re
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import mcuplan
from mcuplan import PlanOptions, tflite
from mcuplan.api.models import load_file
from mcuplan.graph import Graph
from mcuplan.rewriting.strip import int8_io
from mcuplan.tflm import code_size, predict

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "firmware"))

from emulated_cortex_m4 import Ran, build, run

STOCK = "upstream-2026-08/cortex-m4+cmsis-nn"
LEAN = f"{STOCK}+lean"
ZOO = ("zoo:person-detection", "zoo:visual-wake-words", "zoo:resnet8", "zoo:ds-cnn")
ROOM = 3_000_000
"""Bytes of models that one firmware holds."""


@dataclass(frozen=True)
class Form:
    """A model in one form, the target it is for, and what is known of it before it runs."""

    name: str
    data: bytes
    target: str
    graph: Graph

    @property
    def declared(self) -> int:
        """The arena to declare."""
        return predict(self.graph, self.target).declare_bytes

    @property
    def used(self) -> int:
        """What TFLM says that it used."""
        return predict(self.graph, self.target).used_bytes

    @property
    def flash(self) -> int:
        """Model and TFLM's code, lean registrations among it."""
        code = code_size(self.graph, self.target)
        return len(self.data) + code.total_bytes + code.data_bytes


def forms(given: tflite.ModelFile) -> list[Form]:
    """The stock model and what is made of it."""
    start, _ = int8_io(given.graph)
    found = [("stock", start, STOCK), ("lean", start, LEAN)]
    for name, options in (
        ("planned, lean", PlanOptions()),
        ("patched, lean", PlanOptions(patch=True, least=True, max_overhead=1.1)),
    ):
        found.append((name, tflite.read(mcuplan.plan(start, target=LEAN, options=options).model), LEAN))
    return [
        Form(name, given.data if each is given.graph else tflite.write(each), target, each)
        for name, each, target in found
    ]  # fmt: skip


def firmwares(known: Sequence[Form]) -> Iterator[list[Form]]:
    """Forms that go into one firmware together."""
    batch: list[Form] = []
    for form in known:
        if batch and sum(len(each.data) for each in (*batch, form)) > ROOM:
            yield batch
            batch = []
        batch.append(form)
    yield batch


def ran(known: Sequence[Form]) -> dict[str, Ran]:
    """What each form did on the emulated board."""
    results: dict[str, Ran] = {}
    for batch in firmwares(known):
        names = {f"model{known.index(form)}": form for form in batch}
        with tempfile.TemporaryDirectory() as folder:
            found, said = run(
                build(Path(folder), {n: (form.data, form.target) for n, form in names.items()}), count=True
            )
        if wrong := re.findall(r"^[GIR] .*$", said, re.MULTILINE):
            raise SystemExit("\n".join(wrong))
        results |= {form.name: found[name] for name, form in names.items()}
    return results


def differences(form: Form, result: Ran, stock: Ran) -> Iterator[str]:
    """What is not as predicted."""
    used = result.arenas.get(form.declared)
    if used != form.used:
        yield f"used {used}, predicted {form.used}"
    if form.target == LEAN and result.arenas.get(form.declared - 16, 0) is not None:
        yield "16 bytes less are not refused"
    if len(result.hashes) != 2 or result.hashes != stock.hashes:
        yield "other outputs"


def main(arguments: Sequence[str]) -> int:
    """Run, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*")
    options = parser.parse_args(arguments)
    given = {Path(name).stem.removeprefix("zoo:"): load_file(name) for name in options.models or ZOO}
    wrong = 0
    columns = f"{'model':<24}{'form':<16}{'arena':>10}{'used':>10}{'flash':>12}{'instructions':>24}"
    print(f"{columns}  on the emulated Cortex-M4")
    for name, file in given.items():
        known = forms(file)
        results = ran(known)
        for form in known:
            found = list(differences(form, results[form.name], results["stock"]))
            wrong += len(found)
            told = "; ".join(found) or "as predicted, outputs the same"
            ran_in = results[form.name].instructions
            shown = f"{ran_in:,} ({ran_in / max(results['stock'].instructions, 1):.4f}x)"
            print(f"{name:<24}{form.name:<16}{form.declared:>10,}{form.used:>10,}{form.flash:>12,}{shown:>24}  {told}",
                  flush=True)  # fmt: skip
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
