"""What a stage will roughly cost, from its rows alone: enough to choose which forms are worth writing out.

The bytes are those of maps; per-operator bytes of the persistent section are the usual ones of TFLM on a 32-bit core
(a node 32, parsed options and operator data about 100, a tensor 12, two words for each output channel of a
convolution: micro/micro_allocator.cc, micro/kernels/conv.cc).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcuplan.patching.writing.flow import Flow
from mcuplan.patching.writing.rows import StageNet, Strip

_OPERATOR = 140
_MOVE = 60
_LOOP = 900
_CHANNEL = 8


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes in use while the stage runs, and bytes that the persistent section grows by."""

    inside: int
    growth: int

    @property
    def total(self) -> int:
        """Both together."""
        return self.inside + self.growth


def _row_bytes(net: StageNet, t: int) -> int:
    tensor = net.tensors[t]
    return tensor.elements // tensor.shape[1] * max((tensor.dtype.bits or 8) // 8, 1)


def _strip_bytes(net: StageNet, strip: Strip, after: Strip | None) -> int:
    """Most bytes of maps inside the stage at one of its layers, the source and the result aside."""
    row = {t: _row_bytes(net, t) for t in strip}
    last_reader = {t: i for i, layer in enumerate(net.layers) for t in layer.inputs}
    held = {t: strip[t].kept * row[t] for t in strip if t not in (net.source, net.result)}
    most = 0
    for i, layer in enumerate(net.layers):
        window = strip[layer.output]
        made = layer.span(window.new, window.high).made if window.new < window.high else 0
        out = made * row[layer.output] if layer.output != net.result else 0
        most = max(most, sum(held.values()) + out)
        if layer.output != net.result:
            held[layer.output] = (window.kept + made) * row[layer.output]
        for t in layer.inputs:
            if t in held and last_reader[t] == i:
                held[t] = after[t].kept * row[t] if after is not None else 0
    return most


def _clones(net: StageNet) -> tuple[int, int]:
    """Persistent bytes of one clone of the stage's operators: the model's own, and what strips add."""
    own = added = 0
    for layer in net.layers:
        channels = net.tensors[layer.output].shape[3]
        if layer.operator < 0:
            added += _OPERATOR
        else:
            own += _OPERATOR + (_CHANNEL * channels if layer.row_macs else 0)
    return own, added


def _windows(net: StageNet, strip: Strip) -> int:
    return sum(_OPERATOR + _MOVE for t, w in strip.items() if w.kept and t != net.source)


def estimate_strips(net: StageNet, strips: Sequence[Strip], rolled: int) -> Estimate:
    """The estimate of unrolled strips; ``rolled`` of them run as one loop (0: none)."""
    own, added = _clones(net)
    source, result = _row_bytes(net, net.source), _row_bytes(net, net.result)
    most = 0
    for strip, after in zip(strips, [*strips[1:], None], strict=True):
        window, made = strip[net.source], strip[net.result]
        alive = (net.height(net.source) - window.low) * source + made.high * result
        if rolled:
            alive = max(net.height(net.source) * source, net.height(net.result) * result)
        most = max(most, alive + _strip_bytes(net, strip, after))
    copies = len(strips) - max(rolled - 1, 0)
    windows = sum(_windows(net, strip) for strip in strips[:copies])
    return Estimate(most, own * (copies - 1) + added * copies + windows + (_LOOP if rolled else 0))


def estimate_flow(flow: Flow) -> Estimate:
    """The estimate of one loop without border strips."""
    net = flow.net
    _, added = _clones(net)
    source = net.height(net.source) * _row_bytes(net, net.source)
    result = net.height(net.result) * _row_bytes(net, net.result)
    inside = max(source, result) if result <= source else source + result
    inside += _strip_bytes(net, flow.strip, flow.following)
    return Estimate(inside, added + _windows(net, flow.strip) + _LOOP)
