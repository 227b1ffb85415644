import networkx as nx
import numpy as np
import pytest
from known_games import TWO_PLAYERS

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame
from marl.games.pure import pure_equilibria
from marl.games.response_graph import MAX_NODES, response_graph, sink_components


def graph_of(name: str) -> nx.DiGraph:
    return response_graph(NormalFormGame(TWO_PLAYERS[name][:2]))


def test_prisoners_dilemma_leads_to_defection() -> None:
    graph = graph_of("prisoners_dilemma")
    assert set(graph.edges) == {((0, 0), (1, 0)), ((0, 0), (0, 1)), ((0, 1), (1, 1)), ((1, 0), (1, 1))}
    assert graph.edges[(0, 0), (1, 0)] == {"player": 0, "strategy": 1, "gain": 1.0}
    assert graph.nodes[1, 1] == {"payoffs": (1.0, 1.0), "equilibrium": True}
    assert sink_components(graph) == [[(1, 1)]]


def test_matching_pennies_goes_round_for_ever() -> None:
    graph = graph_of("matching_pennies")
    assert sink_components(graph) == [[(0, 0), (0, 1), (1, 0), (1, 1)]]
    assert not any(equilibrium for _, equilibrium in graph.nodes(data="equilibrium"))


def test_shapleys_game_has_a_sink_of_six() -> None:
    assert [len(sink) for sink in sink_components(graph_of("shapley"))] == [6]


def test_ties_get_an_edge_each_and_no_edge_without_gain() -> None:
    graph = response_graph(NormalFormGame([[[0], [1], [1]], [[0], [0], [0]]]))
    assert set(graph.edges) == {((0, 0), (1, 0)), ((0, 0), (2, 0))}
    assert response_graph(NormalFormGame(np.zeros((2, 2, 2)))).number_of_edges() == 0


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 2)])
def test_edges_are_best_responses_and_nodes_without_edges_are_equilibria(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        game = NormalFormGame(rng.integers(0, 5, size=(len(shape), *shape)))
        graph = response_graph(game)
        for source, target, held in graph.edges(data=True):
            player = held["player"]
            assert held["strategy"] in game.best_responses(source, player)
            assert target == (*source[:player], held["strategy"], *source[player + 1 :])
            assert held["gain"] == float(game.regret(source)[player]) > 0
        settled = [profile for profile in graph if graph.out_degree(profile) == 0]
        assert settled == pure_equilibria(game)


@pytest.mark.parametrize("shape", [(3, 3), (2, 3, 2)])
def test_better_responses_are_all_gainful_switches(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(4)
    payoffs = rng.integers(0, 5, size=(len(shape), *shape))
    graph = response_graph(NormalFormGame(payoffs), responses="better")
    expected = {
        (one, other): float(payoffs[(player, *other)] - payoffs[(player, *one)])
        for one in np.ndindex(shape)
        for other in np.ndindex(shape)
        for player in range(len(shape))
        if [k for k in range(len(shape)) if one[k] != other[k]] == [player]
        and payoffs[(player, *other)] > payoffs[(player, *one)]
    }
    assert {(one, other): gain for one, other, gain in graph.edges(data="gain")} == expected


def test_unknown_profiles_are_left_out() -> None:
    known = np.array([[True, True], [True, False]])
    graph = response_graph(NormalFormGame(TWO_PLAYERS["prisoners_dilemma"][:2]), known)
    assert sorted(graph) == [(0, 0), (0, 1), (1, 0)]
    assert not any(equilibrium for _, equilibrium in graph.nodes(data="equilibrium"))


def test_a_graph_too_large_is_refused() -> None:
    with pytest.raises(SolverError, match="too many"):
        response_graph(NormalFormGame(np.zeros((1, MAX_NODES + 1))))
