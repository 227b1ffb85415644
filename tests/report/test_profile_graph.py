"""The picture of a response graph: everything is there, apart and readable, up to 200 profiles."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest

from marl.games.annotated_graph import annotated_graph
from marl.games.empirical import EmpiricalGame
from marl.games.graph_files import graph_to_json
from marl.games.normal_form import NormalFormGame
from marl.report.profile_graph import BOX_X, BOX_Y, LONGEST, MOST_NODES, draw_profiles, lay_out

SVG = "{http://www.w3.org/2000/svg}"
STAG_HUNT = NormalFormGame([[[4, 0], [3, 3]], [[4, 3], [0, 3]]], ["ann", "bob"], [["stag", "hare"]] * 2)


def random_record(shape: tuple[int, ...], responses: str = "best") -> dict[str, Any]:
    rng = np.random.default_rng(0)
    payoffs = rng.random((len(shape), *shape))
    return graph_to_json(annotated_graph(NormalFormGame(payoffs), responses))  # type: ignore[arg-type]


def drawn(record: dict[str, Any]) -> ET.Element:
    picture = draw_profiles(record)
    assert picture is not None
    return ET.fromstring(picture)


def named(root: ET.Element, tag: str, name: str) -> list[ET.Element]:
    return [node for node in root.iter(SVG + tag) if name in node.get("class", "").split()]


def title(node: ET.Element) -> str:
    found = node.find(f"{SVG}title")
    assert found is not None
    return found.text or ""


@pytest.mark.parametrize("shape", [(2, 2), (3, 4, 2), (10, 20), (200, 1), (14, 14)])
@pytest.mark.parametrize("responses", ["best", "better"])
def test_all_profiles_and_arrows_are_drawn_and_no_boxes_touch(shape: tuple[int, ...], responses: str) -> None:
    record = random_record(shape, responses)
    root = drawn(record)
    assert len(named(root, "g", "node")) == len(record["nodes"]) == np.prod(shape)
    assert len(named(root, "path", "arrow")) == len(record["edges"])
    boxes = [(float(box.get("x", "")), float(box.get("y", ""))) for box in named(root, "rect", "box")]
    for (x0, y0), (x1, y1) in itertools.combinations(boxes, 2):
        assert abs(x0 - x1) > BOX_X + 4 or abs(y0 - y1) > BOX_Y + 4
    width, height = float(root.get("width", "")), float(root.get("height", ""))
    assert all(x >= 0 and x + BOX_X <= width and y >= 0 and y + BOX_Y <= height for x, y in boxes)
    assert width < 1700


def test_arrows_that_leave_a_component_lead_down() -> None:
    record = random_record((6, 6))
    places = lay_out(record["nodes"], record["edges"])
    lowest = max(y for _, y in places.values())
    sinks = [node["id"] for node in record["nodes"] if node["sink"] >= 0]
    assert max(places[name][1] for name in sinks) == lowest
    acyclic = random_record((4, 1))
    heights = lay_out(acyclic["nodes"], acyclic["edges"])
    assert all(heights[edge["source"]][1] < heights[edge["target"]][1] for edge in acyclic["edges"])


def test_a_box_says_what_is_known_of_its_profile() -> None:
    root = drawn(graph_to_json(annotated_graph(STAG_HUNT)))
    titles = {title(node): node.get("class") for node in named(root, "g", "node")}
    assert titles["(stag, stag), payoffs 4.00, 4.00, equilibrium, sink 1, alpha-rank 0.0 %"] == "node equilibrium sink"
    assert titles["(stag, hare), payoffs 0.00, 3.00, alpha-rank 0.0 %"] == "node"
    assert len(named(root, "rect", "inner")) == 2
    assert len(named(root, "rect", "mass")) == 1
    assert "(hare, hare)" not in (root.get("aria-label") or "")
    assert "hare, hare" in (root.get("aria-label") or "")


def test_an_arrow_says_who_gains_what_and_how_surely() -> None:
    root = drawn(graph_to_json(annotated_graph(STAG_HUNT)))
    assert "bob gains 3.00" in {title(arrow) for arrow in named(root, "path", "arrow")}
    assert not named(root, "path", "doubtful")
    samples = {(0, 0): [[0.0, 0], [1, 0], [2, 0]], (1, 0): [[0.5, 0], [1, 0], [2.5, 0]]}
    game = EmpiricalGame(("ann", "bob"), (("a", "b"), ("c",)), samples)
    (arrow,) = named(drawn(graph_to_json(annotated_graph(game))), "path", "doubtful")
    assert title(arrow) == "ann gains 0.33 [\N{MINUS SIGN}3.25, 3.92]"  # t(0.975, 2) = 4.303, error 0.833


def test_labels_fit_and_markup_in_names_is_text() -> None:
    names = [["<b>very long strategy</b>", "<i>"], ["c", "d"]]
    long = NormalFormGame(np.eye(2)[None].repeat(2, 0), None, names)
    root = drawn(graph_to_json(annotated_graph(long)))
    labels = [text.text or "" for text in root.iter(f"{SVG}text")]
    assert all(len(label) <= LONGEST for label in labels)
    assert {"(0, 0)", "(0, 1)", "<i>, c", "<i>, d"} <= set(labels)
    assert any("<b>very long strategy</b>, c" in title(node) for node in named(root, "g", "node"))


def test_what_nobody_could_read_is_not_drawn() -> None:
    assert draw_profiles({"nodes": [], "edges": []}) is None
    record = random_record((2, 2))
    record["nodes"] = record["nodes"] * MOST_NODES
    assert draw_profiles(record) is None
