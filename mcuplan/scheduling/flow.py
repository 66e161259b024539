"""Maximum flow, as small as the cut bound needs it (E. A. Dinic, "Algorithm for solution of a problem of maximum flow
in networks with power estimation", Soviet Math. Doklady 11, 1970).
"""

from __future__ import annotations

from mcuplan.deadline import Deadline

UNLIMITED = 1 << 62
"""A capacity that no cut of finite cost crosses."""


class Network:
    """Nodes ``0, 1, 2, ...`` and arcs with whole capacities; arc ``e ^ 1`` is the reverse of arc ``e``."""

    def __init__(self, nodes: int) -> None:
        self.arcs: list[list[int]] = [[] for _ in range(nodes)]
        self.head: list[int] = []
        self.room: list[int] = []

    def node(self) -> int:
        """Add a node and return it."""
        self.arcs.append([])
        return len(self.arcs) - 1

    def arc(self, tail: int, head: int, capacity: int) -> None:
        """Add an arc."""
        self.arcs[tail].append(len(self.head))
        self.head.append(head)
        self.room.append(capacity)
        self.arcs[head].append(len(self.head))
        self.head.append(tail)
        self.room.append(0)

    def max_flow(self, source: int, sink: int, deadline: Deadline) -> int:
        """The greatest flow, which is the least cut; residual capacities stay in ``room``.

        Raises
        ------
        OutOfTimeError
            Where the time is up before it is known.
        """
        total = 0
        while levels := self._levels(source, sink):
            total += self._blocking_flow(source, sink, levels, deadline)
        return total

    def _levels(self, source: int, sink: int) -> list[int] | None:
        """Distance of each node from the source by arcs with room; None where the sink is out of reach."""
        arcs, head, room = self.arcs, self.head, self.room
        levels = [-1] * len(arcs)
        levels[source] = 0
        queue = [source]
        for u in queue:
            for e in arcs[u]:
                if room[e] and levels[head[e]] < 0:
                    levels[head[e]] = levels[u] + 1
                    queue.append(head[e])
            if levels[sink] >= 0:
                return levels
        return None

    def _blocking_flow(self, source: int, sink: int, levels: list[int], deadline: Deadline) -> int:
        """Push along shortest paths until each has a full arc."""
        arcs, head, room = self.arcs, self.head, self.room
        tried = [0] * len(arcs)
        path: list[int] = []
        total = 0
        u = source
        while True:
            if u == sink:
                deadline.check()
                pushed = min(room[e] for e in path)
                for e in path:
                    room[e] -= pushed
                    room[e ^ 1] += pushed
                total += pushed
                path.clear()
                u = source
            out, i = arcs[u], tried[u]
            while i < len(out) and not (room[out[i]] and levels[head[out[i]]] == levels[u] + 1):
                i += 1
            tried[u] = i
            if i < len(out):
                path.append(out[i])
                u = head[out[i]]
            elif path:
                levels[u] = -1
                u = head[path.pop() ^ 1]
            else:
                return total
