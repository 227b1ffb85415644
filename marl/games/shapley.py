"""The Shapley value: what each player adds to a coalition, averaged over all orders in which players may join.

Sources: Shapley 1953, "A value for n-person games"; sampling of orders: Castro, Gomez & Tejada 2009, "Polynomial
calculation of the Shapley value based on sampling"; worth of a coalition as what it can secure against all others:
von Neumann & Morgenstern 1944, chapter VI.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from math import comb

import numpy as np
from scipy.optimize import linprog
from scipy.stats import t as student

from marl.errors import SolverError
from marl.games.multilinear import float_payoffs
from marl.games.normal_form import NormalFormGame, Number

Worth = Callable[[frozenset[int]], Number]
"""What a coalition of player indices is worth; the empty one must be worth 0."""

MAX_EXACT = 16


@dataclass(frozen=True, slots=True)
class ShapleyValue:
    """`values` [players], which sum to the worth of all together.

    Where sampled, `low` and `high` [players] hold for all players at once with `confidence`, and `orders` says how many
    orders were drawn; where exact they equal `values`.
    """

    values: tuple[Number, ...]
    low: tuple[Number, ...]
    high: tuple[Number, ...]
    exact: bool
    orders: int | None = None
    confidence: float | None = None


def shapley_value(worth: Worth, players: int) -> ShapleyValue:
    """The exact value, by enumeration of all coalitions; Fractions where all worths are whole numbers or Fractions.

    Raises SolverError above MAX_EXACT players and where the empty coalition is worth anything.
    """
    if not 1 <= players <= MAX_EXACT:
        raise SolverError(f"{players} players: exact enumeration takes 1 to {MAX_EXACT}; use sampled_shapley_value")
    _check_empty(worth)
    worths: dict[frozenset[int], Number] = {}
    for size in range(players + 1):
        for members in itertools.combinations(range(players), size):
            given = worth(frozenset(members))
            worths[frozenset(members)] = given if isinstance(given, float | np.floating) else Fraction(given)
    values: list[Number] = [Fraction(0)] * players
    for coalition, own in worths.items():
        share = Fraction(1, players * comb(players - 1, len(coalition))) if len(coalition) < players else Fraction(0)
        for joining in set(range(players)) - coalition:
            added = worths[coalition | {joining}] - own
            values[joining] += share * added if isinstance(added, Fraction) else float(share) * added
    return ShapleyValue(tuple(values), tuple(values), tuple(values), exact=True)


def sampled_shapley_value(
    worth: Worth, players: int, orders: int, *, rng: np.random.Generator, confidence: float = 0.95
) -> ShapleyValue:
    """The value estimated from random orders, each drawn together with its reverse.

    t-intervals over such pairs, Bonferroni-adjusted to hold for all players at once; a player who matters in a few
    orders in a hundred needs some hundreds of them. Raises SolverError for fewer than
    four or an odd number of orders, and where the empty coalition is worth anything.
    """
    if orders < 4 or orders % 2 or players < 1 or not 0 < confidence < 1:
        raise SolverError(f"orders {orders} must be even and >= 4, players {players} >= 1, confidence in (0, 1)")
    _check_empty(worth)
    pairs = np.zeros((orders // 2, players))
    for pair in pairs:
        order = rng.permutation(players)
        for one in (order, order[::-1]):
            before, coalition = 0.0, frozenset[int]()
            for player in one.tolist():
                coalition |= {player}
                after = float(worth(coalition))
                pair[player] += (after - before) / 2
                before = after
    mean, error = pairs.mean(axis=0), pairs.std(axis=0, ddof=1) / np.sqrt(len(pairs))
    margin = student.ppf(1 - (1 - confidence) / (2 * players), len(pairs) - 1) * error
    low, high = (mean - margin).tolist(), (mean + margin).tolist()
    return ShapleyValue(tuple(mean.tolist()), tuple(low), tuple(high), False, orders, confidence)


def coalition_worth(game: NormalFormGame) -> Worth:
    """The worth of coalitions in a normal-form game: the joint payoff that they can secure, as floats.

    They play a mixed joint strategy against all others joined against them: one linear program per coalition.
    """
    payoffs, everyone = float_payoffs(game), range(len(game.shape))

    def worth(coalition: frozenset[int]) -> float:
        inside = sorted(coalition)
        if not inside:
            return 0.0
        table = payoffs[inside].sum(axis=0).transpose(*inside, *(p for p in everyone if p not in coalition))
        rows = table.reshape(int(np.prod([game.shape[p] for p in inside])), -1)
        system = np.column_stack([-rows.T, np.ones(rows.shape[1])])
        goal, total = np.append(np.zeros(len(rows)), -1.0), np.append(np.ones(len(rows)), 0.0)[None]
        bounds = [(0, None)] * len(rows) + [(None, None)]
        return float(-linprog(goal, system, np.zeros(len(system)), total, [1.0], bounds).fun)

    return worth


def _check_empty(worth: Worth) -> None:
    if worth(frozenset()) != 0:
        raise SolverError(f"the empty coalition is worth {worth(frozenset())}; it must be worth 0")
