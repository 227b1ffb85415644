"""What a player can secure: the value and optimal strategies of a zero-sum game, and security levels in any game.

Source: von Neumann 1928, "Zur Theorie der Gesellschaftsspiele"; as a linear program Gale, Kuhn & Tucker 1951.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from marl.errors import SolverError
from marl.games.limits import TIME_LIMIT
from marl.games.linear_program import maximize, unit_range
from marl.games.normal_form import NormalFormGame, Number


@dataclass(frozen=True, slots=True)
class MatrixGame:
    """Value of a matrix game to the row player, who maximizes, and one optimal strategy of either ([rows], [columns]).

    `regret` is the larger gain that either could make against the other's strategy: 0 where `exact`.
    """

    value: Number
    row: tuple[Number, ...]
    column: tuple[Number, ...]
    regret: Number
    exact: bool
    method: str = "linear program"


def matrix_game(matrix: np.ndarray, *, time_limit: float = TIME_LIMIT) -> MatrixGame:
    """The solution of the matrix game [rows, columns]; exact for a small matrix of Fractions (dtype object)."""
    scaled, _, _ = unit_range(matrix)
    ones = np.full(matrix.shape[1], Fraction(1) if matrix.dtype == object else 1.0)
    found = maximize(ones, scaled + 1, np.full(matrix.shape[0], ones[0]), time_limit=time_limit)
    numbers = matrix if found.exact else matrix.astype(np.float64)
    column = found.primal / found.primal.sum()
    row = np.maximum(found.dual, 0) / np.maximum(found.dual, 0).sum()
    value = row @ numbers @ column
    regret = max((numbers @ column).max() - value, value - (row @ numbers).min())
    return MatrixGame(value, tuple(row.tolist()), tuple(column.tolist()), regret, found.exact)


def is_constant_sum(game: NormalFormGame) -> bool:
    """Whether the payoffs of the two players sum to the same number in every profile (floats within `resolution`)."""
    if len(game.shape) != 2:
        return False
    totals = game.payoffs.sum(axis=0)
    return bool(totals.max() - totals.min() <= 4 * game.resolution)


def zero_sum_value(game: NormalFormGame, *, time_limit: float = TIME_LIMIT) -> MatrixGame:
    """The minimax value to the first player of a two-player constant-sum game, with optimal strategies.

    Raises SolverError for any other game; `security_level` takes every game.
    """
    if not is_constant_sum(game):
        raise SolverError("a minimax value needs two players whose payoffs sum to a constant; use security_level")
    return matrix_game(game.rational().payoffs[0], time_limit=time_limit)


def security_level(game: NormalFormGame, player: int, *, time_limit: float = TIME_LIMIT) -> MatrixGame:
    """The most that the player can secure whatever the others do, even jointly (its maximin payoff), and by what.

    `row` is the player's strategy, `column` the others' joint play against it, over their profiles in lexicographic
    order.
    """
    own = np.moveaxis(game.rational().payoffs[player], player, 0)
    return matrix_game(own.reshape(game.shape[player], -1), time_limit=time_limit)
