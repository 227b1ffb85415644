"""Who hears whom, as a directed graph with one node an agent and an edge from speaker to hearer."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import networkx as nx

from marl.errors import ChannelError


def topology(spec: Any, agents: Sequence[str]) -> nx.DiGraph:
    """The graph that `spec` describes, with exactly `agents` as nodes, in their order.

    `spec` is "broadcast" (everyone hears everyone else), "none" (nobody hears anybody), an iterable of (speaker,
    hearer) pairs, an object with such pairs as `edges`, or any `networkx.DiGraph`. Agents without an edge are mute
    and deaf. An edge from an agent to itself is dropped: everyone knows what they said. Raises ChannelError for an
    unknown name, an unknown agent or an undirected graph.
    """
    graph = nx.DiGraph()
    graph.add_nodes_from(agents)
    if spec == "broadcast":
        graph.add_edges_from((speaker, hearer) for speaker in agents for hearer in agents if speaker != hearer)
    elif spec != "none":
        edges = _edges(spec)
        nodes = list(spec.nodes) if isinstance(spec, nx.Graph) else []
        _check_agents([*nodes, *(agent for edge in edges for agent in edge)], agents)
        graph.add_edges_from((speaker, hearer) for speaker, hearer in edges if speaker != hearer)
    return graph


def _edges(spec: Any) -> list[tuple[str, str]]:
    allowed = '"broadcast", "none", a list of [speaker, hearer] pairs, or a networkx.DiGraph'
    if isinstance(spec, nx.Graph) and not spec.is_directed():
        raise ChannelError("the topology is an undirected graph; hearing has a direction: pass graph.to_directed()")
    pairs = getattr(spec, "edges", spec)
    if isinstance(pairs, str) or not isinstance(pairs, Iterable):
        raise ChannelError(f"topology {spec!r} is unknown; give {allowed}")
    edges = [tuple(pair) if isinstance(pair, Sequence) and not isinstance(pair, str) else () for pair in pairs]
    if any(len(edge) != 2 for edge in edges):
        raise ChannelError(f"topology {spec!r} holds edges that are not pairs; give {allowed}")
    return [(speaker, hearer) for speaker, hearer in edges]


def _check_agents(named: Iterable[Any], agents: Sequence[str]) -> None:
    unknown = list(dict.fromkeys(agent for agent in named if agent not in agents))
    if unknown:
        close = difflib.get_close_matches(str(unknown[0]), agents, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else ""
        raise ChannelError(
            f"channel.topology names unknown agents {unknown}; the env's agents are {list(agents)}{hint}"
        )
