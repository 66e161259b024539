"""The JSON Schema of a board file, with the fields' docstrings as descriptions."""

from __future__ import annotations

import ast
import inspect
from itertools import pairwise
from typing import Any

from mcuplan.boards import spec


def board_json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of a board file, for editors and for checks outside mcuplan."""
    schema = spec.Board.model_json_schema()
    described = _field_docstrings()
    for name, definition in {spec.Board.__name__: schema, **schema["$defs"]}.items():
        for field, text in described[name].items():
            definition["properties"][field].setdefault("description", text)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": "mcuplan board"}


def boards_json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of the list that ``mcuplan boards --format json`` writes: a document a board."""
    board = board_json_schema()
    head = {"$schema": board.pop("$schema"), "title": "mcuplan boards", "type": "array"}
    definitions = board.pop("$defs")
    return head | {"items": {"$ref": "#/$defs/Board"}, "$defs": {**definitions, "Board": board}}


def _field_docstrings() -> dict[str, dict[str, str]]:
    """Class name to field name to the string below the field. pydantic can do this too, but at every start-up."""
    classes = [node for node in ast.parse(inspect.getsource(spec)).body if isinstance(node, ast.ClassDef)]
    found: dict[str, dict[str, str]] = {}
    for node in classes:
        texts = found[node.name] = {}
        for field, below in pairwise(node.body):
            match field, below:
                case ast.AnnAssign(target=ast.Name(id=name)), ast.Expr(value=ast.Constant(value=str() as text)):
                    texts[name] = inspect.cleandoc(text)
    return found
