"""Symmetric games by counts: what a strategy pays depends on how many players play each strategy, not on who.

Source: Cheng, Reeves, Vorobeychik & Wellman 2004, "Notes on equilibria in symmetric games".
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from functools import cached_property

import numpy as np

from marl.errors import SolverError
from marl.games.normal_form import MAX_PROFILES, NormalFormGame

Counts = tuple[int, ...]


class SymmetricGame:
    """A finite symmetric game of `players` players over `strategies`.

    `counts` [profiles, strategies] lists every way to split the players among the strategies, in lexicographic order;
    `payoffs` [profiles, strategies], read-only, holds what one player of each strategy gets there, and 0 where nobody
    plays it. Payoffs are floats, or Fractions (dtype object) where given so. Raises SolverError where shapes do not
    fit, a payoff that is used is not finite, or there are more than MAX_PROFILES profiles.
    """

    def __init__(self, players: int, strategies: Sequence[str], payoffs: np.ndarray) -> None:
        self.players, self.strategies = players, tuple(strategies)
        size = len(self.strategies)
        if players < 1 or size < 1 or len(set(self.strategies)) != size:
            raise SolverError(f"{players} players over {self.strategies}: give 1 or more of both, names all different")
        self.counts = count_profiles(players, size)
        given = np.array(payoffs, dtype=object if np.asarray(payoffs).dtype == object else np.float64)
        if given.shape != self.counts.shape:
            raise SolverError(f"payoffs have shape {given.shape}; {self.counts.shape} [profiles, strategies] is needed")
        given[self.counts == 0] = 0
        if not np.isfinite(given.astype(np.float64)).all():
            raise SolverError("a payoff of a strategy that is played is NaN or infinite; give finite ones")
        given.setflags(write=False)
        self.payoffs = given

    def __repr__(self) -> str:
        return f"SymmetricGame(players={self.players}, strategies={self.strategies})"

    @classmethod
    def from_function(
        cls, players: int, strategies: Sequence[str], payoff: Callable[[int, Counts], float]
    ) -> SymmetricGame:
        """The game in which a player of strategy s gets `payoff(s, counts)`, counts including that player."""
        counts = count_profiles(players, len(strategies))
        table = [[payoff(s, tuple(row)) if row[s] else 0 for s in range(len(row))] for row in counts.tolist()]
        exact = not any(isinstance(value, float | np.floating) for row in table for value in row)
        return cls(players, strategies, np.array(table, dtype=object if exact else np.float64))

    @classmethod
    def from_matrix(cls, matrix: np.ndarray, strategies: Sequence[str] | None = None) -> SymmetricGame:
        """The two-player game with row payoffs `matrix` [strategies, strategies]."""
        table = np.asarray(matrix)
        if table.ndim != 2 or table.shape[0] != table.shape[1]:
            raise SolverError(f"a symmetric game needs a square matrix; given shape {table.shape}")
        names = [f"strategy_{s}" for s in range(len(table))] if strategies is None else strategies
        if table.dtype.kind == "f":  # without a way through two whole tensors
            listed = _members(2, len(table))
            payoffs = np.zeros((len(listed), len(table)))
            for own, met in (listed.T, listed.T[::-1]):
                payoffs[np.arange(len(listed)), own] = table[own, met]
            return cls(2, names, payoffs)
        return cls.from_normal_form(NormalFormGame(np.stack([table, table.T]), None, [names, names]))

    @classmethod
    def from_normal_form(cls, game: NormalFormGame) -> SymmetricGame:
        """The game by counts. Raises SolverError where exchanging players changes payoffs beyond `resolution`."""
        players, size = len(game.shape), game.shape[0]
        if len(set(game.shape)) != 1 or not is_symmetric(game):
            raise SolverError(f"the game of shape {game.shape} is not symmetric: exchanging players changes payoffs")
        listed = _members(players, size)
        payoffs = np.zeros((len(listed), size), dtype=game.payoffs.dtype)
        for one in range(players):
            own, others = listed[:, one], np.delete(listed, one, axis=1)
            payoffs[np.arange(len(listed)), own] = game.payoffs[0][(own, *others.T)]
        return cls(players, game.strategies[0], payoffs)

    def to_normal_form(self) -> NormalFormGame:
        """The same game with a payoff tensor per player; SolverError above MAX_PROFILES profiles."""
        size = len(self.strategies)
        if size**self.players > MAX_PROFILES:
            raise SolverError(f"{size}^{self.players} profiles are more than {MAX_PROFILES}; keep the game by counts")
        tensor = np.zeros((self.players, *[size] * self.players), dtype=self.payoffs.dtype)
        for profile in itertools.product(range(size), repeat=self.players):
            row = self.payoffs[self.place[tuple(profile.count(s) for s in range(size))]]
            for player, s in enumerate(profile):
                tensor[(player, *profile)] = row[s]
        names = [f"player_{i}" for i in range(self.players)]
        return NormalFormGame(tensor, names, [self.strategies] * self.players)

    @cached_property
    def matrix(self) -> np.ndarray:
        """Row payoffs [strategies, strategies] as floats; SolverError unless there are two players."""
        if self.players != 2:
            raise SolverError(f"a payoff matrix needs two players; this game has {self.players}")
        one, other = _members(2, len(self.strategies)).T
        table = np.empty((len(self.strategies), len(self.strategies)))
        for own, met in ((one, other), (other, one)):
            table[own, met] = self.payoffs[np.arange(len(one)), own]
        return table

    @cached_property
    def place(self) -> dict[Counts, int]:
        """The row of `payoffs` of each count profile."""
        return {tuple(row): i for i, row in enumerate(self.counts.tolist())}

    @cached_property
    def _opponents(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Opponents' counts [Q, S], their multinomial coefficients [Q], and each strategy's payoffs [Q, S] there."""
        size = len(self.strategies)
        others = count_profiles(self.players - 1, size)
        ways = np.array([_multinomial(row) for row in others.tolist()])
        own = np.eye(size, dtype=int)
        table = [[self.payoffs[self.place[tuple(row + own[s])], s] for s in range(size)] for row in others]
        return others, ways, np.array(table, dtype=np.float64)

    def fitness(self, state: np.ndarray) -> np.ndarray:
        """Expected payoff of each strategy [S] where every opponent plays the mixed strategy `state` [S]."""
        if self.players == 2:
            return self.matrix @ state
        others, ways, table = self._opponents
        return (ways * np.prod(np.asarray(state)[None, :] ** others, axis=1)) @ table

    def regret(self, state: np.ndarray) -> float:
        """What a player gains by the best switch where everyone plays `state`: 0 at a symmetric equilibrium."""
        fitness = self.fitness(state)
        return max(0.0, float(fitness.max() - fitness @ state))

    def pure_equilibria(self) -> list[Counts]:
        """The count profiles from which no player gains by switching; exact for Fractions, in lexicographic order."""
        found, identity = [], np.eye(len(self.strategies), dtype=int)
        margin = 0 if self.payoffs.dtype == object else 1e-12 * float(np.abs(self.payoffs).max())
        for row, own in zip(self.counts, self.payoffs, strict=True):
            switches = ((s, t) for s in np.flatnonzero(row) for t in range(len(row)) if t != s)
            if all(
                self.payoffs[self.place[tuple(row - identity[s] + identity[t])], t] <= own[s] + margin
                for s, t in switches
            ):
                found.append(tuple(int(n) for n in row))
        return found


def count_profiles(players: int, strategies: int) -> np.ndarray:
    """All splits of `players` among `strategies`: int [profiles, strategies], in lexicographic order."""
    number = math.comb(players + strategies - 1, strategies - 1)
    if number > MAX_PROFILES:
        raise SolverError(f"{number} count profiles are more than {MAX_PROFILES}; drop players or strategies")
    listed = _members(players, strategies)
    counts = np.zeros((len(listed), strategies), dtype=int)
    for own in listed.T:
        counts[np.arange(len(listed)), own] += 1
    return counts


def _members(players: int, strategies: int) -> np.ndarray:
    """The same profiles as each player's strategy, sorted: int [profiles, players]."""
    if players == 2:
        return np.stack(np.triu_indices(strategies), axis=1)[::-1]
    rows = list(itertools.combinations_with_replacement(range(strategies), players))
    return np.array(rows[::-1], dtype=int).reshape(len(rows), players)


def is_symmetric(game: NormalFormGame) -> bool:
    """Whether every exchange of player 0 with another one maps the payoffs onto themselves within `resolution`."""
    payoffs, players = game.payoffs, len(game.shape)
    if len(set(game.shape)) != 1:
        return False
    swaps = [(0, other) for other in range(1, players)]
    for one, other in swaps:
        order = list(range(players))
        order[one], order[other] = other, one
        moved = np.stack([payoffs[player].transpose(order) for player in order])
        if (np.abs(moved - payoffs) > game.resolution).any():
            return False
    return True


def _multinomial(counts: Sequence[int]) -> float:
    ways = math.factorial(sum(counts))
    for count in counts:
        ways //= math.factorial(count)
    return float(ways)
