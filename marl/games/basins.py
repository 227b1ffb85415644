"""Basins of attraction: from which share of all starting points do the dynamics end where?

By sampling, with Clopper-Pearson intervals (Clopper & Pearson 1934), Bonferroni-adjusted to hold for all ends at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import binomtest

from marl.errors import SolverError
from marl.games.replicator import replicator
from marl.games.trajectory import Game, Trajectory, starting_point

Follow = Callable[[list[np.ndarray]], Trajectory]

SETTLED = 1e-4


@dataclass(frozen=True, slots=True)
class Basin:
    """Where `count` of the samples ended: `state`, one distribution per population, and its `share` of all starts."""

    state: tuple[np.ndarray, ...]
    count: int
    share: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Basins:
    """The ends, largest share first. `unsettled` of `samples` starts were still moving when the time was up."""

    basins: tuple[Basin, ...]
    unsettled: int
    samples: int
    confidence: float


def basins_of_attraction(
    game: Game,
    samples: int = 200,
    *,
    rng: np.random.Generator,
    follow: Follow | None = None,
    confidence: float = 0.95,
    same: float = 0.01,
) -> Basins:
    """Follow the dynamics from `samples` starts drawn uniformly from the simplex of every population.

    `follow` makes the path from a start, by default `replicator` for a time of 1000 / (range of payoffs). An end
    counts where the last tenth of the path moved by less than 1e-4, and two ends are one where no probability differs
    by more than `same`. Raises SolverError unless samples >= 1 and 0 < confidence < 1.
    """
    if samples < 1 or not 0 < confidence < 1:
        raise SolverError(f"samples {samples} must be >= 1 and confidence {confidence} between 0 and 1")
    follow = _replicator(game) if follow is None else follow
    sizes = [len(own) for own in starting_point(game, None)]
    ends: list[tuple[np.ndarray, ...]] = []
    counts: list[int] = []
    for _ in range(samples):
        path = follow([rng.dirichlet(np.ones(size)) for size in sizes])
        if not _is_settled(path):
            continue
        final = path.final
        known = [i for i, end in enumerate(ends) if _distance(end, final) <= same]
        if known:
            counts[known[0]] += 1
        else:
            ends.append(final)
            counts.append(1)
    basins = [_basin(end, n, samples, 1 - (1 - confidence) / len(ends)) for end, n in zip(ends, counts, strict=True)]
    basins.sort(key=lambda basin: -basin.count)
    return Basins(tuple(basins), samples - sum(counts), samples, confidence)


def _replicator(game: Game) -> Follow:
    payoffs = game.payoffs.astype(np.float64)
    time = 1000 / (float(payoffs.max() - payoffs.min()) or 1.0)
    return lambda start: replicator(game, start, time=time, points=101)


def _is_settled(path: Trajectory) -> bool:
    return all(float(np.ptp(own[-len(own) // 10 :], axis=0).max()) < SETTLED for own in path.states)


def _distance(one: tuple[np.ndarray, ...], other: tuple[np.ndarray, ...]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(one, other, strict=True))


def _basin(end: tuple[np.ndarray, ...], count: int, samples: int, confidence: float) -> Basin:
    interval = binomtest(count, samples).proportion_ci(confidence, "exact")
    return Basin(end, count, count / samples, float(interval.low), float(interval.high))
