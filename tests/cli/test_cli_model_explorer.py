"""``mcuplan inspect --model-explorer``: node data that Model Explorer lays over its own picture of the model."""

from __future__ import annotations

import dataclasses
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

from mcuplan.graph import Graph
from mcuplan.reports.model_explorer import graph_ids
from mcuplan.tflite import save
from mcuplan.zoo import build

SERIES = ("live-bytes", "macs", "instructions", "weights")
INSTALLED = importlib.util.find_spec("model_explorer") is not None
_READ = """
import json, sys
from model_explorer.builtin_tflite_flatbuffer_adapter import BuiltinTfliteFlatbufferAdapter
from model_explorer.config import ModelExplorerConfig
from model_explorer.node_data_builder import GradientItem, GraphNodeData, ModelNodeData, NodeDataResult
model, *paths = sys.argv[1:]
(collection,) = BuiltinTfliteFlatbufferAdapter().convert(model, {})["graphCollections"]
def plain(part):
    return part if isinstance(part, dict) else vars(part)
nodes = {
    plain(graph)["id"]: {plain(node)["id"]: plain(node)["label"] for node in plain(graph)["nodes"]}
    for graph in plain(collection)["graphs"]
}
config = ModelExplorerConfig().add_model_from_path(model)
found = {}
for path in paths:
    config.add_node_data_from_path(path)
    document = json.load(open(path))
    read = ModelNodeData({
        graph: GraphNodeData(
            {node: NodeDataResult(**value) for node, value in data["results"].items()}, data["name"],
            gradient=[GradientItem(**stop) for stop in data["gradient"]],
        )
        for graph, data in document.items()
    })
    found[path] = json.loads(read.to_json_string())
print(json.dumps({"nodes": nodes, "found": found, "sources": config.node_data_sources}))
"""


def written(cli, folder: Path, graph: Graph) -> tuple[Path, dict[str, Path]]:
    model = folder / "model.tflite"
    save(graph, model)
    outcome = cli("inspect", str(model), "--model-explorer", str(folder / "out.json"))
    assert outcome.code == 0
    files = {series: folder / f"out.{series}.json" for series in SERIES}
    assert outcome.out.split() == [str(path) for path in files.values()]
    return model, files


def test_each_series_has_what_inspect_says(cli, tmp_path):
    model, files = written(cli, tmp_path, build("ds-cnn"))
    rows = json.loads(cli("inspect", str(model), "--format", "json").out)["operators"]
    keys = {"live-bytes": "live_bytes", "macs": "macs", "instructions": "instructions", "weights": "weights_bytes"}
    for series, path in files.items():
        (data,) = json.loads(path.read_text("utf-8")).values()
        assert data["results"] == {str(row["operator"]): {"value": row[keys[series]]} for row in rows}


def test_subgraphs_without_names_are_called_as_model_explorer_does():
    assert graph_ids(["main", None, "", "body"]) == ("main", "subgraph_1", "subgraph_2", "body")
    assert graph_ids([None]) == ("main",)


@pytest.mark.skipif(not INSTALLED, reason="Model Explorer is not installed: pip install ai-edge-model-explorer")
@pytest.mark.parametrize("named", [True, False])
def test_model_explorer_reads_it_and_finds_every_node(cli, tmp_path, named):
    """The package's own adapter numbers the nodes, its own types read the data; in a process of its own."""
    graph = build("ds-cnn")
    if not named:
        graph = dataclasses.replace(graph, subgraphs=(dataclasses.replace(graph.main, name=None),))
    model, files = written(cli, tmp_path, graph)
    done = subprocess.run(
        [sys.executable, "-c", _READ, str(model), *map(str, files.values())],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["sources"] == [str(path) for path in files.values()]
    for path in files.values():
        document = json.loads(path.read_text("utf-8"))
        for graph_id, data in document.items():
            nodes = told["nodes"][graph_id]
            for operator in data["results"]:
                name = graph.main.operators[int(operator)].label
                assert nodes[operator].replace("_", "").lower() == name.replace("_", "").lower()
            read = told["found"][str(path)][graph_id]
            assert read["results"] == data["results"]
            assert read["name"] == data["name"]
