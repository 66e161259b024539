"""Stages whose rows come from the firmware: the custom operator ``MCUPLAN_ROWS`` in place of a SLICE of the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mcuplan.graph import CUSTOM, DType, Operator, Tensor
from mcuplan.operators.input_rows import ROWS_OPERATOR, InputRows
from mcuplan.patching.writing.build import SubgraphBuilder, stored
from mcuplan.patching.writing.rows import Feed, Layer, StageNet, StripRows, UnsupportedStageError
from mcuplan.tflite import schema


def fed_net(net: StageNet, number: int) -> StageNet:
    """The stage with its source, input ``number`` of the network, given by the firmware.

    Where all that reads the source is one PAD, or several that pad alike, the rows come padded and these are gone.
    """
    picture = net.tensors[net.source]
    if picture.shape[0] != 1:
        raise UnsupportedStageError("an input that comes by rows is one picture")
    readers = [layer for layer in net.layers if net.source in layer.inputs]
    pads = {(layer.rows.before, layer.rows.after, layer.columns) for layer in readers if _only_pads(net, layer)}
    if len(pads) != 1 or not all(_only_pads(net, layer) for layer in readers) or len(readers) == len(net.layers):
        return replace(net, feed=Feed(number, picture))
    ((top, _, (left, _)),) = pads
    padded = readers[0].output
    same = {layer.output: padded for layer in readers}
    kept = (layer for layer in net.layers if layer not in readers)
    layers = tuple(replace(layer, inputs=tuple(same.get(t, t) for t in layer.inputs)) for layer in kept)
    tensors = {t: tensor for t, tensor in net.tensors.items() if t not in same or t == padded}
    del tensors[net.source]
    return StageNet(layers, tensors, padded, net.result, Feed(number, picture, top, left))


def _only_pads(net: StageNet, layer: Layer) -> bool:
    return layer.pads and layer.output != net.result


def rows_again(net: StageNet, strips: Sequence[StripRows]) -> int:
    """How many rows of the picture, of those given already, a strip begins before: what the firmware must repeat."""
    assert net.feed is not None
    given = again = 0
    for strip in strips:
        begin, end = net.feed.asked(strip[net.source].low, strip[net.source].high)
        if begin < end:
            again, given = max(again, given - begin), max(given, end)
    return again


class RowsWriter:
    """Writes ``MCUPLAN_ROWS`` for one stage; ``again`` as :func:`rows_again` tells it."""

    def __init__(self, net: StageNet, again: int) -> None:
        assert net.feed is not None
        self.net = net
        self.feed = net.feed
        self.options = _options(self.feed, again)

    def place(self, row: int) -> tuple[int, int, int, int]:
        """Where rows from ``row`` of the source on begin in the picture."""
        return (0, row - self.feed.top, -self.feed.left, 0)

    def strip(self, builder: SubgraphBuilder, strip: StripRows, name: str) -> int | None:
        """One strip's rows of the source; None where it needs none."""
        window = strip[self.net.source]
        if window.low >= window.high:
            return None
        return self.rows(builder, builder.integers(self.place(window.low)), window.high - window.low, name)

    def rows(self, builder: SubgraphBuilder, begin: int, count: int, name: str) -> int:
        """``count`` rows of the source from the place in tensor ``begin`` on."""
        like = self.net.tensors[self.net.source]
        out = builder.tensor(like, name, (1, count, *like.shape[2:]))
        code = schema.operator_code(CUSTOM, custom_code=ROWS_OPERATOR)
        builder.add(Operator(code, (begin,), (out,), custom_options=self.options.encoded()))
        return out


def _options(feed: Feed, again: int) -> InputRows:
    picture = feed.picture
    _, rows, columns, channels = picture.shape
    return InputRows(feed.number, rows, columns, channels * (picture.dtype.bits or 8) // 8, again, _fill(picture))


def _fill(picture: Tensor) -> int:
    """The byte that stands for 0. Of types wider than a byte it is 0: TFLM takes no other zero point of theirs."""
    points = picture.quantization.zero_points if picture.quantization else ()
    if picture.dtype not in (DType.INT8, DType.UINT8):
        if any(points[:1]):
            raise UnsupportedStageError("rows whose zero point takes more than a byte cannot be filled")
        return 0
    return stored(points[0] if points else 0, DType.INT8)[0] if picture.dtype is DType.INT8 else (*points, 0)[0]
