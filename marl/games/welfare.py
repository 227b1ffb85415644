"""How good profiles are for everyone together: welfare, Pareto set, price of anarchy and of stability.

Welfare is the sum of the players' payoffs. Source of the prices: Koutsoupias & Papadimitriou 1999, "Worst-case
equilibria" (anarchy); Anshelevich et al. 2004, "The price of stability for network design" (stability).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np

from marl.games.equilibrium import Equilibrium
from marl.games.normal_form import NormalFormGame, Number, Profile

Price = float | Fraction

ROUNDING = 1e-9
"""Of the largest payoff: differences of welfare up to this are none."""


def social_optimum(game: NormalFormGame, known: np.ndarray | None = None) -> tuple[Profile, Number]:
    """The profile with the largest welfare (the first in lexicographic order among ties) and that welfare.

    No mixed profile has more, welfare being linear in each player's distribution. `known` (bool, [*strategies]) leaves
    out the other profiles.
    """
    welfare = game.payoffs.sum(axis=0)
    candidates = np.flatnonzero(np.ones(game.shape, dtype=bool) if known is None else known)
    best = np.unravel_index(int(candidates[np.argmax(welfare.flat[candidates])]), game.shape)
    return tuple(int(s) for s in best), welfare[best] if game.exact else float(welfare[best])


def pareto_set(game: NormalFormGame) -> list[Profile]:
    """The pure profiles that no other pure profile beats for one player without being worse for another."""
    ranks = game.ranks.reshape(len(game.shape), -1).T
    # What dominates a profile has a larger sum of ranks, so that the first one left is never dominated.
    left = np.argsort(-ranks.sum(axis=1), kind="stable")
    kept: list[int] = []
    while len(left):
        best = ranks[left[0]]
        kept.extend(left[(ranks[left] == best).all(axis=1)].tolist())
        left = left[(ranks[left] > best).any(axis=1)]
    return [tuple(map(int, profile)) for profile in zip(*np.unravel_index(sorted(kept), game.shape), strict=True)]


def equilibrium_welfare(game: NormalFormGame, equilibria: Iterable[Equilibrium], optimum: Number) -> list[Number]:
    """The welfare of each; that of a floating one is `optimum` where rounding alone parts the two: no price compares
    what is left of a sum of nothing.
    """
    margin = ROUNDING * float(np.abs(game.payoffs).max())
    welfare = [_welfare(one) for one in equilibria]
    return [optimum if isinstance(own, float) and abs(own - float(optimum)) <= margin else own for own in welfare]


def price(optimum: Number, equilibrium: Number) -> Price | None:
    """How many times worse the equilibrium welfare is than the optimal one; 1 means optimal, never below 1.

    Payoffs (optimum and equilibrium welfare both positive): optimum / equilibrium. Costs (both negative): equilibrium /
    optimum, the ratio of the costs. Equal welfare, zero included: 1. Otherwise None: the two differ and have different
    signs or one is zero, so that no ratio says how far apart they are.
    """
    if optimum == equilibrium:
        return Fraction(1) if isinstance(optimum, int | Fraction) else 1.0
    if optimum > 0 and equilibrium > 0:
        return _ratio(optimum, equilibrium)
    if optimum < 0 and equilibrium < 0:
        return _ratio(equilibrium, optimum)
    return None


def price_of_anarchy(optimum: Number, equilibria: Iterable[Sequence[Number] | Equilibrium]) -> Price | None:
    """`price` of the equilibrium with the least welfare. None without equilibria.

    `equilibria` are payoff vectors or Equilibrium objects. All extreme equilibria suffice in a two-player game: welfare
    is bilinear, so its extremes lie there. From an incomplete set the answer is a lower bound.
    """
    welfare = [_welfare(one) for one in equilibria]
    return price(optimum, min(welfare)) if welfare else None


def price_of_stability(optimum: Number, equilibria: Iterable[Sequence[Number] | Equilibrium]) -> Price | None:
    """`price` of the equilibrium with the most welfare, None without any; from an incomplete set an upper bound."""
    welfare = [_welfare(one) for one in equilibria]
    return price(optimum, max(welfare)) if welfare else None


def _welfare(one: Sequence[Number] | Equilibrium) -> Number:
    return sum(one.payoffs if isinstance(one, Equilibrium) else one)


def _ratio(over: Number, under: Number) -> Price:
    if isinstance(over, float) or isinstance(under, float):
        return max(1.0, float(over) / float(under))
    return Fraction(over) / Fraction(under)
