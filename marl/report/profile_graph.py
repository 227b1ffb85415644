"""The response graph of up to 200 profiles, laid out by how far play is from where it stays: sinks lie at the bottom.

Drawn from the record that `marl.games.graph_files.graph_to_json` makes. Rows are numbers of steps to a sink component,
wrapped at `ACROSS` boxes; boxes never overlap, arrows run behind them. The picture has its own small style sheet, with
the report's colors where it stands in one, and can be saved as a file as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import networkx as nx
from markupsafe import Markup

from marl.report import formats
from marl.report.svg import element

MOST_NODES = 200
ACROSS = 12
CELL_X, CELL_Y = 132.0, 64.0
BOX_X, BOX_Y = 112.0, 36.0
MARGIN = 12.0
LONGEST = 17
"""Characters of a label of 10 pixels that fit into a box."""
DOUBTFUL = 0.95
"""Arrows whose gain is less sure than this are dashed."""

Place = tuple[float, float]
STYLE = Markup(
    "<style>"
    ".profiles text{font:10px system-ui,sans-serif;text-anchor:middle;fill:var(--ink,#1e1d1a)}"
    ".profiles .box{fill:var(--paper,#fdfcf9);stroke:var(--faint,#b9b3a5)}"
    ".profiles .mass{fill:var(--normal,#0b62a4)}"
    ".profiles .sink .box{stroke:var(--normal,#0b62a4);stroke-width:2}"
    ".profiles .inner{fill:none;stroke:var(--ink,#1e1d1a)}"
    ".profiles .arrow{fill:none;stroke:var(--muted,#5d5950);stroke-opacity:.55}"
    ".profiles .arrow.player0{stroke:var(--normal,#0b62a4)}"
    ".profiles .arrow.player1{stroke:var(--scrambled,#b34605)}"
    ".profiles .arrow.player2{stroke:var(--silent_twin,#0a755a)}"
    ".profiles .arrow.player3{stroke:var(--off,#86468a)}"
    ".profiles .arrow:hover{stroke-width:3;stroke-opacity:1}"
    ".profiles .doubtful{stroke-dasharray:4 3}"
    "</style>"
)


def draw_profiles(record: Mapping[str, Any]) -> Markup | None:
    """The picture of a response graph; None where it has no profile or more than `MOST_NODES`."""
    nodes, edges = record["nodes"], record["edges"]
    if not 0 < len(nodes) <= MOST_NODES:
        return None
    places = lay_out(nodes, edges)
    width = max(x for x, _ in places.values()) + CELL_X / 2 + MARGIN
    height = max(y for _, y in places.values()) + CELL_Y / 2 + MARGIN
    stable = [_name(node) for node in nodes if node["equilibrium"]]
    words = f"Response graph of {len(nodes)} profiles. Equilibria: {formats.listing(stable) if stable else 'none'}."
    tip = element("path", d="M0,0.5 L7,4 L0,7.5 Z", fill="context-stroke")
    marker = {"refX": "6", "refY": "4", "markerWidth": "8", "markerHeight": "8", "markerUnits": "userSpaceOnUse"}
    players = record.get("players", [])
    return element(
        "svg",
        element("title", words),
        STYLE,
        element("defs", element("marker", tip, id="profile-head", orient="auto", **marker)),
        *(_arrow(edge, places, players) for edge in edges),
        *(_box(node, places[node["id"]]) for node in nodes),
        view_box=f"0 0 {width:.0f} {height:.0f}",
        width=width,
        height=height,
        xmlns="http://www.w3.org/2000/svg",
        class_="profiles",
        role="img",
        aria_label=words,
    )


def lay_out(nodes: Sequence[Mapping[str, Any]], edges: Sequence[Mapping[str, Any]]) -> dict[int, Place]:
    """The middle of each node's box by id: one band of rows per number of steps to a sink, the farthest first.

    Inside a band nodes are sorted by where the nodes that they lead to stand, from the sinks upwards.
    """
    graph = nx.DiGraph()
    graph.add_nodes_from(node["id"] for node in nodes)
    graph.add_edges_from((edge["source"], edge["target"]) for edge in edges)
    steps = _steps_to_sinks(graph)
    column: dict[int, float] = {}
    bands: list[list[list[int]]] = []
    for step in range(max(steps.values()) + 1):
        members = [name for name in graph if steps[name] == step]
        members.sort(key=lambda name: (_middle([column[t] for t in graph.successors(name) if t in column]), name))
        rows = [members[start : start + ACROSS] for start in range(0, len(members), ACROSS)]
        for row in rows:
            column.update({name: k - (len(row) - 1) / 2 for k, name in enumerate(row)})
        bands.append(rows)
    widest = max(len(row) for rows in bands for row in rows)
    center = MARGIN + CELL_X * widest / 2
    places: dict[int, Place] = {}
    top = MARGIN + CELL_Y / 2
    for rows in reversed(bands):
        for row in rows:
            places.update({name: (center + CELL_X * column[name], top) for name in row})
            top += CELL_Y
    return places


def _steps_to_sinks(graph: nx.DiGraph) -> dict[int, int]:
    """The longest way from a node's component to a sink component, in components."""
    components = nx.condensation(graph)
    steps: dict[int, int] = {}
    for component in reversed(list(nx.topological_sort(components))):
        steps[component] = max((steps[after] + 1 for after in components.successors(component)), default=0)
    return {name: steps[component] for name, component in components.graph["mapping"].items()}


def _middle(columns: Sequence[float]) -> float:
    return sum(columns) / len(columns) if columns else 0.0


def _box(node: Mapping[str, Any], place: Place) -> Markup:
    x, y = place
    left, top, mass, sink = x - BOX_X / 2, y - BOX_Y / 2, node.get("alpha_rank"), node.get("sink", -1)
    payoffs = ", ".join(formats.number(value) for value in node["payoffs"])
    said = [f"({_name(node)})", f"payoffs {payoffs}"]
    said += ["equilibrium"] if node["equilibrium"] else []
    said += [f"sink {sink + 1}"] if sink >= 0 else []
    said += [f"alpha-rank {100 * mass:.1f} %"] if mass is not None else []
    parts = [
        element("title", ", ".join(said)),
        element("rect", class_="box", x=left, y=top, width=BOX_X, height=BOX_Y, rx=5.0),
    ]
    if mass is not None and mass >= 0.005:
        parts.append(element("rect", class_="mass", x=left, y=top + BOX_Y - 4, width=BOX_X * mass, height=4.0))
    if node["equilibrium"]:
        inner = {"x": left + 2.5, "y": top + 2.5, "width": BOX_X - 5, "height": BOX_Y - 5}
        parts.append(element("rect", class_="inner", rx=3.0, **inner))
    parts.append(element("text", _label(node), x=x, y=y - 3))
    parts.append(element("text", _cut(payoffs), x=x, y=y + 10))
    kind = ["node", *(["equilibrium"] if node["equilibrium"] else []), *(["sink"] if sink >= 0 else [])]
    return element("g", *parts, class_=" ".join(kind))


def _name(node: Mapping[str, Any]) -> str:
    return ", ".join(str(one) for one in node.get("names", node["profile"]))


def _label(node: Mapping[str, Any]) -> str:
    """Names where they fit, else strategy numbers, which tell profiles apart where cut names would not."""
    name = _name(node)
    return name if len(name) <= LONGEST else _cut("(" + ", ".join(str(s) for s in node["profile"]) + ")")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"


def _arrow(edge: Mapping[str, Any], places: Mapping[int, Place], players: Sequence[str]) -> Markup:
    (x0, y0), (x1, y1) = _cut_ends(places[edge["source"]], places[edge["target"]])
    player, sureness = edge["player"], edge.get("sureness", 1.0)
    who = players[player] if player < len(players) else f"player {player}"
    gain = formats.number(edge["gain"])
    if edge.get("low", edge["gain"]) < edge["gain"]:
        gain += f" [{formats.number(edge['low'])}, {formats.number(edge['high'])}]"
    # A slight bend keeps the two ways between a pair of profiles, and arrows along one row, apart.
    bend_x, bend_y = (x0 + x1) / 2 + 0.08 * (y1 - y0), (y0 + y1) / 2 - 0.08 * (x1 - x0)
    return element(
        "path",
        element("title", f"{who} gains {gain}"),
        d=f"M{x0:.1f},{y0:.1f} Q{bend_x:.1f},{bend_y:.1f} {x1:.1f},{y1:.1f}",
        class_=f"arrow player{player % 4}" + (" doubtful" if sureness < DOUBTFUL else ""),
        marker_end="url(#profile-head)",
    )


def _cut_ends(source: Place, target: Place) -> tuple[Place, Place]:
    """The line between two boxes without what lies inside them."""
    dx, dy = target[0] - source[0], target[1] - source[1]
    inside = min(BOX_X / 2 / abs(dx) if dx else 1.0, BOX_Y / 2 / abs(dy) if dy else 1.0)
    start = (source[0] + inside * dx, source[1] + inside * dy)
    return start, (target[0] - inside * dx, target[1] - inside * dy)
