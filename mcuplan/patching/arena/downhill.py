"""Whether a 1x1 convolution in place can help: results over their sources only ever go down, and there must be room.

In a section of some size each tensor has a highest place. What has room beside its source begins at the top again;
what lies over its source lies so many bytes before it. Where a map that has gone down to the bottom is to grow again, a
result over its source has no room, whatever the bytes in use say.
"""

from __future__ import annotations

from mcuplan.graph import Graph
from mcuplan.operators import OperatorCall, TensorFacts
from mcuplan.tflm.aliasing import trails_by


def has_room(graph: Graph, operator: int) -> bool:
    """Whether operator ``operator`` of the main subgraph could lie over its source in less than both take together.

    What is larger than that is taken to be in a stage, and what reads several maps to begin at the top.
    """
    steps = _Steps(graph)
    source, result, before = steps.of(operator)
    room = source + result - 1
    return before <= steps.highest(graph.main.operators[operator].inputs[0], room)


class _Steps:
    def __init__(self, graph: Graph) -> None:
        self._graph = graph
        self._main = graph.main

    def of(self, operator: int) -> tuple[int, int, int]:
        """Bytes of source and result, and by how many the result has to begin before the source."""
        facts = OperatorCall(self._graph, self._main, self._main.operators[operator])
        x, y = facts.inputs[0], facts.outputs[0]
        before = trails_by(facts) if facts.info.window else None
        return x.bytes, y.bytes, x.bytes + y.bytes if before is None else before

    def highest(self, tensor: int, room: int) -> int:
        """The highest place of a tensor in a section of ``room`` bytes; negative where there is none."""
        down = 0
        while True:
            size = TensorFacts(self._graph, self._main.tensors[tensor], tensor).bytes
            producer = self._main.producers.get(tensor)
            if producer is None:
                return room - size - down
            op = self._main.operators[producer]
            maps = [t for t in op.inputs if t >= 0 and not self._graph.is_constant(self._main.tensors[t])]
            if len(maps) != 1:
                return room - size - down
            source, result, before = self.of(producer)
            if source > room or source + result <= room or before >= source + result:
                return room - size - down
            tensor, down = maps[0], down + before
