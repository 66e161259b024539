"""What a designer could change so that the stages of a plan compute less again (MCUNetV2's redistribution)."""

from __future__ import annotations

from mcuplan.graph import Graph
from mcuplan.patching.geometry.regions import even
from mcuplan.patching.geometry.stages import PatchError
from mcuplan.patching.papers.advice import Advice, advise
from mcuplan.patching.papers.chain import chain_of
from mcuplan.patching.writing.forms import StageForm

_HALVES = 2
"""Patches along an axis that the overlap is counted for where the plan's stage has strips: MCUNetV2's 2 x 2."""


def stage_advice(graph: Graph, first: int, last: int, form: StageForm, most: int = 2) -> Advice:
    """Why operators ``[first, last)`` overlap when they run in patches, and what to move behind them.

    The overlap is that of the patches that ``form`` says, or of 2 x 2 patches where it has strips. Of kernels and of
    strides at most ``most`` moves each are told.

    Raises
    ------
    PatchError
        Where the network is no chain of layers, or the stage has no two layers with windows of their own.
    """
    chain = chain_of(graph)
    layers = [i for i, layer in enumerate(chain.layers) if first <= layer.operator < last]
    if len(layers) < 2:
        raise PatchError(f"operators {first} to {last - 1} are no two layers of a chain")
    end = chain.layers[layers[-1]]
    rows, columns = end.rows.output, end.columns.output
    patches = form.cuts[1], form.columns
    if not form.columns or patches[0] > rows or patches[1] > columns:
        patches = -(-rows // _HALVES), -(-columns // _HALVES)
    return advise(chain, layers[0], layers[-1], even(rows, patches[0]), even(columns, patches[1]), most=most)
