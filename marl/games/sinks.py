"""Where better responses end: the sink components of the graph of all profitable switches, for large games too.

Source: Goemans, Mirrokni & Vetta 2005, "Sink equilibria and convergence". `marl.games.response_graph` builds the graph
itself, for drawing; here it is a sparse matrix.
"""

from __future__ import annotations

import numpy as np

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame, Profile

MAX_EDGES = 30_000_000


def better_response_sinks(game: NormalFormGame) -> list[list[Profile]]:
    """The sets of profiles that no chain of profitable switches by one player at a time leaves, each sorted, in the
    order of their first profiles. SolverError where the switches may be more than MAX_EDGES.
    """
    # A quarter of a second to import: not for everybody who imports marl.games.
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    profiles = int(np.prod(game.shape))
    edges = profiles * sum(size - 1 for size in game.shape)
    if edges > MAX_EDGES:
        raise SolverError(f"up to {edges} switches are too many; at most {MAX_EDGES} are followed. Drop strategies")
    place = np.arange(profiles).reshape(game.shape)
    sources, targets = [], []
    for player, ranks in enumerate(game.ranks):
        for strategy in range(game.shape[player]):
            switched = np.take(ranks, [strategy], axis=player)
            gains = switched > ranks
            sources.append(place[gains])
            targets.append(np.broadcast_to(np.take(place, [strategy], axis=player), game.shape)[gains])
    start, end = np.concatenate(sources), np.concatenate(targets)
    graph = coo_array((np.ones(len(start), dtype=bool), (start, end)), shape=(profiles, profiles)).tocsr()
    count, component = connected_components(graph, directed=True, connection="strong")
    left = np.zeros(count, dtype=bool)
    left[component[start[component[start] != component[end]]]] = True
    members: dict[int, list[Profile]] = {}
    for number in np.flatnonzero(~left[component]).tolist():
        profile = tuple(int(s) for s in np.unravel_index(number, game.shape))
        members.setdefault(int(component[number]), []).append(profile)
    return sorted(members.values())
