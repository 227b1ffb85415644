import json
import xml.etree.ElementTree as ET
from pathlib import Path

import networkx as nx
import numpy as np
import pytest

from marl.errors import SolverError
from marl.games.annotated_graph import annotated_graph
from marl.games.empirical import EmpiricalGame
from marl.games.graph_files import graph_from_json, graph_to_json, read_graph, write_graph
from marl.games.normal_form import NormalFormGame
from marl.games.response_graph import response_graph


def graphs() -> dict[str, nx.DiGraph]:
    rng = np.random.default_rng(0)
    game = NormalFormGame(rng.random((3, 2, 3, 2)), ["a", "b", "c"], [["x", "y"], ["<&>", 'q"', "é"], ["0", "1"]])
    samples = {(s, t): rng.normal(size=(5, 2)) for s in range(2) for t in range(2) if (s, t) != (1, 1)}
    return {
        "plain": response_graph(game),
        "annotated": annotated_graph(game, "better", alpha=2.0),
        "empirical": annotated_graph(EmpiricalGame(("a", "b"), (("s", "t"), ("u", "v")), samples)),
        "still": annotated_graph(NormalFormGame(np.zeros((1, 3)))),
    }


def assert_equal(one: nx.DiGraph, other: nx.DiGraph) -> None:
    assert one.graph == other.graph
    assert list(one.nodes(data=True)) == list(other.nodes(data=True))
    assert sorted(one.edges) == sorted(other.edges)
    assert all(held == other.edges[source, target] for source, target, held in one.edges(data=True))


@pytest.mark.parametrize("name", graphs())
def test_json_and_back(name: str) -> None:
    graph = graphs()[name]
    assert_equal(graph_from_json(json.loads(json.dumps(graph_to_json(graph)))), graph)


@pytest.mark.parametrize("name", graphs())
def test_graphml_and_back(name: str, tmp_path: Path) -> None:
    graph = graphs()[name]
    write_graph(graph, tmp_path / "graph.graphml")
    assert_equal(read_graph(tmp_path / "graph.graphml"), graph)


def test_graphml_is_what_other_programs_read(tmp_path: Path) -> None:
    write_graph(graphs()["annotated"], tmp_path / "graph.graphml")
    root = ET.parse(tmp_path / "graph.graphml").getroot()
    space = {"g": "http://graphml.graphdrawing.org/xmlns"}
    keys = {key.get("attr.name"): key.get("attr.type") for key in root.iterfind("g:key", space)}
    assert keys["payoff_of_0"] == keys["alpha_rank"] == keys["gain"] == keys["sureness"] == "double"
    assert keys["equilibrium"] == "boolean"
    assert {node.get("id") for node in root.iterfind(".//g:node", space)} == {
        f"{a},{b},{c}" for a in range(2) for b in range(3) for c in range(2)
    }


def test_json_names_its_records_plainly() -> None:
    record = graph_to_json(graphs()["annotated"])
    assert record["players"] == ["a", "b", "c"]
    assert record["nodes"][3]["id"] == 3
    assert record["nodes"][3]["profile"] == [0, 1, 1]
    assert set(record["edges"][0]) == {"source", "target", "player", "strategy", "gain", "low", "high", "sureness"}


def test_what_is_no_graph_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SolverError, match="no response graph"):
        graph_from_json({"nodes": []})
    (tmp_path / "bad.graphml").write_text("<graphml>")
    with pytest.raises(SolverError, match="no response graph in GraphML"):
        read_graph(tmp_path / "bad.graphml")
