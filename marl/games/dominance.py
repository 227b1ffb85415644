"""Dominated strategies, iterated elimination, and the rationalizable strategies.

Source: Luce & Raiffa 1957 (iterated dominance); Pearce 1984 and Bernheim 1984 (a strategy is never a best response
exactly if a mixed strategy strictly dominates it: Pearce's lemma 3). Domination by a mixture is a linear program.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np

from marl.games.limits import TIME_LIMIT, Deadline
from marl.games.linear_program import MAX_EXACT_ENTRIES, maximize, unit_range
from marl.games.normal_form import NormalFormGame, Number
from marl.games.zero_sum import matrix_game

By = Literal["pure", "mixed"]
TOLERANCE = 1e-9
"""Gains of a floating linear program up to this share of the payoffs' range do not count."""


@dataclass(frozen=True, slots=True)
class Dominated:
    """A strategy (indices in the whole game) and a mixture of its player's strategies that dominates it."""

    player: int
    strategy: int
    by: tuple[Number, ...]
    strict: bool
    exact: bool


@dataclass(frozen=True, slots=True)
class Elimination:
    """`rounds[k]` is what was dropped together in round k; `remaining` the strategies left, per player."""

    rounds: tuple[tuple[Dominated, ...], ...]
    remaining: tuple[tuple[int, ...], ...]
    strict: bool
    by: By

    @property
    def exact(self) -> bool:
        """Whether each dropped strategy is proved dominated in exact arithmetic."""
        return all(one.exact for dropped in self.rounds for one in dropped)


def dominated_strategies(
    game: NormalFormGame, *, strict: bool = True, by: By = "mixed", time_limit: float = TIME_LIMIT
) -> tuple[Dominated, ...]:
    """All strategies that a pure or mixed strategy of the same player dominates, each with one that does.

    Strictly: it pays more against everything. Weakly: it never pays less and sometimes more. Raises SolverError when
    `time_limit` seconds are over.
    """
    everything = tuple(tuple(range(size)) for size in game.shape)
    return _dominated(game, everything, strict, by, Deadline(time_limit))


def iterated_elimination(
    game: NormalFormGame, *, strict: bool = True, by: By = "mixed", time_limit: float = TIME_LIMIT
) -> Elimination:
    """Drops all dominated strategies at once, round after round, until none is left.

    What remains does not depend on the order of strict elimination. For weak dominance it may; dropping all at once is
    the order without preferences, and may lose equilibria, though never all of them. Raises SolverError on time out.
    """
    deadline = Deadline(time_limit)
    remaining = tuple(tuple(range(size)) for size in game.shape)
    rounds = []
    while dropped := _dominated(game, remaining, strict, by, deadline):
        gone = {(one.player, one.strategy) for one in dropped}
        remaining = tuple(tuple(s for s in own if (i, s) not in gone) for i, own in enumerate(remaining))
        rounds.append(dropped)
    return Elimination(tuple(rounds), remaining, strict, by)


def rationalizable(game: NormalFormGame, *, time_limit: float = TIME_LIMIT) -> tuple[tuple[int, ...], ...]:
    """Per player, the strategies that common knowledge of rationality allows.

    Where more than two play, beliefs about the others may be correlated (Brandenburger & Dekel 1987); independent ones
    may allow fewer.
    """
    return iterated_elimination(game, time_limit=time_limit).remaining


def _dominated(
    game: NormalFormGame, remaining: tuple[tuple[int, ...], ...], strict: bool, by: By, deadline: Deadline
) -> tuple[Dominated, ...]:
    found = []
    for player, own in enumerate(remaining):
        ranks, scaled = _table(game.ranks[player], remaining, player), None
        for k, strategy in enumerate(own):
            deadline.check("the search for dominated strategies")
            better, worse = ranks > ranks[k], ranks < ranks[k]
            rivals = np.flatnonzero(better.all(axis=1) if strict else ~worse.any(axis=1) & better.any(axis=1))
            if len(rivals):
                rival = tuple(Fraction(int(s == own[rivals[0]])) for s in range(game.shape[player]))
                found.append(Dominated(player, strategy, rival, strict, True))
                continue
            best_somewhere = not better.any(axis=0).all()
            if by == "mixed" and len(own) > 2 and not (strict and best_somewhere):
                if scaled is None:
                    scaled = _scaled(_table(game.rational().payoffs[player], remaining, player))
                weights = _mixture(scaled, k, strict, deadline)
                if weights is not None:
                    full = np.zeros(game.shape[player], dtype=weights.dtype)
                    full[list(own)] = weights
                    exact = weights.dtype == object
                    found.append(Dominated(player, strategy, tuple(full.tolist()), strict, exact))
    return tuple(found)


def _table(tensor: np.ndarray, remaining: tuple[tuple[int, ...], ...], player: int) -> np.ndarray:
    """[own strategies left, the others' profiles left]."""
    return np.moveaxis(tensor[np.ix_(*remaining)], player, 0).reshape(len(remaining[player]), -1)


def _scaled(table: np.ndarray) -> np.ndarray:
    """Payoffs from 0 to 1; Fractions only where they are few enough to stay exact."""
    scaled, _, _ = unit_range(table)
    return scaled if table.size <= MAX_EXACT_ENTRIES else scaled.astype(np.float64)


def _mixture(table: np.ndarray, strategy: int, strict: bool, deadline: Deadline) -> np.ndarray | None:
    """Weights [strategies] that dominate `strategy`, or None; `table` is of payoffs from 0 to 1."""
    gains = table - table[strategy]
    if strict:
        game = matrix_game(gains, time_limit=deadline.left)
        kind = object if game.exact else np.float64
        least = game.value - game.regret  # what the row is sure of, whatever rounding did to it
        return np.array(game.row, dtype=kind) if least > (0 if game.exact else TOLERANCE) else None
    total = np.full(len(table), Fraction(1), dtype=object)
    limits = np.array([Fraction(0)] * gains.shape[1] + [Fraction(1)], dtype=object)
    found = maximize(gains.sum(axis=1), np.vstack([-gains.T, total]), limits, time_limit=deadline.left)
    if found.exact:
        return found.primal if found.value > 0 else None
    if found.value <= gains.shape[1] * TOLERANCE:
        return None
    weights = np.maximum(found.primal, 0) / np.maximum(found.primal, 0).sum()
    return weights if (weights @ gains.astype(np.float64)).min() >= -TOLERANCE else None
