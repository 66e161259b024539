"""An input that comes by rows, as documents tell it. Names from the model are untrusted text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from mcuplan.findings.rows import rows_told
from mcuplan.graph import Graph
from mcuplan.operators.streamed import streamed_inputs

if TYPE_CHECKING:
    from pydantic import ConfigDict

_CONFIG: ConfigDict = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}


@dataclass(frozen=True, slots=True)
class RowsShown:
    """An input of the original network that the firmware gives row by row (the operator MCUPLAN_ROWS)."""

    __pydantic_config__ = _CONFIG

    input: int
    """Which input of the original network."""
    shape: tuple[int, ...]
    dtype: str
    row_bytes: int
    rows_a_call: int
    """Rows that one call asks for at most."""
    rows_back: int
    """Rows, of those given already, that a call may ask for again; 0: each row is asked for once, in order."""
    buffer_rows: int
    buffer_bytes: int
    """What a source with a clock of its own, such as a camera, has to hold beside the arena: the rows of a call while
    those of the last one are worked on, one more while they are copied, and rows that are asked for again; those of
    the first call are copied as they come. A source that can be read at any time, such as a file, holds none."""
    told: str
    """All that in a sentence."""


def rows_shown(graph: Graph) -> RowsShown | None:
    """The input of a model that comes by rows; None where none does."""
    for number, streamed in streamed_inputs(graph).items():
        options, tensor = streamed.options, streamed.tensor
        return RowsShown(
            number, tensor.shape, tensor.dtype.label, options.row_bytes, streamed.most_rows, options.back,
            streamed.buffer_rows, streamed.buffer_bytes, rows_told(graph),
        )  # fmt: skip
    return None
