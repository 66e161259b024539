"""The whole proof that a planned model is its original: read off the files, and run on real runtimes."""

from __future__ import annotations

import enum
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from mcuplan.graph import DType, Graph
from mcuplan.operators.streamed import streamed_inputs
from mcuplan.proof.function.same_function import Difference, DifferenceKind, same_function
from mcuplan.proof.interface import network_inputs, network_outputs
from mcuplan.proof.memory.static_check import static_check
from mcuplan.proof.runtimes.children import RuntimeMissingError, RuntimeRun, run_litert, run_tflm
from mcuplan.proof.taken import custom_operators, refusals, sentence
from mcuplan.proof.whole_inputs import WholeInputError, with_whole_inputs
from mcuplan.rewriting.strip import int8_inputs, int8_io
from mcuplan.text import counted
from mcuplan.tflite.files import read, write
from mcuplan.tflm import predict
from mcuplan.tflm.aliasing import kernel_rules
from mcuplan.tflm.target import DEFAULT_TARGET, Target

SEEDS = (1, 2, 3, 4)
"""One call each, in one interpreter, so that state and leftovers of one call meet the next."""

HOST = "cortex-m4+reference"
"""The target whose non-persistent section TFLM's wheel has: its kernels are the reference ones."""

MOST_LINES = 200
"""Characters of a runtime's words that are repeated."""


class Status(enum.StrEnum):
    """How a check ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what it is, how it ended, and a sentence about it (for a skipped one, why).

    ``findings`` are the faults, one sentence each; they and ``detail`` may hold names from the models.
    """

    name: str
    status: Status
    detail: str
    findings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Proof:
    """All checks of a planned model against its original, in the order they were made.

    ``head_bytes`` are the non-persistent sections that a real TFLM printed for original and planned model, None where
    it did not run.
    """

    checks: tuple[Check, ...]
    head_bytes: tuple[int, int] | None = None

    @property
    def ok(self) -> bool:
        """True where nothing failed and the outputs are proven equal: by structure, or by running both models."""
        proven = any(c.status is Status.PASSED for c in self.checks if c.name in _PROOFS)
        return proven and all(c.status is not Status.FAILED for c in self.checks)


TAKEN, STATIC, SAME = "TFLM runs it", "no live byte overwritten", "same function"
TFLM_OUTPUTS, TFLM_ARENA, LITERT_OUTPUTS = "outputs on TFLM", "arena on TFLM", "outputs on LiteRT"
_PROOFS = (SAME, TFLM_OUTPUTS, LITERT_OUTPUTS)


def prove(
    original: Graph | bytes,
    planned: Graph | bytes,
    target: Target | str = DEFAULT_TARGET,
    *,
    on_tflm: bool = True,
    on_litert: bool = True,
    seeds: Sequence[int] = SEEDS,
) -> Proof:
    """Check that ``planned`` computes what ``original`` computes, and that its memory plan is safe on ``target``.

    Always: what ``mcuplan check`` says against the planned model on ``target``, if anything (custom operators that the
    original has count as the firmware's own), :func:`~mcuplan.proof.memory.static_check.static_check` of it, and
    :func:`~mcuplan.proof.function.same_function.same_function`. With TFLM's and LiteRT's wheels installed also the
    outputs, bit for bit, on inputs drawn from ``seeds``, and the arena that TFLM prints; without them those checks are
    skipped and say so. A model that LiteRT cannot run is judged on TFLM alone. Where the planned model has integers at
    the ends that the original quantizes, both are compared from there on. An input that comes by rows
    (``MCUPLAN_ROWS``) is run whole, each row a SLICE of it: the wheels have no such operator.

    Raises ModelError for bytes that are no model.
    """
    before, after = _as_graph(original), _as_graph(planned)
    baseline = _baseline(before, after)
    note = "" if baseline is before else " (the original without quantizing at its ends)"
    whole, unrun = _with_whole_inputs(after)
    models = (_as_bytes(original, before, baseline), _as_bytes(planned, after, whole))
    target = Target.parse(target) if isinstance(target, str) else target
    taken = _taken(before, after, target)
    refused = taken is not None and taken.status is Status.FAILED
    checks = [taken] if taken is not None else []
    checks += [_static(after, target, refused), _same(baseline, after, note)]
    if unrun:
        names = [TFLM_OUTPUTS] * on_tflm + [LITERT_OUTPUTS] * on_litert
        return Proof((*checks, *(Check(name, Status.SKIPPED, unrun) for name in names)))
    heads = None
    ran = False
    if on_tflm:
        made, heads = _tflm(baseline, whole, models, seeds)
        checks += made
        ran = made[0].status is Status.PASSED
    if on_litert:
        checks.append(_litert(baseline, models, seeds, ran))
    if whole is not after:
        checks = [replace(c, detail=c.detail + _ROWS_RUN) if c.name in _RUN and c.detail else c for c in checks]
    return Proof(tuple(checks), heads)


_RUN = (TFLM_OUTPUTS, TFLM_ARENA, LITERT_OUTPUTS)
_ROWS_RUN = " (rows taken from a whole input: the wheel has no MCUPLAN_ROWS)"


def _with_whole_inputs(graph: Graph) -> tuple[Graph, str]:
    """The planned model as runtimes at hand can run it, and why none can."""
    try:
        return with_whole_inputs(graph), ""
    except WholeInputError as error:
        return graph, str(error)


def _as_graph(model: Graph | bytes) -> Graph:
    return model if isinstance(model, Graph) else read(model)


def _as_bytes(given: Graph | bytes, read_from_it: Graph, wanted: Graph) -> bytes:
    """The bytes to run: the given file where it is the model wanted."""
    return given if isinstance(given, bytes) and wanted is read_from_it else write(wanted)


def _ends(graph: Graph) -> list[tuple[DType, tuple[int, ...]]]:
    inputs = (tensor for tensor, _ in network_inputs(graph))
    return [(tensor.dtype, tensor.shape) for tensor in (*inputs, *network_outputs(graph))]


def _baseline(before: Graph, after: Graph) -> Graph:
    """The original, or the original with integers at its ends where that is what the planned model has."""
    if _ends(before) == _ends(after):
        return before
    for integers in (int8_io(before)[0], int8_inputs(before, streamed_inputs(after))):
        if integers is not before and _ends(integers) == _ends(after):
            return integers
    return before


# -- without running -----------------------------------------------------------------------------------------------


def _taken(before: Graph, after: Graph, target: Target) -> Check | None:
    """What ``check`` says against the planned model, None for nothing. Custom operators that the original has, too, are
    the firmware's to bring."""
    refused = tuple(map(sentence, refusals(after, target, custom_operators(before))))
    if refused:
        return Check(TAKEN, Status.FAILED, f"it refuses the planned model on {target}", refused)
    asked = tuple(map(sentence, refusals(after, target, ())))
    return (
        Check(TAKEN, Status.SKIPPED, "with custom operators that the firmware has to bring", asked) if asked else None
    )


def _static(after: Graph, target: Target, refused: bool) -> Check:
    found = static_check(after, target)
    if found:
        faults = sum(not clobber.unfollowed for clobber in found)
        told = f"{counted(faults, 'fault')} in the plan" if faults else "what the plan does cannot be followed"
        return Check(STATIC, Status.FAILED, told, tuple(map(str, found)))
    if refused:
        why = "not proven: shapes in a model that TFLM refuses need not be what its kernels write"
        return Check(STATIC, Status.SKIPPED, why)
    told = "; ".join((f"every operator's reads and writes were followed on {target}", *kernel_rules(target).notes))
    return Check(STATIC, Status.PASSED, told)


def _same(before: Graph, after: Graph, note: str) -> Check:
    found = same_function(before, after)
    if not found:
        return Check(SAME, Status.PASSED, f"the same operators on the same constants compute each output{note}")
    told = tuple(map(str, found))
    if all(difference.undecided for difference in found):
        return Check(SAME, Status.SKIPPED, f"other operators compute the outputs: judged by running both{note}", told)
    return Check(SAME, Status.FAILED, _count(found), told)


def _count(found: Sequence[Difference]) -> str:
    if any(difference.kind is DifferenceKind.INTERFACE for difference in found):
        return "the networks' inputs or outputs differ"
    return counted(len(found), "difference")


# -- on real runtimes ----------------------------------------------------------------------------------------------


def _runs(
    run: Callable[[], list[RuntimeRun]], graph: Graph, names: Sequence[str]
) -> tuple[RuntimeRun, RuntimeRun] | list[Check]:
    """Both models' runs, or the checks called ``names`` skipped with the reason."""
    strange = [t for t in graph.main.inputs if graph.main.tensors[t].dtype.bits is None]
    try:
        if strange:
            raise RuntimeMissingError(
                f"no data can be drawn for inputs of type {graph.main.tensors[strange[0]].dtype.label}"
            )
        first, second = run()
    except RuntimeMissingError as missing:
        return [Check(name, Status.SKIPPED, str(missing)) for name in names]
    return first, second


def _words(run: RuntimeRun) -> str:
    text = " ".join(run.message.split())
    return text if len(text) <= MOST_LINES else text[: MOST_LINES - 1] + "…"


def _tflm(
    before: Graph, after: Graph, models: Sequence[bytes], seeds: Sequence[int]
) -> tuple[list[Check], tuple[int, int] | None]:
    # The wheel's pointers take 8 bytes and its kernels' structures more than on a 32-bit target.
    arena = 2 * max(predict(graph, HOST).declare_bytes for graph in (before, after)) + (1 << 20)
    runs = _runs(lambda: run_tflm(models, seeds, arena), before, (TFLM_OUTPUTS, TFLM_ARENA))
    if isinstance(runs, list):
        return runs, None
    first, second = runs
    if not first.ok:
        why = f"TFLM cannot run the original: {_words(first)}"
        return [Check(name, Status.SKIPPED, why) for name in (TFLM_OUTPUTS, TFLM_ARENA)], None
    if not second.ok:
        why = f"TFLM runs the original but not the planned model: {_words(second)}"
        return [Check(TFLM_OUTPUTS, Status.FAILED, why), Check(TFLM_ARENA, Status.SKIPPED, "it did not run")], None
    return [_outputs(TFLM_OUTPUTS, first, second), _arena(after, first, second)], (first.head_bytes, second.head_bytes)


def _outputs(name: str, first: RuntimeRun, second: RuntimeRun) -> Check:
    pairs = list(zip(first.calls, second.calls, strict=True))
    wrong = tuple(
        f"call {call}, output {i}: {_first_difference(a, b)}"
        for call, (ours, theirs) in enumerate(pairs)
        for i, (a, b) in enumerate(zip(ours, theirs, strict=False))
        if a != b
    )
    if wrong or any(len(ours) != len(theirs) for ours, theirs in pairs):
        return Check(name, Status.FAILED, "the outputs differ", wrong)
    return Check(name, Status.PASSED, f"bit-identical on {counted(len(pairs), 'input')}")


def _first_difference(a: bytes, b: bytes) -> str:
    if len(a) != len(b):
        return f"{len(a)} and {len(b)} bytes"
    at = next(i for i, (x, y) in enumerate(zip(a, b, strict=True)) if x != y)
    count = sum(x != y for x, y in zip(a, b, strict=True))
    return f"{count} of {len(a)} bytes differ, the first at {at}"


def _arena(after: Graph, first: RuntimeRun, second: RuntimeRun) -> Check:
    """The non-persistent section as TFLM printed it, against the prediction for reference kernels."""
    predicted = predict(after, HOST)
    figures = f"non-persistent section {first.head_bytes:,} B, planned {second.head_bytes:,} B"
    if any(op.name == "ADD_N" for _, _, op in after.operators()):
        return Check(TFLM_ARENA, Status.SKIPPED, f"{figures}; ADD_N's scratch holds pointers, which are wider here")
    if not predicted.exact:
        return Check(TFLM_ARENA, Status.SKIPPED, f"{figures}; the prediction is a bound only")
    if predicted.nonpersistent_bytes != second.head_bytes:
        return Check(TFLM_ARENA, Status.FAILED, f"{figures}, predicted {predicted.nonpersistent_bytes:,} B")
    return Check(TFLM_ARENA, Status.PASSED, f"{figures}, as predicted")


def _litert(before: Graph, models: Sequence[bytes], seeds: Sequence[int], ran_on_tflm: bool) -> Check:
    runs = _runs(lambda: run_litert(models, seeds), before, (LITERT_OUTPUTS,))
    if isinstance(runs, list):
        return runs[0]
    first, second = runs
    alone = "judged on TFLM alone" if ran_on_tflm else "not judged by running"
    if not first.ok:
        return Check(LITERT_OUTPUTS, Status.SKIPPED, f"LiteRT cannot run the original, {alone}: {_words(first)}")
    if not second.ok:
        why = f"LiteRT runs the original but not the planned model: {_words(second)}"
        return Check(LITERT_OUTPUTS, Status.SKIPPED if ran_on_tflm else Status.FAILED, why)
    return _outputs(LITERT_OUTPUTS, first, second)
