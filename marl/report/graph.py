"""The best-response graph on a grid: a profile's place is its strategies, an arrow is a player's best change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from marl.report import formats
from marl.report.game import Profile, Strategies, profile_names
from marl.report.svg import element

SHRINK = 0.75
"""So far a drawing is made smaller where there is no room for it; beyond that it scrolls."""
MOST_NODES = 64
CELL_X, CELL_Y = 168.0, 92.0
BOX_X, BOX_Y = 124.0, 44.0
LEFT, TOP, RIGHT = 132.0, 60.0, 24.0


@dataclass(frozen=True)
class Node:
    """A profile at its place; `x`, `y` are the middle of its box."""

    profile: Profile
    x: float
    y: float
    record: Mapping[str, Any]


def response_graph(analysis: Mapping[str, Any]) -> Markup | None:
    """Draw the graph of analysis.json; None when it has more than `MOST_NODES` profiles.

    Players in even places run down the page, those in odd places across it, so that every change of one player is
    a straight walk along a row or a column.
    """
    graph, players = analysis["response_graph"], analysis["game"]["players"]
    strategies = analysis["game"]["strategies"]
    if len(graph["nodes"]) > MOST_NODES:
        return None
    nodes = place_nodes(graph["nodes"], strategies)
    columns, rows = _headers(strategies, 1), _headers(strategies, 0)
    width, height = LEFT + CELL_X * len(columns) + RIGHT, TOP + CELL_Y * len(rows)
    stable = [_words(node.profile, strategies) for node in nodes.values() if node.record["equilibrium"]]
    words = (
        f"Best-response graph of {len(nodes)} profiles. Equilibria: {formats.listing(stable) if stable else 'none'}."
    )
    return element(
        "svg",
        element("title", words),
        element("defs", *(_head(player) for player in range(len(players)))),
        *_titles(columns, rows, players),
        *(_arrow(edge, nodes, players.index(edge["player"]), strategies) for edge in graph["edges"]),
        *(_box(node, strategies) for node in nodes.values()),
        view_box=f"0 0 {width:.0f} {height:.0f}",
        width=width,
        height=height,
        style=f"min-width: {SHRINK * width:.0f}px",
        class_="graph",
        role="img",
        aria_label=words,
    )


def place_nodes(records: Sequence[Mapping[str, Any]], strategies: Strategies) -> dict[int, Node]:
    """Nodes by id, each at (column of the odd players' strategies, row of the even players')."""
    nodes = {}
    for record in records:
        profile = tuple(record["profile"])
        column, row = _index(profile, strategies, 1), _index(profile, strategies, 0)
        nodes[record["id"]] = Node(profile, LEFT + CELL_X * (column + 0.5), TOP + CELL_Y * (row + 0.5), record)
    return nodes


def _index(profile: Profile, strategies: Strategies, side: int) -> int:
    place = 0
    for player in range(side, len(strategies), 2):
        place = place * len(strategies[player]) + profile[player]
    return place


def _headers(strategies: Strategies, side: int) -> list[str]:
    names = [""]
    for player in range(side, len(strategies), 2):
        names = [f"{name} / {strategy}" if name else strategy for name in names for strategy in strategies[player]]
    return names


def _titles(columns: list[str], rows: list[str], players: list[str]) -> list[Markup]:
    down, across = " / ".join(players[0::2]) + " ↓", " / ".join(players[1::2])
    parts = [element("text", down, class_="axis player0", x=LEFT, y=TOP - 8, text_anchor="end")]
    if across:
        parts.append(element("text", f"{across} →", class_="axis player1", x=LEFT + (CELL_X - BOX_X) / 2, y="14"))
    for i, name in enumerate(columns):
        parts.append(_label(name, 19, x=LEFT + CELL_X * (i + 0.5), y=38.0, text_anchor="middle"))
    for i, name in enumerate(rows):
        parts.append(_label(name, 17, x=LEFT, y=TOP + CELL_Y * (i + 0.5) + 4, text_anchor="end"))
    return parts


def _label(text: str, most: int, **place: object) -> Markup:
    """A strategy's name, cut where it would run into its neighbor; whole in the tooltip."""
    shown = text if len(text) <= most else text[: most - 1] + "…"
    return element("text", shown, element("title", text), class_="header", **place)


def _box(node: Node, strategies: Strategies) -> Markup:
    status = [word for word in ("learned", "equilibrium") if node.record[word]]
    left, top = node.x - BOX_X / 2, node.y - BOX_Y / 2
    payoffs = ", ".join(formats.number(value) for value in node.record["payoffs"])
    parts = [
        element("title", ", ".join([_words(node.profile, strategies), *status])),
        element("rect", class_="box", x=left, y=top, width=BOX_X, height=BOX_Y, rx=6.0),
    ]
    if node.record["equilibrium"]:
        inner = {"x": left + 3, "y": top + 3, "width": BOX_X - 6, "height": BOX_Y - 6}
        parts.append(element("rect", class_="inner", rx=4.0, **inner))
    middle = {"x": node.x, "text_anchor": "middle"}
    parts.append(element("text", payoffs, class_="payoffs", y=node.y + (-2 if status else 4.5), **middle))
    if status:
        parts.append(element("text", " · ".join(status), class_="status", y=node.y + 13, **middle))
    return element("g", *parts, class_=" ".join(["node", *status]))


def _arrow(edge: Mapping[str, Any], nodes: Mapping[int, Node], player: int, strategies: Strategies) -> Markup:
    source, target = nodes[edge["source"]], nodes[edge["target"]]
    before, after = (strategies[player][node.profile[player]] for node in (source, target))
    gain = f"gains {formats.number(edge['gain'])} ± {formats.number(edge['standard_error'])}"
    return element(
        "path",
        element("title", f"{edge['player']}: {before} → {after}, {gain}"),
        d=_walk_along(source, target) if source.y == target.y else _walk_down(source, target),
        class_=f"arrow player{player % 4}",
        marker_end=f"url(#head-{player})",
    )


def _walk_along(source: Node, target: Node) -> str:
    """A path in a row: straight to a neighbor, above the boxes between otherwise."""
    way = 1 if target.x > source.x else -1
    steps = round(abs(target.x - source.x) / CELL_X)
    if steps == 1:
        start, end = source.x + way * BOX_X / 2, target.x - way * (BOX_X / 2 + 3)
        return f"M{start:.1f},{source.y:.1f} L{end:.1f},{source.y:.1f}"
    top, start, end = source.y - BOX_Y / 2, source.x + way * 26, target.x - way * 26
    peak = top - 20 - 7 * steps
    bends = f"{start + way * 24:.1f},{peak:.1f} {end - way * 24:.1f},{peak:.1f}"
    return f"M{start:.1f},{top:.1f} C{bends} {end:.1f},{top - 3:.1f}"


def _walk_down(source: Node, target: Node) -> str:
    """A path in a column: straight to a neighbor, right of the boxes between otherwise."""
    way = 1 if target.y > source.y else -1
    steps = round(abs(target.y - source.y) / CELL_Y)
    if steps == 1:
        start, end = source.y + way * BOX_Y / 2, target.y - way * (BOX_Y / 2 + 3)
        return f"M{source.x:.1f},{start:.1f} L{source.x:.1f},{end:.1f}"
    side, start, end = source.x + BOX_X / 2, source.y + way * 10, target.y - way * 10
    peak = side + 20 + 7 * steps
    bends = f"{peak:.1f},{start + way * 24:.1f} {peak:.1f},{end - way * 24:.1f}"
    return f"M{side:.1f},{start:.1f} C{bends} {side + 3:.1f},{end:.1f}"


def _head(player: int) -> Markup:
    tip = element("path", d="M0,0.5 L7,4 L0,7.5 Z", class_=f"head player{player % 4}")
    size = {"refX": "6", "refY": "4", "markerWidth": "8", "markerHeight": "8", "markerUnits": "userSpaceOnUse"}
    return element("marker", tip, id=f"head-{player}", orient="auto", **size)


def _words(profile: Profile, strategies: Strategies) -> str:
    return "(" + ", ".join(profile_names(profile, strategies)) + ")"
