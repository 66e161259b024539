"""What to say of an input that comes row by row."""

from __future__ import annotations

from mcuplan.graph import Graph
from mcuplan.operators.streamed import streamed_inputs


def rows_told(graph: Graph) -> str:
    """Such as ``input: by rows, at most 4 a call, each once; a camera's buffer takes 1,440 bytes beside the arena``.

    Empty where no input comes by rows.
    """
    for streamed in streamed_inputs(graph).values():
        back = streamed.options.back
        again = f"up to {back} of them again" if back else "each once"
        return (
            f"input: by rows, at most {streamed.most_rows} of {streamed.options.row_bytes:,} bytes a call, {again}; "
            f"a camera's buffer takes {streamed.buffer_bytes:,} bytes beside the arena"
        )
    return ""
