"""Reports render what findings found: nothing in them predicts, counts, plans or searches."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

REPORTS = Path(__file__).parents[2] / "mcuplan" / "reports"
FOUND_ELSEWHERE = {
    "predict", "code_size", "unsupported", "static_check", "judge_plan", "find_plan", "find_patch_plan", "plan",
    "invoke_instructions", "model_instructions", "model_macs", "operator_macs", "find_latency", "find_energy",
    "write", "clean_up",
}  # fmt: skip


@pytest.mark.parametrize("path", sorted(REPORTS.rglob("*.py")), ids=lambda path: str(path.relative_to(REPORTS)))
def test_a_report_is_given_its_figures(path: Path) -> None:
    calls = [n.func for n in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(n, ast.Call)]
    assert not FOUND_ELSEWHERE & {f.id for f in calls if isinstance(f, ast.Name)}
