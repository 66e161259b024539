#!/usr/bin/env python3
"""Measures the arenas of a TFLM library for Cortex-M4F on an emulator, and compares them with a known target's.

    python tools/measure_arenas/measure.py LIBRARY.a TARGET -I TREE [-I ...] -o RECORDS.json MODEL.tflite...

LIBRARY.a is TFLM as its vendor builds it (hard float, ``TF_LITE_STATIC_MEMORY``), TREE the folder that holds its
``tensorflow/``. Needs ``arm-none-eabi-g++`` and ``qemu-system-arm``. RECORDS.json gets ``[used, declare, crc]`` of each
model; what differs from the prediction for TARGET is printed: that is what a new version's data have to say.
"""

from __future__ import annotations

import argparse
import json
import re
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from mcuplan.graph import Graph
from mcuplan.tflite import load
from mcuplan.tflm import predict

HERE = Path(__file__).parent
BOARD = HERE.parent / "emulated_board"
BATCH, MOST_BYTES, SECONDS = 12, 15_000_000, 240
FLAGS = """
    -std=c++17 -O1 -w -fno-rtti -fno-exceptions -fno-threadsafe-statics -mthumb -mcpu=cortex-m4 -mfpu=fpv4-sp-d16
    -mfloat-abi=hard -ffunction-sections -fdata-sections -DTF_LITE_STATIC_MEMORY -nostartfiles -Wl,--gc-sections
"""


def build(library: Path, includes: Sequence[str], folder: Path) -> Path:
    """The firmware, with every operator that the tree's resolver offers."""
    tree = next(path for path in map(Path, includes) if (path / "tensorflow").is_dir())
    resolver = (tree / "tensorflow/lite/micro/micro_mutable_op_resolver.h").read_text("utf-8")
    names = sorted(set(re.findall(r"TfLiteStatus (Add[A-Z]\w*)\(", resolver)) - {"AddCustom", "AddBuiltin"})
    (folder / "resolver.inc").write_text("".join(f"r.{name}();\n" for name in names))
    firmware = folder / "firmware.elf"
    search = [f"-I{path}" for path in (folder, *includes)]
    link: list[str | Path] = ["-T", BOARD / "link.ld", BOARD / "startup.cc", HERE / "harness.cc"]
    link += ["-Wl,--start-group", library, "-Wl,--end-group", "-lm", "-lc", "--specs=rdimon.specs", "-lrdimon"]
    link += ["-o", firmware]
    subprocess.run(["arm-none-eabi-g++", *FLAGS.split(), *search, *link], check=True)
    return firmware


def _variables(graph: Graph) -> int:
    return sum(op.name == "VAR_HANDLE" for subgraph in graph.subgraphs for op in subgraph.operators)


def run(firmware: Path, models: Sequence[tuple[Path, int]]) -> Iterator[list[str]]:
    """The harness's lines of a batch of models, each with the arena it is said to need; short where the board hangs."""
    parts = [struct.pack("<4I", len(models), 0, 0, 0)]
    for path, declare in models:
        data = path.read_bytes()
        parts += [struct.pack("<4I", len(data), _variables(load(path)), declare, 0), data, b"\0" * (-len(data) % 16)]
    with tempfile.NamedTemporaryFile(suffix=".bin") as file:
        file.write(b"".join(parts))
        file.flush()
        command = ["qemu-system-arm", "-M", "mps2-an386", "-nographic", "-monitor", "none", "-serial", "null"]
        command += ["-semihosting-config", "enable=on,target=native", "-kernel", str(firmware)]
        command += ["-device", f"loader,file={file.name},addr=0x21000000,force-raw=on"]
        try:
            text = subprocess.run(command, capture_output=True, timeout=SECONDS, check=False).stdout
        except subprocess.TimeoutExpired as late:
            text = late.stdout or b""
    yield from (line.split()[2:] for line in text.decode().splitlines() if line.startswith("M "))


def main() -> None:
    """Build, run, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", type=Path)
    parser.add_argument("target")
    parser.add_argument("models", type=Path, nargs="+")
    parser.add_argument("-I", dest="includes", action="append", required=True)
    parser.add_argument("-o", "--output", type=Path, required=True)
    given = parser.parse_args()
    records: dict[str, list[int | str]] = {}
    with tempfile.TemporaryDirectory() as folder:
        firmware = build(given.library, given.includes, Path(folder))
        todo = list(given.models)
        while todo:
            batch: list[tuple[Path, int]] = []
            while todo and len(batch) < BATCH and sum(p.stat().st_size for p, _ in batch) < MOST_BYTES / 2:
                path = todo.pop(0)
                batch.append((path, predict(load(path), given.target).declare_bytes))
            lines = list(run(firmware, batch))
            for (path, _), line in zip(batch, lines, strict=False):
                if line[0] == "refused":
                    print(f"{path.stem}: refused")
                    continue
                used, declare = int(line[1]), int(line[2])
                records[path.stem] = [used, declare, line[3]]
                arena = predict(load(path), given.target)
                if (used, declare) != (arena.used_bytes, arena.declare_bytes):
                    print(f"{path.stem}: used {used:,}, declare {declare:,}; {given.target} says", end=" ")
                    print(f"{arena.used_bytes:,} and {arena.declare_bytes:,}")
            if len(lines) < len(batch):
                print(f"{batch[len(lines)][0].stem}: hangs or faults")
                todo = [path for path, _ in batch[len(lines) + 1 :]] + todo
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in sorted(records.items()))
    given.output.write_text(f"{{\n{rows}\n}}\n")
    print(f"{len(records)} measured")


if __name__ == "__main__":
    main()
