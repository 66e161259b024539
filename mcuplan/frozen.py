"""Frozen dataclasses of which a network makes thousands."""

from __future__ import annotations

from dataclasses import MISSING, fields
from typing import Any, TypeVar

_Frozen = TypeVar("_Frozen")


def quick(cls: type[_Frozen]) -> type[_Frozen]:
    """A frozen dataclass with slots, its instances made in half the time.

    The ``__init__`` of a frozen dataclass sets each field through ``object.__setattr__``, which looks the slot up by
    its name. This one, of the same parameters, calls the setters of the slots themselves. Fields with a
    ``default_factory``, and ``__post_init__``, are not for it.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @quick
    ... @dataclass(frozen=True, slots=True)
    ... class Span:
    ...     begin: int
    ...     end: int = 8
    >>> Span(2), Span(begin=2, end=3)
    (Span(begin=2, end=8), Span(begin=2, end=3))
    """
    names: dict[str, Any] = {}
    parameters, body = [], []
    for each in fields(cls):  # type: ignore[arg-type]
        assert each.init, f"{cls.__name__}.{each.name} is no parameter"
        assert each.default_factory is MISSING, f"{cls.__name__}.{each.name} has a factory"
        names[f"set_{each.name}"] = cls.__dict__[each.name].__set__
        names[f"default_{each.name}"] = each.default
        parameters.append(each.name if each.default is MISSING else f"{each.name}=default_{each.name}")
        body.append(f"    set_{each.name}(self, {each.name})")
    exec("\n".join([f"def __init__(self, {', '.join(parameters)}):", *body]), names)
    made = names["__init__"]
    made.__annotations__ = cls.__init__.__annotations__
    made.__qualname__ = f"{cls.__qualname__}.__init__"
    cls.__init__ = made  # type: ignore[method-assign]
    return cls
