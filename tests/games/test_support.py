"""The probability that a support is an equilibrium's: limits that are known, and its calibration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import stats

from marl.errors import SolverError
from marl.games import support
from marl.games.empirical import EmpiricalGame
from marl.games.mixed import mixed_equilibria
from marl.games.normal_form import NormalFormGame

PENNIES = np.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
STAG = np.array([[[9.0, 0.0], [8.0, 7.0]], [[9.0, 8.0], [0.0, 7.0]]])


def played(payoffs: np.ndarray, episodes: int, noise: float, rng: np.random.Generator) -> EmpiricalGame:
    """Independent normal noise on every payoff of every episode."""
    shape = payoffs.shape[1:]
    samples = {
        profile: payoffs[(slice(None), *profile)] + noise * rng.standard_normal((episodes, len(payoffs)))
        for profile in np.ndindex(*shape)
    }
    players = [f"p{number}" for number in range(len(shape))]
    return EmpiricalGame(players, [[f"s{s}" for s in range(size)] for size in shape], samples)


def support_probabilities(game: EmpiricalGame, supports: Any, **settings: Any) -> list[float | None]:
    return support.support_probabilities(game, supports, support.drawn_means(game, **settings))


def test_what_many_quiet_episodes_show_is_nearly_certain() -> None:
    rng = np.random.default_rng(0)
    supports = [((0,), (0,)), ((1,), (1,)), ((0, 1), (0, 1)), ((0,), (1,))]
    assert support_probabilities(played(STAG, 50, 0.1, rng), supports, rng=rng) == [1.0, 1.0, 1.0, 0.0]
    assert support_probabilities(played(PENNIES, 50, 0.1, rng), supports, rng=rng) == [0.0, 0.0, 1.0, 0.0]


def test_one_uncertain_switch_has_students_probability() -> None:
    """player 1 has one strategy: the profile is an equilibrium where one mean exceeds the other, a paired t test."""
    rng = np.random.default_rng(1)
    values = rng.normal(0.3, 1.0, (20, 2))
    samples = {(0, 0): np.stack([values[:, 0], np.zeros(20)], 1), (1, 0): np.stack([values[:, 1], np.zeros(20)], 1)}
    game = EmpiricalGame.from_samples({"a": ("x", "y"), "b": ("z",)}, samples)
    gaps = values[:, 0] - values[:, 1]
    expected = stats.t.cdf(gaps.mean() / stats.sem(gaps), 19)
    (found,) = support_probabilities(game, [((0,), (0,))], rng=rng, draws=40_000)
    assert found == pytest.approx(expected, abs=0.01)


def test_what_is_not_computed_is_none() -> None:
    rng = np.random.default_rng(2)
    three = played(np.zeros((3, 2, 2, 2)), 4, 1.0, rng)
    assert support_probabilities(three, [((0, 1), (0, 1), (0,))], rng=rng) == [None]
    assert support_probabilities(played(STAG, 4, 1.0, rng), [((0, 1), (0,))], rng=rng) == [None]
    partly = EmpiricalGame(["a", "b"], [["x", "y"]] * 2, {(0, 0): [[1.0, 1.0]] * 2, (0, 1): [[0.0, 0.0]] * 2})
    assert support_probabilities(partly, [((0,), (0,))], rng=rng) == [None], "a switch was never played"
    with pytest.raises(SolverError, match="needs 2"):
        support_probabilities(EmpiricalGame(["a"], [["x"]], {(0,): [[1.0]]}), [((0,),)], rng=rng)


def calibration(simulations: int, size: int, episodes: int, noise: float, seed: int) -> list[tuple[float, bool]]:
    """(probability, right) of every equilibrium reported in random games, whose payoffs are spread 1 around 0."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(simulations):
        truth = rng.standard_normal((2, size, size))
        right = {one.support for one in mixed_equilibria(NormalFormGame(truth)).equilibria}
        game = played(truth, episodes, noise, rng)
        reported = [one.support for one in mixed_equilibria(game.to_normal_form()).equilibria]
        chances = support_probabilities(game, reported, rng=rng, draws=400)
        found += [(p, support in right) for p, support in zip(chances, reported, strict=True) if p is not None]
    return found


def worst_bin(found: list[tuple[float, bool]], bins: int = 5) -> float:
    """The largest gap between mean probability and share of right ones over `bins` equal ranges with 100 or more."""
    chances, right = np.array(found, dtype=float).T
    number = np.minimum((chances * bins).astype(int), bins - 1)
    gaps = []
    for each in range(bins):
        members = number == each
        print(f"{each / bins:.1f} to {(each + 1) / bins:.1f}: {members.sum()} reported, ", end="")
        print(f"said {chances[members].mean():.3f}, right {right[members].mean():.3f}" if members.any() else "")
        if members.sum() >= 100:
            gaps.append(abs(chances[members].mean() - right[members].mean()))
    return max(gaps)


def test_said_and_right_agree_overall() -> None:
    found = calibration(150, 2, 20, 2.0, seed=3)
    chances, right = np.array(found, dtype=float).T
    assert abs(chances.mean() - right.mean()) < 0.08
    assert 0.5 < right.mean() < 0.95, "noise must matter, and not too much"


@pytest.mark.slow
@pytest.mark.parametrize(("size", "episodes", "noise"), [(2, 20, 2.0), (3, 20, 2.0), (2, 8, 1.0)])
def test_the_probability_is_calibrated_within_five_points(size: int, episodes: int, noise: float) -> None:
    assert worst_bin(calibration(1_000, size, episodes, noise, seed=4)) <= 0.05
