"""How likely the true game has an equilibrium with the support that the mean payoffs show.

Games are drawn from the posterior of the payoffs (`marl.games.posterior`); the share of draws that have an equilibrium
with exactly this support is the probability.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from marl.games.empirical import EmpiricalGame
from marl.games.indifference import newton
from marl.games.normal_form import Profile

NEWTON_DRAWS = 400
"""Draws that are judged where three or more players mix, whose equilibria have to be searched in each."""
STARTS, STEPS = 6, 25
TOLERANCE = 1e-9
"""Gains, as a share of the player's payoff range, and weights that count as none at a mixed equilibrium."""

Support = Sequence[Sequence[int]]


def support_probabilities(
    game: EmpiricalGame, supports: Sequence[Support], tables: np.ndarray | None, *, rng: np.random.Generator
) -> list[float | None]:
    """For each of `supports` (per player the strategies that are played), the probability that it is an equilibrium's.

    `tables` are games as `drawn_gains` draws them. None where it is not computed: without tables; a mixed support that
    only degenerate games have, which no draw is (somebody mixes more strategies than the others' weights can make pay
    alike, as two players with unequally many); a switch that needs a missing profile. Where three or more players mix,
    `newton` decides from several starts in the first NEWTON_DRAWS games: it misses few. Calibrated where players'
    stakes are as large beside the noise as each other's.
    """
    if tables is None:
        return [None] * len(supports)
    found: list[float | None] = []
    for support in supports:
        if all(len(own) == 1 for own in support):
            holds = _pure(tables, tuple(own[0] for own in support), game.resolution)
        elif _regular(support) and not game.missing:
            holds = _mixed(tables, support, rng)
        else:
            holds = None
        found.append(None if holds is None else float(holds.mean()))
    return found


def _regular(support: Support) -> bool:
    """Whether games in general may have such an equilibrium: nobody's conditions outnumber the others' free weights.

    Source: McKelvey & McLennan 1997, "The maximal number of regular totally mixed Nash equilibria".
    """
    free = [len(own) - 1 for own in support]
    return all(own <= sum(free) - own for own in free)


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


def _mixed(tables: np.ndarray, support: Support, rng: np.random.Generator) -> np.ndarray:
    """[draws judged] bool: weights above 0 on all of `support` make its strategies pay alike, and no switch gains."""
    sizes = [len(own) for own in support]
    linear = sum(size > 1 for size in sizes) <= 2  # the equations: Newton's first step solves them
    scaled = _unit_range(tables if linear else tables[:NEWTON_DRAWS])
    inner = scaled[np.ix_(range(len(scaled)), range(len(sizes)), *support)]
    starts = [np.concatenate([np.full(size, 1 / size) for size in sizes])]
    if not linear:
        starts += [np.concatenate([rng.dirichlet(np.ones(size)) for size in sizes]) for _ in range(STARTS - 1)]
    holds = np.zeros(len(scaled), dtype=bool)
    for start in starts:
        open_ = np.flatnonzero(~holds)
        games = [inner[open_, player] for player in range(len(sizes))]
        points, solved = newton(games, np.tile(start, (len(open_), 1)), STEPS)
        solved &= (points > TOLERANCE).all(axis=1)
        good = open_[solved]
        holds[good] = _no_gain(scaled[good], support, points[solved])
    return holds


def _unit_range(tables: np.ndarray) -> np.ndarray:
    """Each player's payoffs [draws, players, *strategies] moved and scaled to lie between 0 and 1."""
    axes = tuple(range(2, tables.ndim))
    low = tables.min(axis=axes, keepdims=True)
    span = tables.max(axis=axes, keepdims=True) - low
    return (tables - low) / np.where(span == 0, 1, span)


def _no_gain(tables: np.ndarray, support: Support, points: np.ndarray) -> np.ndarray:
    """[games] bool: at `points` [games, sum of support] no strategy pays more than the player's first one in use."""
    parts = np.split(points, np.cumsum([len(own) for own in support])[:-1], axis=1)
    holds = np.ones(len(tables), dtype=bool)
    for player, own in enumerate(support):
        pays = tables[:, player]
        for other in reversed(range(len(support))):
            if other != player:
                pays = np.moveaxis(pays.take(support[other], axis=other + 1), other + 1, -1)
                pays = (pays @ parts[other].reshape(-1, *[1] * (pays.ndim - 3), len(support[other]), 1))[..., 0]
        holds &= pays.max(axis=1) <= pays[:, own[0]] + TOLERANCE
    return holds
