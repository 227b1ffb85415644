"""Drawn games: what is known stays, what is noise shrinks, and one switch has the probability of its integral."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from marl.games.empirical import EmpiricalGame
from marl.games.posterior import drawn_gains, drawn_payoffs


def switch(gain: float, episodes: int, seed: int = 0, noise: float = 1.0, unit: float = 1.0) -> EmpiricalGame:
    """a's two strategies against b's only one; the mean gain and its standard error are exact."""
    values = np.random.default_rng(seed).standard_normal(episodes)
    values = noise * (values - values.mean()) / values.std(ddof=1)
    zero = np.zeros(episodes)
    samples = {(0, 0): np.stack([zero, zero], 1), (1, 0): np.stack([unit * (gain + values), zero], 1)}
    return EmpiricalGame.from_samples({"a": ("x", "y"), "b": ("z",)}, samples)


def gains(game: EmpiricalGame, draws: int = 20_000, seed: int = 1) -> np.ndarray:
    drawn = drawn_gains(game, rng=np.random.default_rng(seed), draws=draws)
    assert drawn is not None
    return drawn[:, 0, 1, 0] - drawn[:, 0, 0, 0]


def test_one_switch_has_the_probability_of_the_integral() -> None:
    """Gain g of error 1, prior N(0, r), kept share x = r / (1 + r) of density 3 x^2; likelihood N(g; 0, 1 + r)."""
    estimate, episodes = 1.2, 2_000
    game = switch(estimate, episodes, noise=episodes**0.5)

    def weight(x: float) -> float:
        return 3 * x**2 * stats.norm.pdf(estimate, 0, (1 / (1 - x)) ** 0.5)

    total = integrate.quad(weight, 0, 1)[0]
    expected = integrate.quad(lambda x: weight(x) * stats.norm.cdf(x**0.5 * estimate), 0, 1)[0] / total
    assert (gains(game) > 0).mean() == pytest.approx(expected, abs=0.012)
    assert expected < stats.norm.cdf(estimate) - 0.03, "less sure than without a prior"


def test_a_gain_far_beyond_its_error_is_left_and_noise_is_not() -> None:
    sure = gains(switch(50.0, 100, noise=10.0))
    assert sure.mean() == pytest.approx(50.0, rel=0.01)
    assert sure.std() == pytest.approx(1.0, rel=0.05)
    assert abs(gains(switch(0.5, 100, noise=10.0)).mean()) < 0.4


def test_few_episodes_are_less_sure() -> None:
    chances = [(gains(switch(2.0, n, noise=n**0.5)) > 0).mean() for n in (3, 6, 200)]
    assert chances == sorted(chances)
    assert chances[2] - chances[0] > 0.02


def test_units_and_other_plays_payoffs_do_not_matter() -> None:
    one, hundred = gains(switch(1.0, 20)), gains(switch(1.0, 20, unit=100.0))
    np.testing.assert_allclose(hundred, 100 * one, rtol=1e-9, atol=1e-8)
    rng = np.random.default_rng(0)
    samples = {p: rng.standard_normal((9, 2)) for p in np.ndindex(2, 2)}
    # A bonus that a gets by what b plays is none that a's choice bears on.
    moved = {p: values + np.array([1000.0 * p[1], 0.0]) for p, values in samples.items()}
    names = {"a": ("x", "y"), "b": ("x", "y")}
    drawn = [
        drawn_gains(EmpiricalGame.from_samples(names, own), rng=np.random.default_rng(1), draws=50)
        for own in (samples, moved)
    ]
    np.testing.assert_allclose(*(np.diff(tables[:, 0], axis=1) for tables in drawn), atol=1e-8)


def test_payoffs_that_always_go_together_stay_together() -> None:
    """Two equal policies at either table, and noise that all share: twins have the same payoffs in every drawn game."""
    rng = np.random.default_rng(0)
    noise = rng.standard_normal((12, 2, 2, 2))
    samples = {(i, j): noise[:, :, min(i, 1), min(j, 1)] + 5.0 for i, j in np.ndindex(3, 3)}
    names = {"a": ("x", "y", "y again"), "b": ("x", "y", "y again")}
    drawn = drawn_payoffs(EmpiricalGame.from_samples(names, samples), rng=rng, draws=50)
    assert drawn is not None
    assert np.array_equal(drawn[:, :, 1], drawn[:, :, 2])
    assert np.array_equal(drawn[..., 1], drawn[..., 2])
    assert len(np.unique(drawn[:, :, :2, :2])) == 50 * 8


def test_what_is_known_stays_so_beside_what_is_not() -> None:
    """a's x always pays 5, y is noise, and both players are paid alike: so they are in every drawn game."""
    rng = np.random.default_rng(3)
    noise = rng.standard_normal((9, 2))
    samples = {(i, j): np.repeat(noise[:, [j]] if i else np.full((9, 1), 5.0), 2, axis=1) for i, j in np.ndindex(2, 2)}
    game = EmpiricalGame.from_samples({"a": ("x", "y"), "b": ("x", "y")}, samples)
    drawn = drawn_payoffs(game, rng=rng, draws=50)
    assert drawn is not None
    assert np.array_equal(drawn[:, :, 0], np.full((50, 2, 2), 5.0))
    assert np.array_equal(drawn[:, 0], drawn[:, 1])


def test_what_a_player_gets_on_average_is_as_uncertain_as_it_was_measured() -> None:
    """A hundred episodes of noise 10: the mean over a's two strategies has a standard error of 10 / sqrt(200)."""
    rng = np.random.default_rng(1)
    samples = {(i, 0): 3.0 + 10.0 * rng.standard_normal((100, 2)) for i in range(2)}
    game = EmpiricalGame.from_samples({"a": ("x", "y"), "b": ("z",)}, samples)
    drawn = drawn_payoffs(game, rng=rng, draws=20_000)
    assert drawn is not None
    level = drawn[:, 0].mean(axis=(1, 2))
    assert level.mean() == pytest.approx(game.means[0].mean(), abs=0.05)
    assert level.std() == pytest.approx(np.sqrt(np.square(game.standard_errors[0]).sum()) / 2, rel=0.05)


def test_what_never_varied_is_known_and_what_was_not_played_is_nan() -> None:
    samples = {(0, 0): [[3.0, 1.0]] * 3, (1, 0): [[2.0, 1.0]] * 3, (0, 1): [[0.0, 5.0]] * 3}
    game = EmpiricalGame(["a", "b"], [["x", "y"]] * 2, samples)
    drawn = drawn_gains(game, rng=np.random.default_rng(0), draws=4)
    assert np.isnan(drawn[:, :, 1, 1]).all()
    np.testing.assert_allclose(np.nan_to_num(drawn), np.broadcast_to(np.nan_to_num(game.means), drawn.shape))
