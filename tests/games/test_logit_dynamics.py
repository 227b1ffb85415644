import numpy as np
import pytest
from known_games import TWO_PLAYERS
from scipy.special import softmax

from marl.errors import SolverError
from marl.games import logit_dynamics as module
from marl.games.logit_dynamics import logit_dynamics, logit_path, logit_stationary
from marl.games.normal_form import NormalFormGame
from marl.games.symmetric import SymmetricGame


@pytest.mark.parametrize("name", ["chicken", "matching_pennies", "stag_hunt"])
def test_it_rests_at_a_logit_equilibrium(name: str) -> None:
    game = NormalFormGame(TWO_PLAYERS[name][:2])
    final = logit_dynamics(game, 0.8, [[0.6, 0.4], [0.3, 0.7]], time=300).final
    for own, values in zip(final, game.deviation_payoffs(final), strict=True):
        np.testing.assert_allclose(own, softmax(0.8 * values), atol=1e-6)


def test_without_rationality_play_decays_to_uniform() -> None:
    path = logit_dynamics(SymmetricGame.from_matrix(np.eye(2)), 0.0, [[1, 0]], time=3, points=4)
    np.testing.assert_allclose(path.states[0][:, 0], 0.5 + 0.5 * np.exp(-path.times), rtol=1e-7)


@pytest.mark.parametrize("rationality", [0.5, 3.0, 200.0])
def test_a_common_interest_game_has_the_gibbs_distribution(rationality: float) -> None:
    potential = np.random.default_rng(0).random((2, 3, 2))
    masses = logit_stationary(NormalFormGame(np.stack([potential] * 3)), rationality)
    np.testing.assert_allclose(masses, softmax(rationality * potential), rtol=1e-7, atol=1e-12)


def test_the_path_spends_its_time_as_the_chain_says() -> None:
    game = NormalFormGame(np.random.default_rng(1).random((2, 2, 3)))
    path = logit_path(game, 1.5, 40_000, np.random.default_rng(2))
    counts = np.zeros(game.shape)
    np.add.at(counts, tuple(path.T), 1)
    np.testing.assert_allclose(counts / len(path), logit_stationary(game, 1.5), atol=0.015)
    assert ((np.diff(path, axis=0) != 0).sum(axis=1) <= 1).all()


def test_what_does_not_fit_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    game = NormalFormGame(TWO_PLAYERS["chicken"][:2])
    with pytest.raises(SolverError, match="rationality is -1"):
        logit_dynamics(game, -1)
    with pytest.raises(SolverError, match="rationality is inf"):
        logit_path(game, np.inf, 5, np.random.default_rng(0))
    assert logit_stationary(NormalFormGame([[5]]), 1.0).tolist() == [1]
    monkeypatch.setattr(module, "MAX_PROFILES", 3)
    with pytest.raises(SolverError, match="logit_path"):
        logit_stationary(game, 1.0)
