import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from marl.errors import SolverError
from marl.games.empirical import EmpiricalGame
from marl.games.regret import Distributions, gain_of_switch, joint_regret, payoff_errors, profile_regret

NAMES = {"scout_0": ("a", "b", "c"), "partner_0": ("a", "b", "c")}
COORDINATION = np.eye(3) * 2


def noisy(means: np.ndarray, episodes: int, seed: int, noise: float = 1.0) -> EmpiricalGame:
    """A two-player game of common interest with normal noise, rows unpaired."""
    rng = np.random.default_rng(seed)
    played = {p: means[p] + noise * rng.normal(size=(episodes, 2)) for p in np.ndindex(means.shape)}
    return EmpiricalGame.from_samples(NAMES, played, paired=False)


def point(*profile: int) -> Distributions:
    return tuple(tuple(np.eye(3)[s].tolist()) for s in profile)


def regret(game: EmpiricalGame, profile: Distributions, confidence: float = 0.95, seed: int = 0):
    return profile_regret(game, profile, confidence=confidence, rng=np.random.default_rng(seed))


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_point_estimates_are_the_regret_of_the_mean_game(seed: int) -> None:
    rng = np.random.default_rng(seed)
    game = noisy(rng.normal(size=(3, 3)), 5, seed)
    mixed = tuple(tuple(rng.dirichlet(np.ones(3)).tolist()) for _ in range(2))
    found = regret(game, mixed)
    exact = game.to_normal_form().regret(mixed)
    assert [own.mean for own in found.players] == pytest.approx(list(exact), abs=1e-9)
    for own in found.players:
        assert 0 <= own.low <= own.mean <= own.high
    mean, low, high = found.nash_conv
    assert mean == pytest.approx(sum(exact), abs=1e-9)
    assert low <= mean <= high
    assert found.epsilon == max(own.high for own in found.players)


def test_a_real_gain_is_established_and_named() -> None:
    found = regret(noisy(COORDINATION, 64, 0), point(0, 1))
    assert all(own.low > 1 for own in found.players)
    assert [own.best_response for own in found.players] == [1, 0]


def test_a_true_equilibrium_is_covered_as_often_as_promised() -> None:
    """All payoffs equal, so that every regret is 0 and each of the four gains might seem positive."""
    covered = sum(
        all(own.low == 0 for own in regret(noisy(np.zeros((3, 3)), 16, seed), point(0, 0), 0.9, seed).players)
        for seed in range(300)
    )
    # Two-sided intervals at 90 % leave 5 % on the side that can reject.
    assert 0.91 <= covered / 300 <= 0.99


def test_intervals_hold_for_all_gains_at_once() -> None:
    truth = np.array([[1.0, 0.0, 0.5]] * 3).T
    hits = 0
    for seed in range(300):
        found = regret(noisy(truth, 16, seed), point(1, 0), 0.9, seed)
        hits += found.players[0].low <= 1.0 <= found.players[0].high and found.players[1].low == 0
    assert hits / 300 >= 0.86


def test_a_single_paired_gain_gets_students_interval() -> None:
    rng = np.random.default_rng(0)
    played = {(k, 0): 5.0 * k + rng.normal(size=(12, 2)) for k in range(2)}
    game = EmpiricalGame.from_samples({"scout_0": ("stay", "go"), "partner_0": ("only",)}, played)
    own = regret(game, ((1.0, 0.0), (1.0,))).players[0]
    student = stats.ttest_rel(played[1, 0][:, 0], played[0, 0][:, 0]).confidence_interval(0.95)
    assert (own.low, own.high) == pytest.approx((student.low, student.high), rel=0.02)


def test_more_confidence_is_wider() -> None:
    game = noisy(COORDINATION, 16, 1)
    assert regret(game, point(0, 1), 0.99).epsilon > regret(game, point(0, 1), 0.8).epsilon


def test_without_variance_the_interval_is_a_point() -> None:
    found = regret(noisy(COORDINATION, 4, 0, noise=0.0), point(0, 1))
    assert [(own.mean, own.low, own.high) for own in found.players] == [(2.0, 2.0, 2.0)] * 2
    assert regret(noisy(COORDINATION, 4, 0, noise=0.0), point(0, 0)).nash_conv == (0, 0, 0)


def test_unplayed_switches_are_named() -> None:
    game = noisy(COORDINATION, 8, 0)
    del game.samples[2, 0]
    partial = EmpiricalGame.from_samples(NAMES, game.samples, paired=False)
    found = regret(partial, point(0, 0))
    assert [own.unplayed for own in found.players] == [(2,), ()]


def test_same_stream_same_interval() -> None:
    game = noisy(COORDINATION, 8, 0)
    assert regret(game, point(0, 1), seed=3) == regret(game, point(0, 1), seed=3)


def test_errors_of_mixed_payoffs_and_of_a_switch() -> None:
    game = noisy(COORDINATION, 50, 0)
    half = ((0.5, 0.5, 0.0), (1.0, 0.0, 0.0))
    variance = sum((game.standard_errors[0, s, 0] / 2) ** 2 for s in range(2))
    assert payoff_errors(game, half)[0] == pytest.approx(variance**0.5)
    gain, error = gain_of_switch(game, (1, 0), (0, 0), 0)
    assert gain == pytest.approx(game.means[0, 0, 0] - game.means[0, 1, 0])
    assert error == pytest.approx(np.hypot(game.standard_errors[0, 0, 0], game.standard_errors[0, 1, 0]))


def test_too_few_episodes_are_refused() -> None:
    with pytest.raises(SolverError, match="needs 2 at least"):
        regret(noisy(COORDINATION, 1, 0), point(0, 0))


def test_a_joint_distribution_is_judged_by_what_deviations_gain_against_it() -> None:
    """Aumann 1974: chicken's three good outcomes with a third each are a correlated, thus a coarse correlated,
    equilibrium that pays 5; their marginals alone are none.
    """
    row = np.array([[6.0, 2.0], [7.0, 0.0]])
    samples = {p: [[row[p], row.T[p]]] * 2 for p in np.ndindex(2, 2)}
    game = EmpiricalGame(["row", "column"], [["yield", "dare"]] * 2, samples)
    joint = np.array([[1.0, 1.0], [1.0, 0.0]]) / 3
    found = joint_regret(game, joint, confidence=0.95, rng=np.random.default_rng(0))
    assert found.nash_conv == pytest.approx((0.0, 0.0, 0.0))
    both_yield = joint_regret(game, np.diag([1.0, 0.0]), confidence=0.95, rng=np.random.default_rng(0))
    assert both_yield.nash_conv == pytest.approx((2.0, 2.0, 2.0))
    skewed = joint_regret(game, np.diag([0.5, 0.5]), confidence=0.95, rng=np.random.default_rng(0))
    # Told nothing, one gains by always yielding: (6 + 2) / 2 - (6 + 0) / 2.
    assert [own.mean for own in skewed.players] == pytest.approx([1.0, 1.0])
    assert [own.best_response for own in skewed.players] == [0, 0]


PENNIES = np.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
RPS = np.array([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]])


@pytest.mark.slow
@pytest.mark.parametrize(("noise", "episodes"), [("normal", 10), ("normal", 30), ("coin", 30), ("skewed", 10)])
@pytest.mark.parametrize("payoffs", [PENNIES, np.array([RPS, -RPS])], ids=["pennies", "rps"])
def test_a_mixed_equilibrium_is_covered_in_thousands_of_simulations(
    payoffs: np.ndarray, noise: str, episodes: int
) -> None:
    """All gains are truly 0 at the equilibrium, and one of them seems positive in nearly every sample."""
    rng, size = np.random.default_rng(0), payoffs.shape[1]
    uniform = ((1 / size,) * size,) * 2
    names = {player: [f"s{s}" for s in range(size)] for player in ("a", "b")}
    covered = 0
    for _ in range(3000):
        # What all payoffs of an episode share changes no gain.
        drawn = payoffs + rng.standard_normal((episodes, *payoffs.shape)) + rng.standard_normal((episodes, 1, 1, 1))
        if noise == "coin":
            drawn = np.where(rng.random(drawn.shape) < (payoffs + 1.5) / 3, 1.5, -1.5)
        elif noise == "skewed":
            drawn = payoffs + rng.exponential(1.0, drawn.shape)
        samples = {place: drawn[(slice(None), slice(None), *place)] for place in np.ndindex(size, size)}
        found = profile_regret(EmpiricalGame.from_samples(names, samples), uniform, confidence=0.95, rng=rng)
        covered += all(own.low == 0 for own in found.players)
    print(f"covered in {covered} of 3000")
    assert covered >= 0.94 * 3000
