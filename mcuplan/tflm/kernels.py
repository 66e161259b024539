"""What each kernel asks TFLM's allocator for, from the versioned data file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import Any

from mcuplan.frozen import quick
from mcuplan.operators import OperatorCall, TensorFacts
from mcuplan.operators.formulas import FUNCTIONS, UNFIT, evaluate
from mcuplan.tflite.schema import schema
from mcuplan.tflm.target import Target
from mcuplan.tflm.versions import document

UNKNOWN_OP_DATA = 1024
"""Bytes of operator data assumed for a kernel that mcuplan does not know: more than any of TFLM's own (912)."""


@dataclass(frozen=True, slots=True)
class Request:
    """One ``AllocatePersistentBuffer`` or ``RequestScratchBufferInArena`` of a kernel; see the data file."""

    scratch: bool
    bytes: str | int
    condition: str = ""
    times: str | int = 1
    bound: str = ""
    """Condition under which ``bytes`` is an upper bound, not the request itself."""
    keeps: str = ""
    """What is kept in it for good that follows from the model alone, so that it may lie in flash; "" for nothing."""


@dataclass(frozen=True, slots=True)
class Kernel:
    """The rules of one operator in one kernel library.

    ``op_data`` is allocated by ``init()`` (None: nothing), ``init`` are its further requests, ``prepare`` those of
    ``Prepare()`` in order; ``temps`` are the tensors that Prepare looks at, each as often as it asks for it;
    ``let`` names parts of formulas; ``lean`` is the condition under which what requests keep may lie in flash
    ("": never).
    """

    op_data: int | None = None
    init: tuple[Request, ...] = ()
    prepare: tuple[Request, ...] = ()
    temps: tuple[str, ...] = ("inputs", "outputs")
    let: Mapping[str, str] = field(default_factory=dict)
    lean: str = ""


@dataclass(frozen=True, slots=True)
class KernelRow:
    """An operator's row of the data file: parsed options by ABI (bytes, alignment), kernels by library."""

    builtin_data: Mapping[str, tuple[int, int] | None]
    kernels: Mapping[str, Kernel]
    source: tuple[str, ...]


@dataclass(frozen=True)
class Tables:
    """The kernel data of one TFLM version, with those of a kernel library's version.

    ``full_objects`` are the sizes by ABI that differ in builds without TF_LITE_STATIC_MEMORY.
    """

    alignment: int
    spare_scratch_requests: int
    type_bytes: Mapping[str, int]
    abis: Mapping[str, Mapping[str, int]]
    full_objects: Mapping[str, Mapping[str, int]]
    operators: Mapping[str, KernelRow]
    custom_operators: Mapping[str, KernelRow]
    unknown_operators: Mapping[str, str]
    """Operators of TFLM's own without a row, with the reason."""

    def row(self, label: str, custom: bool) -> KernelRow | None:
        """The row of a builtin operator or of one of TFLM's own custom operators; None where there is none."""
        return (self.custom_operators if custom else self.operators).get(label)


def _request(row: Mapping[str, Any]) -> Request:
    scratch = "scratch" in row
    size = row["scratch" if scratch else "persistent"]
    return Request(scratch, size, row.get("if", ""), row.get("times", 1), row.get("bound", ""), row.get("keeps", ""))


def _kernel(row: Mapping[str, Any]) -> Kernel:
    return Kernel(
        row.get("op_data"),
        tuple(map(_request, row.get("init", ()))),
        tuple(map(_request, row.get("prepare", ()))),
        tuple(row.get("temps", ("inputs", "outputs"))),
        row.get("let", {}),
        row.get("lean", ""),
    )


def _row(row: Mapping[str, Any], abis: Mapping[str, Any]) -> KernelRow:
    parsed = row.get("builtin_data")
    by_abi = parsed if isinstance(parsed, dict) else dict.fromkeys(abis, parsed)
    return KernelRow(
        {abi: (size[0], size[1]) if size else None for abi, size in by_abi.items()},
        {name: _kernel(kernel) for name, kernel in row["kernels"].items()},
        tuple(row["source"]),
    )


def tables(target: Target) -> Tables:
    """The data of a target's TFLM version and kernel library; of one between two known ones those of the older."""
    bounds = target.bounds
    settled = bounds[0] if bounds else target
    return _tables(settled.version, settled.library.rules)


def object_sizes(target: Target) -> Mapping[str, int]:
    """``sizeof`` of TFLM's own objects by name, in bytes, as the target's build has them."""
    data, abi = tables(target), target.core.abi
    return data.abis[abi] if target.tflm.static_memory else {**data.abis[abi], **data.full_objects[abi]}


@cache
def _tables(version: str, library: str) -> Tables:
    data = document(version, "kernels", library)
    abis = data["abis"]
    return Tables(
        data["alignment"],
        data["spare_scratch_requests"],
        data["type_bytes"],
        abis,
        data["full_objects"],
        {name: _row(row, abis) for name, row in data["operators"].items()},
        {name: _row(row, abis) for name, row in data["custom_operators"].items()},
        data["unknown_operators"],
    )


@quick
@dataclass(frozen=True, slots=True)
class Sized:
    """A request with its bytes worked out; ``exact`` is False for an upper bound.

    ``in_flash`` names what lean registrations keep in flash instead; the memory is lent while the operator prepares.
    """

    scratch: bool
    bytes: int
    exact: bool = True
    in_flash: str = ""


@dataclass(frozen=True, slots=True)
class NodeNeeds:
    """Everything one operator asks for: by ``init()``, by ``Prepare()`` in order, and the tensors Prepare looks at."""

    init: tuple[Sized, ...]
    prepare: tuple[Sized, ...]
    temps: tuple[TensorFacts, ...]
    known: bool = True


class _Names(dict[str, Any]):
    """Formula names: what the target and the replay add, ``let`` of the kernel, then the operator's facts."""

    def __init__(self, facts: OperatorCall, let: Mapping[str, str], extra: Mapping[str, Any]) -> None:
        super().__init__(FUNCTIONS, **extra)
        self.facts = facts
        self.let = let

    def __missing__(self, name: str) -> Any:
        if name in self.let:
            found = evaluate(self.let[name], self)
        elif name == "custom":
            found = custom_options(self.facts.operator.custom_options)
        else:
            found = self._fact(name)
        self[name] = found
        return found

    def _fact(self, name: str) -> Any:
        """A fact of the operator; an option that the file does not give reads as 0, as TFLM's parsers leave it."""
        try:
            return self.facts[name]
        except KeyError:
            table = schema().tables.get(self.facts.info.options)
            if table is None or all(field.name != name for field in table.fields):
                raise
            return 0


def custom_options(data: bytes | None) -> SimpleNamespace:
    """A custom operator's FlexBuffer map as attributes; empty where the bytes are not such a map."""
    if not data:
        return SimpleNamespace()
    from flatbuffers import flexbuffers

    try:
        loaded = flexbuffers.Loads(bytes(data))
    except Exception:  # the package raises whatever its struct reads run into
        return SimpleNamespace()
    if not isinstance(loaded, dict):
        return SimpleNamespace()
    return SimpleNamespace(**{name: value for name, value in loaded.items() if isinstance(value, int)})


def _sized(request: Request, names: Mapping[str, Any], lean: bool = False) -> Iterator[Sized]:
    if request.condition and not evaluate(request.condition, names):
        return
    bytes_ = evaluate(request.bytes, names)
    exact = not (request.bound and evaluate(request.bound, names))
    for _ in range(evaluate(request.times, names)):
        yield Sized(request.scratch, max(int(bytes_), 0), exact, request.keeps if lean else "")


def _unknown(facts: OperatorCall) -> NodeNeeds:
    """The assumption for a kernel without data: op data of 1 kB, and scratch as large as all its activations."""
    activations = sum(max(t.bytes, 0) for t in (*facts.inputs, *facts.outputs) if not t.constant)
    return NodeNeeds(
        (Sized(False, UNKNOWN_OP_DATA, exact=False),),
        (Sized(True, activations, exact=False),),
        (*facts.inputs, *facts.outputs),
        known=False,
    )


def node_needs(facts: OperatorCall, target: Target, new_resource: bool = False) -> NodeNeeds:
    """What the operator's kernel asks for on ``target``.

    Parameters
    ----------
    facts
        The operator.
    target
        Core, kernel library and TFLM version.
    new_resource
        True where the operator is the first to assign its resource variable.
    """
    row = tables(target).row(facts.operator.label, facts.operator.name == "CUSTOM")
    if row is None:
        return _unknown(facts)
    kernel = row.kernels.get(target.library.base) or row.kernels["reference"]
    names = _Names(
        facts, kernel.let, {"dsp": target.core.dsp, "mve": target.core.mve, "new_resource": new_resource,
                            "core": target.core.name}
    )  # fmt: skip
    try:
        lean = target.lean and bool(kernel.lean) and bool(evaluate(kernel.lean, names))
        init = () if kernel.op_data is None else (Sized(False, kernel.op_data),)
        return NodeNeeds(
            (*init, *(s for request in kernel.init for s in _sized(request, names))),
            tuple(s for request in kernel.prepare for s in _sized(request, names, lean)),
            tuple(_temps(kernel.temps, names)),
        )
    except UNFIT:
        # Shapes or options that the kernel itself would refuse: nothing exact can be said of it.
        return _unknown(facts)


def _temps(formulas: tuple[str, ...], names: Mapping[str, Any]) -> Iterator[TensorFacts]:
    for formula in formulas:
        found = evaluate(formula, names)
        for tensor in (found,) if isinstance(found, TensorFacts) else found:
            if tensor.present:
                yield tensor
