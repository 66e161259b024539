"""Every command on mutated models: an exit code and a sentence, never another exception.

Seeded, so that a failure comes back; in chunks, so that pytest-xdist can share them. ``tools/fuzz_commands.py`` runs
any number more.
"""

from __future__ import annotations

import itertools
import os
import random
from pathlib import Path

import fuzz_commands
import pytest

from mcuplan.graph import Buffer, DType, Graph, Operator, Subgraph, Tensor
from mcuplan.tflite import operator_code, record

RUNS = 2_000
CHUNKS = 20
SECONDS = 120
"""For one run: far above what any takes, so that only what never ends is caught on a slow machine."""

QUICK = tuple(
    command
    for command in fuzz_commands.COMMANDS
    if command[0] not in ("fit-search", "compare") and "--why" not in command
)


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCUPLAN_DEBUG", "1")
    monkeypatch.setenv("COLUMNS", "100")


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_mutated_models(chunk: int) -> None:
    rng = random.Random(chunk)
    models = itertools.islice(fuzz_commands.mutants(1000 + chunk), RUNS // CHUNKS)
    found = fuzz_commands.fuzz(models, SECONDS, lambda: [rng.choice(QUICK)])
    assert list(found.shown.values()) == []
    assert found.runs == RUNS // CHUNKS
    assert set(found.codes) <= {0, 1, 2}


@pytest.mark.parametrize("operator", ["ADD", "CONV_2D", "RESHAPE", "SPLIT", "WHILE", "PAD", "CONCATENATION"])
def test_operators_that_lack_something(operator: str) -> None:
    def models() -> list[tuple[str, Graph, bytes]]:
        return [each for each in fuzz_commands.sweep() if each[0].startswith(operator.lower().replace("_", "-"))]

    found = fuzz_commands.fuzz(
        models(), SECONDS, lambda: [("check", "MODEL"), ("explain", "MODEL"), ("inspect", "MODEL")]
    )
    assert list(found.shown.values()) == []
    assert found.runs > 20


SHARED = os.environ.get("MCUPLAN_SHARED")

OF_PREFIX = {
    "check": ("check", "MODEL", "--why"), "plan": ("plan", "MODEL", "--patch"), "report": ("report", "MODEL"),
    "prune": ("whatif", "MODEL", "--prune", "0.3"), "width": ("whatif", "MODEL", "--width", "0.5"),
    "input": ("whatif", "MODEL", "--input", "16x16"), "fits": ("fit-search", "MODEL"),
    "latency": ("latency", "MODEL", "--board", "nano33ble"),
}  # fmt: skip
"""The command that stumbled over a shared case, by the beginning of its name."""


@pytest.mark.skipif(SHARED is None, reason="MCUPLAN_SHARED does not name the shared folder")
@pytest.mark.parametrize("prefix", OF_PREFIX)
def test_files_that_commands_stumbled_over(prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TFLM refuses each of them, so that what changes models says why it will not."""
    monkeypatch.chdir(tmp_path)
    cases = sorted((Path(SHARED or "") / "cases/hostile").glob(f"{prefix}-*.tflite"))
    assert cases
    for case in cases:
        for command in (OF_PREFIX[prefix], ("check", "MODEL", "--target", "cortex-m4+reference")):
            arguments = [str(case) if part == "MODEL" else part for part in command]
            assert fuzz_commands.run_command(arguments, SECONDS) in (0, 1, 2), command
        assert fuzz_commands.run_command(["check", str(case)], SECONDS) == 1, case


def test_calls_nested_deeper_than_python_allows(tmp_path: Path) -> None:
    from mcuplan.tflite import save

    save(nested(500), tmp_path / "nested.tflite")
    for command in (
        ["check"],
        ["explain"],
        ["inspect"],
        ["plan", "--time-limit", "1"],
        ["export", "-o", str(tmp_path)],
    ):
        arguments = [command[0], str(tmp_path / "nested.tflite"), *command[1:]]
        assert fuzz_commands.run_command(arguments, SECONDS) in (0, 1)


def nested(depth: int) -> Graph:
    """IF whose branch is another IF, ``depth`` times; the other branch is the last subgraph."""
    condition, x, y = (
        Tensor("c", DType.BOOL, (1,)),
        Tensor("x", DType.FLOAT32, (1, 4)),
        Tensor("y", DType.FLOAT32, (1, 4)),
    )
    branches = [
        Subgraph(
            (condition, x, y),
            (
                Operator(
                    operator_code("IF"), (0, 0, 1), (2,),
                    record("IfOptions", then_subgraph_index=i + 1, else_subgraph_index=depth),
                ),
            ),
            (0, 1),
            (2,),
        )
        for i in range(depth)
    ]  # fmt: skip
    last = Subgraph((condition, x, y), (Operator(operator_code("RELU"), (1,), (2,)),), (0, 1), (2,))
    return Graph((*branches, last), (Buffer(),))
