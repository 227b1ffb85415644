from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats

from marl.errors import SolverError
from marl.games.convergence import (
    Intervals,
    circles,
    convergence,
    distances,
    replacement_gains,
    returns,
    total_variation,
)
from marl.games.empirical import EmpiricalGame

RPS = np.array([[0.0, -1, 1], [1, 0, -1], [-1, 1, 0]])
EPISODES = 400
Play = Callable[[int], np.ndarray]


def turning(step: int) -> np.ndarray:
    """Near rock, then near paper, near scissors, rock again: each beats the one before."""
    return np.roll([0.8, 0.1, 0.1], step)


def settling(step: int) -> np.ndarray:
    return 1 / 3 + (np.array([0.9, 0.05, 0.05]) - 1 / 3) * 0.3**step


def drifting(step: int) -> np.ndarray:
    return np.array([1.0, 0, 0]) + np.array([-0.1, 0.1, 0]) * step


def game_of(mixtures: list[np.ndarray], payoffs: np.ndarray, noise: float = 0.2) -> EmpiricalGame:
    """Both players play the mixtures; episodes are the mean with noise that is the loser's loss."""
    rng = np.random.default_rng(0)
    samples = {}
    for i, j in itertools.product(range(len(mixtures)), repeat=2):
        luck = noise * rng.standard_normal(EPISODES)
        own, other = mixtures[i] @ payoffs @ mixtures[j], mixtures[j] @ payoffs @ mixtures[i]
        samples[i, j] = np.column_stack([own + luck, other - luck])
    names = [str(k) for k in range(len(mixtures))]
    return EmpiricalGame(["one", "two"], [names, names], samples, {p: range(EPISODES) for p in samples})


def moved_over(mixtures: list[np.ndarray], spread: float = 0.0) -> Intervals:
    """Distances over 40 episodes of two situations each; one's play lies `spread` off, another way in each episode."""
    rng = np.random.default_rng(1)
    shifts = [spread * rng.dirichlet(np.ones(3)) for _ in range(40)]
    play = [[(1 - spread) * mixture + shift for shift in shifts for _ in range(2)] for mixture in mixtures]
    return distances(play, [e for e in range(40) for _ in range(2)], confidence=0.95, rng=np.random.default_rng(2))


def found(kind: Play, checkpoints: int = 7, payoffs: np.ndarray = RPS, **arguments: Any) -> dict[str, Any]:
    mixtures = [kind(step) for step in range(checkpoints)]
    iterations = [10 * step for step in range(checkpoints)]
    rng = np.random.default_rng(3)
    return convergence(iterations, moved_over(mixtures), game_of(mixtures, payoffs), rng=rng, **arguments)


def test_total_variation() -> None:
    one, two = [np.array([1.0, 0.0]), np.array([0.2, 0.8])], [np.array([0.0, 1.0]), np.array([0.5, 0.5])]
    np.testing.assert_allclose(total_variation(one, two), [1.0, 0.3])


def test_play_that_settles_has_converged() -> None:
    record = found(settling)
    assert record["verdict"] == "converged"
    assert record["circles"] == []
    assert record["steps"][0]["mean"] == pytest.approx(0.7 * (0.9 - 1 / 3))
    assert record["net"]["high"] < 0.05
    assert "converged" in record["summary"][0]["text"]


def test_play_that_goes_round_cycles() -> None:
    record = found(turning)
    assert record["verdict"] == "cycles"
    assert record["circles"] == [[0, 10, 20, 30, 40, 50, 60]]
    assert [0, 10, 30] in record["returns"] or [0, 20, 30] in record["returns"]
    assert record["pairs"]["later_gains"] > 0 < record["pairs"]["later_loses"]
    assert "goes round in circles" in record["summary"][0]["text"]


def test_play_that_drifts_still_moves_and_later_is_better() -> None:
    ladder = np.array([[0.0, -1, 0], [1, 0, 0], [0, 0, 0]])  # the second strategy beats the first: no circle
    record = found(drifting, payoffs=ladder)
    assert record["verdict"] == "moves"
    assert (record["circles"], record["returns"]) == ([], [])
    assert record["pairs"]["later_loses"] == 0
    assert record["pairs"]["later_gains"] > 15
    assert record["net"]["mean"] == pytest.approx(0.2)


def test_circles_of_long_ago_do_not_count_against_play_that_has_settled() -> None:
    mixtures = [turning(step) for step in range(4)] + [np.full(3, 1 / 3)] * 5
    record = convergence(
        range(9),
        moved_over(mixtures),
        game_of(mixtures, RPS),
        rng=np.random.default_rng(0),
        nash_conv=[(0, 2.0), (8, 0.0)],
    )
    assert record["circles"][0][:3] == [0, 1, 2]
    assert record["verdict"] == "converged"
    assert "went from 2 at iteration 0 to 0 at iteration 8" in record["summary"][-1]["text"]


def test_where_the_intervals_straddle_the_tolerance_nothing_is_decided() -> None:
    mixtures = [np.array([0.5 + 0.045 * k, 0.5 - 0.045 * k, 0.0]) for k in range(3)]
    noisy = distances(
        [[m if e % 2 else mixtures[0] for e in range(12)] for m in mixtures],
        range(12),
        confidence=0.95,
        rng=np.random.default_rng(0),
    )
    record = convergence([0, 1, 2], noisy, game_of(mixtures, 0 * RPS), rng=np.random.default_rng(0))
    assert record["verdict"] == "undecided"


def test_gains_are_what_one_wins_from_the_other() -> None:
    mixtures = [turning(step) for step in range(3)]
    gains = replacement_gains(game_of(mixtures, RPS, 0.0), confidence=0.95, rng=np.random.default_rng(0))
    expected = [[2 * a @ RPS @ b for b in mixtures] for a in mixtures]
    np.testing.assert_allclose(gains.mean, expected, atol=1e-12)
    np.testing.assert_allclose(gains.low, gains.high)
    assert circles(gains) == [[0, 1, 2]]
    assert circles(Intervals(gains.mean, gains.mean - 9, gains.mean + 9)) == []


def test_situations_of_one_episode_are_one_observation() -> None:
    parts = np.random.default_rng(0).random(30)
    play = [[np.array([0.5 + 0.1 * k * p, 0.5 - 0.1 * k * p]) for p in np.repeat(parts, 10)] for k in range(2)]
    got = distances(play, np.repeat(np.arange(30), 10), confidence=0.9, rng=np.random.default_rng(1))
    each = 0.1 * parts
    margin = stats.t.ppf(0.95, 29) * each.std(ddof=1) / 30**0.5
    assert got.mean[1, 0] == pytest.approx(each.mean())
    assert got.high[0, 1] - got.mean[0, 1] == pytest.approx(margin, rel=0.05)


@pytest.mark.slow
def test_distances_cover_the_truth_for_all_pairs_at_once() -> None:
    """Situations of one episode are the same one ten times: without their groups the intervals would be far too small.

    Checkpoint k differs from k' by a random part of |k - k'| / 10, whose mean is half of it.
    """
    rng, hits = np.random.default_rng(5), 0
    truth = np.abs(np.subtract.outer(np.arange(4), np.arange(4))) / 20
    for _ in range(200):
        parts = np.repeat(rng.random(30), 10)
        play = [[np.array([0.5 + 0.1 * k * part, 0.5 - 0.1 * k * part]) for part in parts] for k in range(4)]
        got = distances(play, np.repeat(np.arange(30), 10), confidence=0.9, rng=rng)
        hits += bool(((got.low <= truth + 1e-12) & (truth <= got.high + 1e-12)).all())
    assert 0.84 * 200 <= hits <= 0.95 * 200


def test_a_return_needs_to_have_been_away() -> None:
    away = np.abs(np.subtract.outer([0, 0.4, 0.1], [0, 0.4, 0.1]))
    assert returns(Intervals(away, away, away), 0.05) == [(0, 1, 2)]
    assert returns(Intervals(away, away - 0.25, away + 0.25), 0.05) == []
    assert returns(Intervals(away / 10, away / 10, away / 10), 0.05) == []


def test_what_cannot_be_told_is_refused() -> None:
    with pytest.raises(SolverError, match="3 checkpoints or more"):
        found(settling, checkpoints=2)
    with pytest.raises(SolverError, match="from 2 episodes at least; given 1"):
        distances([[np.ones(1)], [np.ones(1)]], [0], confidence=0.95, rng=np.random.default_rng(0))
