"""Meta-solvers: how a population should play, given what its members earn against each other.

A meta-strategy is a distribution over profiles of members, joint or independent, against which the next best responses
are trained (Lanctot et al. 2017, "A unified game-theoretic approach to multiagent reinforcement learning", which has
the first two; Muller et al. 2020, "A generalized training approach for multiagent learning", alpha-rank; Marris et al.
2021, "Multi-agent training beyond zero-sum with correlated equilibrium meta-solvers").
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from marl.errors import SolverError
from marl.games.alpha_rank import alpha_rank
from marl.games.correlated import correlated_equilibrium
from marl.games.limits import TIME_LIMIT
from marl.games.normal_form import NormalFormGame
from marl.games.quantal_response import quantal_branch
from marl.games.symmetric import SymmetricGame
from marl.games.zero_sum import is_constant_sum, matrix_game

MetaSolver = Literal["nash", "uniform", "alpha_rank", "correlated"]
META_SOLVERS: tuple[MetaSolver, ...] = ("nash", "uniform", "alpha_rank", "correlated")

NEGLIGIBLE = 1e-6
"""Probabilities of profiles up to this are numerical dust."""


@dataclass(frozen=True)
class MetaStrategy:
    """A distribution over profiles, `joint` [*strategies], and the `method` that found it."""

    joint: np.ndarray
    method: str

    def marginal(self, player: int) -> np.ndarray:
        """How often the player plays each strategy: [strategies of the player]."""
        return self.joint.sum(axis=tuple(axis for axis in range(self.joint.ndim) if axis != player))

    def others(self, player: int) -> np.ndarray:
        """How often the others play each of their profiles: [*strategies of the others]."""
        return self.joint.sum(axis=player)


def meta_strategy(
    game: NormalFormGame,
    solver: MetaSolver,
    *,
    roles: Sequence[int] | None = None,
    time_limit: float = TIME_LIMIT,
) -> MetaStrategy:
    """The meta-strategy that `solver` recommends in `game`, whose strategies are the populations' members.

    `nash`: an equilibrium; of two players with constant sum a minimax one, else the end of the principal logit branch,
    which the method says how near it is. `uniform`: every member alike. `alpha_rank`: its masses in the limit of strong
    selection, over profiles, or over strategies where two players share a role. `correlated`: the coarse correlated
    equilibrium of maximum entropy. Players with the same number in `roles` have the same strategies and are dealt their
    seats at random, so that the meta-strategy treats them alike. Raises SolverError for an unknown solver, roles that
    do not fit, and where the game has no answer within `time_limit` seconds.
    """
    roles = tuple(range(len(game.shape))) if roles is None else tuple(roles)
    for role in set(roles):
        sizes = {size for size, own in zip(game.shape, roles, strict=True) if own == role}
        if len(sizes) > 1:
            raise SolverError(f"players of role {role} share a population, and have {sorted(sizes)} strategies")
    seatings = list(_seatings(roles))
    payoffs = game.payoffs.astype(np.float64)
    if len(seatings) > 1:
        payoffs = np.mean([[np.transpose(payoffs[seat], way) for seat in way] for way in seatings], axis=0)
    dealt = NormalFormGame(payoffs)
    if solver == "uniform":
        joint, method = np.ones(game.shape), "uniform"
    elif solver == "nash":
        joint, method = _nash(dealt)
    elif solver == "alpha_rank":
        joint, method = _alpha_rank(dealt, shared=roles == (0, 0))
    elif solver == "correlated":
        found = correlated_equilibrium(dealt, "max_entropy", coarse=True, time_limit=time_limit)
        joint, method = found.distribution.astype(np.float64), f"coarse correlated equilibrium, {found.method}"
    else:
        raise SolverError(f"meta-solver {solver!r} is unknown; there are {', '.join(META_SOLVERS)}")
    joint = np.mean([np.transpose(joint, way) for way in seatings], axis=0)
    joint = np.where(joint > NEGLIGIBLE * joint.max(), joint, 0.0)
    return MetaStrategy(joint / joint.sum(), method)


def _seatings(roles: Sequence[int]) -> Iterator[tuple[int, ...]]:
    """All ways to exchange players of one role: way[i] is the seat that player i takes."""
    players = range(len(roles))
    groups = [[i for i in players if roles[i] == role] for role in sorted(set(roles))]
    for exchanged in itertools.product(*(itertools.permutations(group) for group in groups)):
        seat = {i: j for group, own in zip(groups, exchanged, strict=True) for i, j in zip(group, own, strict=True)}
        yield tuple(seat[i] for i in players)


def _nash(game: NormalFormGame) -> tuple[np.ndarray, str]:
    if len(game.shape) == 2 and is_constant_sum(game):
        found = matrix_game(game.payoffs[0])
        shared = np.allclose(game.payoffs[0], game.payoffs[1].T)  # then one side's optimal strategy is the other's too
        mixed = np.array(found.row, dtype=np.float64), np.array(found.row if shared else found.column, dtype=np.float64)
        return _product([np.maximum(own, 0.0) for own in mixed]), "minimax"
    branch = quantal_branch(game)
    sides = [_sharpened(own[-1]) for own in branch.profiles]
    regret = float(max(game.regret([side.tolist() for side in sides])))
    reached = "" if branch.complete else ", which could not be followed to its end"
    return _product(sides), f"principal logit branch{reached} (largest regret {regret:.2g})"


def _sharpened(strategy: np.ndarray) -> np.ndarray:
    """Without what the branch plays by mistake only: at its end an inferior strategy's share is far below this."""
    kept = np.where(strategy > 1e-3, strategy, 0.0)
    return kept / kept.sum()


def _alpha_rank(game: NormalFormGame, *, shared: bool) -> tuple[np.ndarray, str]:
    if shared:
        masses = alpha_rank(SymmetricGame.from_matrix(game.payoffs[0]), math.inf).masses
        return np.outer(masses, masses), "alpha-rank, infinite alpha, one population"
    return alpha_rank(game, math.inf).masses, "alpha-rank, infinite alpha, one population a player"


def _product(sides: Sequence[np.ndarray]) -> np.ndarray:
    joint = np.ones(())
    for side in sides:
        joint = np.multiply.outer(joint, side)
    return joint
