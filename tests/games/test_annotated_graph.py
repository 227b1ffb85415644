import numpy as np
import pytest
from known_games import TWO_PLAYERS

from marl.errors import SolverError
from marl.games.alpha_rank import alpha_rank
from marl.games.annotated_graph import annotated_graph
from marl.games.empirical import EmpiricalGame
from marl.games.normal_form import NormalFormGame


def played(spread: float, episodes: int = 30, seed: int = 0) -> EmpiricalGame:
    rng = np.random.default_rng(seed)
    stag = {(0, 0): (4, 4), (0, 1): (0, 3), (1, 0): (3, 0), (1, 1): (3, 3)}
    samples = {p: np.array(mean) + spread * rng.normal(size=(episodes, 2)) for p, mean in stag.items()}
    return EmpiricalGame(("row", "column"), (("stag", "hare"),) * 2, samples)


def test_a_known_game_is_annotated_in_full() -> None:
    game = NormalFormGame(TWO_PLAYERS["stag_hunt"][:2], ["ann", "bob"], [["stag", "hare"]] * 2)
    graph = annotated_graph(game)
    assert graph.nodes[1, 1] == {
        "payoffs": (7.0, 7.0),
        "equilibrium": True,
        "names": ("hare", "hare"),
        "sink": 1,
        "alpha_rank": pytest.approx(1.0),
    }
    assert graph.nodes[0, 1]["sink"] == -1
    assert graph.edges[(0, 1), (1, 1)] == {
        "player": 0, "strategy": 1, "gain": 7.0, "low": 7.0, "high": 7.0, "sureness": 1.0,
    }  # fmt: skip
    assert graph.graph["players"] == ("ann", "bob")
    assert sum(mass for _, mass in graph.nodes(data="alpha_rank")) == pytest.approx(1)


def test_alpha_and_population_are_passed_on() -> None:
    game = NormalFormGame(TWO_PLAYERS["chicken"][:2])
    graph = annotated_graph(game, "better", alpha=0.3, population=7)
    masses = alpha_rank(game, 0.3, 7).masses
    assert [graph.nodes[p]["alpha_rank"] for p in np.ndindex(2, 2)] == masses.ravel().tolist()
    assert (graph.graph["responses"], graph.graph["alpha"], graph.graph["population"]) == ("better", 0.3, 7)


def test_a_gain_between_two_measured_profiles_has_the_paired_t_interval() -> None:
    game = played(0.5)
    held = annotated_graph(game).edges[(0, 1), (1, 1)]
    one, other = game.samples[0, 1][:, 0], game.samples[1, 1][:, 0]
    error = np.sqrt(one.var(ddof=1) / 30 + other.var(ddof=1) / 30)
    assert held["gain"] == pytest.approx(other.mean() - one.mean())
    assert (held["high"] - held["low"]) / 2 == pytest.approx(2.0452 * error, rel=1e-4)  # t(0.975, 29)
    assert held["sureness"] > 0.999
    doubtful = annotated_graph(played(8.0, 5, seed=3))
    assert any(sureness < 0.95 for _, _, sureness in doubtful.edges(data="sureness"))
    assert all(0.5 <= sureness <= 1 for _, _, sureness in doubtful.edges(data="sureness"))


def test_what_never_varied_is_sure() -> None:
    assert {held["sureness"] for *_, held in annotated_graph(played(0.0)).edges(data=True)} == {1.0}


def test_missing_profiles_leave_masses_unknown() -> None:
    game = played(0.5)
    known = {profile: values for profile, values in game.samples.items() if profile != (0, 0)}
    graph = annotated_graph(EmpiricalGame(game.players, game.strategies, known))
    assert set(graph) == set(known)
    assert {mass for _, mass in graph.nodes(data="alpha_rank")} == {None}


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="confidence 1"):
        annotated_graph(played(1.0), confidence=1)
    with pytest.raises(SolverError, match="episodes"):
        annotated_graph(played(0.1, episodes=1))
