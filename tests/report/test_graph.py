"""The best-response graph: every profile and arrow is there, in its row and column."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from itertools import product
from typing import Any

from marl.report.graph import BOX_X, BOX_Y, CELL_X, CELL_Y, MOST_NODES, place_nodes, response_graph


def drawn(analysis: dict[str, Any]) -> ET.Element:
    drawing = response_graph(analysis)
    assert drawing is not None
    return ET.fromstring(drawing)


def named(root: ET.Element, tag: str, name: str) -> list[ET.Element]:
    return [node for node in root.iter(tag) if name in node.get("class", "").split()]


def test_every_node_and_edge_is_drawn(analysis: dict[str, Any]) -> None:
    root = drawn(analysis)
    graph = analysis["response_graph"]
    assert len(named(root, "g", "node")) == len(graph["nodes"])
    assert len(named(root, "path", "arrow")) == len(graph["edges"])


def test_equilibria_and_the_learned_profile_are_marked(analysis: dict[str, Any]) -> None:
    root = drawn(analysis)
    assert len(named(root, "g", "equilibrium")) == sum(
        node["equilibrium"] for node in analysis["response_graph"]["nodes"]
    )
    (learned,) = named(root, "g", "learned")
    title = learned.find("title")
    assert title is not None
    assert title.text == "(trained, trained), learned, equilibrium"
    assert "(trained, trained)" in root.get("aria-label", "")


def test_an_arrow_says_who_gains_what(analysis: dict[str, Any]) -> None:
    edge = analysis["response_graph"]["edges"][0]
    title = named(drawn(analysis), "path", "arrow")[0].find("title")
    assert title is not None
    assert title.text is not None
    assert title.text.startswith(f"{edge['player']}: ")
    assert f"gains {edge['gain']:.2f} ±" in title.text


def test_arrow_heads_exist_for_every_player(analysis: dict[str, Any]) -> None:
    root = drawn(analysis)
    ids = {node.get("id") for node in root.iter("marker")}
    assert {node.get("marker-end") for node in named(root, "path", "arrow")} <= {f"url(#{name})" for name in ids}


def test_one_players_change_stays_in_its_row_or_column() -> None:
    strategies = [["a", "b"], ["c", "d", "e"], ["f", "g"]]
    profiles = list(product(range(2), range(3), range(2)))
    nodes = place_nodes([{"id": k, "profile": list(p)} for k, p in enumerate(profiles)], strategies)
    places = {(node.x, node.y) for node in nodes.values()}
    assert len(places) == len(profiles)
    for one, other in product(nodes.values(), repeat=2):
        changed = [player for player in range(3) if one.profile[player] != other.profile[player]]
        if len(changed) == 1:
            assert (one.y == other.y) if changed[0] % 2 else (one.x == other.x)


def test_boxes_do_not_touch() -> None:
    assert BOX_X < CELL_X
    assert BOX_Y < CELL_Y


def test_a_graph_that_nobody_could_read_is_not_drawn(analysis: dict[str, Any]) -> None:
    analysis["response_graph"]["nodes"] *= MOST_NODES
    assert response_graph(analysis) is None


def test_a_long_name_is_cut_and_kept_whole_beside(analysis: dict[str, Any]) -> None:
    name = "a_strategy_with_a_very_long_name"
    for names in analysis["game"]["strategies"]:
        names[3] = name
    headers = named(drawn(analysis), "text", "header")
    cut = [node for node in headers if (node.text or "").endswith("…")]
    assert len(cut) == 2
    assert all(node.find("title").text == name for node in cut)  # type: ignore[union-attr]
