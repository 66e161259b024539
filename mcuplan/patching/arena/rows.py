"""Which input of a network may come row by row, and why another may not."""

from __future__ import annotations

import math

from mcuplan.graph import Graph
from mcuplan.patching.writing.reader import StageReader
from mcuplan.rewriting.cleanup import clean_up
from mcuplan.rewriting.strip import int8_inputs


def rows_input(graph: Graph) -> tuple[Graph, int, str | None]:
    """The largest input that may come row by row: the graph without a QUANTIZE of it, its number, and None.

    Where none may, the last one is the reason why the largest cannot.
    """
    main = graph.main
    sizes = [math.prod(main.tensors[t].shape) for t in main.inputs]
    reasons: list[str] = []
    for number in sorted(range(len(sizes)), key=lambda i: -sizes[i]):
        folded = int8_inputs(graph, {number})
        why = rows_refusal(clean_up(folded)[0], number)
        if why is None:
            return folded, number, None
        reasons.append(why)
    return graph, 0, reasons[0] if reasons else "the model has no input"


def rows_refusal(graph: Graph, number: int) -> str | None:
    """Why an input cannot come row by row, so that it is never whole; None where it can."""
    main = graph.main
    if not 0 <= number < len(main.inputs):
        return f"the model has no input {number}"
    source = main.inputs[number]
    shape = main.tensors[source].shape
    if source in main.outputs:
        return f"input {number} is an output too, and must be whole"
    if len(shape) != 4 or shape[0] != 1:
        return f"input {number} is no picture of rows, its shape is {list(shape)}"
    readers = main.consumers.get(source, ())
    reader = StageReader(graph, source)
    for k in readers:
        why = reader.supported(k)
        if why is not None:
            return f"input {number} cannot come by rows: {why}"
    if not readers:
        return f"nothing reads input {number}"
    ends = [stage.last for stage in reader.stages(readers[0])]
    if not ends or max(ends) <= readers[-1]:
        again = main.operators[readers[-1]].label
        return (
            f"input {number} cannot come by rows: {again} (operator {readers[-1]}) needs it again, when they are gone"
        )
    return None
