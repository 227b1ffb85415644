"""Intervals of all mean payoffs at once: coverage, and both methods beside each other."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from marl.errors import SolverError
from marl.games.empirical import EmpiricalGame
from marl.games.mean_intervals import mean_intervals

TRUTH = np.array([[[9.0, 0.0], [8.0, 7.0]], [[9.0, 8.0], [0.0, 7.0]]])


def played(episodes: int, seed: int, paired: bool = True) -> EmpiricalGame:
    """Noise that both players and all profiles share in part."""
    rng = np.random.default_rng(seed)
    shared = rng.standard_normal((episodes, 1))
    samples = {
        p: TRUTH[(slice(None), *p)] + shared + rng.standard_normal((episodes, 2)) for p in np.ndindex(TRUTH.shape[1:])
    }
    return EmpiricalGame.from_samples({"a": ("x", "y"), "b": ("x", "y")}, samples, paired=paired)


def covered(seed: int, paired: bool) -> bool:
    low, high, _ = mean_intervals(played(16, seed, paired), confidence=0.9, rng=np.random.default_rng(seed))
    return bool(((low <= TRUTH) & (high >= TRUTH)).all())


def test_all_means_are_covered_at_once_as_often_as_promised() -> None:
    share = np.mean([covered(seed, seed % 2 == 0) for seed in range(150)])
    assert 0.84 <= share <= 0.97


def test_bonferroni_takes_over_where_there_are_too_many_and_is_a_little_wider(monkeypatch: pytest.MonkeyPatch) -> None:
    game = played(16, 0)
    low, high, method = mean_intervals(game, confidence=0.9, rng=np.random.default_rng(0))
    monkeypatch.setattr("marl.games.mean_intervals.MOST_TOGETHER", 7)
    wide_low, wide_high, other = mean_intervals(game, confidence=0.9, rng=np.random.default_rng(0))
    assert (method, other) == ("max-t", "Bonferroni")
    assert (wide_high - wide_low > high - low).all()
    assert wide_high - game.means == pytest.approx(game.standard_errors * stats.t.ppf(1 - 0.1 / 16, 15))


def test_what_never_varied_has_no_width_and_what_was_not_played_no_interval() -> None:
    third = [[1 / 3, 2.0]] * 7
    game = EmpiricalGame(["a", "b"], [["x", "y"], ["z"]], {(0, 0): third})
    low, high, _ = mean_intervals(game, confidence=0.95, rng=np.random.default_rng(0))
    assert low[:, 0, 0].tolist() == high[:, 0, 0].tolist() == game.means[:, 0, 0].tolist()
    assert np.isnan(low[:, 1, 0]).all()
    with pytest.raises(SolverError, match="must lie between 0 and 1"):
        mean_intervals(game, confidence=1.0, rng=np.random.default_rng(0))
