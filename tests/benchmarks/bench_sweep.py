"""What a sweep costs: a thousand different networks on 30 boards, models a second and CPU seconds of all processes.

Run it: python tests/benchmarks/bench_sweep.py [--models 1000] [--boards 30] [--jobs 2] [--folder FOLDER]

The networks are variants of MobileNetV1, DS-CNN and ResNet-8: width, depth, resolution and classes drawn at random, so
that they share some operators and most of them none. They are built once into the folder, where one is named. The goal:
1,000 models x 30 boards in less than 30 s on 2 cores, which are 60 s of CPU; ends with 1 where both are missed.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from time import perf_counter

from mcuplan.boards import board_names
from mcuplan.graph import Graph
from mcuplan.tflite import save
from mcuplan.zoo.builder import Builder

GOAL_SECONDS = 30.0
GOAL_MODELS = 1_000


def eighths(channels: float) -> int:
    """Channels as networks have them: a multiple of 8."""
    return max(8, int(channels + 4) // 8 * 8)


def mobilenet(draw: random.Random) -> Graph:
    """MobileNetV1: the widths of its 13 pairs scaled, some of the five alike left out."""
    b = Builder(seed=draw.randrange(1 << 30))
    size, width = draw.choice(range(48, 161, 8)), draw.uniform(0.1, 0.6)
    plain = [64, 128, 128, 256, 256, 512, *[512] * draw.randint(1, 5), 1024, 1024]
    x = b.conv2d(b.input((1, size, size, draw.choice((1, 3)))), eighths(32 * width), 3, stride=2)
    for before, channels in zip([64, *plain], plain, strict=False):
        x = b.depthwise_conv2d(x, 3, stride=2 if channels > before else 1)
        x = b.conv2d(x, eighths(channels * width), 1)
    return classified(b, x, draw.choice((2, 10, 100)))


def ds_cnn(draw: random.Random) -> Graph:
    """DS-CNN: a convolution over a spectrogram and some depthwise-separable pairs of one width."""
    b = Builder(seed=draw.randrange(1 << 30))
    width = draw.choice(range(24, 177, 8))
    x = b.conv2d(b.input((1, draw.randint(25, 99), draw.choice((10, 20, 40)), 1)), width, (10, 4), stride=2)
    for _ in range(draw.randint(2, 7)):
        x = b.conv2d(b.depthwise_conv2d(x, 3), width, 1)
    return classified(b, x, draw.choice((3, 12, 35)))


def resnet(draw: random.Random) -> Graph:
    """ResNet: three stages of residual units."""
    b = Builder(seed=draw.randrange(1 << 30))
    size, width = draw.choice((24, 32, 48, 64)), draw.choice(range(8, 33, 4))
    x = b.conv2d(b.input((1, size, size, 3)), width, 3)
    for stage, units in enumerate(draw.randint(1, 3) for _ in range(3)):
        for unit in range(units):
            stride = 2 if stage and not unit else 1
            channels = width << stage
            y = b.conv2d(b.conv2d(x, channels, 3, stride=stride), channels, 3, activation="NONE")
            x = b.add(y, x if x.channels == channels else b.conv2d(x, channels, 1, stride=stride, activation="NONE"),
                      activation="RELU")  # fmt: skip
    return classified(b, x, draw.choice((10, 100)))


def classified(b: Builder, x: object, classes: int) -> Graph:
    """The mean over the map, and a dense layer."""
    from mcuplan.zoo.values import Value

    assert isinstance(x, Value)
    flat = b.reshape(b.mean(x, (1, 2)), (1, x.channels))
    return b.graph([b.softmax(b.fully_connected(flat, classes))])


KINDS: Sequence[Callable[[random.Random], Graph]] = (mobilenet, ds_cnn, resnet)


def build(folder: Path, count: int) -> None:
    """Write the networks that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        path = folder / f"{number:05d}.tflite"
        if not path.exists():
            save(KINDS[number % len(KINDS)](random.Random(number)), path)


def timed(command: Sequence[str]) -> tuple[float, float]:
    """Wall seconds of a command, and CPU seconds of it and of every process below it.

    The server that workers are forked from outlives the command, so that this process adopts it (Linux: prctl(2),
    PR_SET_CHILD_SUBREAPER) and waits for it as well.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), perf_counter()
    subprocess.run(command, check=True)
    wall = perf_counter() - start
    with suppress(ChildProcessError):
        while True:
            os.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    """Build, sweep, print, and end with 1 where the goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=int, default=GOAL_MODELS)
    parser.add_argument("--boards", type=int, default=30)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--folder", type=Path, help="where the networks lie, or are written to")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = asked.folder or Path(scratch) / "networks"
        build(folder, asked.models)
        models = [os.fspath(path) for path in sorted(folder.glob("*.tflite"))[: asked.models]]
        boards = sorted(board_names())[: asked.boards]
        command = [sys.executable, "-c", "from mcuplan.cli import main; raise SystemExit(main())", "sweep", *models]
        command += [part for board in boards for part in ("-b", board)]
        command += ["-j", str(asked.jobs), "-o", str(Path(scratch) / "field.jsonl")]
        wall, cpu = timed(command)
    shared = cpu / asked.jobs
    print(f"{len(models):,} models x {len(boards)} boards: {wall:.1f} s, {len(models) / wall:.0f} models a second")
    print(f"CPU of all processes {cpu:.1f} s, {shared:.1f} s a core, {cpu / len(models) * 1e3:.1f} ms a model")
    allowed = GOAL_SECONDS * len(models) / GOAL_MODELS
    return int(min(wall, shared) >= allowed)


if __name__ == "__main__":
    sys.exit(main())
