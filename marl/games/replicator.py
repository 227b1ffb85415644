"""Replicator dynamics: strategies that earn more than the average grow.

Sources: Taylor & Jonker 1978, "Evolutionary stable strategies and game dynamics" (one population); Taylor 1979,
"Evolutionarily stable strategies with two types of player" (several); Hofbauer & Sigmund 1998, "Evolutionary games and
population dynamics", chapter 20 (selection with mutation).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.optimize import root

from marl.errors import SolverError
from marl.games.normal_form import MixedProfile
from marl.games.symmetric import SymmetricGame
from marl.games.trajectory import Game, States, Trajectory, fitness_function, integrate, starting_point

MAX_STRATEGIES = 12
STARTS = 8
TOLERANCE = 1e-9
EDGE = 1e-7

Stability = Literal["stable", "unstable", "undecided"]


def replicator(
    game: Game, start: MixedProfile | None = None, *, time: float = 100.0, points: int = 201, mutation: float = 0.0
) -> Trajectory:
    """The path of x_i' = x_i (f_i(x) - x.f(x)) + mutation * (1/n - x_i) in each population, from `start` (uniform).

    With `mutation` every strategy arises from every other at the rate mutation / n. Raises SolverError for a mutation
    below 0 and as `integrate` does.
    """
    if not 0 <= mutation < np.inf:
        raise SolverError(f"mutation is {mutation}; give a rate of 0 or more")
    fitness = fitness_function(game)

    def velocity(states: States) -> States:
        earned = fitness(states)
        return [x * (f - x @ f) + mutation * (1 / len(x) - x) for x, f in zip(states, earned, strict=True)]

    return integrate(velocity, starting_point(game, start), time, points)


@dataclass(frozen=True, slots=True)
class RestPoint:
    """A state [strategies] where the one-population replicator dynamics stand still.

    `stability` is that of the linearized dynamics on the simplex: "undecided" where the largest real part is 0 (a
    center, or a continuum of rest points). `equilibrium`: also a symmetric Nash equilibrium.
    """

    state: np.ndarray
    stability: Stability
    equilibrium: bool

    @property
    def support(self) -> tuple[int, ...]:
        """The strategies that are present."""
        return tuple(int(s) for s in np.flatnonzero(self.state))


def rest_points(game: SymmetricGame, *, seed: int = 0) -> list[RestPoint]:
    """The isolated rest points: one pass over all supports, small ones first.

    On each support all strategies earn the same. For two players that is a linear system, and all isolated points are
    found; for more the polynomials are solved from several random starts, and some may be missed. Continua are left
    out. Raises SolverError above MAX_STRATEGIES strategies.
    """
    size = len(game.strategies)
    if size > MAX_STRATEGIES:
        raise SolverError(f"{size} strategies have 2^{size} supports; give at most {MAX_STRATEGIES}")
    rng = np.random.default_rng(seed)
    found = []
    for count in range(1, size + 1):
        for support in itertools.combinations(range(size), count):
            found.extend(_on_support(game, np.array(support), rng))
    return [_described(game, state) for state in found]


def symmetric_equilibria(game: SymmetricGame, *, seed: int = 0) -> list[np.ndarray]:
    """The isolated symmetric equilibria [strategies]: the rest points where no absent strategy earns more.

    Complete as `rest_points` is. Nash 1951, "Non-cooperative games": every finite symmetric game has one, but it need
    not be isolated.
    """
    return [point.state for point in rest_points(game, seed=seed) if point.equilibrium]


def jacobian(game: SymmetricGame, state: np.ndarray, step: float = 1e-6) -> np.ndarray:
    """The derivative of the replicator field at `state` [strategies, strategies], by central differences."""
    columns = []
    for direction in np.eye(len(state)):
        ahead, behind = (_field(game, state + sign * step * direction) for sign in (1, -1))
        columns.append((ahead - behind) / (2 * step))
    return np.stack(columns, axis=1)


def _field(game: SymmetricGame, x: np.ndarray) -> np.ndarray:
    f = game.fitness(x)
    return x * (f - x @ f)


def _on_support(game: SymmetricGame, support: np.ndarray, rng: np.random.Generator) -> list[np.ndarray]:
    """Rest points with exactly this support."""
    k, scale = len(support), float(np.abs(game.payoffs).max()) or 1.0

    def gap(inner: np.ndarray) -> np.ndarray:
        earned = game.fitness(_embedded(game, support, inner))[support]
        return np.append((earned[1:] - earned[0]) / scale, inner.sum() - 1)

    starts = [np.full(k, 1 / k)]
    if game.players > 2 and k > 1:
        starts += list(rng.dirichlet(np.ones(k), STARTS))
    found: list[np.ndarray] = []
    for start in starts:
        inner = _linear(game, support) if game.players == 2 else _polynomial(gap, start)
        if inner is None or inner.min() <= EDGE or np.abs(gap(inner)).max() > TOLERANCE:
            continue
        if all(np.abs(inner - old[support]).max() > EDGE for old in found):
            found.append(_embedded(game, support, inner / inner.sum()))
    return found


def _embedded(game: SymmetricGame, support: np.ndarray, inner: np.ndarray) -> np.ndarray:
    state = np.zeros(len(game.strategies))
    state[support] = inner
    return state


def _linear(game: SymmetricGame, support: np.ndarray) -> np.ndarray | None:
    matrix = game.matrix[np.ix_(support, support)]
    system = np.vstack([matrix[1:] - matrix[0], np.ones(len(support))])
    if np.linalg.matrix_rank(system) < len(support):
        return None
    return np.linalg.solve(system, np.eye(len(support))[-1])


def _polynomial(gap: Callable[[np.ndarray], np.ndarray], start: np.ndarray) -> np.ndarray | None:
    solved = root(gap, start, method="hybr", tol=1e-13)
    if not np.isfinite(solved.x).all() or np.linalg.matrix_rank(_derivative(gap, solved.x), tol=1e-7) < len(start):
        return None
    return solved.x


def _derivative(gap: Callable[[np.ndarray], np.ndarray], point: np.ndarray, step: float = 1e-6) -> np.ndarray:
    moves = step * np.eye(len(point))
    return np.stack([(gap(point + move) - gap(point - move)) / (2 * step) for move in moves], axis=1)


def _described(game: SymmetricGame, state: np.ndarray) -> RestPoint:
    size, scale = len(state), float(np.abs(game.payoffs).max()) or 1.0
    tangent = np.linalg.svd(np.ones((1, size)))[2][1:]
    values = np.linalg.eigvals(tangent @ jacobian(game, state) @ tangent.T).real
    largest = float(values.max(initial=-np.inf)) / scale
    stability: Stability = "stable" if largest < -EDGE else "unstable" if largest > EDGE else "undecided"
    return RestPoint(state, stability, game.regret(state) <= TOLERANCE * scale)
