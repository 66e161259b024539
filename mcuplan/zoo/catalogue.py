"""The zoo's networks by name: what there is, which options each takes, and the Graph that a name stands for.

A network is a file under ``networks/``: its input, its layers (:mod:`mcuplan.zoo.layers`), and the options that may
change them. Options appear in the file as ``"$resolution"``; ``width`` scales every ``filters`` as MobileNetV2 does.
"""

from __future__ import annotations

import functools
import json
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcuplan.errors import McuplanError
from mcuplan.graph import DType, Graph

PREFIX = "zoo:"
"""What a reference to a zoo model starts with, wherever a model file is taken."""

FLOAT_SUFFIX = "-float"
"""``NAME-float`` is the float32 model that ``NAME`` was quantized from."""

DEFAULT_SEED = 1

Option = int | float | str


class ZooError(McuplanError):
    """A zoo model or an option of it that does not exist, or an option's value that makes no sense."""


@dataclass(frozen=True, slots=True)
class Range:
    """A numeric option: its default and the least and largest value; a whole number unless the default is not."""

    default: int | float
    low: int | float
    high: int | float


@dataclass(frozen=True, slots=True)
class Entry:
    """What the zoo says about one network."""

    name: str
    title: str
    source: str
    options: Mapping[str, Range]


_COMMON: Mapping[str, Range] = {"seed": Range(DEFAULT_SEED, 0, 2**32 - 1)}
_PRECISIONS = ("int8", "int16", "float32")


def names() -> tuple[str, ...]:
    """Names of the networks, in the order to show them; each is also there as ``NAME-float``."""
    return tuple(_index())


def describe(name: str) -> Entry:
    """Title, source and options of a network; :class:`ZooError` for a name that does not exist."""
    base, _ = _split(name)
    network = _network(base)
    options = {key: Range(**value) for key, value in network.get("options", {}).items()}
    return Entry(base, _index()[base], network["source"], {**options, **_COMMON})


def build(name: str, **options: Option) -> Graph:
    """The network called ``name`` (or ``NAME-float``), with seeded weights.

    Parameters
    ----------
    name
        One of :func:`names`, or one with the suffix ``-float``.
    options
        ``seed`` (default 1) decides the weights; ``precision`` is ``int8`` (default), ``int16`` or ``float32``;
        further ones as :func:`describe` lists them, such as ``width`` and ``resolution`` of ``mobilenet-v2``.
        Numbers may come as text.

    Raises
    ------
    ZooError
        For a name, option or value that does not exist.

    Examples
    --------
    >>> graph = build("mobilenet-v2", width=0.5, resolution=96)
    >>> graph.main.tensors[graph.main.inputs[0]].shape
    (1, 96, 96, 3)
    """
    base, suffix_precision = _split(name)
    precision = str(options.pop("precision", suffix_precision or "int8"))
    if precision not in _PRECISIONS:
        raise ZooError(f"zoo model {name}: precision is one of {', '.join(_PRECISIONS)}, not {precision!r}")
    if suffix_precision is not None and precision != suffix_precision:
        raise ZooError(f"zoo model {name}: the name says {suffix_precision}, the option precision says {precision}")
    values = _chosen(base, options)
    return _built(_network(base), base, precision, values)


def resolve(reference: str) -> Graph:
    """The Graph behind ``zoo:NAME`` or ``zoo:NAME?option=value&option=value``; the ``zoo:`` may be left out.

    Raises :class:`ZooError` for anything that is not one.
    """
    name, _, query = reference.removeprefix(PREFIX).partition("?")
    options: dict[str, Option] = {}
    for pair in query.split("&") if query else ():
        key, equals, value = pair.partition("=")
        if not key or not equals:
            raise ZooError(f"zoo model {name}: options are written as name=value&name=value, not {query!r}")
        if key in options:
            raise ZooError(f"zoo model {name}: option {key!r} is given twice")
        options[key] = value
    return build(name, **options)


# -- names and files ----------------------------------------------------------------------------------------------


def _read(name: str) -> Any:
    raw = pkgutil.get_data(__name__, f"networks/{name}.json")
    assert raw is not None, f"mcuplan/zoo/networks/{name}.json is missing from this installation"
    return json.loads(raw)


@functools.cache
def _index() -> Mapping[str, str]:
    index: Mapping[str, str] = _read("index")
    return index


@functools.cache
def _network(name: str) -> Mapping[str, Any]:
    network: Mapping[str, Any] = _read(name)
    return network


def _split(name: str) -> tuple[str, str | None]:
    """Base name and the precision its suffix says (None without one); ZooError for an unknown name."""
    known = _index()
    base = name.removesuffix(FLOAT_SUFFIX)
    if base not in known:
        raise ZooError(f"no zoo model is called {name!r}{_nearest(name)}; the zoo has {', '.join(known)}")
    return base, "float32" if base != name else None


def _nearest(name: str) -> str:
    import difflib

    variants = [variant for base in _index() for variant in (base, base + FLOAT_SUFFIX)]
    close = difflib.get_close_matches(name.lower(), variants, n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""


# -- options ------------------------------------------------------------------------------------------------------


def _chosen(name: str, given: Mapping[str, Option]) -> dict[str, int | float]:
    known = describe(name).options
    for key in given:
        if key not in known:
            takes = ", ".join(["precision", *known])
            raise ZooError(f"zoo model {name} has no option {key!r}; it takes {takes}")
    return {key: _number(name, key, span, given.get(key, span.default)) for key, span in known.items()}


def _number(name: str, key: str, span: Range, value: Option) -> int | float:
    kind = type(span.default)
    try:
        number = kind(value)
        exact = float(number) == float(value)
    except (ValueError, OverflowError):
        exact = False
    if not exact or not span.low <= number <= span.high:
        what = "a whole number" if kind is int else "a number"
        raise ZooError(f"zoo model {name}: {key} is {what} from {span.low} to {span.high}, not {value!r}")
    return number


def _filled(parameter: Any, values: Mapping[str, int | float]) -> Any:
    """``parameter`` of a network file with ``"$option"`` replaced by the option's value."""
    if isinstance(parameter, list):
        return [_filled(item, values) for item in parameter]
    if isinstance(parameter, str) and parameter.startswith("$"):
        return values[parameter[1:]]
    return parameter


def _widened(filters: int, width: float, never_narrower: bool) -> int:
    """``filters`` times ``width``, a multiple of 8 that loses at most 10% (MobileNetV2's ``make_divisible``)."""
    wanted = filters * (max(width, 1.0) if never_narrower else width)
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * wanted else rounded


# -- building -----------------------------------------------------------------------------------------------------


def _built(network: Mapping[str, Any], name: str, precision: str, values: Mapping[str, int | float]) -> Graph:
    # numpy, which these two import, is not needed to list or refuse.
    from mcuplan.zoo import layers
    from mcuplan.zoo.builder import Builder

    b = Builder(precision=precision, seed=int(values["seed"]))
    outside = {key: _filled(value, values) for key, value in network["input"].items()}
    dtype = outside.pop("dtype", None)
    x = b.input(**outside, dtype=None if dtype is None else DType[dtype])
    counts: dict[str, int] = {}
    for layer in network["layers"]:
        parameters = {key: _filled(value, values) for key, value in layer.items()}
        kind = parameters.pop("kind")
        never_narrower = parameters.pop("never_narrower", False)
        if "width" in values and "filters" in parameters:
            parameters["filters"] = _widened(parameters["filters"], values["width"], never_narrower)
        counts[kind] = counts.get(kind, 0) + 1
        x = layers.apply(b, x, kind, f"{kind}_{counts[kind]}", parameters)
    return b.graph([x], description=f"mcuplan zoo: {name}, {precision}")
