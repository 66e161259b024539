"""The schema's data against the ``tflite`` package, which was generated from an older schema.fbs."""

from __future__ import annotations

import importlib
import inspect

import flatbuffers
import pytest
import tflite

from mcuplan.graph import DType
from mcuplan.tflite.schema import Kind, schema

_GENERATED = [name for name in schema().tables if hasattr(tflite, name) and hasattr(getattr(tflite, name), "Init")]


def _members(enum: type) -> dict[str, int]:
    return {name: value for name, value in vars(enum).items() if isinstance(value, int) and not name.startswith("_")}


def _camel(name: str) -> str:
    return "".join(part[:1].upper() + part[1:] for part in name.split("_"))


@pytest.mark.parametrize(
    "name", ["BuiltinOperator", "TensorType", "ActivationFunctionType", "Padding", "MirrorPadMode"]
)
def test_enum_codes_agree(name: str) -> None:
    for member, code in _members(getattr(tflite, name)).items():
        assert schema().enums[name][code] == member


def test_element_types_agree_with_the_graphs() -> None:
    assert {name: code for code, name in enumerate(schema().enums["TensorType"])} == {d.name: d.value for d in DType}


@pytest.mark.parametrize("name", list(schema().unions))
def test_union_tags_agree(name: str) -> None:
    if not hasattr(tflite, name):
        pytest.skip(f"the tflite package has no {name}")
    for member, tag in _members(getattr(tflite, name)).items():
        if tag:
            assert schema().unions[name][tag - 1] == member


def test_most_tables_are_in_the_tflite_package() -> None:
    assert len(_GENERATED) > 140


@pytest.mark.parametrize("name", _GENERATED)
def test_slots_and_defaults_agree(name: str) -> None:
    """An accessor's source names its vtable offset; an empty table answers with the defaults."""
    accessor = getattr(tflite, name)
    empty = accessor()
    empty.Init(bytearray(b"\x04\0\x04\0\x04\0\0\0"), 4)  # a vtable without slots, and its table
    for field in schema().tables[name].fields:
        method = _camel(field.name)
        if not hasattr(accessor, method) or method == "DeprecatedTag":
            continue  # newer than the package, or deprecated
        slot = field.slot + 1 if field.kind is Kind.UNION else field.slot
        assert f"Offset({4 + 2 * slot})" in inspect.getsource(getattr(accessor, method)), field.name
        if field.kind is Kind.SCALAR:
            assert getattr(empty, method)() == field.default, field.name


@pytest.mark.parametrize("name", _GENERATED)
def test_no_field_of_the_tflite_package_is_missing(name: str) -> None:
    module = importlib.import_module(f"tflite.{name}")
    known = {_camel(field.name) for field in schema().tables[name].fields}
    added = {n.removeprefix(f"{name}Add").removeprefix("Add") for n in vars(module) if f"{name}Add" in n}
    assert {field.removesuffix("Type") for field in added} <= {field.removesuffix("Type") for field in known}


def test_no_table_contains_itself() -> None:
    """What bounds the verifier's recursion."""
    tables, unions = schema().tables, schema().unions

    def depth(name: str, above: tuple[str, ...]) -> int:
        assert name not in above
        below = [
            target
            for field in tables[name].fields
            for target in (
                unions[field.target] if field.kind is Kind.UNION else (field.target,) if field.target else ()
            )
        ]
        return 1 + max((depth(target, (*above, name)) for target in below), default=0)

    assert depth("Model", ()) <= 8


def test_the_builders_scalar_types_are_known() -> None:
    assert hasattr(flatbuffers, "Builder")
    assert {field.format for table in schema().tables.values() for field in table.fields} <= set("bB?hHiIqQfd") | {""}
