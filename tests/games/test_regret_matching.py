import itertools

import numpy as np
import pytest
from known_games import TWO_PLAYERS

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame
from marl.games.regret_matching import regret_matching


def coarse_gains(game: NormalFormGame, joint: np.ndarray) -> list[float]:
    """What each player would gain by a fixed strategy against the joint distribution, profile by profile."""
    gains = []
    for player, size in enumerate(game.shape):
        best = -np.inf
        for s in range(size):
            total = 0.0
            for profile in itertools.product(*map(range, game.shape)):
                switched = (*profile[:player], s, *profile[player + 1 :])
                total += joint[profile] * float(game.payoffs[(player, *switched)] - game.payoffs[(player, *profile)])
            best = max(best, total)
        gains.append(max(0.0, best))
    return gains


@pytest.mark.parametrize("sampled", [False, True])
@pytest.mark.parametrize("name", ["shapley", "chicken", "rock_paper_scissors"])
def test_joint_play_nears_a_coarse_correlated_equilibrium(name: str, sampled: bool) -> None:
    game = NormalFormGame(TWO_PLAYERS[name][:2])
    rng = np.random.default_rng(0) if sampled else None
    found = regret_matching(game, 4000, [[0.9, *[0.1 / (s - 1)] * (s - 1)] for s in game.shape], rng=rng)
    assert found.joint.sum() == pytest.approx(1)
    np.testing.assert_allclose(found.regrets[-1], coarse_gains(game, found.joint), atol=1e-9)
    assert found.regrets[-1].max() < 0.15


def test_zero_sum_averages_converge() -> None:
    weighted = np.array([[0, -1, 2], [1, 0, -1], [-2, 1, 0]])
    found = regret_matching(NormalFormGame([weighted, -weighted]), 20_000)
    np.testing.assert_allclose(found.averages.final[0], [0.25, 0.5, 0.25], atol=0.02)


def test_regret_falls_like_the_bound() -> None:
    """Average regret <= range * sqrt(strategies / steps) for expected play."""
    rng = np.random.default_rng(3)
    game = NormalFormGame(rng.random((2, 4, 5)))
    found = regret_matching(game, 500)
    bound = np.sqrt(5 / np.arange(1, 501))
    assert (found.regrets.max(axis=1) <= bound).all()


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="steps is 0"):
        regret_matching(NormalFormGame(TWO_PLAYERS["chicken"][:2]), 0)
