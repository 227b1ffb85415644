"""The probability that a support is an equilibrium's: limits that are known, and its calibration."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from bench_calibration import CASES, calibration, judged, played, usual
from known_games import volunteers_dilemma

from marl.errors import SolverError
from marl.games.empirical import EmpiricalGame
from marl.games.mixed import mixed_equilibria
from marl.games.normal_form import NormalFormGame
from marl.games.posterior import drawn_gains
from marl.games.support import _mixed, _regular, support_probabilities

PENNIES = np.array([[[1.0, -1.0], [-1.0, 1.0]], [[-1.0, 1.0], [1.0, -1.0]]])
STAG = np.array([[[9.0, 0.0], [8.0, 7.0]], [[9.0, 8.0], [0.0, 7.0]]])


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


def test_said_and_right_agree_overall() -> None:
    """Where payoffs are as uncertain as they are spread, which a flat prior would overstate by 8 points."""
    found = judged(150, (2, 2), 20, 1.0, seed=3)
    chances, right = np.array(found, dtype=float).T
    assert abs(chances.mean() - right.mean()) < 0.08
    assert 0.3 < right.mean() < 0.95, "noise must matter, and not too much"


def test_gaps_by_hand() -> None:
    """0.9 said of four, of which three are right, and 0.5 of one that is: (4 * 0.15 + 0.5) / 5."""
    found = calibration([(0.9, True), (0.9, True), (0.9, True), (0.9, False), (0.5, True)])
    assert found["mean_gap"] == pytest.approx(0.22)
    assert found["largest_beyond_chance"] == 0.0  # two standard errors of one are 1
    assert [(one["reported"], one["right"]) for one in found["fifths"]] == [(1, 1.0), (4, 0.75)]
    assert calibration([(0.9, False)] * 100)["largest_beyond_chance"] == pytest.approx(0.9 - 2 * 0.03)


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "episodes", "error"), CASES)
def test_the_probability_is_calibrated_within_five_points(shape: tuple[int, ...], episodes: int, error: float) -> None:
    """On average, and in no fifth is there more than chance leaves open."""
    found = calibration(judged(usual(shape), shape, episodes, error))
    print(found)
    assert found["mean_gap"] <= 0.05
    assert found["largest_beyond_chance"] <= 0.05
