"""Games that the episodes of an empirical game leave possible: draws from the posterior of its mean payoffs.

`drawn_payoffs` is for all that payoffs themselves bear on; its prior is flat. `drawn_gains` is for equilibria.

Equilibria depend on nothing but gains: what a player gets by one strategy rather than another, the others' play given.
Their errors are normal with the estimated covariance, of which the scale is drawn, too, for every set of alternatives
(Gelman et al. 2013, "Bayesian Data Analysis", section 3.2), with Satterthwaite's 1946 degrees of freedom.
Where errors are as large as the gains are, the largest estimates are mostly luck. Therefore the gains have a
normal prior around 0 whose variance is learned from their own spread less the noise, as in James & Stein 1961,
"Estimation with quadratic loss", and Morris 1983, "Parametric empirical Bayes inference"; as a few gains tell little
about a variance, it is drawn from its posterior (Gelman et al., section 5.4).
"""

from __future__ import annotations

import numpy as np

from marl.games.empirical import EmpiricalGame
from marl.games.intervals import covariance_root

DRAWS = 2_000
MOST_PAYOFFS = 2_048
"""Payoffs (profiles times players) up to which games are drawn; their covariance is that number squared."""
GRID_BITS = 40
"""Drawn payoffs are multiples of the largest one over two to this power."""
RATIOS = np.geomspace(1e-3, 1e6, 181)
"""Variances of the gains over those of their errors that are thought of."""
MOST_DEGREES = 1e9
"""Of lines that were never played."""


def drawn_payoffs(game: EmpiricalGame, *, rng: np.random.Generator, draws: int = DRAWS) -> np.ndarray | None:
    """Mean payoffs [draws, players, *strategies] that the episodes leave possible; NaN where nothing was played.

    Normal around the measured ones with their covariance, whose scale is drawn for all at once: payoffs that never
    varied count as known, and payoffs that always went together stay together, ties included. None above MOST_PAYOFFS
    payoffs. Raises SolverError where a profile has one episode only.
    """
    if _too_many(game):
        return None
    degrees = int(game.counts[game.known].min()) - 1
    scale = np.sqrt(degrees / rng.chisquare(degrees, draws))
    root = covariance_root(game.joint[2])
    drawn = game.joint[1] + rng.standard_normal((draws, root.shape[1])) @ root.T * scale[:, None]
    # A common grid, finer than any difference that counts, undoes the rounding that would part equal payoffs.
    grid = 2.0 ** (np.ceil(np.log2(max(np.abs(drawn).max(), np.finfo(float).tiny))) - GRID_BITS)
    tables = _tables(game, np.round(drawn / grid) * grid)
    tables[:, :, ~game.known] = np.nan
    return tables


def drawn_gains(game: EmpiricalGame, *, rng: np.random.Generator, draws: int = DRAWS) -> np.ndarray | None:
    """Games [draws, players, *strategies] whose equilibria the true one may have; NaN where nothing was played.

    Of a player's payoffs against one play of the others only the differences are drawn; their mean is the estimate.
    None above MOST_PAYOFFS payoffs. Raises SolverError where a profile has one episode only.
    """
    if _too_many(game):
        return None
    root = covariance_root(game.joint[2])
    tables = _tables(game, rng.standard_normal((draws, root.shape[1])) @ root.T)
    unit_errors = _tables(game, root.T)
    lines = [_Lines(game, unit_errors[:, player], player) for player in range(len(game.shape))]
    ratios = _drawn_ratios(lines, rng, draws).reshape(draws, *[1] * len(game.shape))
    for player, own in enumerate(lines):
        scale = own.degrees / rng.chisquare(own.degrees, (draws, *own.degrees.shape))
        signal, noise = ratios * own.usual, own.noise * scale
        kept = np.where(own.noise > 0, signal / np.where(own.noise > 0, signal + noise, 1.0), 1.0)
        tables[:, player] = own.level + kept * own.gains + np.sqrt(kept * scale) * own.split(tables[:, player])[1]
    tables[:, :, ~game.known] = np.nan
    return tables


class _Lines:
    """One player's payoffs along the lines of profiles that differ in the own strategy alone.

    `level` and `gains`: mean payoffs' mean over a line, and distances from it; `noise`, per line, the variance of the
    error of a gain in any direction, `usual` its mean over all lines with noise, `degrees` what it is known with;
    `directions`: strategies played in the line less 1. All have the player's axis, those per line with length 1.
    """

    def __init__(self, game: EmpiricalGame, unit_errors: np.ndarray, player: int) -> None:
        self._axis = player - len(game.shape)
        self._known = game.known
        self.level, self.gains = self.split(np.where(game.known, game.means[player], 0.0))
        self.directions = np.maximum(game.known.sum(axis=self._axis, keepdims=True) - 1, 0)
        squares = np.square(self.split(unit_errors)[1]).sum(axis=(0, self._axis), keepdims=True)[0]
        self.noise = squares / np.maximum(self.directions, 1)
        self.noise[self.noise <= game.resolution**2] = 0.0
        uncertain = self.directions * (self.noise > 0)
        self.usual = float((self.noise * uncertain).sum() / max(uncertain.sum(), 1))
        self.degrees = self._degrees(game, player)

    def _degrees(self, game: EmpiricalGame, player: int) -> np.ndarray:
        """Paired episodes give differences, with one degree less than there are; others Satterthwaite's."""
        each = np.where(self._known, game.counts - 1.0, np.inf)
        fewest = np.minimum(each.min(axis=self._axis, keepdims=True), MOST_DEGREES)
        if game.seeds is not None:
            return fewest
        variance = np.square(np.where(self._known, game.standard_errors[player], 0.0))
        squared = np.square(variance.sum(axis=self._axis, keepdims=True))
        parts = (np.square(variance) / each).sum(axis=self._axis, keepdims=True)
        return np.divide(squared, parts, out=fewest, where=parts > 0)

    def split(self, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Payoffs [..., *strategies] as mean over each line and distances from it, both 0 where nothing was played."""
        table = np.where(self._known, table, 0.0)
        count = np.maximum(self._known.sum(axis=self._axis, keepdims=True), 1)
        level = table.sum(axis=self._axis, keepdims=True) / count
        return level, np.where(self._known, table - level, 0.0)

    def log_likelihood(self) -> np.ndarray:
        """Of each of RATIOS, from the lines with noise."""
        chosen = (self.noise > 0) & (self.directions > 0)
        noise, directions = self.noise[chosen], self.directions[chosen]
        squares = np.square(self.gains).sum(axis=self._axis, keepdims=True)[chosen]
        variance = RATIOS[:, None] * self.usual + noise
        return -0.5 * (directions * np.log(variance) + squares / variance).sum(axis=1)


def _drawn_ratios(lines: list[_Lines], rng: np.random.Generator, draws: int) -> np.ndarray:
    """How large the variance of gains is in units of the usual noise, drawn from its posterior: [draws].

    It is the same for all players, whatever units they are paid in. The share of an estimated gain that is kept, ratio
    / (1 + ratio), has the prior density 3 x^2 from 0 to 1: between Strawderman's 1971 flat one and keeping all.
    """
    # The density of the ratio r is 3 r^2 / (1 + r)^4; the grid being geometric, times r.
    weight = 3 * np.log(RATIOS) - 4 * np.log1p(RATIOS) + sum(own.log_likelihood() for own in lines)
    weight = np.exp(weight - weight.max())
    return rng.choice(RATIOS, draws, p=weight / weight.sum())


def _too_many(game: EmpiricalGame) -> bool:
    return len(game.samples) * len(game.shape) > MOST_PAYOFFS


def _tables(game: EmpiricalGame, rows: np.ndarray) -> np.ndarray:
    """Rows of payoffs, profile by profile, as [rows, players, *strategies]; 0 where nothing was played."""
    players = len(game.shape)
    tables = np.zeros((len(rows), players, *game.shape))
    for number, profile in enumerate(game.joint[0]):
        place: tuple[int | slice, ...] = (slice(None), slice(None), *profile)
        tables[place] = rows[:, number * players : (number + 1) * players]
    return tables
