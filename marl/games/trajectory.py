"""How play moves over time, as arrays; and the one- and many-population readings of a game that all dynamics share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.integrate import solve_ivp

from marl.errors import SolverError
from marl.games.multilinear import check_positive, float_payoffs, float_profile, strategy_payoffs
from marl.games.normal_form import MixedProfile, NormalFormGame
from marl.games.symmetric import SymmetricGame

Game = NormalFormGame | SymmetricGame
"""One population per player of a NormalFormGame; a single one for a SymmetricGame."""
States = list[np.ndarray]
"""One distribution [strategies] per population."""

ACCURACY = 1e-9


@dataclass(frozen=True, slots=True)
class Trajectory:
    """`times` [points], and for each population (or player) its `states` [points, strategies], rows summing to 1."""

    times: np.ndarray
    states: tuple[np.ndarray, ...]

    @property
    def final(self) -> tuple[np.ndarray, ...]:
        """The last state of each population: [strategies]."""
        return tuple(own[-1] for own in self.states)


def starting_point(game: Game, start: MixedProfile | None) -> States:
    """`start` checked, one distribution per population (a SymmetricGame has one); uniform where None."""
    if isinstance(game, NormalFormGame):
        return float_profile(game, start)
    return float_profile(NormalFormGame(np.zeros((1, len(game.strategies)))), start)


def fitness_function(game: Game) -> Callable[[Sequence[np.ndarray]], States]:
    """The map from states to what each population's strategies earn there."""
    if isinstance(game, SymmetricGame):
        return lambda mixed: [game.fitness(mixed[0])]
    payoffs = float_payoffs(game)
    return lambda mixed: strategy_payoffs(payoffs, mixed)


def integrate(velocity: Callable[[States], States], start: States, time: float, points: int) -> Trajectory:
    """The path of d state / dt = velocity(state) at `points` evenly spaced times from 0 to `time`.

    LSODA with relative accuracy 1e-9; states are put back on the simplex where rounding left it. Raises SolverError
    unless time > 0 and points >= 2, and where the integrator gives up.
    """
    check_positive(time=time)
    if points < 2:
        raise SolverError(f"points is {points}; give 2 or more")
    cuts = np.cumsum([len(own) for own in start])[:-1]

    def flat(_: float, values: np.ndarray) -> np.ndarray:
        return np.concatenate(velocity(np.split(values, cuts)))

    times = np.linspace(0.0, time, points)
    begin = np.concatenate(start)
    solved = solve_ivp(flat, (0.0, time), begin, "LSODA", times, rtol=ACCURACY, atol=ACCURACY * 1e-3)
    if not solved.success:
        raise SolverError(f"the integrator stopped at time {solved.t[-1]:.4g}: {solved.message} Give a shorter time")
    states = [np.clip(own, 0.0, None) for own in np.split(solved.y.T, cuts, axis=1)]
    return Trajectory(times, tuple(own / own.sum(axis=1, keepdims=True) for own in states))
