import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_games import TWO_PLAYERS

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame
from marl.games.pure import pure_equilibria
from marl.games.sinks import better_response_sinks


def by_networkx(game: NormalFormGame) -> list[list[tuple[int, ...]]]:
    graph = nx.DiGraph()
    for profile in np.ndindex(game.shape):
        graph.add_node(profile)
        for player, size in enumerate(game.shape):
            for strategy in range(size):
                other = (*profile[:player], strategy, *profile[player + 1 :])
                if game.payoffs[(player, *other)] > game.payoffs[(player, *profile)]:
                    graph.add_edge(profile, other)
    return sorted(sorted(part) for part in nx.attracting_components(graph))


def test_known_games() -> None:
    assert better_response_sinks(NormalFormGame(TWO_PLAYERS["stag_hunt"][:2])) == [[(0, 0)], [(1, 1)]]
    assert better_response_sinks(NormalFormGame(TWO_PLAYERS["matching_pennies"][:2])) == [
        [(0, 0), (0, 1), (1, 0), (1, 1)]
    ]
    shapley = better_response_sinks(NormalFormGame(TWO_PLAYERS["shapley"][:2]))
    assert [len(one) for one in shapley] == [6]
    assert len(better_response_sinks(NormalFormGame(np.zeros((2, 2, 3))))) == 6


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(1, 6), st.integers(0, 2**32 - 1))
def test_as_a_plain_graph_says(shape: list[int], size: int, seed: int) -> None:
    game = NormalFormGame(np.random.default_rng(seed).integers(0, size, (len(shape), *shape)))
    sinks = better_response_sinks(game)
    assert sinks == by_networkx(game)
    assert {one[0] for one in sinks if len(one) == 1} <= set(pure_equilibria(game))


def test_floats_that_rounding_parted_are_ties() -> None:
    assert better_response_sinks(NormalFormGame([[0.1 + 0.2, 0.3, 0.1]])) == [[(0,)], [(1,)]]


def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marl.games.sinks.MAX_EDGES", 3)
    with pytest.raises(SolverError, match="at most 3 are followed"):
        better_response_sinks(NormalFormGame(np.zeros((2, 2, 2))))
