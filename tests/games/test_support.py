"""The probability that a support is an equilibrium's: limits that are known, and its calibration."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from known_games import volunteers_dilemma

from marl.errors import SolverError
from marl.games.empirical import EmpiricalGame
from marl.games.mixed import mixed_equilibria
from marl.games.normal_form import NormalFormGame
from marl.games.posterior import drawn_gains
from marl.games.support import _mixed, _regular, support_probabilities

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


def chances_of(game: EmpiricalGame, supports: Any, rng: np.random.Generator, **settings: Any) -> list[float | None]:
    return support_probabilities(game, supports, drawn_gains(game, rng=rng, **settings), rng=rng)


def test_what_many_quiet_episodes_show_is_nearly_certain() -> None:
    rng = np.random.default_rng(0)
    supports = [((0,), (0,)), ((1,), (1,)), ((0, 1), (0, 1)), ((0,), (1,))]
    assert chances_of(played(STAG, 50, 0.1, rng), supports, rng) == [1.0, 1.0, 1.0, 0.0]
    assert chances_of(played(PENNIES, 50, 0.1, rng), supports, rng) == [0.0, 0.0, 1.0, 0.0]


def test_three_players_supports_are_judged_pure_and_mixed() -> None:
    """Three volunteers: one helps alone, two mix while the third one waits, or all three mix."""
    rng, payoffs = np.random.default_rng(0), np.array(volunteers_dilemma(3), dtype=float)
    supports = [one.support for one in mixed_equilibria(NormalFormGame(payoffs)).equilibria]
    assert len(supports) == 7
    none = [((0,), (0,), (1,)), ((0, 1), (0, 1), (0,))]
    found = chances_of(played(payoffs, 50, 0.05, rng), [*supports, *none], rng, draws=200)
    assert found == [1.0] * 7 + [0.0, 0.0]


@pytest.mark.parametrize("shape", [(3, 3), (2, 2, 2)])
def test_each_drawn_game_is_judged_as_solving_it_would(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(5)
    tables = rng.standard_normal((20, len(shape), *shape))
    solved = [{one.support for one in mixed_equilibria(NormalFormGame(table)).equilibria} for table in tables]
    subsets = [[own for k in range(1, n + 1) for own in itertools.combinations(range(n), k)] for n in shape]
    mixing = 0
    for support in itertools.product(*subsets):
        if _regular(support) and max(map(len, support)) > 1:
            expected = [support in one for one in solved]
            assert _mixed(tables, support, rng).tolist() == expected
            mixing += sum(expected)
    assert mixing > 5


def test_what_is_not_computed_is_none() -> None:
    rng = np.random.default_rng(2)
    wide = played(np.zeros((3, 2, 2, 3)), 4, 1.0, rng)
    assert chances_of(wide, [((0, 1), (0,), (0, 1, 2))], rng) == [None]
    assert chances_of(played(STAG, 4, 1.0, rng), [((0, 1), (0,))], rng) == [None]
    partly = EmpiricalGame(["a", "b"], [["x", "y"]] * 2, {(0, 0): [[1.0, 1.0]] * 2, (0, 1): [[0.0, 0.0]] * 2})
    assert chances_of(partly, [((0,), (0,))], rng) == [None], "a switch was never played"
    with pytest.raises(SolverError, match="needs 2"):
        chances_of(EmpiricalGame(["a"], [["x"]], {(0,): [[1.0]]}), [((0,),)], rng)


def calibration(
    simulations: int, shape: tuple[int, ...], episodes: int, error: float, seed: int
) -> list[tuple[float, bool]]:
    """(probability, right) of every equilibrium reported in random games, whose payoffs have spread 1 around 0 and are
    known with a standard error of `error`.
    """
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(simulations):
        truth = rng.standard_normal((len(shape), *shape))
        right = {one.support for one in mixed_equilibria(NormalFormGame(truth)).equilibria}
        game = played(truth, episodes, error * episodes**0.5, rng)
        reported = [one.support for one in mixed_equilibria(game.to_normal_form()).equilibria]
        chances = chances_of(game, reported, rng, draws=400)
        found += [(p, support in right) for p, support in zip(chances, reported, strict=True) if p is not None]
    return found


def calibration_error(found: list[tuple[float, bool]], bins: int = 5) -> tuple[float, float]:
    """Over equal ranges of probability: the mean gap between what is said and the share that is right, weighted by
    equilibria (Naeini et al., "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015), and the largest
    gap of any range less two of its standard errors.
    """
    chances, right = np.array(found, dtype=float).T
    number = np.minimum((chances * bins).astype(int), bins - 1)
    mean, largest = 0.0, 0.0
    for each in sorted(set(number.tolist())):
        members = number == each
        said, share, count = chances[members].mean(), right[members].mean(), members.sum()
        print(f"{each / bins:.1f} to {(each + 1) / bins:.1f}: {count} reported, said {said:.3f}, right {share:.3f}")
        mean += abs(said - share) * members.mean()
        largest = max(largest, abs(said - share) - 2 * np.sqrt(said * (1 - said) / count))
    print(f"mean gap {mean:.3f}")
    return mean, largest


def test_said_and_right_agree_overall() -> None:
    """Where payoffs are as uncertain as they are spread, which a flat prior would overstate by 8 points."""
    found = calibration(150, (2, 2), 20, 1.0, seed=3)
    chances, right = np.array(found, dtype=float).T
    assert abs(chances.mean() - right.mean()) < 0.08
    assert 0.3 < right.mean() < 0.95, "noise must matter, and not too much"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "episodes", "error"),
    [
        *(((2, 2), 20, error) for error in (0.1, 0.45, 0.6, 1.0)),
        ((2, 2), 8, 0.35),
        *(((3, 3), 20, error) for error in (0.1, 0.45, 0.6, 1.0)),
        *(((2, 2, 2), 20, error) for error in (0.1, 0.6, 1.0)),
    ],
)
def test_the_probability_is_calibrated_within_five_points(shape: tuple[int, ...], episodes: int, error: float) -> None:
    """On average, and in no fifth is there more than chance leaves open."""
    mean, largest = calibration_error(calibration(2_000 if shape == (2, 2) else 1_000, shape, episodes, error, seed=4))
    assert mean <= 0.05
    assert largest <= 0.05
