"""The maximal Nash subsets and components of a two-player game, named by its extreme equilibria.

A Nash subset is a set of strategies of one player and a set of the other's, any pair of which is an equilibrium; the
equilibria are the union of the convex hulls of the maximal ones (Winkels 1979; Jansen 1981). They are the maximal
complete bipartite parts of the graph whose edges are the extreme equilibria (Avis, Rosenberg, Savani & von Stengel
2010, section 4); its connected parts are the topological components of the set of equilibria.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from marl.errors import SolverError
from marl.games.equilibrium import Equilibrium
from marl.games.limits import TIME_LIMIT, Deadline

if TYPE_CHECKING:
    from networkx import Graph


@dataclass(frozen=True, slots=True)
class NashSubset:
    """Equilibria (indices) whose mixtures, each side by itself, are equilibria: left x right of them."""

    equilibria: tuple[int, ...]
    left: int
    right: int


@dataclass(frozen=True, slots=True)
class Component:
    """A connected set of equilibria: the union of its maximal Nash subsets."""

    equilibria: tuple[int, ...]
    subsets: tuple[NashSubset, ...]

    @property
    def isolated(self) -> bool:
        """Whether it is a single equilibrium."""
        return len(self.equilibria) == 1


def equilibrium_components(
    equilibria: Sequence[Equilibrium], *, time_limit: float = TIME_LIMIT
) -> tuple[Component, ...]:
    """All components, in the order of their first equilibria; `equilibria` are all extreme ones of a two-player game.

    Raises SolverError for more players, or when `time_limit` seconds are over (their number may be exponential).
    """
    import networkx as nx  # a third of the time that marl.games takes to import

    deadline = Deadline(time_limit)
    if any(len(one.profile) != 2 for one in equilibria):
        raise SolverError("components are named by the extreme equilibria of a two-player game; these have other sizes")
    number = {((0, one.profile[0]), (1, one.profile[1])): k for k, one in enumerate(equilibria)}
    graph = nx.Graph(list(number))
    found = []
    for nodes in nx.connected_components(graph):
        part = graph.subgraph(nodes)
        sides = [[node for node in nodes if node[0] == side] for side in range(2)]
        # Joined within each side, the complete bipartite parts become the cliques.
        joined = nx.Graph(part.edges)
        for side in sides:
            joined.add_edges_from((a, b) for i, a in enumerate(side) for b in side[:i])
        subsets = []
        for clique in nx.find_cliques(joined):
            deadline.check("the search for maximal Nash subsets")
            left, right = ([node for node in clique if node[0] == side] for side in range(2))
            if left and right:
                members = tuple(sorted(number[x, y] for x in left for y in right))
                subsets.append(NashSubset(members, len(left), len(right)))
        subsets.sort(key=lambda subset: subset.equilibria)
        found.append(Component(tuple(sorted(number[edge] for edge in _directed(part))), tuple(subsets)))
    return tuple(sorted(found, key=lambda component: component.equilibria))


def _directed(part: Graph) -> list[tuple[tuple, tuple]]:
    return [(a, b) if a[0] == 0 else (b, a) for a, b in part.edges]
