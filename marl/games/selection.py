"""Choosing among equilibria: payoff dominance and risk dominance.

Source: Harsanyi & Selten 1988, "A General Theory of Equilibrium Selection in Games", sections 3.6 and 5.4.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

from marl.errors import SolverError
from marl.games.equilibrium import Equilibrium
from marl.games.normal_form import NormalFormGame, Number, Profile
from marl.games.pure import pure_equilibria


@dataclass(frozen=True, slots=True)
class RiskComparison:
    """Two pure equilibria in which both players differ, their products of deviation losses, and the one with the larger
    product (None: a tie), which risk dominates in the 2x2 game of these strategies.
    """

    first: Profile
    second: Profile
    products: tuple[Number, Number]
    dominant: Profile | None


def payoff_dominant(equilibria: Sequence[Equilibrium]) -> Equilibrium | None:
    """The equilibrium that pays every player at least as much as any other and that no other matches, else None."""
    for one in equilibria:
        others = [other for other in equilibria if other is not one]
        if others and all(_at_least(one, other) and one.payoffs != other.payoffs for other in others):
            return one
    return None


def _at_least(one: Equilibrium, other: Equilibrium) -> bool:
    return all(a >= b for a, b in zip(one.payoffs, other.payoffs, strict=True))


def risk_comparisons(game: NormalFormGame) -> list[RiskComparison]:
    """All pairs of strict pure equilibria of a two-player game in which both players differ, compared; exact.

    Where an equilibrium stands against mixed ones or those of larger games, risk dominance needs the tracing procedure,
    which is not computed. Raises SolverError unless there are two players.
    """
    if len(game.shape) != 2:
        raise SolverError(f"risk dominance is compared in two-player games; this one has {len(game.shape)} players")
    compared = []
    for first, second in combinations(pure_equilibria(game), 2):
        if all(a != b for a, b in zip(first, second, strict=True)):
            here, there = _losses(game, first, second), _losses(game, second, first)
            if min(*here, *there) > 0:
                products = here[0] * here[1], there[0] * there[1]
                dominant = None if products[0] == products[1] else first if products[0] > products[1] else second
                compared.append(RiskComparison(first, second, products, dominant))
    return compared


def _losses(game: NormalFormGame, at: Profile, towards: Profile) -> tuple[Number, Number]:
    """What each player loses by switching alone from one equilibrium to its strategy in the other."""
    left, right = game.rational().payoffs
    return left[at] - left[towards[0], at[1]], right[at] - right[at[0], towards[1]]
