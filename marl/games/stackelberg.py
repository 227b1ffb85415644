"""Stackelberg commitment: what a leader gains by committing to a mixed strategy that the follower sees.

Sources: Conitzer & Sandholm 2006, "Computing the optimal strategy to commit to" (one linear program per reply); von
Stengel & Zamir 2010, "Leadership games with convex strategy sets" (where equally good replies hurt the leader).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.optimize import linprog

from marl.errors import SolverError
from marl.games.limits import TIME_LIMIT, Deadline
from marl.games.linear_program import maximize, unit_range
from marl.games.normal_form import NormalFormGame, Number

Ties = Literal["strong", "weak"]

TOLERANCE = 1e-9
"""Differences up to this share of a player's payoff range are none."""


@dataclass(frozen=True, slots=True)
class Commitment:
    """The leader's best commitment: `strategy` [strategies of the leader], the follower's `reply` and both payoffs.

    Under "weak" ties `leader_payoff` is the least upper bound of what the leader can be sure of; `attained` is False
    where `strategy` itself does not secure it and must be moved a little towards where the reply is strictly best.
    """

    strategy: np.ndarray
    reply: int
    leader_payoff: float
    follower_payoff: float
    attained: bool
    ties: Ties


def stackelberg(
    game: NormalFormGame, leader: int = 0, ties: Ties = "strong", *, time_limit: float = TIME_LIMIT
) -> Commitment:
    """The best mixed commitment of player `leader` in a two-player game.

    `ties`: among equally good replies the follower takes the leader's favorite ("strong") or least favorite ("weak").
    Of exact games with few strategies the strong answer is computed exactly. Raises SolverError unless the game has two
    players and leader is 0 or 1, and where a strong answer takes longer than `time_limit` seconds.
    """
    if len(game.shape) != 2:
        raise SolverError(f"undefined: commitment needs two players; this game has {len(game.shape)}")
    if leader not in (0, 1):
        raise SolverError(f"the leader is player 0 or 1; given leader {leader}")
    deadline = Deadline(time_limit)
    sides = (0, 1) if leader == 0 else (1, 0)
    given = [game.payoffs[side] if leader == 0 else game.payoffs[side].T for side in sides]
    (exact, least, span), (answered, _, _) = map(unit_range, given)
    own, theirs = exact.astype(np.float64), answered.astype(np.float64)
    found = [
        _strong(exact, answered, reply, deadline) if ties == "strong" else _weak(own, theirs, reply)
        for reply in range(own.shape[1])
    ]
    value, strategy, reply = max(
        ((*one, reply) for reply, one in enumerate(found) if one is not None), key=lambda held: held[0]
    )
    earned = strategy @ theirs
    best = np.flatnonzero(earned >= earned.max() - TOLERANCE)
    attained = ties == "strong" or float((strategy @ own)[best].min()) >= value - TOLERANCE
    paid = float((strategy @ given[1].astype(np.float64))[reply])
    return Commitment(strategy, reply, float(value * span + least), paid, attained, ties)


Found = tuple[Number, np.ndarray] | None


def _strong(own: np.ndarray, theirs: np.ndarray, reply: int, deadline: Deadline) -> Found:
    """max x.own[:, reply] over distributions x to which `reply` is a best reply; None where it never is. Payoffs from 0
    to 1."""
    gains = (theirs - theirs[:, [reply]]).T
    rows = np.vstack([gains, np.ones(len(own), own.dtype)])  # of dtype object where payoffs are Fractions: exact
    bound = np.append(np.zeros(len(gains), own.dtype), 1)
    # Payoffs of 1 at least make the optimum a distribution where there is one, and 0 where there is none.
    solved = maximize(own[:, reply] + 1, rows, bound, time_limit=deadline.left)
    if solved.value < 0.5:
        return None
    return solved.value - 1, solved.primal.astype(np.float64)


def _weak(own: np.ndarray, theirs: np.ndarray, reply: int) -> Found:
    """The same for replies that are strictly best somewhere but for copies of them, of which the worst one is met."""
    size = len(own)
    gaps = theirs - theirs[:, [reply]]
    copies = np.flatnonzero(np.abs(gaps).max(axis=0) <= 1e-12)
    rivals = np.delete(gaps, copies, axis=1).T
    total, one = _simplex(size)
    if len(rivals):
        widened = np.column_stack([rivals, np.ones(len(rivals))])
        least = np.append(np.zeros(size), -1.0)
        strict = linprog(least, widened, np.zeros(len(rivals)), np.append(total, [[0]], axis=1), one, _bounds(size))
        if strict.status != 0 or -strict.fun <= TOLERANCE:
            return None
    worst = np.column_stack([-own[:, copies].T, np.ones(len(copies))])
    rows = np.vstack([np.column_stack([rivals, np.zeros(len(rivals))]), worst])
    most = np.append(np.zeros(size), -1.0)
    return _read(linprog(most, rows, np.zeros(len(rows)), np.append(total, [[0]], axis=1), one, _bounds(size)), size)


def _simplex(size: int) -> tuple[np.ndarray, np.ndarray]:
    return np.ones((1, size)), np.ones(1)


def _bounds(size: int) -> list[tuple[float | None, float | None]]:
    return [(0.0, None)] * size + [(None, None)]


def _read(solved: Any, size: int) -> Found:
    if solved.status == 2:
        return None
    if solved.status != 0:
        raise SolverError(f"the linear program was not solved: {solved.message}")
    strategy = np.clip(solved.x[:size], 0.0, None)
    return float(-solved.fun), strategy / strategy.sum()
