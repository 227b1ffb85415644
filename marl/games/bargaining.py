"""Bargaining solutions: which of the payoffs that players can reach together would they agree on?

Sources: Nash 1950, "The bargaining problem"; Kalai & Smorodinsky 1975, "Other solutions to Nash's bargaining problem".
Players may randomize jointly: feasible payoffs are the convex hull of the pure profiles' payoffs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import LinearConstraint, linprog, minimize

from marl.errors import SolverError
from marl.games.multilinear import float_payoffs
from marl.games.normal_form import NormalFormGame
from marl.games.zero_sum import security_level

GAP = 1e-6
LEAST = 1e-9
"""A gain for everybody below this share of the payoffs' range is none."""
MOST_ROUNDS = 200


@dataclass(frozen=True, slots=True)
class Agreement:
    """`payoffs` [players] and a `joint` distribution over profiles [*strategies] that gives them.

    `disagreement` [players] is what each gets without an agreement. `gap` bounds how far the solution's criterion can
    be from its maximum, relative to it.
    """

    payoffs: np.ndarray
    joint: np.ndarray
    disagreement: np.ndarray
    gap: float


def nash_bargaining(game: NormalFormGame, disagreement: Sequence[float] | None = None) -> Agreement:
    """The feasible payoffs that maximize the product of the gains over `disagreement` (by default security levels).

    Solved over a few profiles at a time, adding the one that promises most (simplicial decomposition, von Hohenbalken
    1977). Raises SolverError where no feasible payoffs give everybody more than the disagreement, where its length does
    not fit, and where the maximum could not be proved within a relative 1e-6.
    """
    outside, gains, start = _problem(game, disagreement)
    active = [int(k) for k in np.flatnonzero(start > 0)]
    weights = start[active]
    gap = np.inf
    for _ in range(MOST_ROUNDS):
        weights = _largest_product(gains[active], weights / weights.sum())
        promise = (gains / (weights @ gains[active])).mean(axis=1)
        best, gap = int(promise.argmax()), float(promise.max()) - 1
        if gap <= GAP or best in active:
            break
        active, weights = [*active, best], np.append(weights, 0.0)
    if gap > GAP:
        raise SolverError(f"the Nash product could only be proved within {gap:.1e} of its maximum; drop strategies")
    full = np.zeros(len(gains))
    full[active] = weights
    return _agreement(game, full, outside, max(0.0, gap))


def _largest_product(gains: np.ndarray, start: np.ndarray) -> np.ndarray:
    """Weights [points] that maximize the sum of logarithms of weights @ gains, from a start with positive gains."""
    small = 1e-12

    def loss(weights: np.ndarray) -> float:
        return -float(np.log(np.maximum(weights @ gains, small)).sum())

    def slope(weights: np.ndarray) -> np.ndarray:
        return -(gains / np.maximum(weights @ gains, small)).sum(axis=1)

    total = LinearConstraint(np.ones((1, len(start))), 1.0, 1.0)
    bounds, options = [(0.0, 1.0)] * len(start), {"maxiter": 1000, "ftol": 1e-16}
    solved = minimize(loss, start, jac=slope, bounds=bounds, constraints=total, method="SLSQP", options=options)
    weights = np.clip(solved.x, 0.0, None)
    weights /= weights.sum()
    return weights if loss(weights) <= loss(start) else start


def kalai_smorodinsky(game: NormalFormGame, disagreement: Sequence[float] | None = None) -> Agreement:
    """The best feasible payoffs at which all players get the same share of their largest possible gain.

    That gain is over payoffs at which nobody gets less than the disagreement. With more than two players the solution
    may leave something on the table. Errors as in `nash_bargaining`.
    """
    outside, gains, _ = _problem(game, disagreement)
    profiles, players = gains.shape
    total, zeros = np.ones((1, profiles)), np.zeros(players)
    ideal = [-linprog(-gains[:, player], -gains.T, zeros + 1e-12, total, [1.0]).fun for player in range(players)]
    rows = np.column_stack([-gains.T, ideal])
    solved = linprog(np.append(np.zeros(profiles), -1.0), rows, zeros, np.append(total, [[0]], axis=1), [1.0])
    weights = np.clip(solved.x[:-1], 0.0, None)
    return _agreement(game, weights / weights.sum(), outside, 0.0)


def _problem(game: NormalFormGame, disagreement: Sequence[float] | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Disagreement [players], what profiles gain over it as shares of each player's payoff range [profiles, players],
    and weights where everybody gains.
    """
    if disagreement is None:
        disagreement = [float(security_level(game, player).value) for player in range(len(game.shape))]
    outside = np.asarray(disagreement, dtype=np.float64)
    if outside.shape != (len(game.shape),) or not np.isfinite(outside).all():
        raise SolverError(f"disagreement {disagreement} needs {len(game.shape)} finite payoffs, one per player")
    points = float_payoffs(game).reshape(len(game.shape), -1).T
    span = np.ptp(points, axis=0)
    gains = (points - outside) / np.where(span == 0, 1, span)
    rows = np.column_stack([-gains.T, np.ones(len(outside))])
    total = np.append(np.ones(len(gains)), 0.0)[None]
    bounds = [(0, None)] * len(gains) + [(None, None)]
    solved = linprog(np.append(np.zeros(len(gains)), -1.0), rows, np.zeros(len(outside)), total, [1.0], bounds)
    if solved.status != 0:
        raise SolverError(f"the linear program was not solved: {solved.message}")
    if -solved.fun <= LEAST:
        raise SolverError(f"no joint play gives every player more than the disagreement {outside.tolist()}")
    return outside, gains, solved.x[:-1]


def _agreement(game: NormalFormGame, weights: np.ndarray, outside: np.ndarray, gap: float) -> Agreement:
    points = float_payoffs(game).reshape(len(game.shape), -1).T
    return Agreement(weights @ points, weights.reshape(game.shape), outside, gap)
