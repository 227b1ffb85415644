"""The best- or better-response graph: from each pure profile to those that one player's gainful switch leads to.

Source: Goemans, Mirrokni & Vetta 2005, "Sink equilibria and convergence". A sink strongly connected component is a
set of profiles that the responses never leave; a strict pure equilibrium is one of a single profile.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame, Profile
from marl.games.pure import pure_equilibria

if TYPE_CHECKING:
    from networkx import DiGraph

MAX_NODES = 20_000
MAX_EDGES = 30_000_000
Responses = Literal["best", "better"]


class _Switches(NamedTuple):
    """Gainful switches: numbers of the profiles in lexicographic order, and who switches to which strategy."""

    source: np.ndarray
    target: np.ndarray
    player: np.ndarray
    strategy: np.ndarray


def response_graph(game: NormalFormGame, known: np.ndarray | None = None, responses: Responses = "best") -> DiGraph:
    """The response graph of a game with at most MAX_NODES profiles (else SolverError).

    Nodes are profiles (tuples of strategy indices) with `payoffs` (tuple of floats) and `equilibrium` (bool). An edge
    goes to each of a player's best responses that pays strictly more, or with "better" `responses` to each strategy
    that does, with `player` (index), `strategy` (index) and `gain` (float). `known` (bool, [*strategies]) leaves out
    the other profiles: best then means best known.
    """
    from networkx import DiGraph  # a third of the time that marl.games takes to import

    size = int(np.prod(game.shape))
    if size > MAX_NODES:
        raise SolverError(f"{size} profiles are too many for a response graph; at most {MAX_NODES}. Drop strategies")
    known = np.ones(game.shape, dtype=bool) if known is None else known
    equilibria = set(pure_equilibria(game, known))
    payoffs = game.rational().payoffs
    graph = DiGraph()
    profiles: list[Profile] = list(np.ndindex(game.shape))
    for profile in (profiles[number] for number in np.flatnonzero(known)):
        own = tuple(float(tensor[profile]) for tensor in payoffs)
        graph.add_node(profile, payoffs=own, equilibrium=profile in equilibria)
    for one, other, player, strategy in zip(*_switches(game, known, responses), strict=True):
        source, target = profiles[one], profiles[other]
        gain = float(payoffs[player][target] - payoffs[player][source])
        graph.add_edge(source, target, player=int(player), strategy=int(strategy), gain=gain)
    return graph


def response_sinks(
    game: NormalFormGame, known: np.ndarray | None = None, responses: Responses = "best"
) -> list[list[Profile]]:
    """The sink components of `response_graph`, of large games too: each sorted, in the order of their first profiles.

    No graph is built but a sparse matrix. SolverError where the switches may be more than MAX_EDGES.
    """
    # A quarter of a second to import: not for everybody who imports marl.games.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    profiles = int(np.prod(game.shape))
    edges = profiles * sum(size - 1 for size in game.shape)
    if edges > MAX_EDGES:
        raise SolverError(f"up to {edges} switches are too many; at most {MAX_EDGES} are followed. Drop strategies")
    known = np.ones(game.shape, dtype=bool) if known is None else known
    start, end, _, _ = _switches(game, known, responses)
    graph = coo_array((np.ones(len(start), dtype=bool), (start, end)), shape=(profiles, profiles)).tocsr()
    count, component = connected_components(graph, directed=True, connection="strong")
    left = np.zeros(count, dtype=bool)
    left[component[start[component[start] != component[end]]]] = True
    members: dict[int, list[Profile]] = {}
    for number in np.flatnonzero(~left[component] & known.ravel()).tolist():
        profile = tuple(int(s) for s in np.unravel_index(number, game.shape))
        members.setdefault(int(component[number]), []).append(profile)
    return sorted(members.values())


def _switches(game: NormalFormGame, known: np.ndarray, responses: Responses) -> _Switches:
    """All of them between known profiles, sorted by source, player and strategy."""
    place = np.arange(known.size).reshape(game.shape)
    parts: list[_Switches] = []
    for player, ranks in enumerate(np.where(known, game.ranks, -1)):
        best = ranks.max(axis=player, keepdims=True)
        for strategy in range(game.shape[player]):
            switched = np.take(ranks, [strategy], axis=player)
            gains = known & (switched > ranks)
            if responses == "best":
                gains &= switched == best
            source = place[gains]
            target = np.broadcast_to(np.take(place, [strategy], axis=player), game.shape)[gains]
            parts.append(_Switches(source, target, np.full_like(source, player), np.full_like(source, strategy)))
    every = _Switches(*map(np.concatenate, zip(*parts, strict=True)))
    # Each part is in the order of its sources, and the parts in that of players and strategies.
    order = np.argsort(every.source, kind="stable")
    return _Switches(*(column[order] for column in every))
