"""One equilibrium of a two-player game of any size by complementary pivoting.

Source: Lemke & Howson 1964, "Equilibrium points of bimatrix games"; Shapley 1974, "A note on the Lemke-Howson
algorithm"; the lexicographic rule against cycling as in von Stengel 2002, section 2.6.
"""

from __future__ import annotations

from itertools import count

import numpy as np

from marl.errors import SolverError
from marl.games.equilibrium import Equilibrium, certify
from marl.games.limits import TIME_LIMIT, Deadline
from marl.games.normal_form import NormalFormGame
from marl.games.pure import pure_equilibria, pure_equilibrium

TOLERANCE = 1e-9
"""Largest regret, as a share of the payoffs' range, of a profile that is returned."""
PIVOT = 1e-10
FIRST_PIVOTS = 50


def one_equilibrium(game: NormalFormGame, *, time_limit: float = TIME_LIMIT) -> Equilibrium:
    """An equilibrium of a two-player game: a pure one where there is one (exact), else by Lemke-Howson paths.

    Paths from different dropped labels differ much in length, so that all are followed a little before any is followed
    far. Raises SolverError unless there are two players, and when `time_limit` seconds are over.
    """
    if len(game.shape) != 2:
        raise SolverError(f"Lemke-Howson takes two players, the game has {len(game.shape)}; use search_equilibria")
    deadline = Deadline(time_limit)
    for profile in pure_equilibria(game):
        return pure_equilibrium(game, profile)
    for round_ in count():
        for label in range(sum(game.shape)):
            found = lemke_howson(game, label, max_pivots=FIRST_PIVOTS * 4**round_, deadline=deadline)
            if found is not None:
                return found
    raise AssertionError  # the loop above only ends by a return or an error


def lemke_howson(
    game: NormalFormGame, label: int, *, max_pivots: int = 100_000, deadline: Deadline | None = None
) -> Equilibrium | None:
    """The equilibrium at the end of the path from the artificial one that drops `label` (rows first, then columns).

    None where the path is longer than `max_pivots` or rounding spoiled it: every result's regret is checked. Floating.
    """
    rows, columns = game.shape
    floats = game.payoffs.astype(np.float64)
    span = np.ptp(floats, axis=(1, 2), keepdims=True)
    a, b = (floats - floats.min(axis=(1, 2), keepdims=True)) / np.where(span == 0, 1, span) + 1
    deadline = deadline or Deadline(TIME_LIMIT)
    # Variable k < rows is row k's weight or slack, k >= rows a column's; tables over [rows, columns, right side].
    left = np.hstack([b.T, np.eye(columns), np.ones((columns, 1))])
    tables = [left, np.hstack([np.eye(rows), a, np.ones((rows, 1))])]
    bases = [np.arange(rows, rows + columns), np.arange(rows)]
    side, entering = int(label >= rows), label
    for _ in range(max_pivots):
        deadline.check("the Lemke-Howson path")
        slack = slice(rows, rows + columns) if side == 0 else slice(0, rows)
        leaving = _leaving(tables[side], entering, slack)
        if leaving is None:
            return None
        dropped = int(bases[side][leaving])
        _pivot(tables[side], leaving, entering)
        bases[side][leaving] = entering
        if dropped == label:
            return _read(game, tables, bases, max(span.ravel()))
        side, entering = 1 - side, dropped
    return None


def _leaving(table: np.ndarray, entering: int, slack: slice) -> int | None:
    """The row that the entering variable drives out: least ratio, ties broken lexicographically by the slacks."""
    column = table[:, entering]
    candidates = np.flatnonzero(column > PIVOT)
    if not len(candidates):
        return None
    ratios = table[candidates, -1] / column[candidates]
    candidates = candidates[ratios <= ratios.min() + PIVOT]
    for k in range(slack.start, slack.stop):
        if len(candidates) == 1:
            break
        ratios = table[candidates, k] / column[candidates]
        candidates = candidates[ratios <= ratios.min() + PIVOT]
    return int(candidates[0])


def _pivot(table: np.ndarray, row: int, column: int) -> None:
    table[row] /= table[row, column]
    factors = table[:, column].copy()
    factors[row] = 0.0
    table -= np.outer(factors, table[row])


def _read(game: NormalFormGame, tables: list[np.ndarray], bases: list[np.ndarray], span: float) -> Equilibrium | None:
    rows, columns = game.shape
    parts = []
    for table, basis, first, size in zip(tables, bases, (0, rows), (rows, columns), strict=True):
        weights = np.zeros(size)
        own = (basis >= first) & (basis < first + size)
        weights[basis[own] - first] = np.maximum(table[own, -1], 0)
        if not weights.sum() > 0:
            return None
        parts.append(weights / weights.sum())
    found = certify(game, parts, "Lemke-Howson")
    return found if float(found.regret) <= TOLERANCE * (span or 1.0) else None
