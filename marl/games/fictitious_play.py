"""Fictitious play: everybody answers the others' past frequencies with a best response.

Source: Brown 1951, "Iterative solution of games by fictitious play"; Robinson 1951, "An iterative method of solving a
game" (convergence in zero-sum games); Shapley 1964 (the game in which it circles for ever).
"""

from __future__ import annotations

import numpy as np

from marl.errors import SolverError
from marl.games.multilinear import float_payoffs, strategy_payoffs
from marl.games.normal_form import NormalFormGame, Profile
from marl.games.trajectory import Trajectory


def fictitious_play(game: NormalFormGame, steps: int = 1000, start: Profile | None = None) -> Trajectory:
    """The frequencies of play after each step: times 1 to `steps`, states [steps, strategies] for each player.

    The first profile is `start` (all zeros); then all players move at once, each with the first of the best responses
    to the product of the others' frequencies. Raises SolverError for steps below 1 or a profile that is not the game's.
    """
    if steps < 1:
        raise SolverError(f"steps is {steps}; give 1 or more")
    payoffs = float_payoffs(game)
    moves = [int(np.argmax(own)) for own in game.distributions([0] * len(game.shape) if start is None else start)]
    counts = [np.zeros(size) for size in game.shape]
    states = [np.empty((steps, size)) for size in game.shape]
    for step in range(steps):
        for own, move, record in zip(counts, moves, states, strict=True):
            own[move] += 1
            record[step] = own / (step + 1)
        margin = game.resolution
        values = strategy_payoffs(payoffs, [record[step] for record in states])
        moves = [int(np.flatnonzero(own >= own.max() - margin)[0]) for own in values]
    return Trajectory(np.arange(1.0, steps + 1), tuple(states))
