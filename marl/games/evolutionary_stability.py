"""Evolutionarily stable strategies of a symmetric two-player game, exactly.

Source: Maynard Smith & Price 1973 (the concept); Haigh 1975 and Abakuks 1980 (the test: a quadratic form on the best
replies must be strictly copositive); Bomze 1992, "Detecting all evolutionarily stable strategies"; Hadeler 1983, "On
copositive matrices" (Keller's determinant criterion).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from marl.errors import SolverError
from marl.games.equilibrium import Equilibrium
from marl.games.limits import TIME_LIMIT, Deadline
from marl.games.normal_form import NormalFormGame

Matrix = list[list[Fraction]]


def is_symmetric(game: NormalFormGame) -> bool:
    """Whether two players have the same number of strategies and swapping the players swaps the payoffs."""
    if len(game.shape) != 2 or game.shape[0] != game.shape[1]:
        return False
    payoffs = game.rational().payoffs
    return bool((payoffs[0] == payoffs[1].T).all())


def evolutionarily_stable(
    game: NormalFormGame, equilibria: Sequence[Equilibrium], *, time_limit: float = TIME_LIMIT
) -> list[Equilibrium]:
    """Those of a symmetric two-player game's extreme equilibria that are evolutionarily stable; exact.

    With all extreme equilibria these are all: a stable strategy x is alone among the replies x' within its support to
    which x is a best reply (the two would tie against x', which stability forbids), so that (x, x) is extreme. Raises
    SolverError for another game and when `time_limit` seconds are over.
    """
    if not is_symmetric(game):
        raise SolverError("evolutionary stability is defined here for symmetric two-player games; this is none")
    deadline = Deadline(time_limit)
    payoffs = game.rational().payoffs[0]
    return [one for one in equilibria if one.profile[0] == one.profile[1] and _is_stable(payoffs, one, deadline)]


def _is_stable(payoffs: np.ndarray, equilibrium: Equilibrium, deadline: Deadline) -> bool:
    """Haigh's test: for all best replies y != x, (y - x) @ payoffs @ (y - x) < 0.

    The differences are spanned by the best replies j other than one fixed strategy m of the support, with coefficients
    of either sign within the support and >= 0 outside.
    """
    x = np.array(equilibrium.profile[0], dtype=object)
    replies = payoffs @ x
    support = [int(s) for s in np.flatnonzero(x > 0)]
    outside = [int(s) for s in np.flatnonzero(replies == replies.max()) if x[s] == 0]
    fixed, order = support[0], [*support[1:], *outside]
    form = [
        [
            payoffs[fixed, j] + payoffs[i, fixed] + payoffs[fixed, i] + payoffs[j, fixed]
            - payoffs[i, j] - payoffs[j, i] - 2 * payoffs[fixed, fixed]
            for j in order
        ]
        for i in order
    ]  # fmt: skip
    for _ in support[1:]:
        reduced = _without_first(form)
        if reduced is None:
            return False
        form = reduced
    return is_strictly_copositive(form, deadline)


def _without_first(form: Matrix) -> Matrix | None:
    """The form minimized over its first variable, which is free; None unless it is positive along it."""
    if form[0][0] <= 0:
        return None
    return [
        [value - row[0] * first / form[0][0] for value, first in zip(row[1:], form[0][1:], strict=True)]
        for row in form[1:]
    ]


def is_strictly_copositive(form: Sequence[Sequence[Fraction]], deadline: Deadline) -> bool:
    """Whether v @ form @ v > 0 for all v >= 0 but 0 (symmetric `form`, exact numbers).

    Keller's criterion: every principal submatrix whose last row has only positive cofactors has determinant > 0.
    """
    for size in range(1, len(form) + 1):
        for chosen in itertools.combinations(range(len(form)), size):
            deadline.check("the test of evolutionary stability")
            part = [[Fraction(form[i][j]) for j in chosen] for i in chosen]
            cofactors = [
                (-1) ** (size - 1 + j) * _determinant([row[:j] + row[j + 1 :] for row in part[:-1]])
                for j in range(size)
            ]
            if min(cofactors) > 0 and sum(c * value for c, value in zip(cofactors, part[-1], strict=True)) <= 0:
                return False
    return True


def _determinant(matrix: Matrix) -> Fraction:
    table, result = [row[:] for row in matrix], Fraction(1)
    for k in range(len(table)):
        pivot = next((r for r in range(k, len(table)) if table[r][k] != 0), None)
        if pivot is None:
            return Fraction(0)
        if pivot != k:
            table[k], table[pivot], result = table[pivot], table[k], -result
        result *= table[k][k]
        for r in range(k + 1, len(table)):
            share = table[r][k] / table[k][k]
            table[r] = [a - share * b for a, b in zip(table[r], table[k], strict=True)]
    return result
