"""What the forms of a stage take at least, by how they are written, before the rows of any are worked out.

Of each kind: bytes in use inside, and persistent bytes that it adds. They are what a loop or a second strip cannot do
without: its clones, and for each map of which rows are kept from turn to turn their copy and the join. Tests hold them
against the forms by their rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mcuplan.graph import DType
from mcuplan.operators.geometry.stages import PatchStage
from mcuplan.patching.writing.forms import Kind
from mcuplan.patching.writing.in_place import goes_by_channels
from mcuplan.patching.writing.keeps import Keeps
from mcuplan.patching.writing.price import StagePricer
from mcuplan.patching.writing.reader import StageReader, UnsupportedStageError
from mcuplan.patching.writing.rows import StageNet, strip_windows
from mcuplan.tflm.persistent import MOST_ROUNDED

FLOWS = frozenset({Kind.LOOP, Kind.HEADED_LOOP, Kind.CASCADE})


@dataclass(frozen=True, slots=True)
class Floor:
    """At least so many bytes in use inside and persistent bytes, in any form of these kinds."""

    kinds: frozenset[Kind]
    inside: int
    growth: int


def floors(reader: StageReader, stage: PatchStage, pricer: StagePricer) -> Iterator[Floor]:
    """What a stage takes at least in each group of kinds that it may be written in; each kind is in one of them."""
    keeps = pricer.keeps
    net = reader.net(stage, "crop")
    result = net.height(net.result) * net.row_bytes(net.result)
    if net.feed is not None:  # rows that come are no tensor, and writers go other ways
        yield Floor(frozenset(Kind), result, 0)
        return
    ends = max(net.height(net.source) * net.row_bytes(net.source), result)
    operators = range(stage.first, stage.last)
    clones = {k: keeps.clone(k) for k in operators}
    pads = [k for k in operators if reader.graph.main.operators[k].name == "PAD"]
    own = sum(map(keeps.own, operators)) + keeps.constants(pads)
    loop = pricer.least_loop() + sum(clones.values()) - own
    joined = keeps.added("CONCATENATION", net.tensors[net.result].dtype)
    flows, turns = _kept(net, frozenset()), _kept(net, net.free)
    growth = loop + sum(_keeping(keeps, net.tensors[t].dtype) + keeps.tensor for t in flows)
    yield Floor(FLOWS, ends + _turn(net, flows), _rounded(growth))
    growth = loop + sum(_keeping(keeps, net.tensors[t].dtype) for t in turns) + sum(clones.values())
    yield Floor(frozenset({Kind.BORDERED_LOOP}), ends + _turn(net, turns), _rounded(growth))
    growth = sum(clones[k] * (1 + again) for k, again in _unfinished(net, clones).items()) - own + joined
    yield Floor(frozenset({Kind.STRIPS}), ends, _rounded(growth))
    yield Floor(frozenset({Kind.PATCHES}), ends, _rounded(loop))
    if reader.graph.main.operators[stage.first].name == "CONV_2D":
        last = stage.last - 1
        part = min(clones[last], keeps.node + keeps.tensor + keeps.constants([last]))
        yield Floor(frozenset({Kind.CHANNELS}), ends, _rounded(part + joined))
    if stage.last - stage.first == 1 and goes_by_channels(reader.graph, stage.first):
        yield Floor(frozenset({Kind.IN_PLACE}), ends, 0)


def _rounded(growth: int) -> int:
    return max(growth - MOST_ROUNDED, 0)


def _kept(net: StageNet, free: frozenset[int]) -> dict[int, int]:
    """Rows of maps that the next turn reads again, at least: windows that are higher than they move on."""
    found: dict[int, int] = {}
    for layer in net.layers:
        again = layer.rows.extent - layer.rows.stride
        for t in layer.inputs:
            if again > 0 and t not in free and layer.rows.extent < net.height(t):
                found[t] = max(found.get(t, 0), again)
    return found


def _keeping(keeps: Keeps, dtype: DType) -> int:
    """Rows kept: joined with the new ones, copied for the next turn, and a variable of the loop."""
    copied = min(keeps.added("SLICE", dtype), keeps.added("GATHER", dtype))
    return keeps.added("CONCATENATION", dtype) + copied + 3 * keeps.tensor


def _turn(net: StageNet, kept: dict[int, int]) -> int:
    """Bytes in use inside a turn, at least: the window of the operator that needs most, and rows kept of others."""
    rows = net.row_sizes
    held = sum(count * rows[t] for t, count in kept.items())
    most = 0
    for layer in net.layers:
        made = 0 if layer.pointwise else rows[layer.output]
        for t in layer.inputs:
            window = min(layer.rows.extent, net.height(t)) * rows[t]
            most = max(most, window + made + held - kept.get(t, 0) * rows[t])
    return most


def _unfinished(net: StageNet, clones: dict[int, int]) -> dict[int, bool]:
    """Which operators run again behind the first of two strips."""
    height = net.height(net.result)
    found = dict.fromkeys(clones, False)
    try:
        first = strip_windows(net, (0, -(-height // 2)), ())[0]
    except UnsupportedStageError:
        return found
    for layer in net.layers:
        if layer.operator in found:
            found[layer.operator] = first[layer.output].high < net.height(layer.output)
    return found
