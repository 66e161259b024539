"""Patch stages: CPU time of the search a network, Pareto fronts, and the published points beside ours.

    python tests/benchmarks/bench_patching.py [--efforts fast,default] [MODEL.tflite ...]

First the three networks of msf-CNN in the papers' accounting (its optimizer takes 7 to 48 s for a network), then
graphs with all their joins, the zoo's or the given files: in live bytes, in the papers' accounting where they are
chains, and the whole arena that the written model declares: for each effort the least of it at no more than 1.1 times
the instructions, stock and with lean registrations, and the seconds of CPU that the search takes, beside what the
first effort takes. The goal is 60 s of CPU for MobileNetV2 (1.0, 224), all searches together; the exit code is 1 where
a network takes longer.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import process_time

from mcuplan.errors import McuplanError
from mcuplan.findings.chains import Chain, chain_of
from mcuplan.graph import Graph
from mcuplan.patching.arena.search import find_patch_plan
from mcuplan.patching.inputs import NetworkInput
from mcuplan.patching.live.cost import LiveAccounting
from mcuplan.patching.live.search import search_graph
from mcuplan.patching.pareto import Point
from mcuplan.tflite import load
from mcuplan.zoo import build

sys.path.insert(0, str(Path(__file__).parents[1]))

from papers.accounting import layer_by_layer
from papers.chain import LayerSpec, chain
from papers.search import ChainSearch, Space, search

GOAL_SECONDS = 60.0
SHOWN = 8
TARGETS = ("cortex-m4+cmsis-nn", "cortex-m4+cmsis-nn+lean")
GOLDEN = Path(__file__).parents[1] / "golden" / "patching-papers.json"
GRAPHS = (
    "person-detection", "visual-wake-words", "resnet8", "ds-cnn", "mcunet-vww", "mcunet-320k", "mobilenet-v2",
)  # fmt: skip
METHODS = (
    ("patches, recomputed (MCUNetV2)", Space(fusion=False, heights=(), parts=(1, 2, 3, 4, 5, 6))),
    ("column caches (msf-CNN)", Space(line_buffers=False, patches=False)),
    ("line buffers (streaming)", Space(recompute=False, patches=False)),
    ("all", Space()),
)


def _front(points: Sequence[Point], macs: int) -> str:
    step = max(-(-len(points) // SHOWN), 1)
    chosen = [*points[:-1:step], points[-1]]
    return "  ".join(f"{point.ram_bytes:,} @ {point.macs / macs:.4f}" for point in chosen)


def _published(name: str, found: ChainSearch, rows: Sequence[dict[str, object]]) -> None:
    print(f"   {'published RAM':>14} {'factor':>7}   {'least RAM at it':>15}   {'fewest MACs in it':>17}")
    for row in rows:
        ram, factor = row["ram_bytes"], row["factor"]
        if row["network"] != name or not isinstance(ram, int) or not isinstance(factor, float):
            continue
        least, fewest = found.front.least_ram((factor + 5e-5) * found.chain.macs), found.front.fewest_macs(ram)
        assert least is not None
        assert fewest is not None
        print(f"   {ram:>14,} {factor:>7.4f}   {least.ram_bytes:>15,}   {fewest.macs / found.chain.macs:>17.4f}")


def _papers() -> float:
    golden = json.loads(GOLDEN.read_text("utf-8"))
    slowest = 0.0
    for name, row in golden["networks"].items():
        network = chain(*row["input"], [LayerSpec(k, s, p, c, bool(d)) for k, s, p, c, d in row["layers"]])
        print(f"{name}: {len(network)} layers, {network.macs:,} MACs, layer by layer {layer_by_layer(network):,} B")
        for method, space in METHODS:
            seconds, found = _timed(network, space)
            slowest = max(slowest, seconds)
            print(f"   {method:<31} {seconds:5.1f} s  {_front(found.front.points, network.macs)}")
        _published(name, found, golden["points"])
    return slowest


def _timed(network: Chain, space: Space) -> tuple[float, ChainSearch]:
    begin = process_time()
    found = search(network, space=space)
    assert found.front.points
    return process_time() - begin, found


def _graphs(paths: Sequence[str]) -> Iterator[tuple[str, Graph]]:
    for path in paths:
        yield Path(path).stem, load(path)
    if not paths:
        yield from ((name, build(name)) for name in GRAPHS)


def _live(paths: Sequence[str], efforts: Sequence[str]) -> float:
    slowest = 0.0
    for name, graph in _graphs(paths):
        begin = process_time()
        fronts = []
        for source in (NetworkInput.WHOLE, NetworkInput.STREAMED):
            found = search_graph(graph, accounting=LiveAccounting(source))
            fronts.append((source.value, found, _front(found.front.points, max(sum(found.model.macs), 1))))
        chained = _chained(graph)
        print(f"{name}: {process_time() - begin:.1f} s for what is not written")
        for source, found, text in fronts:
            print(f"   live, input {source:<14} {max(found.model.layer_by_layer):,} -> {text}")
        print(f"   papers' accounting       {chained}")
        for target in TARGETS:
            print(f"   arena to declare, {target}")
            first = 0.0
            for effort in efforts:
                seconds, text = _declared(graph, target, effort)
                first = first or seconds
                print(f"      {effort:<8} {seconds:5.1f} s  x{seconds / first:<5.2f} {text}")
        slowest = max(slowest, process_time() - begin)
    return slowest


def _declared(graph: Graph, target: str, effort: str) -> tuple[float, str]:
    begin = process_time()
    try:
        plan = find_patch_plan(graph, target, effort=effort)
    except McuplanError as error:
        return process_time() - begin, str(error)
    seconds = process_time() - begin
    if plan is None:
        return seconds, "nothing to gain"
    points = "  ".join(f"{point.declare_bytes:,} @ {point.time_factor:.4f}" for point in plan.front[::-1][:SHOWN])
    bound = "not known" if plan.least_declare_bytes is None else f"{plan.least_declare_bytes:,}"
    return seconds, f"{plan.before.declare_bytes:,} -> {points}; least {bound}, {plan.tried} stages tried"


def _chained(graph: Graph) -> str:
    try:
        network = chain_of(graph)
    except McuplanError as error:
        return str(error)
    return f"{layer_by_layer(network):,} -> {_front(search(network).front.points, network.macs)}"


def main() -> int:
    """Print time, fronts and published points; exit code 1 where a network takes longer than the goal."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("models", nargs="*", metavar="MODEL.tflite")
    parser.add_argument("--efforts", default="fast,default")
    given = parser.parse_args()
    slowest = max(_papers() if not given.models else 0.0, _live(given.models, given.efforts.split(",")))
    print(f"slowest: {slowest:.1f} s of CPU, goal {GOAL_SECONDS:.0f} s")
    return int(slowest > GOAL_SECONDS)


if __name__ == "__main__":
    raise SystemExit(main())
