import sys

import networkx as nx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_games import TWO_PLAYERS

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame
from marl.games.pure import pure_equilibria
from marl.games.response_graph import MAX_NODES, Responses, response_graph, response_sinks


def known(name: str) -> NormalFormGame:
    return NormalFormGame(TWO_PLAYERS[name][:2])


def sinks_of(name: str) -> list[list[tuple[int, ...]]]:
    """One answer for both kinds of responses."""
    best, better = (response_sinks(known(name), responses=kind) for kind in ("best", "better"))
    assert best == better
    return best


def test_prisoners_dilemma_leads_to_defection() -> None:
    graph = response_graph(known("prisoners_dilemma"))
    assert set(graph.edges) == {((0, 0), (1, 0)), ((0, 0), (0, 1)), ((0, 1), (1, 1)), ((1, 0), (1, 1))}
    assert graph.edges[(0, 0), (1, 0)] == {"player": 0, "strategy": 1, "gain": 1.0}
    assert graph.nodes[1, 1] == {"payoffs": (1.0, 1.0), "equilibrium": True}
    assert sinks_of("prisoners_dilemma") == [[(1, 1)]]


def test_matching_pennies_goes_round_for_ever() -> None:
    graph = response_graph(known("matching_pennies"))
    assert sinks_of("matching_pennies") == [[(0, 0), (0, 1), (1, 0), (1, 1)]]
    assert not any(equilibrium for _, equilibrium in graph.nodes(data="equilibrium"))


def test_shapleys_game_has_a_sink_of_six() -> None:
    assert [len(sink) for sink in sinks_of("shapley")] == [6]


def test_every_strict_equilibrium_is_a_sink_and_so_is_every_profile_of_the_zero_game() -> None:
    assert sinks_of("stag_hunt") == [[(0, 0)], [(1, 1)]]
    assert len(response_sinks(NormalFormGame(np.zeros((2, 2, 3))))) == 6


def test_better_responses_may_leave_what_best_ones_never_do() -> None:
    """The best reply to (0, 0) is row 2, an equilibrium; row 1, also better, leads to another one."""
    game = NormalFormGame([[[0, 0], [1, 2], [2, 0]], [[0, 0], [0, 1], [1, 0]]])
    assert response_sinks(game, np.array([[True, False], [True, False], [True, False]])) == [[(2, 0)]]
    best, better = (response_graph(game, responses=kind) for kind in ("best", "better"))
    assert ((0, 0), (1, 0)) in better.edges
    assert ((0, 0), (1, 0)) not in best.edges


shapes = st.lists(st.integers(1, 4), min_size=1, max_size=3)


@settings(max_examples=60, deadline=None)
@given(shapes, st.integers(1, 6), st.integers(0, 2**32 - 1), st.sampled_from(["best", "better"]), st.booleans())
def test_sinks_are_what_networkx_finds_in_the_graph(
    shape: list[int], size: int, seed: int, responses: Responses, partly: bool
) -> None:
    rng = np.random.default_rng(seed)
    game = NormalFormGame(rng.integers(0, size, (len(shape), *shape)))
    played = rng.random(shape) < 0.6 if partly else None
    if played is not None:
        played.flat[0] = True
    sinks = response_sinks(game, played, responses)
    graph = response_graph(game, played, responses)
    assert sinks == sorted(sorted(part) for part in nx.attracting_components(graph))
    if played is None:
        assert {one[0] for one in sinks if len(one) == 1} <= set(pure_equilibria(game))


def test_floats_that_rounding_parted_are_ties() -> None:
    assert response_sinks(NormalFormGame([[0.1 + 0.2, 0.3, 0.1]])) == [[(0,)], [(1,)]]
    assert response_graph(NormalFormGame([[0.1 + 0.2, 0.3]])).number_of_edges() == 0


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


def test_what_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SolverError, match="too many"):
        response_graph(NormalFormGame(np.zeros((1, MAX_NODES + 1))))
    monkeypatch.setattr(sys.modules["marl.games.response_graph"], "MAX_EDGES", 3)
    with pytest.raises(SolverError, match="at most 3 are followed"):
        response_sinks(NormalFormGame(np.zeros((2, 2, 2))))


def test_sinks_of_a_large_game_take_no_graph() -> None:
    """Common payoffs, all different: every climb ends at a pure equilibrium."""
    shared = np.random.default_rng(0).permutation(2**15).astype(float).reshape((2,) * 15)
    game = NormalFormGame(np.stack([shared] * 15))
    assert [one for (one,) in response_sinks(game, responses="better")] == pure_equilibria(game)
