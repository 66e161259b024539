"""Checks of operators that call subgraphs, and of the calls as a whole."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from mcuplan.graph import DType, Graph, Subgraph, Tensor
from mcuplan.operators import Options, called_subgraphs, never_ends
from mcuplan.tflm.support.call import Finding, KernelCall
from mcuplan.tflm.support.checks import plain_check
from mcuplan.tflm.support.flow import called_without_ends


def recursive_calls(graph: Graph) -> Iterator[tuple[int, int]]:
    """Operators, as ``(subgraph, operator)``, that call a subgraph which is still being run."""
    done: set[int] = set()
    calls = [
        [
            (k, s)
            for k, op in enumerate(subgraph.operators)
            for s in called_subgraphs(op)
            if 0 <= s < len(graph.subgraphs)
        ]
        for subgraph in graph.subgraphs
    ]
    if not any(calls):
        return
    stack = [(0, iter(calls[0]))]
    while stack:
        at, rest = stack[-1]
        entry = next(rest, None)
        if entry is None:
            done.add(at)
            stack.pop()
            continue
        operator, target = entry
        if any(target == running for running, _ in stack):
            yield at, operator
        elif target not in done:
            stack.append((target, iter(calls[target])))


def tensor_bytes(tensor: Tensor) -> int | None:
    """``TfLiteEvalTensorByteLength``: int4 takes a byte each, a resource 4; None where it is not known."""
    bits = {DType.INT4: 8, DType.RESOURCE: 32}.get(tensor.dtype, tensor.dtype.bits)
    return None if bits is None or tensor.is_dynamic else math.prod(tensor.shape) * bits // 8


def _same_bytes(
    ours: Subgraph, indices: Sequence[int], theirs: Subgraph, others: Sequence[int], what: str
) -> Iterator[Finding]:
    """Findings for values that are copied between two lists of tensors which do not match."""
    if len(indices) != len(others):
        yield Finding("subgraph", f"passes {len(indices)} values where {what} has {len(others)}")
        return
    for index, other in zip(indices, others, strict=True):
        if index < 0 or other < 0:
            continue
        one, two = tensor_bytes(ours.tensors[index]), tensor_bytes(theirs.tensors[other])
        if one is not None and two is not None and one != two:
            # Seen by the branch or body that runs, when it runs.
            yield Finding("subgraph", f"copies {one} bytes where {what} has {two}", index, unchecked=True)


def _called(call: KernelCall) -> list[Subgraph] | None:
    """The subgraphs that the operator names; None where one does not exist."""
    indices = called_subgraphs(call.operator)
    graphs = call.graph.subgraphs
    return [graphs[i] for i in indices] if all(0 <= i < len(graphs) for i in indices) else None


def _without_ends(found: Sequence[Subgraph]) -> Iterator[Finding]:
    """IF and WHILE count the inputs and outputs of what they call (MicroInterpreterGraph::NumSubgraphInputs)."""
    if any(called_without_ends(subgraph) for subgraph in found):
        yield Finding("missing-vector", "calls a subgraph without a list of inputs or outputs", unchecked=True)


def _no_such_subgraph(call: KernelCall) -> Finding:
    wanted = list(called_subgraphs(call.operator))
    return Finding("subgraph", f"calls the subgraphs {wanted}, and the model has {len(call.graph.subgraphs)}")


@plain_check("call-subgraph")
def _call_subgraph(call: KernelCall) -> Iterator[Finding]:
    if _called(call) is None:
        yield _no_such_subgraph(call)


@plain_check("if-subgraphs")
def _if_subgraphs(call: KernelCall) -> Iterator[Finding]:
    found = _called(call)
    if found is None:
        yield _no_such_subgraph(call)
        return
    yield from _without_ends(found)
    for branch, name in zip(found, ("then", "else"), strict=True):
        yield from _same_bytes(
            call.subgraph, call.operator.inputs[1:], branch, branch.inputs, f"its {name} subgraph's input"
        )
        if branch.outputs or name == "then":
            what = f"its {name} subgraph's output"
            yield from _same_bytes(call.subgraph, call.operator.outputs, branch, branch.outputs, what)


@plain_check("while-subgraphs")
def _while_subgraphs(call: KernelCall) -> Iterator[Finding]:
    found = _called(call)
    if found is None:
        yield _no_such_subgraph(call)
        return
    yield from _without_ends(found)
    ours, inputs, outputs = call.subgraph, call.operator.inputs, call.operator.outputs
    condition, body = found
    yield from _same_bytes(ours, inputs, ours, outputs, "its output")
    yield from _same_bytes(ours, inputs, condition, condition.inputs, "its condition's input")
    yield from _same_bytes(ours, outputs, body, body.inputs, "its body's input")
    yield from _same_bytes(ours, outputs, body, body.outputs, "its body's output")
    if never_ends(call.graph, call.subgraph, call.operator):
        yield Finding("subgraph", "never ends once it begins: its counter does not grow", unchecked=True)
    if not condition.outputs or condition.tensors[condition.outputs[0]].dtype is not DType.BOOL:
        yield Finding("subgraph", "needs a condition whose first output is bool")


def _variables(graph: Graph) -> dict[tuple[Any, Any], int | None]:
    """Bytes of each resource variable, by container and name: of the first value assigned (MicroResourceVariables).

    All operators prepare in the order of the file, whatever runs them.
    """
    found: dict[tuple[Any, Any], int | None] = {}
    for subgraph in graph.subgraphs:
        for op in subgraph.operators:
            if op.name == "ASSIGN_VARIABLE" and len(op.inputs) == 2 and op.inputs[1] >= 0:
                variable = _variable(subgraph, op.inputs[0])
                if variable is not None and variable not in found:
                    found[variable] = tensor_bytes(subgraph.tensors[op.inputs[1]])
    return found


def _variable(subgraph: Subgraph, handle: int) -> tuple[str | None, str | None] | None:
    """Container and name of the variable that a handle stands for; None where no VAR_HANDLE makes it."""
    made = next((op for op in subgraph.operators if op.name == "VAR_HANDLE" and op.outputs[:1] == (handle,)), None)
    return None if made is None else Options(made).resource


@plain_check("resource-variable")
def _resource_variable(call: KernelCall) -> Iterator[Finding]:
    """ASSIGN_VARIABLE and READ_VARIABLE copy as many bytes as the variable has, wherever they go."""
    name = "value" if call.operator.name == "ASSIGN_VARIABLE" else "output"
    variable, index = _variable(call.subgraph, call.index("resource")), call.index(name)
    if variable is None:
        if call.index("resource") not in call.subgraph.inputs or call.subgraph is call.graph.main:
            yield Finding("missing-operand", "needs a handle that VAR_HANDLE makes", call.index("resource"), True)
        return
    has, copied = _variables(call.graph).get(variable), tensor_bytes(call.subgraph.tensors[index])
    if variable not in _variables(call.graph):
        yield Finding("unwritten-tensor", "reads a variable that nothing assigns", index, True)
    elif has is not None and copied is not None and has != copied:
        yield Finding("shape-mismatch", f"copies {has} bytes of a variable, and its {name} has {copied}", index, True)
