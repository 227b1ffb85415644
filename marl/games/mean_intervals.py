"""Simultaneous confidence intervals for all mean payoffs of an empirical game.

Source: Hothorn, Bretz & Westfall 2008 (max-t, see `marl.games.intervals`); Dunn 1961, "Multiple comparisons among
means" (Bonferroni), where there are too many payoffs for their correlations to be used.
"""

from __future__ import annotations

import numpy as np

from marl.games.empirical import EmpiricalGame
from marl.games.intervals import MOST_TOGETHER, simultaneous_margins


def mean_intervals(
    game: EmpiricalGame, *, confidence: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray, str]:
    """Lower and upper ends [players, *strategies] that hold for all players and profiles at once with `confidence`, and
    the method, "max-t" or "Bonferroni". NaN where nothing was played; no width where a payoff never varied.

    Raises SolverError where a profile has one episode only, and for a confidence that is none.
    """
    payoffs = len(game.samples) * len(game.shape)
    degrees = int(game.counts[game.known].min()) - 1
    margins = np.full(game.means.shape, np.nan)
    if payoffs <= MOST_TOGETHER:
        _, _, covariance = game.joint
        found = simultaneous_margins(covariance, degrees, confidence, rng)
        margins[:, game.known] = found.reshape(-1, len(game.shape)).T
    else:
        errors = game.standard_errors[:, game.known]
        variances = np.where(errors > game.resolution, errors, 0.0).ravel() ** 2
        margins[:, game.known] = simultaneous_margins(variances, degrees, confidence, rng).reshape(errors.shape)
    return game.means - margins, game.means + margins, "max-t" if payoffs <= MOST_TOGETHER else "Bonferroni"
