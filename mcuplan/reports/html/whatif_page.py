"""A what-if as one HTML file: the steps, the layers, and a histogram of every layer's weights."""

from __future__ import annotations

import math
from dataclasses import dataclass

from mcuplan.estimates.basis import Basis
from mcuplan.estimates.weights import WeightError
from mcuplan.estimates.whatif import Step, WhatIf
from mcuplan.reports.html.render import render
from mcuplan.text import show_count
from mcuplan.version import __version__

WIDTH, HEIGHT = 480.0, 120.0


@dataclass(frozen=True, slots=True)
class StepLine:
    """One step as a line of the table."""

    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Bin:
    """One bar of a histogram, in the picture's units."""

    x: float
    y: float
    width: float
    height: float
    details: str


@dataclass(frozen=True, slots=True)
class Layer:
    """One layer's ratios and its histogram."""

    title: str
    name: str
    ratios: str
    low: str
    high: str
    summary: str
    bins: tuple[Bin, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """What the template shows."""

    version: str
    model: str
    target: str
    steps: tuple[StepLine, ...]
    layers: tuple[Layer, ...]
    bases: tuple[Basis, ...]
    notes: tuple[str, ...]
    width: float = WIDTH
    height: float = HEIGHT


def render_whatif(result: WhatIf) -> str:
    """The what-if as one self-contained HTML document."""
    return render("whatif.html", page=_page(result))


def _page(result: WhatIf) -> Page:
    bases = [step.basis for step in result.steps]
    if result.sparsity is not None:
        bases.append(result.sparsity.basis)
    notes = (*result.notes, *(note for step in result.steps for note in step.notes))
    return Page(
        __version__, result.model, result.target,
        tuple(map(_step, result.steps)), tuple(map(_layer, result.weights)), tuple(dict.fromkeys(bases)),
        tuple(dict.fromkeys(notes)),
    )  # fmt: skip


def _step(step: Step) -> StepLine:
    f = step.footprint
    sizes = (f.arena_bytes, f.activations_bytes, f.persistent_bytes, f.model_bytes, f.code_bytes)
    return StepLine(step.name, (*(f"{size:,}" for size in sizes), show_count(f.macs)))


def _db(ratio: float | None) -> str:
    return "exact" if ratio is None else f"{ratio:.1f} dB"


def _layer(row: WeightError) -> Layer:
    ratios = (
        f"int8 {_db(row.int8_tensor_db)}, per channel {_db(row.int8_channel_db)}; "
        f"int4 {_db(row.int4_tensor_db)}, per channel {_db(row.int4_channel_db)}"
    )
    summary = f"{row.elements:,} weights from {row.low:.3g} to {row.high:.3g}"
    title = f"operator {row.operator}, {row.operator_name}"
    return Layer(title, row.tensor_name, ratios, f"{row.low:.3g}", f"{row.high:.3g}", summary, _bins(row))


def _bins(row: WeightError) -> tuple[Bin, ...]:
    """Bars on a logarithmic scale: a spike at zero must not hide the tails."""
    top = math.log1p(max(row.histogram, default=0)) or 1.0
    pitch = WIDTH / max(len(row.histogram), 1)
    step = (row.high - row.low) / max(len(row.histogram), 1)
    bins = []
    for i, count in enumerate(row.histogram):
        height = round(HEIGHT * math.log1p(count) / top, 1)
        between = f"{row.low + i * step:.3g} to {row.low + (i + 1) * step:.3g}: {count:,} weights"
        bins.append(Bin(round(i * pitch, 1), round(HEIGHT - height, 1), round(pitch * 0.9, 1), height, between))
    return tuple(bins)
