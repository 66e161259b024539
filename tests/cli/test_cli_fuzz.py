"""Every command on mutated models: an exit code and a sentence, never another exception.

Seeded, so that a failure comes back; in chunks, so that pytest-xdist can share them. ``tools/fuzz_commands.py`` runs
any number more.
"""

from __future__ import annotations

import itertools
import random

import fuzz_commands
import pytest

from mcuplan.graph import Graph

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
