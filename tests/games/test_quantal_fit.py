import numpy as np
import pytest
from known_games import TWO_PLAYERS
from scipy.stats import chi2

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame
from marl.games.quantal_fit import fit_rationality
from marl.games.quantal_response import quantal_branch

PRISONERS = NormalFormGame(TWO_PLAYERS["prisoners_dilemma"][:2])
PENNIES = NormalFormGame([[[9, 0], [0, 1]], [[0, 1], [1, 0]]])


def test_prisoners_dilemma_has_the_closed_form() -> None:
    """The odds of defecting are e^lambda: lambda is the log-odds, and the interval solves the deviance equation."""
    fit = fit_rationality(PRISONERS, [[30, 70], [25, 75]])
    assert fit.rationality == pytest.approx(np.log(145 / 55), abs=1e-6)
    assert fit.bounded
    for end in (fit.low, fit.high):
        p = 1 / (1 + np.exp(-end))
        deviance = 2 * (fit.log_likelihood - 145 * np.log(p) - 55 * np.log(1 - p))
        assert deviance == pytest.approx(chi2.ppf(0.95, 1), rel=1e-5)
    assert fit.low < fit.rationality < fit.high
    expected = 30 * np.log(0.3) + 70 * np.log(0.7) + 25 * np.log(0.25) + 75 * np.log(0.75)
    assert fit.saturated == pytest.approx(expected)
    np.testing.assert_allclose(fit.profile[0], [55 / 200, 145 / 200], atol=1e-6)


def test_uniform_play_is_rationality_zero() -> None:
    fit = fit_rationality(PRISONERS, [[50, 50], [50, 50]])
    assert (fit.rationality, fit.low) == pytest.approx((0, 0), abs=1e-6)
    assert fit.high < 0.5


def test_perfect_play_has_no_upper_end() -> None:
    fit = fit_rationality(PRISONERS, [[0, 100], [0, 100]])
    assert fit.high == np.inf
    assert not fit.bounded
    assert fit.low > 3


def test_intervals_cover_the_rationality_that_made_the_data() -> None:
    branch = quantal_branch(PENNIES, 1.0)
    truth = branch.rationality[-1]
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(40):
        counts = [rng.multinomial(150, own[-1]) for own in branch.profiles]
        fit = fit_rationality(PENNIES, counts, max_rationality=20.0)
        covered += fit.low <= truth <= fit.high
    assert covered >= 34  # 95 % of 40 less three standard errors


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="lengths"):
        fit_rationality(PRISONERS, [[1, 2, 3], [1, 2]])
    with pytest.raises(SolverError, match="not all 0"):
        fit_rationality(PRISONERS, [[0, 0], [0, 0]])
    with pytest.raises(SolverError, match="confidence 1"):
        fit_rationality(PRISONERS, [[1, 0], [0, 1]], confidence=1)
