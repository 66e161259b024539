"""What one field of a board's spec may hold: names, texts, amounts, each with its pattern and its words for people."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError, PydanticKnownError

from mcuplan.tflm.marks import processors

ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f]+$"
DASHED = r"^[a-z0-9]+(-[a-z0-9]+)*$"
TARGET = r"^[a-z0-9.~/-]+\+[a-z0-9.~-]+$"
TOOLCHAIN = r"^[a-z][a-z0-9]*([.-][a-z0-9]+)*$"
CURRENCY = r"^[A-Z]{3}$"
FQBN = r"^[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+:[A-Za-z0-9_.-]+$"
PLATFORM_BOARD = r"^[a-z0-9_-]+/[A-Za-z0-9_-]+$"
ZEPHYR_BOARD = r"^[a-z0-9_]+(/[a-z0-9_]*)*$"
URL = r"^https?://[^\s\x00-\x1f\x7f-\x9f]+$"

PATTERNS = {
    ONE_LINE: "one line of text without control characters",
    DASHED: "lower-case letters and digits with dashes between, such as 'my-board'",
    TARGET: "a target of `mcuplan targets`: a core and a kernel library, with a TFLM version before a '/'",
    TOOLCHAIN: "a name of a toolchain in lower case, such as 'esp-idf' or 'zephyr'",
    CURRENCY: "a currency of three capitals, such as 'EUR'",
    FQBN: "a package, an architecture and a board with colons between, such as 'arduino:mbed_nano:nano33ble'",
    PLATFORM_BOARD: "a platform and a board of PlatformIO, such as 'nordicnrf52/nano33ble'",
    ZEPHYR_BOARD: "a board target of Zephyr, such as 'nrf52840dk/nrf52840'",
    URL: "an http or https address",
}
"""What each pattern asks for, in words."""

Text = Annotated[str, StringConstraints(min_length=1, max_length=400, pattern=ONE_LINE, strip_whitespace=True)]
"""One line without control characters: specs of users end up on terminals and in HTML."""

BoardId = Annotated[str, StringConstraints(max_length=80, pattern=DASHED)]
TargetName = Annotated[str, StringConstraints(max_length=80, pattern=TARGET)]
ToolchainName = Annotated[str, StringConstraints(max_length=40, pattern=TOOLCHAIN)]
Bytes = Annotated[int, Field(ge=1, le=1 << 40)]
Watts = Annotated[float, Field(ge=0, le=1000, allow_inf_nan=False)]
Year = Annotated[int, Field(ge=1990, le=2100)]


def _is_core(name: str) -> str:
    known = [repr(core) for core in processors()]
    if repr(name) not in known:
        raise PydanticKnownError("literal_error", {"expected": f"{', '.join(known[:-1])} or {known[-1]}"})
    return name


CoreName = Annotated[str, AfterValidator(_is_core), WithJsonSchema({"enum": [*processors()], "type": "string"})]
RegionKind = Literal["sram", "tcm", "psram", "sdram", "flash", "mram", "rom"]
PartKind = Literal[
    "sensor", "microphone", "camera", "radio", "display", "audio", "storage", "connector", "security", "other"
]
PowerState = Literal["active", "sleep", "deep-sleep"]


class Table(BaseModel):
    """A table of a spec: no other keys, no coercion, no change after reading."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


def wrong(message: str) -> PydanticCustomError:
    """The error of a spec that says something impossible; ``message`` is one sentence that names the key."""
    # The message may hold braces of names in the file: give it as context, not as a template.
    return PydanticCustomError("board_spec", "{message}", {"message": message})
