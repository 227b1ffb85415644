import math
import sys
from importlib.util import find_spec
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from known_games import TWO_PLAYERS

from marl.errors import SolverError
from marl.games import alpha_rank as module
from marl.games.alpha_rank import alpha_rank, log_fixation
from marl.games.normal_form import NormalFormGame
from marl.games.response_graph import response_sinks
from marl.games.symmetric import SymmetricGame

RPS = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
# Omidshafiei et al. 2019: the biased game, in which alpha-rank still cycles evenly for large alpha.
BIASED_RPS = np.array([[0, -0.5, 1], [0.5, 0, -0.1], [-1, 0.1, 0]])


@pytest.fixture
def rival(monkeypatch: pytest.MonkeyPatch) -> Any:
    """open_spiel's alpha-rank, which imports matplotlib for its pictures."""
    pytest.importorskip("open_spiel")
    if find_spec("matplotlib") is None:
        pictures = "open_spiel.python.egt.alpharank_visualizer"
        monkeypatch.setitem(sys.modules, pictures, ModuleType(pictures))
    return pytest.importorskip("open_spiel.python.egt.alpharank")


@pytest.mark.parametrize("alpha", [0.1, 1.0, 100.0, math.inf])
def test_rock_paper_scissors_is_even(alpha: float) -> None:
    np.testing.assert_allclose(alpha_rank(SymmetricGame.from_matrix(RPS), alpha).masses, 1 / 3)
    np.testing.assert_allclose(alpha_rank(SymmetricGame.from_matrix(BIASED_RPS), math.inf).masses, 1 / 3)


def test_biased_rock_paper_scissors_prefers_at_low_intensity_what_loses_least() -> None:
    masses = alpha_rank(SymmetricGame.from_matrix(BIASED_RPS), 0.1).masses
    rates = np.exp(log_fixation(0.1 * (BIASED_RPS - BIASED_RPS.T).T, 50))
    np.fill_diagonal(rates, 0)
    inflow, outflow = masses @ rates, masses * rates.sum(axis=1)
    np.testing.assert_allclose(inflow, outflow)
    assert masses.argmax() == 1


def test_fixation_is_the_sum_of_products() -> None:
    for u, m in [(0.3, 5), (-0.3, 5), (2.0, 50), (-2.0, 50)]:
        assert math.exp(log_fixation(np.array(u), m)) == pytest.approx(1 / sum(math.exp(-k * u) for k in range(m)))
    assert math.exp(log_fixation(np.array(0.0), 50)) == pytest.approx(1 / 50)
    assert log_fixation(np.array([1e-300, -1e-18]), 50) == pytest.approx([-math.log(50)] * 2)
    assert log_fixation(np.array([1e4, -1e4]), 50) == pytest.approx([0.0, -49e4])


@pytest.mark.parametrize("alpha", [0.01, 0.3, 2.0])
def test_one_population_as_open_spiel(rival: Any, alpha: float) -> None:
    rng = np.random.default_rng(1)
    for size in (2, 5, 12):
        matrix = rng.random((size, size))
        ours = alpha_rank(SymmetricGame.from_matrix(matrix), alpha, 20)
        np.testing.assert_allclose(ours.masses, rival.compute([matrix], alpha=alpha, m=20)[2], atol=1e-10)


@pytest.mark.parametrize("shape", [(2, 2), (3, 4)])
def test_one_population_per_player_as_open_spiel(rival: Any, shape: tuple[int, ...]) -> None:
    payoffs = np.random.default_rng(0).random((len(shape), *shape))
    expected = rival.compute(list(payoffs), alpha=0.5, m=10)[2]
    np.testing.assert_allclose(alpha_rank(NormalFormGame(payoffs), 0.5, 10).masses.ravel(), expected, atol=1e-10)


@pytest.mark.parametrize("shape", [(3,), (3, 2), (2, 3, 2)])
def test_masses_stay_as_they_are_under_the_chain_by_hand(shape: tuple[int, ...]) -> None:
    payoffs = np.random.default_rng(0).random((len(shape), *shape))
    masses = alpha_rank(NormalFormGame(payoffs), 0.5, 10).masses.ravel()
    np.testing.assert_allclose(masses @ by_hand(payoffs, 0.5, 10), masses, atol=1e-12)


def by_hand(payoffs: np.ndarray, alpha: float, m: int) -> np.ndarray:
    """The transition matrix of the source, entry by entry."""
    shape, profiles = payoffs.shape[1:], list(np.ndindex(payoffs.shape[1:]))
    chain = np.zeros((len(profiles), len(profiles)))
    for i, before in enumerate(profiles):
        for j, after in enumerate(profiles):
            changed = [k for k in range(len(shape)) if before[k] != after[k]]
            if len(changed) == 1:
                u = alpha * (payoffs[(changed[0], *after)] - payoffs[(changed[0], *before)])
                chain[i, j] = (1 - math.exp(-u)) / (1 - math.exp(-m * u)) / sum(size - 1 for size in shape)
        chain[i, i] = 1 - chain[i].sum()
    return chain


@pytest.mark.parametrize("alpha", [1.0, 100.0, 1e4, math.inf])
def test_battle_of_the_sexes_has_an_answer_where_others_raise(alpha: float) -> None:
    found = alpha_rank(NormalFormGame(TWO_PLAYERS["battle_of_the_sexes"][:2]), alpha)
    np.testing.assert_allclose(found.masses, [[0.5, 0], [0, 0.5]], atol=1e-9)
    assert found.populations == 2
    assert found.ranking[:2] == [(0, 0), (1, 1)]


def test_stag_hunt_goes_to_the_risk_dominant_equilibrium() -> None:
    """Leaving (hare, hare) costs 7 at least, leaving (stag, stag) costs 1: the limit is all hare."""
    game = NormalFormGame(TWO_PLAYERS["stag_hunt"][:2])
    np.testing.assert_allclose(alpha_rank(game, math.inf).masses, [[0, 0], [0, 1]], atol=1e-12)
    np.testing.assert_allclose(alpha_rank(game).masses, [[0, 0], [0, 1]], atol=1e-12)
    np.testing.assert_allclose(alpha_rank(game, math.inf, downhill="equal").masses, [[0.5, 0], [0, 0.5]])
    alone = alpha_rank(SymmetricGame.from_matrix(np.array([[9, 0], [8, 7]])))
    np.testing.assert_allclose(alone.masses, [0, 1], atol=1e-12)


def test_prisoners_dilemma_defects() -> None:
    game = NormalFormGame(TWO_PLAYERS["prisoners_dilemma"][:2])
    assert alpha_rank(game, math.inf).masses.tolist() == [[0, 0], [0, 1]]


def test_the_limit_is_where_large_alphas_go_and_lies_in_the_sinks() -> None:
    rng = np.random.default_rng(5)
    for shape in [(3, 3), (2, 2, 2)] * 10:
        game = NormalFormGame(rng.integers(0, 6, size=(len(shape), *shape)))
        limit = alpha_rank(game, math.inf, 10).masses
        np.testing.assert_allclose(alpha_rank(game, 60.0, 10).masses, limit, atol=1e-9)
        if np.unique(game.payoffs).size == game.payoffs.size:
            sinks = {p for sink in response_sinks(game) for p in sink}
            assert {tuple(p) for p in np.argwhere(limit > 0).tolist()} <= sinks


def test_equal_steps_down_are_the_limit_of_open_spiels_noise(rival: Any) -> None:
    rng = np.random.default_rng(3)
    for _ in range(5):
        payoffs = rng.integers(0, 5, size=(2, 3, 3)).astype(float)
        near = rival.compute(list(payoffs), use_inf_alpha=True, inf_alpha_eps=1e-5)[2]
        ours = alpha_rank(NormalFormGame(payoffs), math.inf, downhill="equal").masses
        np.testing.assert_allclose(ours.ravel(), near, atol=1e-3)


def test_many_profiles_are_solved_sparsely(monkeypatch: pytest.MonkeyPatch) -> None:
    payoffs = np.random.default_rng(0).random((3, 5, 5, 5))
    dense = alpha_rank(NormalFormGame(payoffs), 0.5)
    monkeypatch.setattr("marl.games.stationary.MAX_DENSE", 10)
    sparsely = alpha_rank(NormalFormGame(payoffs), 0.5)
    np.testing.assert_allclose(sparsely.masses, dense.masses, rtol=1e-9)
    assert sparsely.method == "direct solve"


def test_population_wide_selection_gives_the_published_masses() -> None:
    """Han, Pereira, Santos & Lenaerts 2013, "Good agreements make good friends", as in open_spiel's own test."""
    payoffs = [[0.875, 0.75, 0, 2.75, 0.75], [1, 1, -1, -1, -1], [0, 2, 0, 0, 0], [-2, 2, 0, 0, 0], [1, 2, 0, 0, 0]]
    found = alpha_rank(SymmetricGame.from_matrix(np.array(payoffs)), 0.1, 20, selection="population")
    np.testing.assert_allclose(found.masses, [0.40966787, 0.07959841, 0.20506998, 0.08505983, 0.2206039], atol=1e-4)


def test_a_single_state_has_all_the_mass() -> None:
    assert alpha_rank(NormalFormGame([[[1]], [[2]]])).masses.tolist() == [[1]]
    assert alpha_rank(SymmetricGame.from_matrix(np.ones((1, 1))), math.inf).masses.tolist() == [1]


def test_what_does_not_fit_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    game = SymmetricGame.from_matrix(RPS)
    with pytest.raises(SolverError, match="alpha -1"):
        alpha_rank(game, -1)
    with pytest.raises(SolverError, match="population 1"):
        alpha_rank(game, population=1)
    with pytest.raises(SolverError, match="two players"):
        alpha_rank(SymmetricGame(3, ["a"], np.zeros((1, 1))))
    with pytest.raises(SolverError, match="one population"):
        alpha_rank(game, math.inf, selection="population")
    monkeypatch.setattr(module, "MAX_STATES", 2)
    with pytest.raises(SolverError, match="drop strategies"):
        alpha_rank(game)
