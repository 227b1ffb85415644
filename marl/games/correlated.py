"""Correlated and coarse correlated equilibria: the best, the worst, the fairest, and the one of maximum entropy.

A mediator draws a profile and tells each player its part. Correlated (Aumann 1974): nobody gains by answering any
recommendation with another strategy. Coarse (Moulin & Vial 1978): nobody gains by deciding beforehand to ignore it.
Either set is a polytope; the first three are linear programs, the last a smooth convex one (Ortiz, Schapire & Kakade
2007, "Maximum entropy correlated equilibria").
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from marl.games.limits import TIME_LIMIT, Deadline
from marl.games.linear_program import Optimum, maximize_floating, unit_range
from marl.games.normal_form import NormalFormGame, Number

Objective = Literal["max_welfare", "min_welfare", "fairest", "max_entropy"]
CERTIFIED_PROFILES = 64
"""Up to this many profiles a floating optimum is rounded to fractions, and proved where it can be."""

DENOMINATOR = 100_000


@dataclass(frozen=True, slots=True)
class CorrelatedEquilibrium:
    """A distribution over profiles ([*strategies]) and the players' payoffs.

    `regret` is the largest gain from any one deviation, weighted by how often its recommendation comes; `exact`: it is
    <= 0 and the objective optimal in rational arithmetic (by a dual solution), and all numbers are Fractions.
    """

    distribution: np.ndarray
    payoffs: tuple[Number, ...]
    welfare: Number
    regret: Number
    exact: bool
    method: str


def correlated_equilibrium(
    game: NormalFormGame,
    objective: Objective = "max_welfare",
    *,
    coarse: bool = False,
    prove: bool = True,
    time_limit: float = TIME_LIMIT,
) -> CorrelatedEquilibrium:
    """The correlated (or coarse correlated) equilibrium with the most or least welfare, the largest least payoff
    ("fairest"), or the largest entropy; of few profiles exact where `prove` asks for it. Raises SolverError when
    `time_limit` seconds are over.
    """
    floats, own = _scaled(game.payoffs.astype(np.float64))
    gains = deviation_gains(own, coarse=coarse)
    if objective == "max_entropy":
        return _answer(game, _max_entropy(gains, Deadline(time_limit)), coarse, "entropy dual")
    flat = floats.reshape(len(floats), -1)
    found = _optimum(*_program(objective, flat, gains), time_limit)
    count = flat.shape[1]
    if prove and count <= CERTIFIED_PROFILES:
        proved = _proved(game.rational(), objective, coarse, found.primal, found.dual)
        if proved is not None:
            return _answer(game.rational(), proved, coarse, "linear program")
    weights = np.maximum(found.primal[:count], 0)
    return _answer(game, weights / weights.sum(), coarse, "linear program")


def _scaled(payoffs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The payoffs for a linear program, in one unit for all players, which welfare needs, and in each player's own, so
    that the deviations of who plays for little count as much as the others'.
    """
    return unit_range(payoffs)[0], np.stack([unit_range(tensor)[0] for tensor in payoffs])


def _optimum(
    c: np.ndarray, rows: np.ndarray, total: np.ndarray | None, seconds: float, bounds: Any = (0, None)
) -> Optimum:
    """Maximize c @ z where rows @ z <= 0, total @ z = 1 and `bounds`."""
    from scipy.sparse import csr_array  # takes its time to import, as HiGHS does

    equal = None if total is None else (total[None], np.ones(1))
    zeros = np.zeros(len(rows))
    return maximize_floating(c, csr_array(rows), zeros, equal=equal, bounds=bounds, time_limit=seconds)


def deviation_gains(payoffs: np.ndarray, *, coarse: bool) -> np.ndarray:
    """What each deviation gains in each profile: [deviations, profiles]; a distribution p is an equilibrium exactly if
    gains @ p <= 0. `payoffs` [players, *strategies].

    Deviations of a player: from recommendation a to b for all a != b, or, coarse, from anything to b.
    """
    parts = []
    for player, tensor in enumerate(payoffs):
        own = np.moveaxis(tensor, player, 0)
        count = len(own)
        gains = own[:, None] - own  # [target, what is played, *the others]
        if not coarse:
            every = np.arange(count)
            recommended = np.zeros((count, *gains.shape), dtype=gains.dtype)  # [target, told, played, *others]
            recommended[:, every, every] = gains
            gains = recommended[every[:, None] != every]
        parts.append(np.moveaxis(gains, 1, player + 1).reshape(len(gains), tensor.size))
    return np.concatenate(parts)


def _program(objective: Objective, flat: np.ndarray, gains: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(c, A, e): maximize c @ z where A @ z <= 0, e @ z = 1, z >= 0; z is the distribution, and for "fairest" the least
    payoff after it. `flat` [players, profiles] must be >= 0 for that.
    """
    count = flat.shape[1]
    ones = np.ones(count, dtype=flat.dtype)
    if objective == "fairest":
        rows = np.vstack([gains, -flat])
        last = np.append(np.zeros(len(gains), dtype=flat.dtype), np.ones(len(flat), dtype=flat.dtype))
        zeros = np.zeros(count, dtype=flat.dtype)
        return np.append(zeros, ones[:1]), np.hstack([rows, last[:, None]]), np.append(ones, zeros[:1])
    welfare = flat.sum(axis=0)
    return welfare if objective == "max_welfare" else -welfare, gains, ones


def _proved(
    game: NormalFormGame, objective: Objective, coarse: bool, primal: np.ndarray, dual: np.ndarray
) -> np.ndarray | None:
    """The distribution in Fractions where rounding gives an optimal one, proved by a dual solution, else None."""
    payoffs, own = _scaled(game.payoffs)
    gains = deviation_gains(own, coarse=coarse)
    c, rows, total = _program(objective, payoffs.reshape(len(payoffs), -1), gains)
    z, y = (_rounded(np.maximum(part, 0)) for part in (primal, dual))
    if total @ z != 1 or (rows @ z > 0).any():
        return None
    value = c @ z
    return z[: gains.shape[1]] if (y @ rows + value * total >= c).all() else None


def _rounded(values: np.ndarray) -> np.ndarray:
    rounded = np.empty(len(values), dtype=object)
    rounded[:] = [Fraction(value).limit_denominator(DENOMINATOR) for value in values.tolist()]
    return rounded


def _answer(game: NormalFormGame, weights: np.ndarray, coarse: bool, method: str) -> CorrelatedEquilibrium:
    exact = weights.dtype == object
    payoffs = game.payoffs if exact else game.payoffs.astype(np.float64)
    own = tuple((payoffs.reshape(len(payoffs), -1) @ weights).tolist())
    regret = max((deviation_gains(payoffs, coarse=coarse) @ weights).tolist(), default=0)
    return CorrelatedEquilibrium(weights.reshape(game.shape), own, sum(own), max(regret, regret * 0), exact, method)


def _max_entropy(gains: np.ndarray, deadline: Deadline) -> np.ndarray:
    """The distribution [profiles] of largest entropy with gains @ p <= 0, by its dual p ~ exp(-multipliers @ gains).

    The dual has a solution once the profiles that no equilibrium plays are left out and the deviations that are
    indifferent in all of them have multipliers of either sign.
    """
    from scipy.optimize import minimize

    if not len(gains):
        return np.full(gains.shape[1], 1 / gains.shape[1])
    played, indifferent = _relative_interior(gains, deadline)
    rows = gains[:, played]

    def dual(multipliers: np.ndarray) -> tuple[float, np.ndarray]:
        deadline.check("the correlated equilibrium of maximum entropy")
        exponents = -multipliers @ rows
        top = exponents.max()
        weights = np.exp(exponents - top)
        total = weights.sum()
        return top + np.log(total), -(rows @ weights) / total

    bounds = [(None, None) if free else (0, None) for free in indifferent]
    options = {"maxiter": 20_000, "maxfun": 40_000, "ftol": 1e-16, "gtol": 1e-11, "maxcor": 30}
    found = minimize(dual, np.zeros(len(rows)), jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    exponents = -found.x @ rows
    weights = np.zeros(gains.shape[1])
    weights[played] = np.exp(exponents - exponents.max())
    return weights / weights.sum()


def _relative_interior(gains: np.ndarray, deadline: Deadline) -> tuple[np.ndarray, np.ndarray]:
    """Which profiles some equilibrium plays (bool [profiles]), and which deviations gain exactly nothing in every
    equilibrium (bool [deviations]): one linear program over the cone of multiples of equilibria, whose points may grow
    until each part that can be positive reaches 1.
    """
    deviations, profiles = gains.shape
    # Variables: the point of the cone, min(point, 1), min(loss of each deviation, 1).
    upper = np.block(
        [
            [-np.eye(profiles), np.eye(profiles), np.zeros((profiles, deviations))],
            [gains, np.zeros((deviations, profiles)), np.eye(deviations)],
        ]
    )
    objective = np.concatenate([np.zeros(profiles), np.ones(profiles + deviations)])
    bounds = [(0, None)] * profiles + [(0, 1)] * (profiles + deviations)
    found = _optimum(objective, upper, None, deadline.left, bounds)
    return found.primal[profiles : 2 * profiles] > 0.5, found.primal[2 * profiles :] <= 0.5
