"""The best- or better-response graph: from each pure profile to those that one player's gainful switch leads to.

Source: Goemans, Mirrokni & Vetta 2005, "Sink equilibria and convergence". A sink strongly connected component is a
set of profiles that best responses never leave; a strict pure equilibrium is one of a single profile.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from networkx import DiGraph, condensation

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame, Profile
from marl.games.pure import pure_equilibria

MAX_NODES = 20_000
Responses = Literal["best", "better"]


def response_graph(game: NormalFormGame, known: np.ndarray | None = None, responses: Responses = "best") -> DiGraph:
    """The response graph of a game with at most MAX_NODES profiles (else SolverError).

    Nodes are profiles (tuples of strategy indices) with `payoffs` (tuple of floats) and `equilibrium` (bool). An edge
    goes to each of a player's best responses that pays strictly more, or with "better" `responses` to each strategy
    that does, with `player` (index), `strategy` (index) and `gain` (float). `known` (bool, [*strategies]) leaves out
    the other profiles: best then means best known.
    """
    size = int(np.prod(game.shape))
    if size > MAX_NODES:
        raise SolverError(f"{size} profiles are too many for a response graph; at most {MAX_NODES}. Drop strategies")
    known = np.ones(game.shape, dtype=bool) if known is None else known
    equilibria = set(pure_equilibria(game, known))
    payoffs = game.rational().payoffs
    graph = DiGraph()
    for profile in (tuple(int(s) for s in row) for row in np.argwhere(known)):
        own = tuple(float(tensor[profile]) for tensor in payoffs)
        graph.add_node(profile, payoffs=own, equilibrium=profile in equilibria)
    for profile in list(graph):
        for player in range(len(game.shape)):
            _add_responses(graph, payoffs[player], profile, player, responses)
    return graph


def _add_responses(graph: DiGraph, payoffs: np.ndarray, profile: Profile, player: int, responses: Responses) -> None:
    switches = [(*profile[:player], s, *profile[player + 1 :]) for s in range(payoffs.shape[player])]
    reachable = [switch for switch in switches if switch in graph]
    best = max(payoffs[switch] for switch in reachable)
    for switch in reachable:
        gain = payoffs[switch] - payoffs[profile]
        if gain > 0 and (responses == "better" or payoffs[switch] == best):
            graph.add_edge(profile, switch, player=player, strategy=switch[player], gain=float(gain))


def sink_components(graph: DiGraph) -> list[list[Profile]]:
    """The strongly connected components that no edge leaves, each sorted, in the order of their first profiles."""
    components = condensation(graph)
    sinks = [sorted(components.nodes[c]["members"]) for c in components if components.out_degree(c) == 0]
    return sorted(sinks)
