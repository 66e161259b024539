"""The spec of one board: what ``board_specs/<id>.toml`` may say.

Every figure names its source by the ``id`` of an entry of ``sources``. What is not known is absent; a part whose
power nobody states says so with ``power_w = "unknown"``. All sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from mcuplan.boards.errors import BoardError
from mcuplan.boards.fields import (
    CURRENCY,
    FQBN,
    PLATFORM_BOARD,
    URL,
    ZEPHYR_BOARD,
    BoardId,
    Bytes,
    CoreName,
    PartKind,
    PowerState,
    RegionKind,
    Table,
    TargetName,
    Text,
    ToolchainName,
    Watts,
    Year,
    wrong,
)
from mcuplan.tflm import Target, TargetError
from mcuplan.tflm.target import known_cores


class Source(Table):
    """A public document that figures come from."""

    id: BoardId
    title: Text
    url: Annotated[str, StringConstraints(max_length=500, pattern=URL)] | None = None


class Soc(Table):
    """The microcontroller and the core that runs the model."""

    name: Text
    core: CoreName
    cores: Annotated[int, Field(ge=1, le=16)]
    """Processors a program can run on; `core` and `clock_mhz` are those of the fastest."""
    clock_mhz: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)]
    fpu: bool
    dsp: bool = False
    """The DSP extension of Armv7-M and Armv8-M."""
    mve: bool = False
    """The M-profile vector extension (Helium)."""
    accelerator: Text | None = None
    """A neural accelerator beside the core; mcuplan's figures of time and code do not count it."""
    custom_operators: Annotated[tuple[Text, ...], Field(max_length=16, strict=False)] = ()
    """Custom operators that run on the accelerator, such as `ethos-u`: what its compiler (Vela) makes of a model."""
    source: BoardId


class Region(Table):
    """A stretch of memory. ``start`` is absent where its address is not fixed."""

    name: Text
    kind: RegionKind
    start: Annotated[int, Field(ge=0, lt=1 << 32)] | None = None
    bytes: Bytes
    arena: bool
    """Whether a tensor arena can lie here as the board comes: on the chip, readable byte by byte, up at start."""
    source: BoardId

    @property
    def end(self) -> int | None:
        """First address behind the region."""
        return None if self.start is None else self.start + self.bytes


class Memory(Table):
    """The memory map as far as models need it."""

    arena_ram_bytes: Bytes
    """The largest contiguous RAM that an arena can take, before the firmware's own needs."""
    flash_bytes: Bytes
    """Memory for the program, constants included, before the bootloader."""
    note: Text | None = None
    """Why `arena_ram_bytes` is less than the longest run of touching regions, where it is."""
    regions: Annotated[tuple[Region, ...], Field(min_length=1, max_length=64, strict=False)]

    def runs(self) -> Iterator[int]:
        """Sizes of the stretches of RAM an arena can take: regions whose addresses touch count as one."""
        placed = sorted((r.start, r.bytes) for r in self.regions if r.arena and r.start is not None)
        yield from (r.bytes for r in self.regions if r.arena and r.start is None)
        run = end = 0
        for start, size in placed:
            run = run + size if run and start == end else size
            end = start + size
            yield run

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        longest = max(self.runs(), default=0)
        if longest == 0:
            raise wrong("memory.regions has no region with arena = true, so no arena fits")
        if self.arena_ram_bytes > longest:
            raise wrong(
                f"memory.arena_ram_bytes is {self.arena_ram_bytes:,}, but the longest run of touching regions with "
                f"arena = true has {longest:,}"
            )
        if self.arena_ram_bytes < longest and self.note is None:
            raise wrong(
                f"memory.arena_ram_bytes is {self.arena_ram_bytes:,} of a run of {longest:,}: say why in memory.note"
            )
        placed = sorted((r.start, r.bytes, r.name) for r in self.regions if r.start is not None)
        for (start, size, name), (later, _, other) in pairwise(placed):
            if start + size > later:
                raise wrong(f"memory.regions {name!r} and {other!r} overlap at {later:#x}")
        return self


class Tflm(Table):
    """Which TFLM a board's firmware has: by the toolchain it is built with, or one for all."""

    targets: Annotated[dict[ToolchainName, TargetName], Field(min_length=1, max_length=32)] | None = None
    """Targets by toolchain, the usual one first: TFLM version, core and kernel library."""
    target: TargetName | None = None
    """The one target of a board without a list, such as `cortex-m4+cmsis-nn`; no version means the newest."""
    version: Annotated[str, StringConstraints(max_length=80)] | None = None
    """The TFLM version of `target`, where that names none."""
    lean: bool = False
    """Whether the firmware has the lean registrations that `mcuplan export --lean` writes."""
    note: Text | None = None
    source: BoardId | None = None
    """Where it says what the usual toolchain brings."""

    def __hash__(self) -> int:
        targets = tuple((self.targets or {}).items())
        return hash((targets, self.target, self.version, self.lean, self.note, self.source))

    def by_toolchain(self) -> dict[str, str]:
        """Whole names of targets by toolchain, the usual one first; "" for a board without a list.

        With ``lean`` the usual one's must have lean registrations; others have them where they can.
        """
        found = {name: str(target) for name, target in self._parsed().items()}
        if self.lean:
            usual, *others = found
            found[usual] = str(_lean(found[usual]))
            able = [name for name in others if Target.parse(found[name]).can_be_lean]
            found |= {name: str(_lean(found[name])) for name in able}
        return found

    def _parsed(self) -> dict[str, Target]:
        if self.targets is not None:
            return {name: _parsed(target, f"tflm.targets.{name}") for name, target in self.targets.items()}
        assert self.target is not None
        named = self.target if self.version is None or "/" in self.target else f"{self.version}/{self.target}"
        return {"": _parsed(named, "tflm.target")}

    @model_validator(mode="after")
    def _known(self) -> Self:
        if (self.targets is None) == (self.target is None):
            raise wrong("tflm needs either targets or target")
        self.by_toolchain()
        return self


class Names(Table):
    """What toolchains call the board, for projects that are exported for it."""

    arduino: Annotated[str, StringConstraints(max_length=80, pattern=FQBN)] | None = None
    """Fully qualified board name: `arduino:mbed_nano:nano33ble`."""
    platformio: Annotated[str, StringConstraints(max_length=80, pattern=PLATFORM_BOARD)] | None = None
    """Platform and board: `nordicnrf52/nano33ble`."""
    zephyr: Annotated[str, StringConstraints(max_length=80, pattern=ZEPHYR_BOARD)] | None = None
    """Board target of Zephyr 3.7 and later: `nrf52840dk/nrf52840`."""


class Reserved(Table):
    """RAM and flash that the board's usual firmware takes beside a model; absent where not known."""

    firmware: Text
    ram_bytes: Annotated[int, Field(ge=0, le=1 << 40)] | None = None
    """Of the RAM counted by `memory.arena_ram_bytes`."""
    flash_bytes: Annotated[int, Field(ge=0, le=1 << 40)] | None = None
    """Of `memory.flash_bytes`."""
    source: BoardId


class ReservedBy(Reserved):
    """What the firmware of another toolchain takes."""

    toolchain: ToolchainName
    """One of `tflm.targets`."""


class Price(Table):
    """What one board or part costs."""

    amount: Annotated[float, Field(gt=0, le=1e6, allow_inf_nan=False)]
    currency: Annotated[str, StringConstraints(pattern=CURRENCY)]
    """ISO 4217, such as `EUR`."""
    year: Year
    source: BoardId


class PowerMode(Table):
    """Power drawn in one state. ``scope`` says of what: the chip alone or the whole board."""

    state: PowerState
    scope: Literal["chip", "board"]
    milliwatts: Annotated[float, Field(ge=0, le=1e6, allow_inf_nan=False)]
    clock_mhz: Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False)] | None = None
    condition: Text
    """What was running, at which voltage, and how the figure follows from the datasheet's."""
    source: BoardId


class Power(Table):
    """Supply and measured power of the board, from datasheets."""

    supply_v: Annotated[float, Field(gt=0, le=60, allow_inf_nan=False)] | None = None
    """Voltage of the microcontroller's supply rail on this board."""
    source: BoardId | None = None
    """Source of `supply_v`."""
    modes: Annotated[tuple[PowerMode, ...], Field(max_length=32, strict=False)] = ()

    @model_validator(mode="after")
    def _sourced(self) -> Self:
        if self.supply_v is not None and self.source is None:
            raise wrong("power.supply_v needs power.source")
        return self


class Part(Table):
    """A part on the board, or one that its connectors take (``on_board = false``)."""

    name: Text
    kind: PartKind
    on_board: bool = True
    power_w: Watts | Literal["unknown"]
    """Watts while it works."""
    condition: Text | None = None
    """What `power_w` holds for."""
    price: Price | None = None
    source: BoardId

    @property
    def watts(self) -> float | None:
        """Watts while it works; None where unknown."""
        return None if isinstance(self.power_w, str) else self.power_w


class Board(Table):
    """Everything mcuplan knows of one board. All sizes are bytes, power is in watts or milliwatts as named."""

    schema_version: Literal[1] = 1
    id: BoardId
    """Lower case with dashes; the name of its file."""
    name: Text
    maker: Text
    aliases: Annotated[tuple[Text, ...], Field(max_length=32, strict=False)] = ()
    """Other names people use for it; case, spaces and dashes do not matter."""
    soc: Soc
    memory: Memory
    tflm: Tflm
    names: Names | None = None
    reserved: Reserved | None = None
    """What the usual toolchain's firmware takes."""
    reserved_by: Annotated[tuple[ReservedBy, ...], Field(max_length=32, strict=False)] = ()
    """The same for other toolchains."""
    price: Price | None = None
    power: Power | None = None
    parts: Annotated[tuple[Part, ...], Field(max_length=64, strict=False)] = ()
    sources: Annotated[tuple[Source, ...], Field(min_length=1, max_length=32, strict=False)]

    @property
    def arena_ram_bytes(self) -> int:
        """The largest contiguous RAM that a tensor arena can take, the firmware's own needs not yet subtracted."""
        return self.memory.arena_ram_bytes

    @property
    def ram_bytes(self) -> int:
        """All RAM on the chip, contiguous or not (memory chips beside it are not counted)."""
        return sum(r.bytes for r in self.memory.regions if r.kind in ("sram", "tcm"))

    @property
    def flash_bytes(self) -> int:
        """Memory for the program, the bootloader not yet subtracted."""
        return self.memory.flash_bytes

    @property
    def target(self) -> str:
        """The target of the usual toolchain, such as ``arduino-2023-02/cortex-m4+cmsis-nn``."""
        return next(iter(self.targets.values()))

    @property
    def targets(self) -> Mapping[str, str]:
        """Whole names of targets by toolchain, the usual one first; "" for a board without a list."""
        return self.tflm.by_toolchain()

    @property
    def toolchain_names(self) -> dict[str, str]:
        """What toolchains call the board, as a project is told it; "" where the spec does not say."""
        names = self.names or Names()
        platform, _, board = (names.platformio or "").partition("/")
        return {
            "arduino": names.arduino or "", "platformio_platform": platform, "platformio_board": board,
            "zephyr": names.zephyr or "",
        }  # fmt: skip

    @property
    def cores(self) -> frozenset[str]:
        """Cores that a target for the board may name."""
        return frozenset({self.soc.core, *(Target.parse(target).core.name for target in self.targets.values())})

    @property
    def tflm_note(self) -> str | None:
        """What to know about the TFLM of the usual toolchain; None where nothing needs to be said."""
        return self.tflm.note

    def built_with(self, toolchain: str) -> Board:
        """The board as another of its toolchains builds for it: that one's target, and what its firmware takes.

        Raises
        ------
        BoardError
            When the board has no such toolchain.
        """
        targets = self.tflm.targets or {}
        if toolchain not in targets:
            known = f"it has {', '.join(targets)}" if targets else "its spec names none"
            raise BoardError(f"{self.id}: no toolchain {toolchain!r} ({known})")
        first = next(iter(targets)) == toolchain
        tflm = self.tflm.model_copy(update={"targets": {toolchain: targets[toolchain], **targets}})
        kept = self.reserved if first else next((r for r in self.reserved_by if r.toolchain == toolchain), None)
        return self.model_copy(update={"tflm": tflm, "reserved": kept})

    def power_mode(self, state: PowerState) -> PowerMode | None:
        """The first power figure for ``state``, or None where no datasheet gives one."""
        modes = self.power.modes if self.power else ()
        return next((mode for mode in modes if mode.state == state), None)

    def source(self, source_id: str) -> Source:
        """The source that a figure names."""
        return next(s for s in self.sources if s.id == source_id)

    def named_sources(self) -> Iterator[tuple[str, str]]:
        """Every ``(key, source id)`` that a figure of the spec names."""
        yield "soc.source", self.soc.source
        for i, region in enumerate(self.memory.regions):
            yield f"memory.regions[{i}].source", region.source
        if self.tflm.source is not None:
            yield "tflm.source", self.tflm.source
        for i, kept in enumerate(self.reserved_by):
            yield f"reserved_by[{i}].source", kept.source
        for key in ("reserved", "price"):
            table = getattr(self, key)
            if table is not None:
                yield f"{key}.source", table.source
        if self.power is not None:
            if self.power.source is not None:
                yield "power.source", self.power.source
            for i, mode in enumerate(self.power.modes):
                yield f"power.modes[{i}].source", mode.source
        for i, part in enumerate(self.parts):
            yield f"parts[{i}].source", part.source
            if part.price is not None:
                yield f"parts[{i}].price.source", part.price.source

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        self._check_sources()
        self._check_core()
        kept = self.reserved
        for name, total in (("ram_bytes", self.arena_ram_bytes), ("flash_bytes", self.flash_bytes)):
            part = getattr(kept, name) if kept is not None else None
            if part is not None and part >= total:
                raise wrong(f"reserved.{name} is {part:,}, which leaves nothing of {total:,}")
        return self

    def _check_sources(self) -> None:
        known = [s.id for s in self.sources]
        if len(set(known)) < len(known):
            raise wrong("two entries of sources have the same id")
        named = list(self.named_sources())
        for key, source in named:
            if source not in known:
                raise wrong(f"{key} names {source!r}, but sources has {', '.join(known)}")
        unused = set(known) - {source for _, source in named}
        if unused:
            raise wrong(f"no figure names the source {min(unused)!r}")

    def _check_core(self) -> None:
        core = self.soc.core
        known = known_cores().get(core)
        for flag, can in (("dsp", known is not None and known.dsp), ("mve", known is not None and known.mve)):
            if getattr(self.soc, flag) and not can:
                raise wrong(f"soc.{flag} = true does not go with soc.core {core!r}")
        for target in self.targets.values():
            named = Target.parse(target).core.name
            arm = core.startswith("cortex-m") or named.startswith("cortex-")
            if arm and named != core:
                raise wrong(f"the target {target!r} is not for soc.core {core!r}")
        unknown = {kept.toolchain for kept in self.reserved_by} - set(self.tflm.targets or {})
        if unknown:
            raise wrong(f"reserved_by names the toolchain {min(unknown)!r}, which tflm.targets has not")


def _lean(target: str) -> Target:
    try:
        return Target.parse(target).with_lean()
    except TargetError as error:
        raise wrong(f"tflm.lean: {error}") from None


def _parsed(target: str, key: str) -> Target:
    try:
        return Target.parse(target)
    except TargetError as error:
        raise wrong(f"{key}: {error}") from None
