"""Operators as a converter writes them: their version, and options complete with the schema's defaults."""

from __future__ import annotations

import functools
import json
import pkgutil
from collections.abc import Mapping
from typing import Any

from mcuplan.graph import DType, OperatorCode, Record
from mcuplan.operators import operator_info
from mcuplan.tflite import schema


@functools.cache
def _facts() -> Mapping[str, Any]:
    raw = pkgutil.get_data("mcuplan.zoo", "data/operators.json")
    assert raw is not None, "mcuplan/zoo/data/operators.json is missing from this installation"
    facts: Mapping[str, Any] = json.loads(raw)
    return facts


@functools.cache
def operator_code(name: str, dtype: DType) -> OperatorCode:
    """The builtin operator ``name`` in the version that a converter writes for outputs of ``dtype``."""
    return schema.operator_code(name, version=_facts()["versions"].get(name, {}).get(dtype.name, 1))


@functools.cache
def options_table(name: str) -> str | None:
    """The schema's table for the options of operator ``name``; None where it has none."""
    table = operator_info(name).options
    return table if table in schema.schema().unions["BuiltinOptions"] else None


def options_record(name: str, options: Mapping[str, Any]) -> Record | None:
    """``options`` of operator ``name``, the others at the schema's default.

    Raises ValueError for an option that the operator does not have.
    """
    table = options_table(name)
    if table is None:
        if options:
            raise ValueError(f"operator {name} has no options")
        return None
    return schema.record(table, **{key: _immutable(value) for key, value in options.items()})


def _immutable(value: Any) -> Any:
    """Vectors in a Record are tuples, whatever the caller has."""
    return tuple(value) if isinstance(value, list) else value
