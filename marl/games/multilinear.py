"""Expected payoffs of mixed profiles as tensor contractions, in floats and without checks: the inner loop of dynamics.

`NormalFormGame.deviation_payoffs` is the checked, exact form of the same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from marl.errors import SolverError
from marl.games.normal_form import MixedProfile, NormalFormGame


def float_payoffs(game: NormalFormGame) -> np.ndarray:
    """The payoff tensors as float64: [players, *strategies]."""
    return game.payoffs.astype(np.float64)


def float_profile(game: NormalFormGame, profile: MixedProfile | None) -> list[np.ndarray]:
    """The profile as float64 distributions, one [strategies] per player; uniform where None. Checked."""
    if profile is None:
        return [np.full(size, 1 / size) for size in game.shape]
    return [own.astype(np.float64) for own in game.distributions(profile)]


def contract(tensor: np.ndarray, mixed: Sequence[np.ndarray], keep: Sequence[int]) -> np.ndarray:
    """`tensor` [*strategies] averaged over all players' play but those in `keep`, whose axes stay, in their order."""
    for axis in reversed(range(tensor.ndim)):
        if axis not in keep:
            tensor = np.tensordot(tensor, mixed[axis], axes=([axis], [0]))
    return tensor


def strategy_payoffs(payoffs: np.ndarray, mixed: Sequence[np.ndarray]) -> list[np.ndarray]:
    """For each player, the expected payoff of each own strategy [strategies of the player] against the others' play.

    `payoffs` is a float array [players, *strategies], `mixed` one distribution per player.
    """
    return [contract(payoffs[player], mixed, (player,)) for player in range(len(mixed))]


def pair_payoffs(payoffs: np.ndarray, mixed: Sequence[np.ndarray], player: int, other: int) -> np.ndarray:
    """The player's payoff by own strategy and by `other`'s strategy [own, other's], the rest averaged over their play.

    It is the derivative of `strategy_payoffs(...)[player]` in the other's probabilities.
    """
    table = contract(payoffs[player], mixed, (player, other))
    return table if player < other else table.T


def check_positive(**values: float) -> None:
    """SolverError naming the first of the values that is not a positive, finite number."""
    for name, value in values.items():
        if not (value > 0 and np.isfinite(value)):
            raise SolverError(f"{name} is {value}; give a positive, finite number")
