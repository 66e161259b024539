"""Seeded NAS-like graphs as scheduling problems, for tests and benchmarks.

Each is a stand-in for a family of irregularly wired networks, operator by operator as a `.tflite` file has it (a
depthwise-separable convolution is two operators, a sum of k tensors is k - 1 ADDs). Sizes are int8 activations in
bytes, multiples of 16. Equal arguments give equal problems.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from mcuplan.scheduling import Problem, Task


class Network:
    """A problem under construction: each call adds an operator and returns the tensor it writes."""

    def __init__(self, input_bytes: int) -> None:
        self.sizes = [input_bytes]
        self.tasks: list[Task] = []

    def operator(self, reads: list[int], size: int, label: str = "", scratch: int = 0) -> int:
        self.sizes.append(size)
        written = len(self.sizes) - 1
        self.tasks.append(Task(tuple(dict.fromkeys(reads)), (written,), scratch, label))
        return written

    def chain(self, tensor: int, size: int, labels: list[str]) -> int:
        for label in labels:
            tensor = self.operator([tensor], size, label)
        return tensor

    def total(self, tensors: list[int], size: int) -> int:
        """The sum of tensors, as a chain of ADDs."""
        result = tensors[0]
        for tensor in tensors[1:]:
            result = self.operator([result, tensor], size, "ADD")
        return result

    def problem(self, *outputs: int) -> Problem:
        return Problem(tuple(self.tasks), tuple(self.sizes), (0,), outputs)


def watts_strogatz(nodes: int, rng: random.Random, neighbours: int = 4, rewired: float = 0.75) -> list[list[int]]:
    """For each node its lower-numbered neighbours in a ring lattice with edges rewired at random (RandWire's WS)."""
    linked: list[set[int]] = [set() for _ in range(nodes)]
    for a in range(nodes):
        for step in range(1, neighbours // 2 + 1):
            b = (a + step) % nodes
            if a != b:
                linked[a].add(b)
                linked[b].add(a)
    for step in range(1, neighbours // 2 + 1):
        for a in range(nodes):
            b = (a + step) % nodes
            others = [c for c in range(nodes) if c != a and c not in linked[a]]
            if b in linked[a] and others and rng.random() < rewired:
                c = rng.choice(others)
                linked[a].remove(b)
                linked[b].remove(a)
                linked[a].add(c)
                linked[c].add(a)
    return [sorted(b for b in linked[a] if b < a) for a in range(nodes)]


def erdos_renyi(nodes: int, rng: random.Random, density: float = 0.2) -> list[list[int]]:
    """For each node its lower-numbered neighbours, each pair linked with equal chance (RandWire's ER)."""
    return [[b for b in range(a) if rng.random() < density] for a in range(nodes)]


def barabasi_albert(nodes: int, rng: random.Random, links: int = 5) -> list[list[int]]:
    """For each node its lower-numbered neighbours when new nodes prefer well-linked ones (RandWire's BA)."""
    links = min(links, max(1, nodes // 2))
    ends: list[int] = list(range(links))
    found: list[list[int]] = [[] for _ in range(links)]
    for a in range(links, nodes):
        chosen: set[int] = set()
        while len(chosen) < links:
            chosen.add(rng.choice(ends))
        found.append(sorted(chosen))
        for b in found[a]:
            ends += [a, b]
    return found


WIRINGS: dict[str, Callable[[int, random.Random], list[list[int]]]] = {
    "ws": watts_strogatz,
    "er": erdos_renyi,
    "ba": barabasi_albert,
}


def randwire(seed: int, nodes: int = 32, stages: int = 1, wiring: str = "ws") -> Problem:
    """Randomly wired stages (S. Xie et al., "Exploring Randomly Wired Neural Networks", ICCV 2019).

    Each node sums its inputs, then a depthwise and a pointwise convolution; a stage ends by summing the nodes that
    nothing reads. The paper has 32 nodes a stage.
    """
    rng = random.Random(f"randwire {seed} {nodes} {stages} {wiring}")
    net = Network(3 * 4096)
    size = 4096
    last = net.operator([0], size, "CONV_2D")
    for _ in range(stages):
        last = _random_stage(net, last, size, WIRINGS[wiring](nodes, rng), separable=True)
        size = max(size // 2, 256)
    return net.problem(net.chain(last, 64, ["MEAN"]))


def dense_wiring(seed: int, nodes: int, wiring: str = "ws") -> Problem:
    """One randomly wired stage whose nodes are single operators of equal size: the hardest family by far.

    No file looks like this (a node is an operator with up to dozens of inputs); it is there to show where the exact
    search ends.
    """
    rng = random.Random(f"dense {seed} {nodes} {wiring}")
    net = Network(2 * 4096)
    stem = net.operator([0], 4096, "CONV_2D")
    last = _random_stage(net, stem, 4096, WIRINGS[wiring](nodes, rng), separable=False)
    return net.problem(net.chain(last, 64, ["MEAN"]))


def _random_stage(net: Network, start: int, size: int, sources: list[list[int]], separable: bool) -> int:
    made: list[int] = []
    for below in sources:
        reads = [made[b] for b in below] or [start]
        if separable:
            made.append(net.chain(net.total(reads, size), size, ["DEPTHWISE_CONV_2D", "CONV_2D"]))
        else:
            made.append(net.operator(reads, size, "NODE"))
    read = {b for below in sources for b in below}
    ends = [tensor for a, tensor in enumerate(made) if a not in read]
    if separable:
        return net.total(ends, size)
    return net.operator(ends, size, "NODE")


_DARTS_OPERATORS = {
    "separable": ["DEPTHWISE_CONV_2D", "CONV_2D", "DEPTHWISE_CONV_2D", "CONV_2D"],
    "dilated": ["DEPTHWISE_CONV_2D", "CONV_2D"],
    "pool": ["MAX_POOL_2D"],
    "skip": [],
}


def darts(seed: int, cells: int, nodes: int = 4) -> Problem:
    """Cells as DARTS finds them (H. Liu et al., "DARTS: Differentiable Architecture Search", ICLR 2019).

    Each cell reads the two cells before it; each of its nodes adds two operations on earlier nodes; the nodes are
    concatenated. Two of the cells halve the resolution.
    """
    rng = random.Random(f"darts {seed} {cells} {nodes}")
    side, channels = 16, 16
    net = Network(side * side * 3 // 16 * 16)
    before = last = net.operator([0], side * side * channels * 3, "CONV_2D")
    normal, reduction = _genotype(nodes, rng), _genotype(nodes, rng)
    for cell in range(cells):
        reduces = cell in (cells // 3, 2 * cells // 3) and cells > 2
        if reduces:
            side, channels = side // 2, channels * 2
        joined = _darts_cell(net, before, last, side * side * channels, reduction if reduces else normal)
        before, last = last, joined
    return net.problem(net.chain(last, 64, ["MEAN", "FULLY_CONNECTED"]))


def multiscale(seed: int, cells: int, nodes: int = 4) -> Problem:
    """DARTS-like cells, each different and at a scale of its own (C. Liu et al., "Auto-DeepLab", CVPR 2019).

    The widest cell is in the middle, so that neither end of the network decides the peak.
    """
    rng = random.Random(f"multiscale {seed} {cells} {nodes}")
    net = Network(3 * 1024)
    before = last = net.operator([0], 8 * 1024, "CONV_2D")
    for cell in range(cells):
        size = 6144 if cell == cells // 2 else rng.choice([1024, 1536, 2048, 4096])
        joined = _darts_cell(net, before, last, size, _genotype(nodes, rng))
        before, last = last, joined
    return net.problem(net.chain(last, 64, ["MEAN"]))


def _genotype(nodes: int, rng: random.Random) -> list[list[tuple[str, int]]]:
    kinds = ["separable", "separable", "dilated", "pool", "skip"]
    return [[(rng.choice(kinds), source) for source in rng.sample(range(2 + i), 2)] for i in range(nodes)]


def _darts_cell(net: Network, before: int, last: int, size: int, genotype: list[list[tuple[str, int]]]) -> int:
    states = [net.operator([before], size, "CONV_2D"), net.operator([last], size, "CONV_2D")]
    for pair in genotype:
        terms = [net.chain(states[source], size, _DARTS_OPERATORS[kind]) for kind, source in pair]
        states.append(net.operator(terms, size, "ADD"))
    return net.operator(states[2:], size * len(genotype), "CONCATENATION")


def swiftnet(seed: int, operators: int, cells: int = 1) -> Problem:
    """Irregular cells of convolutions over concatenations (H.-P. Cheng et al., "SwiftNet", 2019), one after another.

    Each cell draws from its last few tensors, concatenates, convolves, and ends by concatenating what nothing read,
    so that everything passes through the end of each cell.
    """
    rng = random.Random(f"swiftnet {seed} {operators} {cells}")
    pixels = 16 * 16
    net = Network(pixels * 3)
    last, width = net.operator([0], pixels * 16, "CONV_2D"), 16
    for cell in range(cells):
        last = _swiftnet_cell(net, last, width, pixels, operators * (cell + 1) // cells - 3, rng)
        if cell % 2:
            pixels = max(pixels // 4, 16)
        width = 16
        last = net.operator([last], pixels * width, "CONV_2D")
    return net.problem(net.chain(last, 64, ["MEAN"]))


def _swiftnet_cell(net: Network, start: int, width: int, pixels: int, until: int, rng: random.Random) -> int:
    pool = [(start, width)]
    unread = {start: width}
    while len(net.tasks) < until:
        recent = pool[-8:]
        chosen = rng.sample(recent, min(rng.randint(1, 3), len(recent)))
        for tensor, _ in chosen:
            unread.pop(tensor, None)
        tensor = chosen[0][0]
        if len(chosen) > 1:
            tensor = net.operator([t for t, _ in chosen], pixels * sum(w for _, w in chosen), "CONCATENATION")
        made = rng.choice([8, 16, 16, 24, 32])
        labels = ["CONV_2D", "DEPTHWISE_CONV_2D"] if rng.random() < 0.6 else ["CONV_2D"]
        tensor = net.chain(tensor, pixels * made, labels)
        pool.append((tensor, made))
        unread[tensor] = made
    if len(unread) == 1:
        return next(iter(unread))
    return net.operator(list(unread), pixels * sum(unread.values()), "CONCATENATION")


def branches(count: int, length: int = 2, wide: int = 64, narrow: int = 16) -> Problem:
    """Equal parallel branches between a fork and a join: each rises to ``wide`` bytes and ends with ``narrow``."""
    net = Network(32)
    fork = net.operator([0], 32, "CONV_2D")
    ends = [net.chain(net.chain(fork, wide, ["CONV_2D"] * (length - 1)), narrow, ["CONV_2D"]) for _ in range(count)]
    return net.problem(net.operator(ends, narrow * count, "CONCATENATION"))
