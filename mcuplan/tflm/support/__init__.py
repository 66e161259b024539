"""Will stock TensorFlow Lite Micro run a model at all? A static verdict with every reason named.

``AllocateTensors`` and ``Invoke`` of upstream TFLM are followed condition by condition: what the interpreter wants of
the model (``micro_allocator.cc``, ``micro_interpreter.cc``, ``micro_allocation_info.cc``, ``memory_helpers.cc``) is
here, what each kernel wants of its operands is data (``data/<version>/support.json``). What depends on the values of
inputs is not judged, nor is whether the memory suffices.
"""

from __future__ import annotations

import struct
from collections.abc import Collection, Iterator, Sequence

from mcuplan.graph import CUSTOM, DType, Graph, Operator, Subgraph, Tensor
from mcuplan.operators import facts_of, kinds, reachable_subgraphs
from mcuplan.operators.row_calls import misordered, row_calls
from mcuplan.tflm import history
from mcuplan.tflm.offline import METADATA_NAME as OFFLINE_PLAN
from mcuplan.tflm.results import UNNOTICED, Refusal
from mcuplan.tflm.support import (  # noqa: F401 - they register their checks and rules
    input_rows,
    shapes,
    shapes_of_arithmetic,
    shapes_of_moves,
    signal,
)
from mcuplan.tflm.support.call import Finding, KernelCall, Shape, has_data, words
from mcuplan.tflm.support.checks import CHECKS
from mcuplan.tflm.support.flow import missing_vectors, operator_vectors, too_large, unwritten
from mcuplan.tflm.support.inference import output_findings, resolved_shapes
from mcuplan.tflm.support.subgraphs import recursive_calls, tensor_bytes
from mcuplan.tflm.support.table import (
    NEWEST,
    OperatorRule,
    SupportTable,
    known_kernels,
    operator_rule,
    support_table,
)
from mcuplan.tflm.support.types import type_mismatch
from mcuplan.tflm.target import Target
from mcuplan.tflm.versions import owner

FLEX_PREFIX = "Flex"

_TENSOR_REASONS = {
    "unsized-type": "TFLM does not know the size of {} and refuses every model with such a tensor",
    "external-buffer": "the tensor's data lie outside the FlatBuffer, where TFLM does not look",
    "sparse-weights": "the tensor's data are stored sparse, and TFLM reads dense weights only",
    "variable-constant": "the tensor is a variable and a constant, and TFLM writes zeros over it when it starts",
    "constant-input": "the tensor is an input and a constant, and whoever feeds it writes into the model's flash",
    "too-large": "the tensor has more elements than TFLM can count in 32 bits",
    "dynamic-shape": "the tensor's shape is not known before run time, and TFLM plans all memory ahead",
}

_UNNOTICED_RULES = ("variable-constant", "constant-input", "too-large")


def unsupported(
    graph: Graph, kernels: str | Target = "cmsis-nn", custom_operators: Collection[str] = ()
) -> tuple[Refusal, ...]:
    """Every reason why stock TFLM cannot run the model; empty where it can.

    Parameters
    ----------
    graph
        The model.
    kernels
        The target: what its TFLM version lacks or computes wrongly counts too. Or the kernel library alone,
        ``"cmsis-nn"`` or ``"reference"``, for the newest TFLM.
    custom_operators
        Names of custom operators for which the user has kernels; TFLM's own need no naming.

    Returns
    -------
    tuple of Refusal
        In the order of subgraphs and operators, the reasons that concern the whole model first.

    Raises
    ------
    McuplanError
        For a kernel library that mcuplan does not know.

    Notes
    -----
    Upstream is commit 90b983c2b of 2026-08-20. What TFLM itself would not notice (it would compute garbage, or read
    outside its arena) is a reason too; its text ends in :data:`UNNOTICED`. Operator versions are not looked at by TFLM.
    """
    target = kernels if isinstance(kernels, Target) else None
    kernels = known_kernels(kernels.library.support if isinstance(kernels, Target) else kernels)
    declared = frozenset(custom_operators)
    version = owner(target.version, "support").name if target is not None else NEWEST
    asked = ("refusals", kernels, declared, version)
    found = graph.once(asked, lambda: tuple(_undated(graph, kernels, declared, version)))
    if target is None or not graph.subgraphs:
        return found
    said = {(refusal.subgraph, refusal.operator) for refusal in found}
    older = history.refusals(graph, target)
    return (*found, *(refusal for refusal in older if (refusal.subgraph, refusal.operator) not in said))


def _undated(graph: Graph, kernels: str, custom_operators: frozenset[str], version: str) -> list[Refusal]:
    """What a version refuses by its table, which is the newest TFLM's where it has none of its own."""
    table = support_table(version)
    if not graph.subgraphs:
        text = "the model has no subgraph, so there is nothing to run"
        return [Refusal(text, table.remedy("no-subgraph"), "no-subgraph")]
    found = [*_offline_plan(graph, table), *_recursion(graph, table)]
    reachable = reachable_subgraphs(graph)
    for index, subgraph in enumerate(graph.subgraphs):
        found.extend(_missing_vectors(graph, index, table))
        refused = [*_Verdict(graph, index, subgraph, kernels, custom_operators, version).refusals()]
        found.extend(refused)
        if index in reachable and not any(refusal.rule == "subgraph" for refusal in found):
            found.extend(_unwritten(graph, index, table, refused))
    found.extend(() if found else _row_order(graph, table))
    return found


CONTRADICTIONS = frozenset((
    "missing-operand", "operand-count", "missing-vector", "shape-mismatch", "rank", "index-range", "empty-tensor",
    "option", "channel-scales", "non-constant-operand", "unwritten-tensor", "too-large", "subgraph", "constant-output",
))  # fmt: skip
"""Rules that no file breaks whose parts fit each other, whatever TFLM has kernels for."""


def contradiction(graph: Graph) -> str:
    """What in the file contradicts itself, in one sentence; empty where nothing does.

    What changes models rather than judging them takes shapes and operands for granted, and asks this first. A float16
    model or one with operators that TFLM lacks does not contradict itself.
    """
    for refusal in unsupported(graph, "reference"):
        if refusal.rule in CONTRADICTIONS:
            where = f" of subgraph {refusal.subgraph}" if refusal.subgraph else ""
            operator = f"operator {refusal.operator}{where}: " if refusal.operator >= 0 else ""
            return f"{operator}{refusal.reason.removesuffix(UNNOTICED)}"
    return ""


def _missing_vectors(graph: Graph, index: int, table: SupportTable) -> Iterator[Refusal]:
    rule = "missing-vector"
    for what in missing_vectors(graph, index):
        text = f"the file has no list of {what} of subgraph {index}, and TFLM dies looking into it"
        yield Refusal(f"{text}{UNNOTICED}", table.remedy(rule), rule, index)


def _unwritten(graph: Graph, index: int, table: SupportTable, refused: Sequence[Refusal]) -> Iterator[Refusal]:
    """What is read too early, where that is the only thing wrong with the operator (or with the subgraph)."""
    subgraph, rule = graph.subgraphs[index], "unwritten-tensor"
    said = {refusal.operator for refusal in refused}
    for k, t in unwritten(graph, subgraph):
        if k in said or (k < 0 and refused):
            continue  # what is said already may be why
        op = subgraph.operators[k] if k >= 0 else None
        text = f"{op.name if op else 'the caller'} reads a tensor that nothing has written yet{UNNOTICED}"
        yield Refusal(text, table.remedy(rule), rule, index, k, op.label if op else "", t, subgraph.tensors[t].name)


def _offline_plan(graph: Graph, table: SupportTable) -> Iterator[Refusal]:
    """GetOfflinePlannedOffsets: the third number of the metadata counts the tensors of all subgraphs."""
    data = graph.metadata_data(OFFLINE_PLAN)
    if data is None:
        return
    tensors = sum(len(subgraph.tensors) for subgraph in graph.subgraphs)
    count = struct.unpack_from("<I", data, 8)[0] if len(data) >= 12 else 0
    if count != tensors or len(data) < 12 + 4 * count:
        text = f"the {OFFLINE_PLAN} metadata have offsets for {count} tensors, and the model has {tensors}"
        yield Refusal(text, table.remedy("offline-plan"), "offline-plan")


def _row_order(graph: Graph, table: SupportTable) -> Iterator[Refusal]:
    """``MCUPLAN_ROWS`` ends Invoke with an error where rows are asked for that its source gave long ago."""
    wrong = misordered(row_calls(graph) or ())
    if wrong is not None:
        s, k = wrong.call.subgraph, wrong.call.operator
        label = graph.subgraphs[s].operators[k].label
        yield Refusal(f"{label} {wrong}", table.remedy("row-order"), "row-order", s, k, label)


def _recursion(graph: Graph, table: SupportTable) -> Iterator[Refusal]:
    for subgraph, operator in recursive_calls(graph):
        op = graph.subgraphs[subgraph].operators[operator]
        rule = "recursive-subgraph"
        text = f"{op.name} calls a subgraph that is still being run, and TFLM has no recursion"
        yield Refusal(text, table.remedy(rule), rule, subgraph, operator, op.label)


class _Verdict:
    """The refusals of one subgraph."""

    def __init__(
        self,
        graph: Graph,
        index: int,
        subgraph: Subgraph,
        kernels: str,
        custom_operators: Collection[str],
        version: str,
    ) -> None:
        self.graph = graph
        self.index = index
        self.subgraph = subgraph
        self.kernels = kernels
        self.custom_operators = custom_operators
        self.version = version
        self.table = support_table(version)
        self.rules = [self._rule(op) for op in subgraph.operators]
        self.inputs = frozenset(subgraph.inputs)
        self.shapes: Sequence[Shape | None] = resolved_shapes(graph, subgraph, self.rules)

    def _rule(self, op: Operator) -> OperatorRule | None:
        custom = op.name == CUSTOM
        return operator_rule(op.code.custom_code or "" if custom else op.name, self.kernels, custom, self.version)

    def refusals(self) -> Iterator[Refusal]:
        """Every reason against the subgraph: tensors first, then operators in order."""
        for i, tensor in enumerate(self.subgraph.tensors):
            yield from self._tensor(i, tensor)
        for k, (op, kind) in enumerate(zip(self.subgraph.operators, kinds(self.graph)[self.index], strict=True)):
            if kind is None:
                yield from self._operator(k, op)
                continue
            # Sentences name tensors, so that only having none is common to all of a kind.
            asked = ("fine", self.kernels, self._declared(op), self.version)
            if asked not in kind.alike.known:
                found = tuple(self._operator(k, op))
                yield from found
                if not found:
                    kind.alike.known[asked] = True

    def _operator(self, k: int, op: Operator) -> Iterator[Refusal]:
        rule = self.rules[k]
        finding, remedy = self._registration(op, rule)
        if finding is not None:
            yield self._refusal(finding, k, op, remedy)
            return
        for found in self._form(op, rule):
            yield self._refusal(found, k, op)
        if rule is not None and not self._declared(op):
            yield from self._kernel(k, op, rule)

    def _refusal(self, found: Finding, k: int, op: Operator, remedy: str = "", unchecked: bool = False) -> Refusal:
        subject = "the custom operator" if op.name == CUSTOM else op.name
        name = self.subgraph.tensors[found.tensor].name if found.tensor >= 0 else ""
        text = f"{subject} {found.predicate}{UNNOTICED if unchecked or found.unchecked else ''}"
        remedy = remedy or self.table.remedy(found.rule)
        return Refusal(text, remedy, found.rule, self.index, k, op.label, found.tensor, name)

    def _declared(self, op: Operator) -> bool:
        """True for a custom operator whose kernel the user brings."""
        return op.name == CUSTOM and bool(op.code.custom_code) and op.code.custom_code in self.custom_operators

    def _dtype(self, i: int) -> DType:
        return self.subgraph.tensors[i].dtype

    # -- tensors -------------------------------------------------------------------------------------------------

    def _tensor(self, i: int, tensor: Tensor) -> Iterator[Refusal]:
        rule = self._tensor_rule(i, tensor)
        if rule:
            text = _TENSOR_REASONS[rule].format(tensor.dtype.label) + (UNNOTICED if rule in _UNNOTICED_RULES else "")
            yield Refusal(text, self.table.remedy(rule), rule, self.index, tensor=i, tensor_name=tensor.name)

    def _tensor_rule(self, i: int, tensor: Tensor) -> str:
        if tensor.dtype in self.table.unsized:
            return "unsized-type"
        if too_large(tensor):
            return "too-large"
        if tensor.external_buffer or self.graph.buffers[tensor.buffer].external:
            return "external-buffer"
        if tensor.sparsity is not None and self._is_short(tensor):
            return "sparse-weights"
        if tensor.is_variable and has_data(self.graph, tensor):
            return "variable-constant"
        if i in self.inputs and has_data(self.graph, tensor):
            return "constant-input"
        return "dynamic-shape" if self.shapes[i] is None and self._is_dynamic_source(i) else ""

    def _is_short(self, tensor: Tensor) -> bool:
        stored = tensor.stored_bytes
        return has_data(self.graph, tensor) and stored is not None and len(self.graph.buffers[tensor.buffer]) < stored

    def _is_dynamic_source(self, i: int) -> bool:
        """True where the unknown shape starts here: not after another one, nor where Prepare writes the shape."""
        producer = self.subgraph.producers.get(i)
        if producer is None:
            return True
        rule = self.rules[producer]
        if rule is not None and rule.sets_shape is True:
            return False
        return all(self.shapes[t] is not None for t in self.subgraph.operators[producer].inputs if t >= 0)

    # -- operators -----------------------------------------------------------------------------------------------

    def _registration(self, op: Operator, rule: OperatorRule | None) -> tuple[Finding | None, str]:
        """GetRegistrationFromOpCode: a reason, with its remedy, why the resolver has no such operator."""
        if op.name != CUSTOM:
            if rule is not None:
                return None, ""
            finding = Finding("unsupported-operator", "is not an operator that TFLM has")
            return finding, self.table.operator_remedy(op.name)
        code = op.code.custom_code
        if rule is not None or self._declared(op):
            return None, ""
        if code and code.startswith(FLEX_PREFIX):
            text = "is a TensorFlow (Flex) operator, and TFLM has no TensorFlow to run it"
            return Finding("flex-operator", text), self.table.remedy("flex-operator")
        finding = Finding("custom-operator", "is neither one of TFLM's own nor declared as available")
        return finding, self.table.custom_remedy(code or "")

    def _form(self, op: Operator, rule: OperatorRule | None) -> Iterator[Finding]:
        """What the interpreter wants of any operator."""
        set_by_prepare = rule is not None and rule.sets_shape is True
        if op.name != CUSTOM and op.custom_options is not None:
            yield Finding("builtin-custom-options", "is builtin and has custom options, which TFLM refuses")
        yield from operator_vectors(op, rule)
        for i in op.intermediates or ():
            if i < 0 or tensor_bytes(self.subgraph.tensors[i]) != 0:
                yield Finding("intermediate-tensors", "has an intermediate tensor with data, which TFLM refuses", i)
        for i in op.outputs:
            if i < 0:
                yield Finding("missing-operand", "leaves out one of its outputs", unchecked=True)
                continue
            if has_data(self.graph, self.subgraph.tensors[i]):
                yield Finding("constant-output", "writes over a constant", i, unchecked=True)
            shape = self.shapes[i]
            if not set_by_prepare and shape is not None and shape != (0,) and 0 in shape:
                yield Finding("empty-tensor", f"gives a tensor without elements, {list(shape)}", i)

    def _kernel(self, k: int, op: Operator, rule: OperatorRule) -> Iterator[Refusal]:
        """What the operator's kernel wants."""
        form = [*_counts(op, rule)]
        for found in form:
            yield self._refusal(found, k, op)
        if form:
            return
        call = KernelCall(self.graph, self.subgraph, op, rule, self.shapes, facts_of(self.graph, self.index, k))
        mismatch, broken = type_mismatch(call), False
        if mismatch is not None and (dtype := self._dtype(mismatch.finding.tensor)) not in self.table.unsized:
            remedy = self.table.type_remedy(mismatch.finding.rule, dtype, mismatch.accepted)
            yield self._refusal(mismatch.finding, k, op, remedy, mismatch.unchecked)
        for found in self._ranks(rule, op):
            yield self._refusal(found, k, op, unchecked=True)
        for spec in rule.checks:
            if (mismatch is None or not spec.when) and call.applies(spec):
                for found in CHECKS[spec.name](call, spec):
                    broken = True
                    yield self._refusal(found, k, op, unchecked=spec.unchecked)
        if mismatch is None and not broken:
            for found in output_findings(call):
                yield self._refusal(found, k, op)

    def _ranks(self, rule: OperatorRule, op: Operator) -> Iterator[Finding]:
        """RuntimeShape of TFLM holds six dimensions (runtime_shape.h)."""
        if rule.max_rank is None:
            return
        for i in (*op.inputs, *op.outputs):
            if i >= 0 and len(self.subgraph.tensors[i].shape) > rule.max_rank:
                rank = len(self.subgraph.tensors[i].shape)
                yield Finding("rank", f"takes at most {rule.max_rank} dimensions, not {rank}", i)


def _counts(op: Operator, rule: OperatorRule) -> Iterator[Finding]:
    """Inputs and outputs that a kernel looks up and does not find, and more than it allows."""
    for operands, indices, what in ((rule.inputs, op.inputs, "input"), (rule.outputs, op.outputs, "output")):
        if len(indices) == len(operands) and min(indices, default=0) >= 0:
            continue  # as most are: each has its own
        for position, operand in enumerate(operands):
            given = indices[position:] if operand.variadic else indices[position : position + 1]
            if ((not given and not operand.variadic) or any(i < 0 for i in given)) and not operand.optional:
                text = f"needs its {words(operand.name)}, which is not given"
                yield Finding("missing-operand", text, unchecked=not rule.counted)
        open_ended = any(operand.variadic for operand in operands)
        if rule.counted and not open_ended and len(indices) > len(operands):
            yield Finding("operand-count", f"takes {len(operands)} {what}s, not {len(indices)}")
