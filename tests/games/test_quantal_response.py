import numpy as np
import pytest
from known_games import TWO_PLAYERS
from scipy.optimize import brentq
from scipy.special import softmax

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame
from marl.games.quantal_response import LogitSystem, quantal_branch


def game(name: str) -> NormalFormGame:
    return NormalFormGame(TWO_PLAYERS[name][:2])


def check_fixed_points(solved: NormalFormGame, max_rationality: float | None = None) -> None:
    branch = quantal_branch(solved, max_rationality)
    assert branch.complete
    assert branch.rationality[0] == 0
    for place in range(0, len(branch.rationality), 7):
        mixed = [own[place] for own in branch.profiles]
        for own, values in zip(mixed, solved.deviation_payoffs(mixed), strict=True):
            np.testing.assert_allclose(own, softmax(branch.rationality[place] * values), atol=1e-6)


@pytest.mark.parametrize(
    "name", ["prisoners_dilemma", "stag_hunt", "matching_pennies", "shapley", "battle_of_the_sexes"]
)
def test_every_point_is_a_logit_equilibrium(name: str) -> None:
    check_fixed_points(game(name), 20.0)


@pytest.mark.parametrize("shape", [(2, 2, 2), (3, 2, 2), (5, 4)])
def test_random_games_end_at_a_nash_equilibrium(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(sum(shape))
    for _ in range(5):
        solved = NormalFormGame(rng.random((len(shape), *shape)))
        check_fixed_points(solved)
        branch = quantal_branch(solved)
        last = [own[-1] for own in branch.profiles]
        assert solved.nash_conv(last) < 0.02
        assert branch.rationality[-1] == pytest.approx(1000 / branch.system.scale)


def test_prisoners_dilemma_has_the_scalar_solution() -> None:
    """Defecting always gains 1, so that its odds are e^lambda."""
    branch = quantal_branch(game("prisoners_dilemma"), 6.0)
    np.testing.assert_allclose(branch.profiles[0][:, 1], 1 / (1 + np.exp(-branch.rationality)), rtol=1e-8)


def test_the_branch_picks_the_risk_dominant_equilibrium_and_solves_the_scalar_equation() -> None:
    """Stag hunt: p = 1 / (1 + e^(-lambda (8 p - 7))) for the probability p of stag; hare is risk dominant."""
    branch = quantal_branch(game("stag_hunt"), 3.0)
    assert branch.profiles[0][-1, 1] > 0.99
    for place in range(1, len(branch.rationality), 5):
        rate = branch.rationality[place]
        root = brentq(lambda p, rate=rate: p - 1 / (1 + np.exp(-rate * (8 * p - 7))), 0, 0.6)
        assert branch.profiles[0][place, 0] == pytest.approx(root, abs=1e-7)


def test_asymmetric_matching_pennies_moves_the_player_whose_payoffs_did_not_change() -> None:
    """Goeree, Holt & Palfrey 2003 (own-payoff effect): with 9 for one match the row player overplays it."""
    branch = quantal_branch(NormalFormGame([[[9, 0], [0, 1]], [[0, 1], [1, 0]]]))
    middle = np.searchsorted(branch.rationality, 0.5)
    assert branch.profiles[0][middle, 0] > 0.55
    np.testing.assert_allclose(branch.profiles[1][-1], [0.1, 0.9], atol=0.01)
    np.testing.assert_allclose(branch.profiles[0][-1], [0.5, 0.5], atol=0.02)


def test_jacobian_by_differences() -> None:
    system = LogitSystem(NormalFormGame(np.random.default_rng(0).random((3, 2, 3, 2))))
    z = np.append(np.log(np.concatenate([[0.3, 0.7], [0.2, 0.3, 0.5], [0.6, 0.4]])), 1.7)
    moves = 1e-6 * np.eye(len(z))
    expected = np.stack([(system.residual(z + m) - system.residual(z - m)) / 2e-6 for m in moves], axis=1)
    np.testing.assert_allclose(system.jacobian(z), expected, atol=1e-7)


def test_units_of_payoff_do_not_matter() -> None:
    payoffs = np.random.default_rng(1).random((2, 3, 3))
    small, large = quantal_branch(NormalFormGame(payoffs)), quantal_branch(NormalFormGame(1000 * payoffs + 5))
    np.testing.assert_allclose(small.rationality, 1000 * large.rationality, rtol=1e-6)
    np.testing.assert_allclose(small.profiles[0], large.profiles[0], atol=1e-8)


def test_points_in_between_are_equilibria() -> None:
    solved = game("chicken")
    branch = quantal_branch(solved, 2.0)
    rate, logs = branch.refined(2.4)
    assert branch.rationality[2] < rate < branch.rationality[3]
    mixed = [np.exp(own) for own in logs]
    for own, values in zip(mixed, solved.deviation_payoffs([m / m.sum() for m in mixed]), strict=True):
        np.testing.assert_allclose(own, softmax(rate * values), atol=1e-8)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="max_rationality 0"):
        quantal_branch(game("chicken"), 0)
    short = quantal_branch(game("chicken"), max_points=5)
    assert not short.complete
    assert len(short.rationality) == 5
