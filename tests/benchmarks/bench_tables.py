"""The tables of plans in README and docs: searched, proven, run, measured, and written in place.

    python tests/benchmarks/bench_tables.py [--only patches,lean,rows] [--models person_detect,...] [--seeds 20]
    python tests/benchmarks/bench_tables.py --render

Models are read from ``MCUPLAN_SHARED/models``. Every cell is what an installed ``mcuplan`` command printed in a process
of its own, whose CPU seconds count, start-up included. Plans of patch stages are compared with their models on a real
TFLM (``mcuplan verify --seeds``). What was measured is kept in ``tables.json`` beside this file, so that one row can be
measured anew; ``--render`` writes the tables from there and searches nothing, and a test holds them against it. Exit
code 1 where a plan's outputs differ or a limit on instructions is not kept.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
RESULTS = HERE / "tables.json"
TARGET = "upstream-2026-08/cortex-m4+cmsis-nn"
LIMITS = ("1.1", "1.25", "1.5")
"""Most instructions, as factors."""

Found = dict[str, Any]
"""What was measured, by table, by row, by limit."""


@dataclass(frozen=True)
class Row:
    """A model of a table: its file, what it is called, and options of ``mcuplan plan`` that its row has."""

    file: str
    title: str
    options: tuple[str, ...] = ()
    lean: bool = field(default=False, kw_only=True)
    """Of the table of rows: with lean registrations."""

    @property
    def key(self) -> str:
        """What its measurements are kept under."""
        return " ".join((self.file, *self.options, *(("+lean",) if self.lean else ())))

    def model(self, models: Path) -> Path | str:
        """The model's file in a folder, or a network of the zoo."""
        return self.file if self.file.startswith("zoo:") else models / f"{self.file}.tflite"


IO = ("--int8-io",)
PATCHES = (
    Row("person_detect", "person detection"),
    Row("mlperf_vww_int8", "MLPerf Tiny visual wake words, int8"),
    Row("mlperf_vww_float", "MLPerf Tiny visual wake words, float"),
    Row("mlperf_resnet8_int8", "MLPerf Tiny ResNet-8, int8"),
    Row("mlperf_resnet8_float", "MLPerf Tiny ResNet-8, float"),
    Row("mlperf_kws_int8", "MLPerf Tiny keyword spotting, int8"),
    Row("micro_kws_m_int8", "micro KWS (medium), int8"),
    Row("micro_kws_m_float", "micro KWS (medium), float"),
    Row("magic_wand", "magic wand"),
    Row("mcunet_vww", "MCUNet visual wake words, float input"),
    Row("mcunet_vww", "the same with `--int8-io`", IO),
    Row("mobilenet_v2_224", "MobileNetV2 224, float input"),
    Row("mobilenet_v2_224", "the same with `--int8-io`", IO),
)
LEAN = (
    Row("person_detect", "person detection"),
    Row("mlperf_vww_int8", "MLPerf Tiny visual wake words, int8"),
    Row("mlperf_resnet8_int8", "MLPerf Tiny ResNet-8, int8"),
    Row("mlperf_kws_int8", "MLPerf Tiny keyword spotting, int8"),
    Row("micro_kws_m_int8", "micro KWS (medium), int8"),
    Row("mcunet_vww", "MCUNet visual wake words, `--int8-io`", IO),
    Row("mobilenet_v2_224", "MobileNetV2 224, `--int8-io`", IO),
)
ROWS = (
    Row("mlperf_vww_int8", "visual wake words (MLPerf Tiny)", lean=True),
    Row("person_detect", "person detection", lean=True),
    Row("mlperf_resnet8_int8", "ResNet-8 (MLPerf Tiny)", lean=True),
    Row("zoo:mobilenet-v2?width=0.35&resolution=144", "MobileNetV2, width 0.35, 144 x 144", lean=True),
    Row("mcunet_vww", "MCUNet for visual wake words, int8 at its ends", IO, lean=True),
    Row("mobilenet_v2_224", "MobileNetV2 224, int8 at its ends", (*IO, "--effort", "fast"), lean=True),
    Row("mlperf_vww_int8", "visual wake words without lean registrations"),
)
ROWS_LIMIT = "1.15"


class MeasuringError(Exception):
    """A command that did not do what its row needs."""


# -- measuring ------------------------------------------------------------------------------------------------------


def command(*words: str | Path) -> tuple[str, float]:
    """What ``mcuplan`` prints, and the CPU seconds of its process and of those it started."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "mcuplan", *map(str, words)], capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode != 0:
        raise MeasuringError(f"mcuplan {' '.join(map(str, words))}: {done.returncode}: {done.stderr.strip()[-400:]}")
    return done.stdout, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def planned(row: Row, models: Path, limit: str | None, seeds: int = 0, *more: str) -> Found:
    """What one plan takes; with ``limit`` the least arena of patch stages within it."""
    from mcuplan.tflite import load

    model = row.model(models)
    patch = () if limit is None else ("--patch", "--least", "--max-overhead", limit)
    target = f"{TARGET}+lean" if row.lean or "+lean" in more else TARGET
    words = [word for word in more if word != "+lean"]
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "planned.tflite"
        said, seconds = command(
            "plan", model, "--target", target, *row.options, *patch, *words, "--format", "json", "-o", output
        )
        told = json.loads(said)
        operators = sum(len(subgraph.operators) for subgraph in load(output).subgraphs)
        verified = verify(model, output, target, seeds) if seeds else None
    factor = told["instructions_factor"]
    if limit is not None and factor > float(limit) + 1e-6:
        raise MeasuringError(f"{row.key} at {limit}: {factor} times the instructions")
    return {
        "arena": told["after"]["declare_bytes"], "instructions": factor, "macs": told["macs_factor"],
        "operators": operators, "flash": sum(told["flash_after"].values()), "seconds": round(seconds, 1),
        "rows_buffer": told["rows_buffer_bytes"], "seeds": verified,
    }  # fmt: skip


def verify(model: Path | str, output: Path, target: str, seeds: int) -> int:
    """Seeds for which both models' outputs are the same on a real TFLM; MeasuringError where one differs."""
    told = json.loads(command("verify", model, output, "--target", target, "--seeds", str(seeds), "--no-litert",
                              "--format", "json")[0])  # fmt: skip
    outputs = {check["name"]: check for check in told["checks"]}["outputs on TFLM"]
    if outputs["detail"].partition(" (")[0] != f"bit-identical on {seeds} inputs":
        raise MeasuringError(f"{model}: {outputs}")
    return seeds


def given(row: Row, models: Path, target: str) -> Found:
    """The arena and flash of a model as it is."""
    from mcuplan.api.models import load_model

    model = row.model(models)
    result = json.loads(
        command("check", model, "--target", target, "--ram", "64MB", "--flash", "64MB", "--format", "json")[0]
    )
    shown = result["results"][0]
    operators = sum(len(subgraph.operators) for subgraph in load_model(str(model)).subgraphs)
    return {
        "arena": shown["arena"]["declare_bytes"], "operators": operators,
        "flash": shown["flash"]["model_bytes"] + shown["flash"]["runtime_bytes"],
    }  # fmt: skip


def measure_patches(row: Row, models: Path, seeds: int) -> Found:
    """A row of the first table."""
    found: Found = {"stock": given(row, models, TARGET), "plan": planned(row, models, None)}
    for limit in LIMITS:
        found[limit] = planned(row, models, limit, seeds)
    return found


def measure_lean(row: Row, models: Path, seeds: int) -> Found:
    """A row of the table of lean registrations."""
    found: Found = {
        "stock": given(row, models, TARGET), "lean": given(row, models, f"{TARGET}+lean"),
        "plan": planned(row, models, None), "lean plan": planned(row, models, None, 0, "+lean"),
    }  # fmt: skip
    for limit in LIMITS[:2]:
        found[limit] = planned(row, models, limit, seeds, "+lean")
    return found


def measure_rows(row: Row, models: Path, seeds: int) -> Found:
    """A row of the table of inputs that come row by row."""
    return {"stock": given(row, models, TARGET), ROWS_LIMIT: planned(row, models, ROWS_LIMIT, seeds, "--rows")}


# -- tables ---------------------------------------------------------------------------------------------------------


def _cell(found: Found | None) -> str:
    return "" if found is None else f"{found['arena']:,} ({found['instructions']:.3f}x)"


def _shown(found: Found, name: str, form: str) -> str:
    """A figure, or nothing where it was not measured."""
    return form.format(found[name]) if name in found else ""


def _operators(stock: Found, plan: Found) -> str:
    return f"{stock['operators']} to {plan['operators']}" if "operators" in stock and "operators" in plan else ""


def patches_table(found: Found) -> Iterator[str]:
    """Arenas by limit on instructions, and what the least limit costs."""
    yield (
        "| model | stock | planned | x1.10 | instructions | multiply-adds | operators | flash: model + TFLM's code "
        "| search, s | x1.25 | x1.50 |"
    )
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in PATCHES:
        if row.key not in found:
            continue
        it = found[row.key]
        stock, first = it["stock"], it["1.1"]
        yield (
            f"| {row.title} | {stock['arena']:,} | {it['plan']['arena']:,} | **{first['arena']:,}** "
            f"| {first['instructions']:.3f}x | {first['macs']:.3f}x | {_operators(stock, first)} "
            f"| {stock['flash']:,} to {first['flash']:,} | {_shown(first, 'seconds', '{:.1f}')} "
            f"| {_cell(it.get('1.25'))} | {_cell(it.get('1.5'))} |"
        )


def lean_table(found: Found) -> Iterator[str]:
    """Arenas with and without lean registrations."""
    yield (
        "| model | stock | lean | planned | planned and lean | patched and lean, x1.10 | instructions | x1.25 "
        "| flash for it |"
    )
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"
    for row in LEAN:
        if row.key not in found:
            continue
        it = found[row.key]
        first = it["1.1"]
        yield (
            f"| {row.title} | {it['stock']['arena']:,} | {it['lean']['arena']:,} | {it['plan']['arena']:,} "
            f"| {it['lean plan']['arena']:,} | **{first['arena']:,}** | {first['instructions']:.3f}x "
            f"| {_cell(it.get('1.25'))} | {it['lean']['flash'] - it['stock']['flash']:,} |"
        )


def rows_table(found: Found) -> Iterator[str]:
    """Arenas of models whose input comes row by row."""
    yield "| model | before | arena to declare | camera's buffer | together | instructions |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: |"
    for row in ROWS:
        if row.key not in found:
            continue
        it = found[row.key]
        first = it[ROWS_LIMIT]
        effort = " (`--effort fast`)" if "--effort" in row.options else ""
        yield (
            f"| {row.title}{effort} | {it['stock']['arena']:,} | {first['arena']:,} | {first['rows_buffer']:,} "
            f"| {first['arena'] + first['rows_buffer']:,} | {first['instructions']:.3f}x |"
        )


TABLES = {
    "patches": (PATCHES, measure_patches, patches_table, ("README.md",)),
    "lean": (LEAN, measure_lean, lean_table, ("README.md", "docs/guide/firmware.md")),
    "rows": (ROWS, measure_rows, rows_table, ("docs/guide/streaming.md",)),
}


def marks(table: str) -> tuple[str, str]:
    """What stands before and behind a table in a page."""
    return f"<!-- table {table}: python tests/benchmarks/bench_tables.py -->", f"<!-- end of table {table} -->"


def rendered(text: str, table: str, found: Found) -> str:
    """A page with one of its tables as measured; ValueError where it has no place for it."""
    begin, end = marks(table)
    start, stop = text.index(begin) + len(begin), text.index(end)
    lines = "\n".join(TABLES[table][2](found.get(table, {})))
    return f"{text[:start]}\n\n{lines}\n\n{text[stop:]}"


def render(found: Found) -> list[Path]:
    """Write every table into its pages; the pages that changed."""
    changed = []
    for table, (_, _, _, pages) in TABLES.items():
        for page in pages:
            path = ROOT / page
            before = path.read_text("utf-8")
            after = rendered(before, table, found)
            if after != before:
                path.write_text(after, "utf-8")
                changed.append(path)
    return changed


def main(arguments: Sequence[str]) -> int:
    """Measure, keep, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(TABLES), help="tables, with commas between")
    parser.add_argument("--models", default="", help="files' names without .tflite, with commas between")
    parser.add_argument("--seeds", type=int, default=20, help="inputs to compare on TFLM; 0 for none")
    parser.add_argument("--render", action="store_true", help="write the tables from tables.json alone")
    options = parser.parse_args(arguments)
    found: Found = json.loads(RESULTS.read_text("utf-8")) if RESULTS.exists() else {}
    failed = 0
    if not options.render:
        shared = os.environ.get("MCUPLAN_SHARED")
        if not shared:
            parser.error("MCUPLAN_SHARED names no folder with models")
        chosen = [name for name in options.models.split(",") if name]
        for table in options.only.split(","):
            rows, measure, _, _ = TABLES[table]
            for row in rows:
                if chosen and row.file not in chosen:
                    continue
                try:
                    found.setdefault(table, {})[row.key] = measure(row, Path(shared) / "models", options.seeds)
                except MeasuringError as error:
                    print(error, file=sys.stderr)
                    failed = 1
                    continue
                found[table] = {row.key: found[table][row.key] for row in rows if row.key in found[table]}
                RESULTS.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
                print(f"{table}: {row.key}: {json.dumps(found[table][row.key])}", flush=True)
    for path in render(found):
        print(f"written: {path.relative_to(ROOT)}")
    return failed


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
