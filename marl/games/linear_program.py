"""Linear programs in one form, exact or floating: maximize objective @ x where matrix @ x <= bound and x >= 0.

With bound >= 0 the origin is feasible, so that one phase of the simplex method is enough. Source: Dantzig 1963; Bland
1977, "New finite pivoting rules" (no cycles); Edmonds 1967 and Bareiss 1968 (whole-number pivots: every division below
leaves no rest, so that nothing is rounded and numbers stay as short as determinants of the input).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from marl.errors import OutOfTimeError, SolverError
from marl.games.limits import TIME_LIMIT, Deadline
from marl.games.normal_form import Number

MAX_EXACT_ENTRIES = 1_000
"""Above this many entries of the matrix, whole-number pivots would take longer than a reader wants to wait."""


@dataclass(frozen=True, slots=True)
class Optimum:
    """The largest value, where it is taken (`primal` [variables]), and the prices of the rows (`dual` [rows])."""

    value: Number
    primal: np.ndarray
    dual: np.ndarray
    exact: bool


def unit_range(values: np.ndarray) -> tuple[np.ndarray, Number, Number]:
    """The values between 0 and 1 (all 0 where they are alike), what was subtracted, and what they were divided by.

    HiGHS takes anything below 1e-7 for nothing, whatever the program's numbers are, so that payoffs must be given to it
    in units of their own range. Fractions (dtype object) stay Fractions.
    """
    least, span = values.min(), values.max() - values.min() or 1
    return (values - least) / span, least, span


def maximize(
    objective: np.ndarray, matrix: np.ndarray, bound: np.ndarray, *, time_limit: float = TIME_LIMIT
) -> Optimum:
    """The optimum; Fractions throughout where `matrix` (dtype object) is exact and small, floats by HiGHS otherwise.

    Shapes: [variables], [rows, variables], [rows]. Raises SolverError where `bound` has a negative entry, the objective
    is unbounded, or `time_limit` seconds are over.
    """
    if min(bound) < 0:
        raise SolverError(f"the bounds must be >= 0, so that the origin is allowed; the least is {min(bound)}")
    if matrix.dtype == object and matrix.size <= MAX_EXACT_ENTRIES:
        return _exact(objective, matrix, bound, Deadline(time_limit))
    floats = [np.asarray(part, dtype=np.float64) for part in (objective, matrix, bound)]
    return maximize_floating(*floats, time_limit=time_limit)


def maximize_floating(
    objective: np.ndarray,
    matrix: Any,
    bound: np.ndarray,
    *,
    equal: tuple[Any, np.ndarray] | None = None,
    bounds: Any = (0, None),
    time_limit: float = TIME_LIMIT,
) -> Optimum:
    """The optimum in floats by HiGHS; `matrix` [rows, variables] may be sparse, and `bound` [rows] have any sign.

    `equal` is (matrix, values) of rows that hold with equality, `bounds` the (least, most) of the variables, one pair
    for all or one each. Raises SolverError where there is no optimum, or none within `time_limit` seconds.
    """
    from scipy.optimize import linprog  # half a second to import: not for everybody who imports marl.games

    rows, values = (None, None) if equal is None else equal
    options = {"time_limit": time_limit}
    found = linprog(-objective, matrix, bound, rows, values, bounds=bounds, method="highs", options=options)
    if found.status != 0:
        kind = OutOfTimeError if found.status == 1 else SolverError
        raise kind(f"the linear program has no answer: {found.message}; raise the time limit or drop strategies")
    return Optimum(-float(found.fun), found.x, -found.ineqlin.marginals, False)


def _exact(objective: np.ndarray, matrix: np.ndarray, bound: np.ndarray, deadline: Deadline) -> Optimum:
    rows, columns = matrix.shape
    table = np.zeros((rows + 1, columns + rows + 1), dtype=object)
    table[:rows, :columns], table[:rows, -1] = matrix, bound
    table[rows, :columns] = [-value for value in objective]
    # A row times its common denominator is the same row with another slack; the whole is undone at the end.
    scales = [math.lcm(*(Fraction(value).denominator for value in row)) for row in table]
    for k, scale in enumerate(scales):
        table[k] = [int(value * scale) for value in table[k]]
    table[np.arange(rows), columns + np.arange(rows)] = 1
    basis, previous, stuck = list(range(columns, columns + rows)), 1, False
    while (improving := np.flatnonzero(table[rows, :-1] < 0)).size:
        deadline.check("an exact linear program")
        # The steepest column is quick; the first one (Bland) never cycles, and only pivots without gain can.
        entering = int(improving[0] if stuck else improving[np.argmin(table[rows, improving])])
        candidates = [k for k in range(rows) if table[k, entering] > 0]
        if not candidates:
            raise SolverError("the objective of the linear program is unbounded; bound it")
        ratios = {k: (Fraction(table[k, -1], table[k, entering]), basis[k]) for k in candidates}
        leaving = min(candidates, key=ratios.__getitem__)
        stuck = table[leaving, -1] == 0
        pivot = table[leaving, entering]
        kept = table[leaving].copy()
        table = (table * pivot - np.outer(table[:, entering], kept)) // previous
        table[leaving], basis[leaving], previous = kept, entering, pivot
    primal, dual = (np.full(size, Fraction(0), dtype=object) for size in (columns, rows))
    for k, variable in enumerate(basis):
        if variable < columns:
            primal[variable] = Fraction(table[k, -1], previous)
    for k in range(rows):
        dual[k] = Fraction(table[rows, columns + k] * scales[k], previous * scales[rows])
    return Optimum(Fraction(table[rows, -1], previous * scales[rows]), primal, dual, True)
