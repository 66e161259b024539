"""The op resolver of a model: exactly its operators, with registrations for one type where all uses allow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from mcuplan.errors import McuplanError
from mcuplan.firmware.names import Words, header, made_by, string
from mcuplan.graph import CUSTOM, Graph, Operator, Subgraph
from mcuplan.operators.input_rows import ROWS_OPERATOR
from mcuplan.tflite.carray import c_identifier
from mcuplan.tflm import DEFAULT_BUILD, registration_saving
from mcuplan.tflm.history import has_operator
from mcuplan.tflm.target import DEFAULT_TARGET, Target
from mcuplan.tflm.versions import document

ADD_CUSTOM = "AddCustom"
"""The resolver's method for operators that are not TFLM's."""


class ExportError(McuplanError):
    """A model whose firmware sources cannot be written."""


@dataclass(frozen=True, slots=True)
class Registered:
    """One operator of the resolver: its schema name or custom code, the resolver's method, and the registration.

    ``registration`` is "" for the method's own default; ``method`` is ``AddCustom`` for operators that are not
    TFLM's, whose registration the firmware must bring, but for ``own`` ones: their source is among the exported.
    """

    operator: str
    method: str
    registration: str = ""
    header: str = ""
    own: bool = False

    @property
    def brought(self) -> bool:
        """Whether the firmware must bring the operator."""
        return self.method == ADD_CUSTOM and not self.own


@dataclass(frozen=True, slots=True)
class _Registration:
    """A registration for one type, and the types by position that all uses must have."""

    name: str
    header: str
    inputs: Mapping[int, frozenset[str]]
    outputs: Mapping[int, frozenset[str]]
    present: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Resolver:
    operators: Mapping[str, str]
    customs: Mapping[str, str]
    registrations: Mapping[str, tuple[_Registration, ...]]
    library: str
    """The kernel library that has registrations for one type."""
    parameter: str
    """The type that ``AddCustom`` takes a kernel's registration as."""


@cache
def _resolver(version: str) -> _Resolver:
    data = document(version, "resolver")

    def types(row: Mapping[str, Sequence[str]]) -> dict[int, frozenset[str]]:
        return {int(position): frozenset(names) for position, names in row.items()}

    return _Resolver(
        data["operators"],
        data["custom_operators"],
        {
            operator: tuple(
                _Registration(
                    r["name"], r["header"], types(r["inputs"]), types(r.get("outputs", {})), tuple(r.get("present", ()))
                )
                for r in rows
            )
            for operator, rows in data["registrations"].items()
        },
        data["registrations_of"],
        data["registration_parameter"],
    )


def registered(graph: Graph, target: Target) -> Iterator[Registered]:
    """Every operator of every subgraph once, by name.

    Raises
    ------
    ExportError
        For a builtin operator that the target's TFLM does not have.
    """
    table = _resolver(target.version)
    uses: dict[tuple[bool, str], list[tuple[Subgraph, Operator]]] = {}
    for s, _, op in graph.operators():
        uses.setdefault((op.name == CUSTOM, op.label), []).append((graph.subgraphs[s], op))
    for (custom, label), found in sorted(uses.items()):
        if custom:
            yield Registered(label, table.customs.get(label, ADD_CUSTOM), own=label == ROWS_OPERATOR)
            continue
        method = table.operators.get(label)
        if method is None:
            raise ExportError(f"TensorFlow Lite Micro has no operator {label}: no op resolver can register it")
        if not has_operator(target, label):
            raise ExportError(f"the TFLM of {target} has no operator {label}: its op resolver cannot register it")
        fitting = table.registrations.get(label, ()) if target.library.name == table.library else ()
        chosen = next((r for r in fitting if all(_fits(r, subgraph, op) for subgraph, op in found)), None)
        yield Registered(label, method, chosen.name, chosen.header) if chosen else Registered(label, method)


def _fits(registration: _Registration, subgraph: Subgraph, op: Operator) -> bool:
    def typed(indices: Sequence[int], wanted: Mapping[int, frozenset[str]]) -> bool:
        return all(
            position < len(indices)
            and indices[position] >= 0
            and subgraph.tensors[indices[position]].dtype.label in names
            for position, names in wanted.items()
        )

    there = all(position < len(op.inputs) and op.inputs[position] >= 0 for position in registration.present)
    return there and typed(op.inputs, registration.inputs) and typed(op.outputs, registration.outputs)


def resolver_header(
    words: Words, operators: Sequence[Registered], saved: int, build: str, target: Target, last: str = ""
) -> str:
    """The header with an op resolver of ``operators``; ``saved`` bytes of flash go into its comment.

    ``last`` is the call that makes its registrations lean, "" for none.
    """
    own = {words.file("lean")} if last else set()
    own |= {words.file("rows")} if any(r.own for r in operators) else set()
    headers = sorted({r.header for r in operators if r.header} | own)
    includes = [f'"{h}"' for h in (*headers, "tensorflow/lite/micro/micro_mutable_op_resolver.h")]
    comments = [
        "An op resolver with exactly the operators of the model.",
        *_registration_comment(saved, build),
        made_by(),
    ]
    resolver = f"{words.camel}OpResolver"
    kernel = _resolver(target.version).parameter
    brought = {r.operator: parameter(i, r.operator) for i, r in enumerate(operators) if r.brought}
    parameters = "".join(f", {kernel} {p}" for p in brought.values())
    brought |= {r.operator: f"{words.camel}RowsOperator()" for r in operators if r.own}
    calls = "".join(f"  TF_LITE_ENSURE_STATUS(resolver.{_call(r, brought)});\n" for r in operators)
    calls += f"  TF_LITE_ENSURE_STATUS({last});\n" if last else ""
    body = (
        f"using {resolver} = ::tflite::MicroMutableOpResolver<{max(len(operators), 1)}>;\n\n"
        f"inline TfLiteStatus Register{words.camel}Ops({resolver}& resolver{parameters}) {{\n"
        + ("" if operators else "  (void)resolver;\n")
        + calls
        + "  return kTfLiteOk;\n}\n"
    )
    return header(words, "op_resolver", comments, includes, body)


def _registration_comment(saved: int, build: str) -> Iterator[str]:
    if saved:
        yield f"CMSIS-NN's registrations for one type save {saved:,} bytes of flash (TFLM built {build})."


def kernel_type(target: Target) -> str:
    """What a custom operator's registration is given as, such as ``TFLMRegistration*``."""
    return _resolver(target.version).parameter


def parameter(position: int, operator: str) -> str:
    """The parameter for a custom operator's registration; numbered, since two codes may give one identifier."""
    return f"op{position}_{c_identifier(operator, 'custom')}"


def _call(r: Registered, brought: Mapping[str, str]) -> str:
    if r.method == ADD_CUSTOM:
        return f"{r.method}({string(r.operator)}, {brought[r.operator]})"
    return f"{r.method}({f'::tflite::Register_{r.registration}()' if r.registration else ''})"


def resolver_saving(graph: Graph, target: Target | str = DEFAULT_TARGET, build: str = DEFAULT_BUILD) -> int:
    """Flash bytes that the exported op resolver saves against one with registrations for all types.

    Raises ExportError where the model uses a builtin operator that TFLM does not have.
    """
    target = Target.parse(target) if isinstance(target, str) else target
    return saved_bytes(graph, tuple(registered(graph, target)), target, build)


def saved_bytes(graph: Graph, operators: Sequence[Registered], target: Target, build: str) -> int:
    """Flash bytes that registrations for one type save."""
    chosen = {r.operator: r.registration for r in operators if r.registration}
    return registration_saving(graph, chosen, target, build)
