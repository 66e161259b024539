"""Models of a single operator, for every builtin operator that TFLM registers and every type its kernels take.

They are what predictions of memory and rules of support are checked against on real runtimes. The models are data:
``data/single.json`` says in its first lines how an entry is read.
"""

from __future__ import annotations

import functools
import json
import math
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from mcuplan.graph import Buffer, DType, Graph, Operator, OperatorCode, Quantization, Subgraph, Tensor
from mcuplan.zoo.draws import Draws
from mcuplan.zoo.operators import operator_code, options_record
from mcuplan.zoo.ranges import affine, float32
from mcuplan.zoo.storage import NUMPY, stored

if TYPE_CHECKING:
    from numpy.typing import NDArray

ABSENT = "-"
"""In a row of types: an optional input that is not there."""


@dataclass(frozen=True, slots=True)
class OperandSpec:
    """One tensor: its shape and type, and what else the data file says of it (see there)."""

    shape: tuple[int, ...]
    dtype: DType
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_constant(self) -> bool:
        """True where the file is to hold its data."""
        return any(key in self.facts for key in ("values", "constant", "weights", "bias"))

    @property
    def is_variable(self) -> bool:
        """True for state that the runtime keeps between invocations."""
        return bool(self.facts.get("variable", False))


@dataclass(frozen=True, slots=True)
class CallSpec:
    """One operator on tensors given by name; None is an absent optional input."""

    operator: str
    inputs: tuple[str | None, ...]
    outputs: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SubgraphSpec:
    """Tensors by name, the operators on them, and which are inputs and outputs."""

    tensors: Mapping[str, OperandSpec]
    calls: tuple[CallSpec, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OperatorSpec:
    """A model to build: its name, the operator it is there for, and its subgraphs."""

    name: str
    operator: str
    subgraphs: tuple[SubgraphSpec, ...]


@functools.cache
def operator_models() -> tuple[OperatorSpec, ...]:
    """All single-operator models, in the order of the data file; their names differ."""
    document = _document()
    simple = (spec for entry in document["operators"] for spec in expanded(entry))
    return (*simple, *(_whole(entry) for entry in document["models"]))


def build_operator(spec: OperatorSpec, *, seed: int = 1) -> Graph:
    """The Graph that ``spec`` describes, its constants drawn from ``seed``."""
    assembler = _Assembler(seed)
    subgraphs = tuple(assembler.subgraph(each, index) for index, each in enumerate(spec.subgraphs))
    codes: dict[OperatorCode, None] = dict.fromkeys(op.code for each in subgraphs for op in each.operators)
    return Graph(subgraphs, tuple(assembler.buffers), tuple(codes), description=f"mcuplan zoo: {spec.name}")


# -- from data to specs ---------------------------------------------------------------------------------------------


@functools.cache
def _document() -> Mapping[str, Any]:
    raw = pkgutil.get_data("mcuplan.zoo", "data/single.json")
    assert raw is not None, "mcuplan/zoo/data/single.json is missing from this installation"
    document: Mapping[str, Any] = json.loads(raw)
    return document


def _operand(fact: Any, dtype: str) -> OperandSpec:
    facts: Mapping[str, Any] = fact if isinstance(fact, dict) else {"shape": fact}
    shape = facts.get("shape", [len(facts["values"])] if isinstance(facts.get("values"), list) else None)
    return OperandSpec(
        tuple(shape), DType[dtype.upper()], {k: v for k, v in facts.items() if k not in ("shape", "type")}
    )


def expanded(entry: Mapping[str, Any]) -> Iterator[OperatorSpec]:
    """One spec for each row of types of an entry, which has the form of those in the data file."""
    for row in entry["types"]:
        given, made = ([part.strip() for part in side.split(",")] for side in row.split("->"))
        operands = {
            f"input_{i}": _operand(fact, dtype)
            for i, (fact, dtype) in enumerate(zip(entry["in"], given, strict=True))
            if dtype != ABSENT
        }
        outputs = {
            f"output_{i}": _operand(fact, dtype) for i, (fact, dtype) in enumerate(zip(entry["out"], made, strict=True))
        }
        call = CallSpec(
            entry["operator"],
            tuple(f"input_{i}" if f"input_{i}" in operands else None for i in range(len(given))),
            tuple(outputs),
            entry.get("options", {}),
        )
        inputs = tuple(name for name, each in operands.items() if not each.is_constant and not each.is_variable)
        name = "-".join([*_words(entry), *_types([*operands.values(), *outputs.values()])])
        yield OperatorSpec(
            name, call.operator, (SubgraphSpec({**operands, **outputs}, (call,), inputs, tuple(outputs)),)
        )


def _words(entry: Mapping[str, Any]) -> list[str]:
    words = [entry["operator"].lower().replace("_", "-")]
    return [*words, entry["variant"]] if "variant" in entry else words


def _types(operands: Sequence[OperandSpec]) -> list[str]:
    """Types that tell one model from another: not those of indices and biases, each once."""
    return list(dict.fromkeys(each.dtype.label for each in operands if not {"values", "bias"} & each.facts.keys()))


def _whole(entry: Mapping[str, Any]) -> OperatorSpec:
    return OperatorSpec(entry["name"], entry["operator"], tuple(_subgraph(each) for each in entry["subgraphs"]))


def _subgraph(entry: Mapping[str, Any]) -> SubgraphSpec:
    return SubgraphSpec(
        {name: _operand(fact, fact["type"]) for name, fact in entry["tensors"].items()},
        tuple(
            CallSpec(call["operator"], tuple(call["in"]), tuple(call["out"]), call.get("options", {}))
            for call in entry["operators"]
        ),
        tuple(entry["in"]),
        tuple(entry["out"]),
    )


# -- from specs to tensors --------------------------------------------------------------------------------------------


class _Assembler:
    """Makes subgraphs that share one list of buffers."""

    def __init__(self, seed: int) -> None:
        self.buffers: list[Buffer] = [Buffer()]
        self._draws = Draws(seed)

    def subgraph(self, spec: SubgraphSpec, index: int) -> Subgraph:
        """A subgraph of the description: tensors by name, then its calls."""
        place = {name: i for i, name in enumerate(spec.tensors)}
        tensors: dict[str, Tensor] = {}
        # Biases last: their scales are products of others'.
        for name in sorted(spec.tensors, key=lambda name: "bias" in spec.tensors[name].facts):
            tensors[name] = self._tensor(name, spec.tensors[name], tensors)
        calls = tuple(
            Operator(
                code=operator_code(call.operator, _deciding_type(call, spec.tensors)),
                inputs=tuple(-1 if name is None else place[name] for name in call.inputs),
                outputs=tuple(place[name] for name in call.outputs),
                options=options_record(call.operator, call.options),
            )
            for call in spec.calls
        )
        return Subgraph(
            tuple(tensors[name] for name in spec.tensors),
            calls,
            tuple(place[name] for name in spec.inputs),
            tuple(place[name] for name in spec.outputs),
            name=f"subgraph_{index}",
        )

    def _tensor(self, name: str, operand: OperandSpec, before: Mapping[str, Tensor]) -> Tensor:
        quantization = self._quantization(operand, before)
        buffer = 0
        if operand.is_constant:
            self.buffers.append(Buffer(stored(self._data(operand, quantization), operand.dtype)))
            buffer = len(self.buffers) - 1
        return Tensor(name, operand.dtype, operand.shape, buffer, quantization, is_variable=operand.is_variable)

    def _quantization(self, operand: OperandSpec, before: Mapping[str, Tensor]) -> Quantization | None:
        facts, dtype = operand.facts, operand.dtype
        if dtype in _REAL or not facts.get("real", dtype in _QUANTIZED or "bias" in facts):
            return None
        if "same_as" in facts:
            return before[f"input_{facts['same_as']}"].quantization
        if "bias" in facts:
            scales = [before[f"input_{i}"].quantization for i in facts["bias"]]
            products = _products(*(each.scales if each else (1.0,) for each in scales))
            return Quantization(products, (0,) * len(products))
        if "weights" in facts:
            axis = facts["weights"]
            drawn = self._draws.uniform(1 if axis is None else operand.shape[axis], 0.005, 0.015)
            return Quantization(tuple(map(float32, drawn)), (0,) * len(drawn), dimension=axis or 0)
        if "fixed" in facts:
            scale, zero_point = _document()["fixed"][facts["fixed"]][dtype.label]
            return Quantization((scale,), (zero_point,))
        if dtype is DType.INT32:
            return Quantization((2.0**-20,), (0,))
        low, high = facts.get("range", (-1.0, 1.0))
        chosen = affine(low, high, dtype)
        assert chosen is not None, f"no rule to quantize {dtype.label}"
        return chosen.quantization

    def _data(self, operand: OperandSpec, quantization: Quantization | None) -> NDArray[Any]:
        facts, dtype, shape = operand.facts, operand.dtype, operand.shape
        count = math.prod(shape)
        if "values" in facts:
            return np.broadcast_to(np.asarray(facts["values"], NUMPY.get(dtype)).reshape(_given(facts, shape)), shape)
        if dtype is DType.FLOAT32:
            return np.asarray(self._draws.uniform(count, -1.0, 1.0)).reshape(shape)
        if "bias" in facts:
            assert quantization is not None
            reals = self._draws.uniform(count, -1.0, 1.0) / np.asarray(quantization.scales)
            limits = np.iinfo(NUMPY[dtype])
            return np.asarray(np.clip(np.rint(reals), limits.min, limits.max)).reshape(shape)
        drawn: NDArray[Any] = self._draws.int8(count).reshape(shape)
        return drawn // 16 if dtype is DType.INT4 else drawn


_REAL = (DType.FLOAT32, DType.BOOL, DType.RESOURCE)
_QUANTIZED = (DType.INT8, DType.INT16, DType.UINT8, DType.INT4)


def _given(facts: Mapping[str, Any], shape: tuple[int, ...]) -> tuple[int, ...]:
    return shape if isinstance(facts["values"], list) else ()


def _products(first: Sequence[float], second: Sequence[float]) -> tuple[float, ...]:
    """Scale of a bias for each channel: the float32 product of input scale and filter scale."""
    return tuple((np.float32(first[0]) * np.asarray(second, dtype=np.float32)).tolist())


def _deciding_type(call: CallSpec, tensors: Mapping[str, OperandSpec]) -> DType:
    """The type that decides the operator's version: of the first output, else of the last input."""
    named = [*call.outputs, *(name for name in reversed(call.inputs) if name is not None)]
    return tensors[named[0]].dtype if named else DType.FLOAT32
