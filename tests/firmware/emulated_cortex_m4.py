"""Exported models compiled with a real TFLM and run on an emulated Cortex-M4F (QEMU's mps2-an386)."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tflm_archive import TFLM, archive, needs

from mcuplan.firmware.names import Words
from mcuplan.firmware.sources import firmware_sources, write_sources

HERE = Path(__file__).parent / "emulated"
BOARD = Path(__file__).parents[2] / "tools" / "emulated_board"
FLAGS = [
    "-std=c++17", "-Os", "-DNDEBUG", "-DTF_LITE_STATIC_MEMORY", "-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16",
    "-mfloat-abi=hard", "-mthumb", "-fno-rtti", "-fno-exceptions", "-fno-threadsafe-statics", "-ffunction-sections",
    "-fdata-sections", "-funsigned-char", "-fomit-frame-pointer",
]  # fmt: skip


def requires_emulator() -> None:
    """Skip, with a plain reason, where this computer cannot build or run the firmware."""
    needs("arm-none-eabi-g++", "qemu-system-arm")


@dataclass
class Ran:
    """What one model did: hashes of its outputs by seed, used bytes by arena (None: AllocateTensors failed), and
    instructions of one Invoke, in steps of 40, where they are counted."""

    hashes: dict[int, str] = field(default_factory=dict)
    arenas: dict[int, int | None] = field(default_factory=dict)
    instructions: int = 0


def build(folder: Path, models: Mapping[str, tuple[bytes, str]], kernels: str = "cmsis-nn") -> Path:
    """The firmware with each model's sources for its target; to be changed before :func:`run`, where a test does.

    Models for lean targets are tried in 16 bytes less than they declare, too.
    """
    requires_emulator()
    includes, runs = [], []
    for name, (data, target) in models.items():
        made = firmware_sources(data, target=target, name=name)
        write_sources(made, folder)
        includes += [f'#include "{file.name}"\n' for file in made.files if file.name.endswith(".h")]
        arena = next(file.text for file in made.files if file.name.endswith("_arena.h"))
        resources = re.search(r"ResourceVariables = (\d+);", arena)
        # In less than it needs stock TFLM may write over itself; lean registrations leave nothing to overwrite.
        for less, seeds in ((0, 2), (16, 0)) if target.endswith("+lean") else ((0, 2),):
            runs.append(f"RUN({name}, {Words.of(name).camel}, {less}, {resources[1] if resources else 0}, {seeds})\n")
    (folder / "includes.inc").write_text("".join(includes))
    (folder / "models.inc").write_text("".join(runs))
    return folder


def run(
    folder: Path, library: str = "", more: Sequence[str] = ("-DCMSIS_NN",), count: bool = False
) -> tuple[dict[str, Ran], str]:
    """Compile the firmware in ``folder``, run it, and take apart what it prints.

    ``library`` is another TFLM; with ``count`` an instruction is a nanosecond of the emulated time.
    """
    downloads = Path(TFLM) / "tensorflow/lite/micro/tools/make/downloads"
    paths = (folder, Path(TFLM), downloads / "flatbuffers/include", downloads / "gemmlowp", downloads / "ruy",
             downloads / "cmsis_nn", downloads / "cmsis_nn/Include")  # fmt: skip
    firmware = folder / "firmware.elf"
    command = [
        "arm-none-eabi-g++", *FLAGS, *more, *(f"-I{p}" for p in paths), "-nostartfiles", "-Wl,--gc-sections",
        "-T", str(BOARD / "link.ld"), str(BOARD / "startup.cc"), str(HERE / "main.cc"),
        *map(str, sorted(folder.glob("*.cc"))),
        "-Wl,--start-group", library or archive(), "-Wl,--end-group", "-lm", "-lc", "--specs=rdimon.specs", "-lrdimon",
        "-o", str(firmware),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    machine = ["qemu-system-arm", "-M", "mps2-an386", "-cpu", "cortex-m4", "-nographic", "-monitor", "none", "-serial",
               "null", "-semihosting-config", "enable=on,target=native", "-kernel", str(firmware)]  # fmt: skip
    machine += ["-icount", "shift=0"] if count else []
    said = subprocess.run(machine, capture_output=True, text=True, check=False, timeout=900)
    text = said.stdout + said.stderr
    assert text.rstrip().endswith("END"), text[-3000:]
    found: dict[str, Ran] = {}
    for kind, name, rest in re.findall(r"^([AOT]) (\w+) (.*)$", text, re.MULTILINE):
        ran, words = found.setdefault(name, Ran()), rest.split()
        if kind == "O":
            ran.hashes[int(words[0])] = words[1]
        elif kind == "T":
            ran.instructions = 40 * int(words[0]) if count else 0
        else:
            ran.arenas[int(words[0])] = int(words[2]) if words[1] == "ok" else None
    return found, text
