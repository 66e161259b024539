"""What a model is, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator

from rich.text import Text

from mcuplan.budget.analysis import Analysis, weights_bytes
from mcuplan.findings.costs import place
from mcuplan.findings.peak import live_steps, lower_bound, peak_step
from mcuplan.findings.planned import bounded_note
from mcuplan.reports.documents.build import refusal_shown
from mcuplan.reports.terminal.check import refused_lines
from mcuplan.reports.terminal.lines import Lines
from mcuplan.reports.terminal.tables import shape_text
from mcuplan.text import counted, show_count


def summary_lines(model: str, analysis: Analysis, width: int) -> Iterator[Text]:
    """Inputs, outputs, sizes and where memory peaks."""
    graph, arena, lines = analysis.graph, analysis.arena, Lines(width)
    yield lines.title(model)
    yield from refused_lines([refusal_shown(refusal) for refusal in analysis.refusals], lines)
    operators = sum(len(subgraph.operators) for subgraph in graph.subgraphs)
    parts = f", {len(graph.subgraphs)} subgraphs" if len(graph.subgraphs) > 1 else ""
    yield from lines.wrapped(
        Text(
            f"{counted(operators, 'operator')}{parts}, {show_count(analysis.macs.total)} MACs, "
            f"{graph.file_bytes:,} bytes, {weights_bytes(graph):,} of them weights; {analysis.target}"
        ),
        hang=2,
    )
    for word, tensors in (("input", graph.main.inputs), ("output", graph.main.outputs)):
        for t in tensors:
            tensor = graph.main.tensors[t]
            what = f"{word} {shape_text(tensor.shape)} {tensor.dtype.label} {tensor.name}"
            yield from lines.wrapped(Text(what), hang=2)
    steps = live_steps(graph, arena)
    top = peak_step(steps)
    bound = "" if arena.exact else "at most "
    yield from lines.wrapped(
        Text(
            f"arena: declare {bound}{arena.declare_bytes:,} bytes, {arena.nonpersistent_bytes:,} planned "
            f"(lower bound {lower_bound(steps):,}) + {arena.persistent_bytes:,} persistent"
        ),
        hang=2,
    )
    instructions = analysis.instructions
    if instructions is not None and (note := bounded_note(instructions.bounded, instructions.total)):
        yield from lines.wrapped(Text(note), hang=2)
    if top is not None and top.operator >= 0:
        name = graph.subgraphs[top.subgraph].operators[top.operator].label
        where = f"memory peaks at operator {place(top.subgraph, top.operator)}, {name}: {top.live_bytes:,} bytes"
        yield from lines.wrapped(Text(where), hang=2)
