"""The one document that every renderer shows: what was found for each model and board.

Plain frozen dataclasses, so that the text a person waits for does not pay for pydantic;
:mod:`mcuplan.reports.documents.schema` hands them to pydantic for the JSON Schema and for reading documents back. Keys
are stable within a major ``schema_version``: new ones may come, none goes or changes its meaning. Sizes are bytes.

Names of models, tensors and operators are as the file has them: untrusted text, for renderers to escape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mcuplan.findings.advice import Help
from mcuplan.findings.change import Change
from mcuplan.findings.costs import Cost, ResourceName
from mcuplan.findings.tool import Tool
from mcuplan.reports.documents.rows import RowsShown
from mcuplan.rewriting.origin import PlanOrigin

if TYPE_CHECKING:
    from pydantic import ConfigDict

SCHEMA_VERSION = "1.3"
"""Version of the document: a new minor adds keys, a new major changes some."""

# Readers must take documents with keys they do not know: a later minor version adds some.
_CONFIG: ConfigDict = {"use_attribute_docstrings": True, "json_schema_serialization_defaults_required": True}

VerdictName = Literal["pass", "fail", "unsupported", "error"]
QuantityName = Literal["latency", "energy", "power"]


@dataclass(frozen=True, slots=True)
class Arena:
    """TFLM's tensor arena."""

    __pydantic_config__ = _CONFIG

    declare_bytes: int
    """Smallest arena that is safe to declare."""
    used_bytes: int
    """What `arena_used_bytes()` returns after `Invoke`."""
    nonpersistent_bytes: int
    """Activations and scratch, as TFLM plans them."""
    persistent_bytes: int
    """What stays for the life of the interpreter."""
    exact: bool
    """False: the figures are upper bounds."""
    bounded_bytes: int = 0
    """Bytes of `declare_bytes` that are not known exactly."""
    lower_bound_bytes: int = 0
    """Most bytes live at one step: no plan's non-persistent section is smaller in this operator order."""


@dataclass(frozen=True, slots=True)
class Ram:
    """RAM that inference takes, item by item."""

    __pydantic_config__ = _CONFIG

    arena_bytes: int
    interpreter_bytes: int
    """The `MicroInterpreter` object."""
    resolver_bytes: int
    """The `MicroMutableOpResolver`."""
    data_bytes: int
    """`.data` and `.bss` of the kernels."""
    stack_bytes: int
    """Allowance for the stack of the calling thread."""
    total_bytes: int
    elsewhere_bytes: int = 0
    """Bytes of `arena_bytes` outside the RAM that the limit counts, and so not in `total_bytes`. Since 1.2."""


@dataclass(frozen=True, slots=True)
class Flash:
    """Flash that the model and TFLM's code take."""

    __pydantic_config__ = _CONFIG

    model_bytes: int
    weights_bytes: int
    """Bytes of `model_bytes` that are constant tensors."""
    runtime_bytes: int
    """TFLM's code for the operators used, with its read-only and initialised data."""
    total_bytes: int
    build: str = ""
    """The build of TFLM that the code was measured on."""
    exact: bool = True
    """False: code of some operator is not known and bounded."""
    lean_bytes: int = 0
    """Bytes of `runtime_bytes` that lean registrations take: arrays, tables and code. Since 1.2."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One limit and where it comes from."""

    __pydantic_config__ = _CONFIG

    resource: ResourceName
    counted: Literal["arena", "model", "need", "macs"]
    """Which figure is held against the limit: `arena.declare_bytes`, `flash.model_bytes`, the total, or `macs`."""
    limit: int
    figure: int
    strict: bool
    """True: the figure must stay under the limit; False: it may reach it."""
    source: str
    baseline: bool = False
    """True where a baseline file raised the limit to what the model already took."""
    stated: int | None = None
    """The limit itself, where a baseline raised it. Since 1.2."""


@dataclass(frozen=True, slots=True)
class EstimateRule:
    """One limit on an estimate and where it comes from. Since 1.1."""

    __pydantic_config__ = _CONFIG

    quantity: QuantityName
    unit: Literal["us", "uJ", "mW"]
    limit: float
    figure: float | None
    """Null where nothing is known: the limit is not judged."""
    kept: bool | None
    """Null where the limit is not judged."""
    close: bool
    """True where the error of the estimate could turn the verdict."""
    source: str
    message: str = ""
    """What to say of it in one sentence; empty where it is kept for sure."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits; null where a resource has none."""

    __pydantic_config__ = _CONFIG

    ram_bytes: int | None = None
    flash_bytes: int | None = None
    macs: int | None = None
    rules: tuple[Rule, ...] = ()
    estimates: tuple[EstimateRule, ...] = ()
    """Limits on time, energy and power. Since 1.1."""
    arena_bytes: int | None = None
    """Limit on the arena to declare, alone. Since 1.2."""


@dataclass(frozen=True, slots=True)
class Violation:
    """A broken limit: of bytes or MACs, or (since 1.1, `counted` is then `estimate`) of us, uJ or mW."""

    __pydantic_config__ = _CONFIG

    resource: ResourceName | QuantityName
    counted: Literal["arena", "model", "need", "macs", "estimate"]
    limit: int | float
    figure: int | float
    over: int | float
    """How much must go."""
    message: str


@dataclass(frozen=True, slots=True)
class NearLimit:
    """A limit that is kept with little to spare: a figure of 90% of it or more. Since 1.2."""

    __pydantic_config__ = _CONFIG

    resource: ResourceName
    counted: Literal["arena", "model", "need", "macs"]
    limit: int
    figure: int
    left: int
    """How much more the limit allows."""
    message: str


@dataclass(frozen=True, slots=True)
class Latency:
    """Estimated time of one inference. Since 1.1."""

    __pydantic_config__ = _CONFIG

    us: float
    error_percent: float | None
    """The largest error on a measured network, in the fit or left out of it."""
    source: str
    error: str
    """How far the figure may be off, in words."""


@dataclass(frozen=True, slots=True)
class Energy:
    """Estimated energy of one inference. Since 1.1."""

    __pydantic_config__ = _CONFIG

    uj: float
    error_percent: float | None
    """The error of the time; what the power may be off comes on top."""
    source: str
    error: str
    """How far the figure may be off, in words."""


@dataclass(frozen=True, slots=True)
class Power:
    """Estimated average power of the processor that runs the model once a period. Since 1.1."""

    __pydantic_config__ = _CONFIG

    mw: float
    period_s: float
    error_percent: float | None
    """What the error of the time makes of it; null where only an upper bound is known."""
    source: str
    error: str
    """How far the figure may be off, in words."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """A reason why TFLM cannot run the model."""

    __pydantic_config__ = _CONFIG

    rule: str
    reason: str
    remedy: str
    subgraph: int
    operator: int
    """Index in its subgraph; -1: none."""
    operator_name: str
    tensor: int
    """Index in its subgraph; -1: none."""
    tensor_name: str


@dataclass(frozen=True, slots=True)
class PlanFault:
    """A place where the memory plan that the model brings loses bytes that are needed. Since 1.2."""

    __pydantic_config__ = _CONFIG

    rule: str
    message: str
    """The operators and tensors, and the bytes of the arena, in one sentence."""
    remedy: str
    subgraph: int
    operator: int
    """Index in its subgraph of the operator that needs the bytes; -1: the application, or none."""
    operator_name: str
    tensor_subgraph: int
    tensor: int
    """Index in its subgraph of the tensor that is lost; -1: an operator's scratch."""
    tensor_name: str


@dataclass(frozen=True, slots=True)
class LiveBuffer:
    """A buffer of the arena that is live at the peak."""

    __pydantic_config__ = _CONFIG

    bytes: int
    subgraph: int
    tensor: int
    """Index in its subgraph; -1 for an operator's scratch."""
    tensor_name: str
    operator: int
    """Index of the operator whose scratch it is; -1 for a tensor."""
    what: str = ""
    """What it is, in words."""


@dataclass(frozen=True, slots=True)
class Peak:
    """The operator during which most bytes of the non-persistent section are live."""

    __pydantic_config__ = _CONFIG

    subgraph: int
    operator: int
    """Index in its subgraph; -1 for the time before the first operator."""
    operator_name: str
    live_bytes: int
    buffers: tuple[LiveBuffer, ...]


@dataclass(frozen=True, slots=True)
class ModelFacts:
    """What the model is."""

    __pydantic_config__ = _CONFIG

    operators: int
    subgraphs: int
    activations: str
    """Element type of the activations: `int8`, `float32`, or several joined by `+`."""
    macs_exact: bool = True
    """False: the MACs of some operator are unknown and left out."""
    sha256: str = ""
    """SHA-256 of the model as a file, in hexadecimal. Since 1.2."""


@dataclass(frozen=True, slots=True)
class Result:
    """One model on one board (or on none)."""

    __pydantic_config__ = _CONFIG

    model: str
    """The model as it was named."""
    board: str | None
    """The board's id; null without a board."""
    verdict: VerdictName
    board_name: str | None = None
    target: str | None = None
    tflm_version: str | None = None
    facts: ModelFacts | None = None
    arena: Arena | None = None
    ram: Ram | None = None
    flash: Flash | None = None
    macs: int | None = None
    limits: Limits = Limits()
    violations: tuple[Violation, ...] = ()
    refusals: tuple[Refusal, ...] = ()
    faults: tuple[PlanFault, ...] = ()
    """What is wrong with the memory plan that the model brings, on this target. Since 1.2."""
    planned: PlanOrigin | None = None
    """Null where the model does not say that `mcuplan plan` wrote it. Since 1.2."""
    rows: RowsShown | None = None
    """The input that the firmware gives row by row; null where none does. Since 1.3."""
    peak: Peak | None = None
    costs: tuple[Cost, ...] = ()
    help: tuple[Help, ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None
    """Why there are no figures, where the verdict is `error`."""
    why: tuple[Change, ...] | None = None
    """What would change the verdict, best first; null without `--why`. Since 1.1."""
    latency: Latency | None = None
    """Null where the board was not measured. Since 1.1."""
    energy: Energy | None = None
    """Null where the time or the board's power is not known. Since 1.1."""
    power: Power | None = None
    """Null where no period is stated, or the energy is not known. Since 1.1."""
    warnings: tuple[NearLimit, ...] = ()
    """Limits that are kept with little to spare. Since 1.2."""
    room: tuple[str, ...] = ()
    """What other code takes of the board and what is left for it, in sentences. Since 1.2."""


HOW_SHARED = {
    "sum": "an arena each",
    "largest": "taking turns in one arena",
    "allocator": "one allocator, taking turns in its planned section",
}
"""How several models on one board use RAM, in words."""


@dataclass(frozen=True, slots=True)
class SharedResult:
    """Several models on one board at once."""

    __pydantic_config__ = _CONFIG

    name: str
    models: tuple[str, ...]
    board: str
    verdict: VerdictName
    arenas: Literal["sum", "largest", "allocator"]
    board_name: str | None = None
    target: str | None = None
    ram: Ram | None = None
    flash: Flash | None = None
    macs: int | None = None
    limits: Limits = Limits()
    violations: tuple[Violation, ...] = ()
    notes: tuple[str, ...] = ()
    error: str | None = None
    warnings: tuple[NearLimit, ...] = ()
    """Limits that are kept with little to spare. Since 1.2."""
    room: tuple[str, ...] = ()
    """What other code takes of the board and what is left for it, in sentences. Since 1.2."""


@dataclass(frozen=True, slots=True)
class Report:
    """The document."""

    __pydantic_config__ = _CONFIG

    tool: Tool
    results: tuple[Result, ...]
    shared: tuple[SharedResult, ...] = ()
    """Groups of models that share a board."""
    exit_code: int = 0
    """What `mcuplan check` ends with: 0 all pass, 1 a limit is broken or a model unsupported, 2 unreadable input."""
    schema_version: str = SCHEMA_VERSION
