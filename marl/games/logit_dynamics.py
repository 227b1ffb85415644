"""Logit dynamics: noisy best responses, better ones being more likely, in continuous time and one player at a time.

Sources: Fudenberg & Levine 1998, "The theory of learning in games", chapter 4 (continuous, its rest points being the
logit quantal response equilibria); Blume 1993, "The statistical mechanics of strategic interaction" (one at a time).
"""

from __future__ import annotations

import math

import numpy as np
from scipy import sparse
from scipy.special import log_softmax, softmax

from marl.errors import SolverError
from marl.games.normal_form import MixedProfile, NormalFormGame
from marl.games.stationary import eliminate_logs, solve_directly
from marl.games.trajectory import Game, States, Trajectory, fitness_function, integrate, starting_point

MAX_PROFILES = 5_000


def logit_dynamics(
    game: Game, rationality: float, start: MixedProfile | None = None, *, time: float = 100.0, points: int = 201
) -> Trajectory:
    """The path of x' = softmax(rationality * f(x)) - x in each population, from `start` (uniform).

    Raises SolverError for a rationality below 0 and as `integrate` does.
    """
    _check(rationality)
    fitness = fitness_function(game)

    def velocity(states: States) -> States:
        return [softmax(rationality * f) - x for x, f in zip(states, fitness(states), strict=True)]

    return integrate(velocity, starting_point(game, start), time, points)


def logit_path(
    game: NormalFormGame, rationality: float, steps: int, rng: np.random.Generator, start: tuple[int, ...] | None = None
) -> np.ndarray:
    """A random path of Blume's process: int [steps + 1, players], the profile before and after each revision.

    At each step one player, drawn uniformly, moves to strategy s with probability proportional to
    e^(rationality * payoff of s against the others' current strategies).
    """
    _check(rationality)
    profile = [0] * len(game.shape) if start is None else list(start)
    game.distributions(profile)
    payoffs, path = game.payoffs.astype(np.float64), np.empty((steps + 1, len(game.shape)), dtype=int)
    path[0] = profile
    for step in range(1, steps + 1):
        player = int(rng.integers(len(profile)))
        row = np.moveaxis(payoffs[player], player, -1)[(*profile[:player], *profile[player + 1 :])]
        profile[player] = int(rng.choice(len(row), p=softmax(rationality * row)))
        path[step] = profile
    return path


def logit_stationary(game: NormalFormGame, rationality: float) -> np.ndarray:
    """How often Blume's process is at each profile in the long run: [*strategies], summing to 1.

    In a potential game it is proportional to e^(rationality * potential). SolverError above MAX_PROFILES profiles.
    """
    _check(rationality)
    size = math.prod(game.shape)
    if size > MAX_PROFILES:
        raise SolverError(f"{size} profiles are more than {MAX_PROFILES}; drop strategies, or sample a logit_path")
    if size == 1:
        return np.ones(game.shape)
    places, parts = np.arange(size).reshape(game.shape), []
    for player, own in enumerate(game.shape):
        where = np.moveaxis(places, player, -1).reshape(-1, own)
        rows = np.moveaxis(game.payoffs[player].astype(np.float64), player, -1).reshape(-1, own)
        logs = log_softmax(rationality * rows, axis=1)
        before, after = np.nonzero(~np.eye(own, dtype=bool))
        parts.append((where[:, before].ravel(), where[:, after].ravel(), logs[:, after].ravel()))
    source, target, logs = (np.concatenate(column) for column in zip(*parts, strict=True))
    masses = solve_directly(sparse.csr_array((np.exp(logs), (source, target)), shape=(size, size)))
    if masses is None:
        dense = np.full((size, size), -np.inf)
        dense[source, target] = logs
        masses = eliminate_logs(dense)
    return masses.reshape(game.shape)


def _check(rationality: float) -> None:
    if not 0 <= rationality < np.inf:
        raise SolverError(f"rationality is {rationality}; give a finite number of 0 or more")
