"""Pure Nash equilibria by comparing each payoff with the best reply in its row."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from marl.errors import SolverError
from marl.games.equilibrium import Equilibrium
from marl.games.normal_form import NormalFormGame, Profile, rationalize


def pure_equilibria(game: NormalFormGame, known: np.ndarray | None = None) -> list[Profile]:
    """All pure Nash equilibria (weak ones included), in lexicographic order; complete.

    Payoffs are compared exactly (`game.ranks`). `known` (bool, [*strategies]) marks the profiles whose payoff
    is known; a profile then counts only if it and every switch of one player away from it are known.
    """
    ranks = game.ranks
    stable = np.ones(game.shape, dtype=bool)
    if known is not None:
        if known.shape != game.shape:
            raise SolverError(f"known has shape {known.shape}; the game has {game.shape} strategies per player")
        stable &= known
    for player in range(len(game.shape)):
        stable &= ranks[player] == ranks[player].max(axis=player, keepdims=True)
        if known is not None:
            stable &= known.all(axis=player, keepdims=True)
    return [tuple(int(s) for s in profile) for profile in np.argwhere(stable)]


def pure_equilibrium(game: NormalFormGame, profile: Profile) -> Equilibrium:
    """A profile that `pure_equilibria` found, with its payoffs in Fractions; nothing else of the game is converted."""
    tolerance = Fraction(game.resolution)
    payoffs = tuple(rationalize(tensor[profile], tolerance) for tensor in game.payoffs)
    weights = tuple(
        tuple(Fraction(int(s == own)) for s in range(size)) for own, size in zip(profile, game.shape, strict=True)
    )
    return Equilibrium(weights, payoffs, Fraction(0), True, "pure enumeration")
