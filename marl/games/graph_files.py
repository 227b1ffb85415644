"""Response graphs as GraphML (for Gephi, yEd, igraph and the like) and as plain data for JSON, both ways."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from networkx import DiGraph, NetworkXError, read_graphml, write_graphml

from marl.errors import SolverError

PAYOFF = "payoff_of_"


def graph_to_json(graph: DiGraph) -> dict[str, Any]:
    """The graph as plain data: its own attributes, `nodes` and `edges`, each a list of records.

    A node's record has `id` (its number) and `profile` (strategy indices); an edge's `source` and `target` are ids.
    """
    number = {profile: place for place, profile in enumerate(graph)}
    nodes = [{"id": number[p], "profile": list(p), **_plain(held)} for p, held in graph.nodes(data=True)]
    edges = [{"source": number[a], "target": number[b], **_plain(held)} for a, b, held in graph.edges(data=True)]
    return {**_plain(graph.graph), "nodes": nodes, "edges": edges}


def graph_from_json(record: Mapping[str, Any]) -> DiGraph:
    """The graph that `graph_to_json` wrote down; SolverError for anything else."""
    try:
        graph = DiGraph(**{key: _frozen(value) for key, value in record.items() if key not in ("nodes", "edges")})
        profiles = {node["id"]: tuple(node["profile"]) for node in record["nodes"]}
        for node in record["nodes"]:
            graph.add_node(profiles[node["id"]], **_attributes(node, "id", "profile"))
        for edge in record["edges"]:
            ends = profiles[edge["source"]], profiles[edge["target"]]
            graph.add_edge(*ends, **_attributes(edge, "source", "target"))
    except (KeyError, TypeError) as error:
        raise SolverError(f"no response graph: {error!r}; give what graph_to_json returns") from error
    return graph


def write_graph(graph: DiGraph, path: Path | str) -> None:
    """Write GraphML. Nodes are called "0,1" by their strategies; payoffs become one number per player.

    Other lists become JSON text, and what is None is left out.
    """
    flat = DiGraph(**{key: _text(value) for key, value in graph.graph.items()})
    for profile, held in graph.nodes(data=True):
        own = {key: _text(value) for key, value in held.items() if key != "payoffs" and value is not None}
        own.update({f"{PAYOFF}{player}": value for player, value in enumerate(held.get("payoffs", ()))})
        flat.add_node(_name(profile), **own)
    for source, target, held in graph.edges(data=True):
        flat.add_edge(_name(source), _name(target), **{key: _text(value) for key, value in held.items()})
    write_graphml(flat, path)


def read_graph(path: Path | str) -> DiGraph:
    """Read the GraphML that `write_graph` wrote; SolverError where it is none."""
    try:
        flat = read_graphml(path)
        graph = DiGraph(**{key: _value(value) for key, value in flat.graph.items() if key not in _OF_NETWORKX})
        for name, held in flat.nodes(data=True):
            own = {key: _value(value) for key, value in held.items() if not key.startswith(PAYOFF)}
            payoffs = tuple(held[f"{PAYOFF}{player}"] for player in range(sum(key.startswith(PAYOFF) for key in held)))
            graph.add_node(_profile(name), payoffs=payoffs, **{"alpha_rank": None, **own} if "sink" in own else own)
        for source, target, held in flat.edges(data=True):
            graph.add_edge(_profile(source), _profile(target), **{key: _value(value) for key, value in held.items()})
    except (NetworkXError, SyntaxError, ValueError, KeyError) as error:
        raise SolverError(f"{path} is no response graph in GraphML: {error}") from error
    return graph


_OF_NETWORKX = ("node_default", "edge_default")
_LIST = "json:"


def _text(value: Any) -> Any:
    return _LIST + json.dumps(value) if isinstance(value, list | tuple) else value


def _value(value: Any) -> Any:
    return _frozen(json.loads(value[len(_LIST) :])) if isinstance(value, str) and value.startswith(_LIST) else value


def _frozen(value: Any) -> Any:
    return tuple(_frozen(one) for one in value) if isinstance(value, list) else value


def _plain(held: Mapping[str, Any]) -> dict[str, Any]:
    return {key: _thawed(value) for key, value in held.items()}


def _thawed(value: Any) -> Any:
    return [_thawed(one) for one in value] if isinstance(value, list | tuple) else value


def _attributes(record: Mapping[str, Any], *without: str) -> dict[str, Any]:
    return {key: _frozen(value) for key, value in record.items() if key not in without}


def _name(profile: tuple[int, ...]) -> str:
    return ",".join(str(s) for s in profile)


def _profile(name: str) -> tuple[int, ...]:
    return tuple(int(s) for s in name.split(","))
