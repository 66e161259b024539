"""The tables of plans in README and docs are those of the last measurement."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[2]


def benchmark() -> ModuleType:
    """tests/benchmarks/bench_tables.py, which writes them."""
    spec = importlib.util.spec_from_file_location("bench_tables", ROOT / "tests" / "benchmarks" / "bench_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


BENCHMARK = benchmark()
FOUND = json.loads(BENCHMARK.RESULTS.read_text("utf-8"))


@pytest.mark.parametrize("table", BENCHMARK.TABLES)
def test_pages_show_what_was_measured(table: str) -> None:
    for page in BENCHMARK.TABLES[table][3]:
        text = (ROOT / page).read_text("utf-8")
        assert BENCHMARK.rendered(text, table, FOUND) == text, "run python tests/benchmarks/bench_tables.py --render"


@pytest.mark.parametrize("table", BENCHMARK.TABLES)
def test_rows_are_in_their_order_and_nothing_else_is_kept(table: str) -> None:
    rows = [row.key for row in BENCHMARK.TABLES[table][0]]
    assert list(FOUND[table]) == [key for key in rows if key in FOUND[table]]


def test_limits_are_kept_and_outputs_were_compared() -> None:
    for name, rows in FOUND.items():
        for key, row in rows.items():
            for limit, plan in row.items():
                if limit[0].isdigit():
                    assert plan["instructions"] <= float(limit) + 1e-6, (name, key, limit)
                    assert name != "patches" or plan.get("seeds", 20) == 20, (key, limit)
            assert row["stock"]["arena"] > min(plan["arena"] for plan in row.values())


def test_a_table_replaces_the_one_before() -> None:
    begin, end = BENCHMARK.marks("rows")
    page = f"before\n{begin}\n\n| old |\n\n{end}\nafter\n"
    told = BENCHMARK.rendered(page, "rows", FOUND)
    assert told.startswith(f"before\n{begin}\n\n| model | before |")
    assert told.endswith(f" |\n\n{end}\nafter\n")
    assert "| old |" not in told
    with pytest.raises(ValueError, match="substring not found"):
        BENCHMARK.rendered("no table here", "rows", FOUND)
