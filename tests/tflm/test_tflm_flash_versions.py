"""Code of TFLM versions that were not linked: that of the nearest one, with what is known of the difference."""

from __future__ import annotations

import pytest

from mcuplan.tflm import code_size
from mcuplan.tflm.flash import BUILDS
from mcuplan.tflm.support.table import NEWEST
from mcuplan.tflm.versions import document
from mcuplan.zoo import build


def test_code_of_a_version_that_was_not_linked_says_so() -> None:
    graph = build("person-detection")
    measured = code_size(graph, "upstream-2026-08/cortex-m4+cmsis-nn")
    assert measured.exact
    compared = code_size(graph, "arduino-2023-02/cortex-m4+cmsis-nn")
    assert (compared.exact, compared.total_bytes) == (False, measured.total_bytes)
    assert compared.notes == (
        "the code of arduino-2023-02 was not linked: that of upstream-2026-08 is counted (19 of its smaller files, "
        "compiled alike for a Cortex-M4 with -Os, are 6% smaller; its largest kernels were not compared)",
    )
    pico = code_size(graph, "pico-2024-12/cortex-m4+cmsis-nn")
    assert (pico.exact, pico.total_bytes) == (False, measured.total_bytes)
    assert "linked for a Cortex-M4 with -Os, are 3% to 5% smaller" in pico.notes[0]
    zephyr = code_size(graph, "zephyr-2024-05/cortex-m4+cmsis-nn")
    # 6% of the code and of nothing else, beside the margin that the links themselves need.
    code = measured.interpreter_bytes + measured.kernels_bytes
    assert zephyr.margin_bytes - measured.margin_bytes in (code * 6 // 100, code * 6 // 100 + 1)
    assert "and 6% added" in zephyr.notes[0]


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize("library", ["cmsis-nn", "reference"])
def test_sections_that_always_come_together_are_one(library: str, build: str) -> None:
    """The files say so: they are a third as long for it, and every union is the same."""
    data = document(NEWEST, f"flash/{library}.{build}")
    registrations = (row for rows in data["registrations"].values() for row in rows.values())
    parts = [frozenset(row["sections"]) for row in (data["base"], *data["operators"].values(), *registrations)]
    users = [frozenset(p for p, part in enumerate(parts) if s in part) for s in range(len(data["sections"]))]
    assert all(users)
    assert len(set(users)) == len(users)
