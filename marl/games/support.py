"""How likely the true game has an equilibrium with the support that the mean payoffs show.

Source: the posterior of normal means under a flat prior (Gelman et al. 2013, "Bayesian Data Analysis", ch. 3): mean
payoffs drawn around the estimates with the estimated covariance, its scale drawn too. Each draw is a game; the share of
draws that have an equilibrium with exactly this support is the probability.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from marl.games.empirical import EmpiricalGame
from marl.games.normal_form import Profile

DRAWS = 2_000
MOST_PAYOFFS = 2_048
"""Payoffs (profiles times players) up to which games are drawn; their covariance is that number squared."""

GRID_BITS = 40
"""Drawn payoffs are multiples of the largest one over two to this power."""

Support = Sequence[Sequence[int]]


def support_probabilities(
    game: EmpiricalGame, supports: Sequence[Support], tables: np.ndarray | None
) -> list[float | None]:
    """For each of `supports` (per player the strategies that are played), the probability that it is an equilibrium's.

    `tables` are games as `drawn_means` draws them. None where it is not computed: without tables; a mixed support of
    three or more players, or of two with unequally many strategies (of degenerate games, which no draw is); a switch
    that needs a missing profile.
    """
    if tables is None:
        return [None] * len(supports)
    players = len(game.shape)
    found: list[float | None] = []
    for support in supports:
        sizes = {len(own) for own in support}
        if sizes == {1}:
            holds = _pure(tables, tuple(own[0] for own in support), game.resolution)
        elif players == 2 and len(sizes) == 1 and not game.missing:
            holds = _mixed(tables, support, game.resolution)
        else:
            holds = None
        found.append(None if holds is None else float(holds.mean()))
    return found


def drawn_means(game: EmpiricalGame, *, rng: np.random.Generator, draws: int = DRAWS) -> np.ndarray | None:
    """Mean payoffs [draws, players, *strategies] that the episodes leave possible; NaN where nothing was played.

    Payoffs that never varied count as known, and payoffs that always went together stay together, ties included.
    Calibrated for a prior that is flat where the payoffs lie: one who expects payoffs near zero should believe less.
    None above MOST_PAYOFFS payoffs. Raises SolverError where a profile has one episode only.
    """
    players = len(game.shape)
    if len(game.samples) * players > MOST_PAYOFFS:
        return None
    profiles, means, covariance = game.joint
    values, vectors = np.linalg.eigh(covariance)
    root = vectors * np.sqrt(np.clip(values, 0.0, None))
    root[np.diag(covariance) == 0] = 0.0
    degrees = int(game.counts[game.known].min()) - 1
    scale = np.sqrt(rng.chisquare(degrees, draws) / degrees)
    drawn = means + (rng.standard_normal((draws, len(means))) @ root.T) / scale[:, None]
    # A common grid, finer than any difference that counts, undoes the rounding that would part equal payoffs.
    grid = 2.0 ** (np.ceil(np.log2(max(np.abs(drawn).max(), np.finfo(float).tiny))) - GRID_BITS)
    drawn = np.round(drawn / grid) * grid
    tables = np.full((draws, players, *game.shape), np.nan)
    for number, profile in enumerate(profiles):
        place: tuple[int | slice, ...] = (slice(None), slice(None), *profile)
        tables[place] = drawn[:, number * players : (number + 1) * players]
    return tables


def _pure(tables: np.ndarray, profile: Profile, resolution: float) -> np.ndarray | None:
    """[draws] bool: nobody gains by switching from `profile`; None where a switch was never played."""
    holds = np.ones(len(tables), dtype=bool)
    for player in range(tables.shape[1]):
        line: tuple[int | slice, ...] = (*profile[:player], slice(None), *profile[player + 1 :])
        own = tables[(slice(None), player, *line)]
        if np.isnan(own).any():
            return None
        holds &= own[:, profile[player]] >= own.max(axis=1) - resolution
    return holds


def _mixed(tables: np.ndarray, support: Support, resolution: float) -> np.ndarray:
    """[draws] bool: two players' k x k support makes both indifferent, at positive weights, and no switch gains."""
    first, second = (np.array(own) for own in support)
    rows, columns = tables[:, 0], tables[:, 1].transpose(0, 2, 1)
    holds = np.ones(len(tables), dtype=bool)
    for own, mine, theirs in ((rows, first, second), (columns, second, first)):
        weights, value = _indifferent(own[:, mine][:, :, theirs])
        others = np.einsum("dst,dt->ds", own[:, :, theirs], weights)
        holds &= (weights > 0).all(axis=1) & (others.max(axis=1) <= value + resolution)
    return holds


def _indifferent(payoffs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights [draws, k] of the columns that make all rows of [draws, k, k] pay the same, and what they pay [draws]."""
    draws, size, _ = payoffs.shape
    system = np.zeros((draws, size + 1, size + 1))
    system[:, :size, :size], system[:, :size, size], system[:, size, :size] = payoffs, -1.0, 1.0
    wanted = np.zeros((draws, size + 1, 1))
    wanted[:, size] = 1.0
    singular = np.abs(np.linalg.det(system)) < 1e-300
    system[singular] = np.eye(size + 1)
    solved = np.linalg.solve(system, wanted)[:, :, 0]
    solved[singular] = np.nan
    return solved[:, :size], solved[:, size]
