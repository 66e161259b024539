"""What a patch stage costs as it would be written: the stage alone is cut out of its graph, written, and counted.

A stage reads one map and hands one on, so nothing of the rest of the graph changes its bytes; the rest only adds the
tensors that are live meanwhile. A graph of a few operators is written and counted in milliseconds.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, replace

from mcuplan.deadline import Deadline
from mcuplan.graph import Graph, Quantization, Tensor
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.operators.streamed import rows_buffer_bytes
from mcuplan.patching.arena.placing import DraftProblem
from mcuplan.patching.writing.build import Draft
from mcuplan.patching.writing.forms import StageForm, write_stage
from mcuplan.patching.writing.reader import UnsupportedStageError
from mcuplan.rewriting.edit import keep_tensors
from mcuplan.tflm.arena import persistent_and_planning
from mcuplan.tflm.support import unsupported
from mcuplan.tflm.target import Target


@dataclass(frozen=True, slots=True)
class Trial:
    """Bytes live while the stage runs (its ends whole where they must be, alignment left out; None before they were
    counted), and by how many bytes the persistent section and the peak while TFLM plans grow; ``buffer`` are what a
    source of its rows has to hold."""

    inside: int | None
    growth: int
    planning: int
    buffer: int = 0


class Trials:
    """Stages of one graph on one target, each tried once in each form; tensor ``streamed`` comes by rows, loops are
    ``plain``."""

    def __init__(
        self,
        graph: Graph,
        target: Target,
        deadline: Deadline | None = None,
        streamed: int | None = None,
        plain: bool = False,
    ) -> None:
        self.graph = graph
        self.streamed = streamed
        self.plain = plain
        self.deadline = deadline or Deadline()
        self.target = target
        self.tried = 0
        self._stages: dict[PatchStage, tuple[Graph, PatchStage, int, int, int]] = {}
        self._found: dict[tuple[int, StageForm], Trial | None] = {}
        self._written: OrderedDict[tuple[int, StageForm], Draft] = OrderedDict()
        self._kinds: dict[PatchStage, int] = {}
        self._numbers: dict[object, int] = {}

    def kind(self, stage: PatchStage) -> int:
        """What all stages have in common that cost the same in every form, as a number: they differ in constants
        only."""
        if stage not in self._kinds:
            found = stage.source == self.streamed, kind_of(*cut_out(self.graph, stage))
            self._kinds[stage] = self._numbers.setdefault(found, len(self._numbers))
        return self._kinds[stage]

    def __call__(self, stage: PatchStage, form: StageForm) -> Trial | None:
        """What the stage costs in this form; None where it cannot be written so, or TFLM would refuse it."""
        found = self.sections(stage, form)
        if found is not None and found.inside is None:
            key = self.kind(stage), form
            found = self._found[key] = self._arranged(stage, form, found)
        return found

    def sections(self, stage: PatchStage, form: StageForm) -> Trial | None:
        """The same without bytes live, if these were not counted yet: that is most of the work."""
        key = self.kind(stage), form
        if key not in self._found:
            self.tried += 1
            self._found[key] = self._sections(stage, form)
        return self._found[key]

    def _alone(self, stage: PatchStage) -> tuple[Graph, PatchStage, int, int, int]:
        """The stage's graph, the stage in it, its persistent bytes and planning peak, and how much TFLM refuses."""
        if stage not in self._stages:
            graph, inner = cut_out(self.graph, stage)
            refused = len(unsupported(graph, self.target))
            self._stages[stage] = graph, inner, *persistent_and_planning(graph, self.target), refused
        return self._stages[stage]

    def _draft(self, stage: PatchStage, form: StageForm) -> Draft:
        """The stage alone, written; the last ones are kept."""
        key = self.kind(stage), form
        draft = self._written.pop(key, None)
        if draft is None:
            graph, inner, *_ = self._alone(stage)
            streamed = inner.source if stage.source == self.streamed else None
            draft = write_stage(Draft(graph, streamed=streamed, plain=self.plain), inner, form).tidy()
        self._written[key] = draft
        if len(self._written) > _KEPT:
            self._written.popitem(last=False)
        return draft

    def _sections(self, stage: PatchStage, form: StageForm) -> Trial | None:
        _, _, persistent, planning, _ = self._alone(stage)
        try:
            draft = self._draft(stage, form)
        except UnsupportedStageError:
            return None
        taken, peak = persistent_and_planning(draft.graph, self.target)
        return Trial(None, taken - persistent, peak - planning, rows_buffer_bytes(draft.graph))

    def _arranged(self, stage: PatchStage, form: StageForm, found: Trial) -> Trial | None:
        draft, refused = self._draft(stage, form), self._alone(stage)[-1]
        if len(unsupported(draft.graph, self.target)) > refused:
            return None
        problem = DraftProblem(draft, self.target, deadline=self.deadline)
        return replace(found, inside=problem.lower_bound_bytes)


_KEPT = 64
"""Written stages that are kept for when their bytes live are counted."""


def cut_out(graph: Graph, stage: PatchStage) -> tuple[Graph, PatchStage]:
    """The stage's operators as a graph of their own, and the stage in it.

    A source that is read or given out behind the stage stays whole: it is an output of that graph too.
    """
    main = graph.main
    operators = main.operators[stage.first : stage.last]
    used = sorted({t for op in operators for t in (*op.inputs, *op.outputs) if t >= 0})
    later = stage.source in main.outputs or main.consumers[stage.source][-1] >= stage.last
    alone = replace(
        main, operators=operators, inputs=(stage.source,), outputs=(stage.result, *([stage.source] if later else []))
    )
    small = keep_tensors(replace(graph, subgraphs=(alone,), metadata=(), signatures=()), 0, used)
    return small, PatchStage(0, len(operators), used.index(stage.source), used.index(stage.result))


def kind_of(graph: Graph, stage: PatchStage) -> object:
    """Shapes, types, options and wiring of a stage's operators, and which of its maps are quantized alike.

    The values of constants are left out, but for those of few bytes (paddings, axes, sizes), and so are names.
    """
    main = graph.main
    scales: dict[object, int] = {}

    def tensor(t: Tensor) -> object:
        constant = graph.is_constant(t)
        data = graph.buffers[t.buffer].data if constant else None
        small = bytes(data) if data is not None and len(data) <= _SMALL else None
        alike = None if constant else scales.setdefault(_scale(t.quantization), len(scales))
        channels = len(t.quantization.scales) if t.quantization is not None else 0
        points = None if t.quantization is None else tuple(t.quantization.zero_points)[:1]
        return t.dtype, t.shape, constant, small if t.dtype.name == "INT32" else None, alike, channels, points

    return (
        stage,
        main.inputs,
        main.outputs,
        tuple((op.code, op.inputs, op.outputs, repr(op.options)) for op in main.operators),
        tuple(map(tensor, main.tensors)),
    )


_SMALL = 64
"""Bytes of a constant that may be a shape or a padding."""


def _scale(quantization: Quantization | None) -> object:
    if quantization is None:
        return None
    return tuple(quantization.scales), tuple(quantization.zero_points)
