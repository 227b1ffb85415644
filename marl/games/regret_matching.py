"""Regret matching: strategies are played in proportion to how much one regrets not having played them.

Source: Hart & Mas-Colell 2000, "A simple adaptive procedure leading to correlated equilibrium", the variant with
unconditional regrets of its section 4: the joint frequencies approach the coarse correlated equilibria.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from marl.errors import SolverError
from marl.games.multilinear import float_payoffs, strategy_payoffs
from marl.games.normal_form import MixedProfile, NormalFormGame
from marl.games.trajectory import Trajectory, starting_point


@dataclass(frozen=True, slots=True)
class RegretMatching:
    """`averages`: each player's play averaged up to each step. `joint` [*strategies]: how often each profile occurred.

    `regrets` [steps, players]: the average gain that the best fixed strategy would have brought; the last row says how
    far `joint` is from a coarse correlated equilibrium.
    """

    averages: Trajectory
    joint: np.ndarray
    regrets: np.ndarray


def regret_matching(
    game: NormalFormGame,
    steps: int = 1000,
    start: MixedProfile | None = None,
    *,
    rng: np.random.Generator | None = None,
) -> RegretMatching:
    """Play `steps` steps of regret matching, first `start` (uniform), all players at once.

    Without `rng` players know each other's mixed strategies and gains are expected ones; with it a profile is drawn at
    each step, and that is what counts. Raises SolverError for steps below 1.
    """
    if steps < 1:
        raise SolverError(f"steps is {steps}; give 1 or more")
    payoffs, mixed = float_payoffs(game), starting_point(game, start)
    players = range(len(game.shape))
    regret = [np.zeros(size) for size in game.shape]
    totals, joint = [np.zeros(size) for size in game.shape], np.zeros(game.shape)
    states, regrets = [np.empty((steps, size)) for size in game.shape], np.empty((steps, len(game.shape)))
    for step in range(steps):
        played = mixed if rng is None else [np.eye(len(own))[rng.choice(len(own), p=own)] for own in mixed]
        for player, values in zip(players, strategy_payoffs(payoffs, played), strict=True):
            regret[player] += values - played[player] @ values
            totals[player] += played[player]
            states[player][step] = totals[player] / (step + 1)
            regrets[step, player] = max(0.0, regret[player].max()) / (step + 1)
        joint += _product(played)
        mixed = [_matched(own) for own in regret]
    averages = Trajectory(np.arange(1.0, steps + 1), tuple(states))
    return RegretMatching(averages, joint / steps, regrets)


def _matched(regret: np.ndarray) -> np.ndarray:
    positive = np.clip(regret, 0.0, None)
    return positive / positive.sum() if positive.sum() > 0 else np.full(len(regret), 1 / len(regret))


def _product(mixed: list[np.ndarray]) -> np.ndarray:
    joint = np.ones(())
    for own in mixed:
        joint = np.multiply.outer(joint, own)
    return joint
