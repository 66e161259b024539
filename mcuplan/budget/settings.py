"""What `[tool.mcuplan]` in pyproject.toml, or mcuplan.toml, may say.

Importing this module costs pydantic: :mod:`mcuplan.budget.config` does so only once it has found a configuration.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema, model_validator

from mcuplan.budget.sharing import Arenas
from mcuplan.budget.units import UnitError, parse_bytes, parse_count
from mcuplan.estimates.errors import EstimateError
from mcuplan.estimates.quantities import parse_duration, parse_energy, parse_power


def _bytes(value: Any) -> Any:
    return _amount(value, parse_bytes)


def _count(value: Any) -> Any:
    return _amount(value, parse_count)


def _amount(value: Any, parse: Any) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError(f"{value!r} is not a size: write a string such as '250kB', or a whole number")
    try:
        return parse(value)
    except UnitError as error:
        raise ValueError(str(error)) from None


_AMOUNT_SCHEMA = WithJsonSchema({"anyOf": [{"type": "integer", "minimum": 0}, {"type": "string"}]})
Bytes = Annotated[int, BeforeValidator(_bytes), _AMOUNT_SCHEMA]
"""A size in bytes: ``250000``, ``"250kB"``, ``"250KiB"``."""
Limit = Annotated[int, BeforeValidator(_bytes), Field(ge=1), _AMOUNT_SCHEMA]
Macs = Annotated[int, BeforeValidator(_count), Field(ge=1), _AMOUNT_SCHEMA]
"""A number of MACs: ``60000000``, ``"60M"``."""


def _quantity(parse: Callable[[str], float], scale: float) -> BeforeValidator:
    """Reads an amount that is nothing without its unit; ``scale`` turns SI units into those of UNITS."""

    def read(value: Any) -> float:
        if not isinstance(value, str):
            raise ValueError(f"{value!r} has no unit: write a string such as '200ms', '5mJ' or '1mW'")
        try:
            return parse(value) * scale
        except EstimateError as error:
            raise ValueError(str(error)) from None

    return BeforeValidator(read)


_QUANTITY_SCHEMA = WithJsonSchema({"type": "string"})
Microseconds = Annotated[float, _quantity(parse_duration, 1e6), _QUANTITY_SCHEMA]
"""A time: ``"200ms"``."""
Seconds = Annotated[float, _quantity(parse_duration, 1.0), _QUANTITY_SCHEMA]
Microjoules = Annotated[float, _quantity(parse_energy, 1e6), _QUANTITY_SCHEMA]
"""An energy: ``"5mJ"``."""
Milliwatts = Annotated[float, _quantity(parse_power, 1e3), _QUANTITY_SCHEMA]
"""A power: ``"1mW"``."""


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)


def _factor(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 1 <= value < math.inf:
        raise ValueError(f"{value!r} is not a factor: write a number such as 1.1, at least 1")
    return float(value)


Factor = Annotated[float, BeforeValidator(_factor), WithJsonSchema({"type": "number", "minimum": 1})]
"""How many times as much: ``1.1``."""


class ReserveRules(_Strict):
    """Memory of the board that other code takes."""

    ram: Bytes | None = None
    """Bytes of RAM."""
    flash: Bytes | None = None
    """Bytes of flash."""
    firmware: str | None = None
    """A linker map, an ELF file or the output of `size` of the firmware, to read both figures from."""

    @model_validator(mode="after")
    def _one_source(self) -> ReserveRules:
        if self.firmware is not None and (self.ram is not None or self.flash is not None):
            raise ValueError("state either 'firmware' or the figures 'ram' and 'flash', not both")
        return self


def _exclude_each_other(reserve: ReserveRules | None, reserve_only: ReserveRules | None) -> None:
    if reserve is not None and reserve_only is not None:
        raise ValueError("state either 'reserve', which adds to the board's usual firmware, or 'reserve_only'")


class Rules(_Strict):
    """Boards and limits; what is absent is as the less specific rules say."""

    boards: list[str] | None = None
    """Boards to check against: names of the catalogue, or paths of board files."""
    ram: Limit | None = None
    """Limit on RAM, held against the whole need."""
    arena_size: Limit | None = None
    """Limit on the tensor arena to declare, alone: the firmware's `kTensorArenaSize`."""
    flash: Limit | None = None
    """Limit on flash, held against model and code."""
    macs: Macs | None = None
    """Limit on multiply-accumulates of one inference."""
    latency: Microseconds | None = None
    """Limit on the time of one inference, such as `200ms`; judged on boards that were measured."""
    energy: Microjoules | None = None
    """Limit on the energy of one inference, such as `5mJ`; judged on boards with power data."""
    power: Milliwatts | None = None
    """Limit on average power, such as `1mW`; needs `period`."""
    period: Seconds | None = None
    """How often the model runs, such as `10s`."""
    kernels: str | None = None
    """Kernel library: `cmsis-nn` or `reference`."""
    target: str | None = None
    """Core and kernel library, such as `cortex-m4+cmsis-nn`; replaces the board's. `auto` is what the firmware project
    has in whose folder this file lies: also without it, where its files tell one TFLM and neither an option nor a
    board's `@toolchain` names another."""
    lean: bool | None = None
    """Whether the firmware has the lean registrations that `mcuplan export --lean` writes."""
    arena_in: str | None = None
    """Which of the board's RAMs the arena lies in: `psram`; its main one where that is not said."""
    persistent_in: str | None = None
    """Which one the persistent section lies in, in an arena of its own: `dtcm`."""
    max_overhead: Factor | None = None
    """Most instructions with patch stages, as a factor: `1.1`, which is also what counts without it."""
    max_macs: Factor | None = None
    """Most multiply-accumulates with patch stages, as a factor; without `max_overhead`, time then has no limit."""
    least: bool | None = None
    """Whether patch stages take the least arena within these limits, not the knee, behind which little arena costs much
    time."""
    build: str | None = None
    """How TFLM is compiled: `O2-logs`, `O2` (no log strings) or `Os`."""
    custom_operators: list[str] | None = None
    """Custom operators for which the firmware has kernels of its own."""
    stack: Bytes | None = None
    """Stack of the thread that runs inference."""
    reserve: ReserveRules | None = None
    """Memory that other code takes on top of the board's usual firmware; a firmware's file is all of it."""
    reserve_only: ReserveRules | None = None
    """Memory that other code takes, in place of what the board's usual firmware does."""

    @model_validator(mode="after")
    def _one_reserve(self) -> Self:
        _exclude_each_other(self.reserve, self.reserve_only)
        return self


class ModelRules(Rules):
    """Rules for the models that some patterns match; of several that match, later ones win key by key."""

    files: Annotated[list[str], Field(min_length=1)]
    """Patterns of model paths, from the configuration's folder; `**` crosses folders; without `/`, any folder."""


class SharedBoard(_Strict):
    """Several models on one board at once."""

    name: Annotated[str, Field(min_length=1)]
    """What reports call the group."""
    board: str
    """The board they share."""
    models: Annotated[list[str], Field(min_length=1)]
    """Paths from the configuration's folder, or `zoo:NAME`."""
    arenas: Annotated[Arenas, Field(strict=False)] = Arenas.SUM
    """`sum`: an arena for each; `largest`: they take turns in one; `allocator`: in its planned section only."""
    ram: Limit | None = None
    """Limit on RAM for all of them."""
    flash: Limit | None = None
    """Limit on flash for all of them."""
    kernels: str | None = None
    """Kernel library: `cmsis-nn` or `reference`."""
    lean: bool | None = None
    """Whether the firmware has lean registrations for each of the models; if absent, as the rules for all say."""
    arena_in: str | None = None
    """Which of the board's RAMs their arenas lie in: `psram`; as the rules for all say where this does not."""
    persistent_in: str | None = None
    """Which one their persistent sections lie in, in arenas of their own: `dtcm`; else as the rules for all say."""
    stack: Bytes | None = None
    """Stack of the thread that runs inference."""
    reserve: ReserveRules | None = None
    """Memory that other code takes on top of the board's usual firmware; a firmware's file is all of it."""
    reserve_only: ReserveRules | None = None
    """Memory that other code takes, in place of what the board's usual firmware does."""

    @model_validator(mode="after")
    def _one_reserve(self) -> Self:
        _exclude_each_other(self.reserve, self.reserve_only)
        return self


class Settings(Rules):
    """The whole configuration."""

    board_dirs: list[str] = []
    """Folders with board files of your own, from the configuration's folder."""
    baseline: str | None = None
    """A baseline file, from the configuration's folder."""
    models: list[ModelRules] = []
    """Rules for some of the models."""
    shared: list[SharedBoard] = []
    """Groups of models that run on one board together."""


def config_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of mcuplan.toml, and of ``[tool.mcuplan]`` in pyproject.toml."""
    schema = Settings.model_json_schema()
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "mcuplan configuration"}
    return head | schema | head
