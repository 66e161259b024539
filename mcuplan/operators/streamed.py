"""The inputs of a network that come by rows, and what their source has to hold."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mcuplan.graph import Graph, Tensor
from mcuplan.operators.input_rows import InputRows, input_rows
from mcuplan.operators.row_calls import row_calls

_RANK = 4


@dataclass(frozen=True, slots=True)
class StreamedInput:
    """An input of the original network that comes by rows.

    ``tensor`` is as the network's input was, without bytes; ``most_rows`` are those that one call asks for at most,
    ``later_rows`` the same of all calls but the first.
    """

    options: InputRows
    tensor: Tensor
    most_rows: int
    later_rows: int

    @property
    def buffer_rows(self) -> int:
        """Rows that a source with a clock of its own, such as a camera, has to hold.

        While the rows of one call are worked on those of the next one come in; one more comes while they are copied;
        and rows that are asked for again have to be there still. Those of the first call are waited for, and copied
        as they come.
        """
        return min(self.later_rows + 1 + self.options.back, self.options.rows)

    @property
    def buffer_bytes(self) -> int:
        """The same in bytes."""
        return self.buffer_rows * self.options.row_bytes


def streamed_inputs(graph: Graph) -> dict[int, StreamedInput]:
    """The inputs of the network that come by rows, by their number in the original."""
    found: dict[int, StreamedInput] = {}
    for tensor, options in _operators(graph):
        known = found.get(options.input)
        most = max(min(tensor.shape[1], options.rows), known.most_rows if known else 0)
        shape = (1, options.rows, options.columns, tensor.shape[3])
        whole = known.tensor if known else Tensor(tensor.name, tensor.dtype, shape, 0, tensor.quantization)
        found[options.input] = StreamedInput(options, whole, most, most)
    calls = (row_calls(graph) or ()) if found else ()
    for number, streamed in found.items():
        asked = (call.asked for call in calls if call.options.input == number)
        counts = [last - first for first, last in asked if first < last]
        if counts:
            most, later = max(counts), max(counts[1:], default=0)
            found[number] = StreamedInput(streamed.options, streamed.tensor, most, later)
    return dict(sorted(found.items()))


def rows_buffer_bytes(graph: Graph) -> int:
    """Bytes that sources with a clock of their own have to hold beside the arena; 0 where no input comes by rows."""
    return sum(streamed.buffer_bytes for streamed in streamed_inputs(graph).values())


def _operators(graph: Graph) -> Iterator[tuple[Tensor, InputRows]]:
    for s, _, op in graph.operators():
        options = input_rows(op)
        if options is not None and len(op.outputs) == 1 and op.outputs[0] >= 0:
            tensor = graph.subgraphs[s].tensors[op.outputs[0]]
            if tensor.rank == _RANK:
                yield tensor, options
