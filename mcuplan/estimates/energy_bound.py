"""The least energy of one inference: arithmetic and memory accesses alone, fp32 against int8.

Each MAC is a multiplication and an addition; each weight is read once; each activation is written once and read once
by every operator that reads it. A memory access of 64 bits costs by the size of the memory that holds the data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from mcuplan.estimates.basis import Basis
from mcuplan.graph import Graph
from mcuplan.operators import model_macs


@dataclass(frozen=True, slots=True)
class EnergyTable:
    """Picojoules: ``add`` and ``multiply`` by type, ``memory`` as (bytes of the memory, one access) rising."""

    add: Mapping[str, float]
    multiply: Mapping[str, float]
    access_bits: int
    memory: tuple[tuple[int, float], ...]
    dram: tuple[float, float]
    basis: Basis

    def access_pj(self, memory_bytes: int) -> float:
        """One access to a memory of that size; the lower figure of DRAM beyond the largest one on a chip."""
        return next((pj for size, pj in self.memory if memory_bytes <= size), self.dram[0])

    def memory_pj(self, bits: float, memory_bytes: int) -> float:
        """Moving so many bits out of or into a memory of that size."""
        return bits / self.access_bits * self.access_pj(memory_bytes)


@cache
def energy_table() -> EnergyTable:
    """The lecture's table."""
    row = json.loads(resources.files("mcuplan.estimates").joinpath("data/energy.json").read_text("utf-8"))
    return EnergyTable(
        row["add_pj"], row["multiply_pj"], row["memory_access_bits"], tuple((s, pj) for s, pj in row["memory_pj"]),
        (row["dram_pj"][0], row["dram_pj"][1]), Basis(row["source"], row["error"]),
    )  # fmt: skip


BITS = {"float32": 32, "int8": 8}
"""The types that the table has, and their bits."""


@dataclass(frozen=True, slots=True)
class EnergyBound:
    """Least microjoules of one inference with all numbers of ``dtype``."""

    dtype: str
    arithmetic_uj: float
    memory_uj: float

    @property
    def total_uj(self) -> float:
        """Arithmetic and memory."""
        return self.arithmetic_uj + self.memory_uj


@dataclass(frozen=True, slots=True)
class Traffic:
    """Elements that one inference must move, whatever their type."""

    macs: int
    weights: int
    activations: int
    largest_step: int
    """Most activation elements that one operator reads and writes: they must be in memory at once."""


def traffic(graph: Graph) -> Traffic:
    """What one inference of the main subgraph moves at least."""
    main, weights, moved, largest = graph.main, set[int](), 0, 0
    for op in main.operators:
        read = [t for t in op.inputs if t >= 0]
        constant = {t for t in read if graph.is_constant(main.tensors[t])}
        weights |= constant
        touched = [t for t in (*read, *op.outputs) if t >= 0 and t not in constant]
        step = sum(max(main.tensors[t].elements, 0) for t in touched)
        moved, largest = moved + step, max(largest, step)
    return Traffic(model_macs(graph).total, sum(main.tensors[t].elements for t in weights), moved, largest)


def energy_bound(moves: Traffic, dtype: str) -> EnergyBound:
    """The least energy where every number is of ``dtype`` (``float32`` or ``int8``)."""
    table, bits = energy_table(), BITS[dtype]
    arithmetic = moves.macs * (table.add[dtype] + table.multiply[dtype])
    memory = table.memory_pj(moves.weights * bits, moves.weights * bits // 8)
    memory += table.memory_pj(moves.activations * bits, moves.largest_step * bits // 8)
    return EnergyBound(dtype, arithmetic / 1e6, memory / 1e6)
