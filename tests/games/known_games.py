"""Games with published solutions, and slow, plain solvers that share no code with the ones under test."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import numpy as np

Profile = tuple[tuple[Fraction, ...], ...]

# Two players: (row player's payoffs, column player's payoffs, number of extreme equilibria).
TWO_PLAYERS: dict[str, tuple[Any, Any, int]] = {
    # Osborne & Rubinstein 1994, "A Course in Game Theory", section 2.3: prisoner's dilemma, battle of the sexes,
    # matching pennies.
    "prisoners_dilemma": ([[3, 0], [4, 1]], [[3, 4], [0, 1]], 1),
    "battle_of_the_sexes": ([[2, 0], [0, 1]], [[1, 0], [0, 2]], 3),
    "matching_pennies": ([[1, -1], [-1, 1]], [[-1, 1], [1, -1]], 1),
    # Aumann 1974, "Subjectivity and correlation in randomized strategies", example 2.7.
    "chicken": ([[6, 2], [7, 0]], [[6, 7], [2, 0]], 3),
    # Harsanyi & Selten 1988, section 10.12.
    "stag_hunt": ([[9, 0], [8, 7]], [[9, 8], [0, 7]], 3),
    # Maynard Smith 1982, appendix.
    "rock_paper_scissors": ([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], [[0, 1, -1], [-1, 0, 1], [1, -1, 0]], 1),
    # Shapley 1964, "Some topics in two-person games".
    "shapley": ([[1, 0, 0], [0, 1, 0], [0, 0, 1]], [[0, 1, 0], [0, 0, 1], [1, 0, 0]], 1),
    # n x n coordination has one equilibrium on each support: 2^n - 1 (Quint & Shubik 1997).
    "coordination_3": (np.eye(3, dtype=int).tolist(), np.eye(3, dtype=int).tolist(), 7),
    "coordination_4": (np.eye(4, dtype=int).tolist(), np.eye(4, dtype=int).tolist(), 15),
    # Hawk-dove with V = 2, C = 4 (Maynard Smith & Price 1973).
    "hawk_dove": ([[-1, 2], [0, 1]], [[-1, 0], [2, 1]], 3),
    # Rock-paper-scissors whose stone wins twice as much; the weights of play are 1/4, 1/2, 1/4 (zero-sum, by hand).
    "weighted_rock_paper_scissors": ([[0, -1, 2], [1, 0, -1], [-2, 1, 0]], [[0, 1, -2], [-1, 0, 1], [2, -1, 0]], 1),
    # Winkels 1979, "An algorithm to determine all equilibrium points of a bimatrix game": degenerate, 12 extreme
    # equilibria (as Gambit's example file says, too).
    "winkels": (
        [[1, 3], [1, 3], [3, 1], [3, 1], ["5/2", "5/2"], ["5/2", "5/2"]],
        [[1, 2], [0, -1], [-2, 2], [4, -1], [-1, 6], [6, -1]],
        12,
    ),
    # Everything is an equilibrium; the extreme ones are the pure profiles.
    "all_zero": ([[0] * 3] * 2, [[0] * 3] * 2, 6),
}

# von Stengel 1999, "New maximal numbers of equilibria in bimatrix games": 6 x 6 with 75 equilibria. The outcomes as in
# Gambit's catalog, row player's strategy fastest, both players' payoffs of an outcome side by side.
_VON_STENGEL = """
9504 72336 -111771 -461736 397584 1227336 171204 -1718376 1303104 1303104 737154 -453420
-660 48081 31680 -300036 -113850 774576 -45936 -1039236 -453420 737154 -227040 -227040
19976 29216 -130944 -178761 451176 451176 208626 -586476 1227336 397584 774576 -113850
-20526 14124 168124 -84436 -586476 208626 -263076 -263076 -1718376 171204 -1039236 -45936
1776 1776 -8514 -8976 29216 19976 14124 -20526 72336 9504 48081 -660
-8976 -8514 52764 52764 -178761 -130944 -84436 168124 -461736 -111771 -300036 31680
"""
VON_STENGEL = np.array([int(word) for word in _VON_STENGEL.split()]).reshape(6, 6, 2).transpose(2, 1, 0)


def cheap_talk_stag_hunt() -> np.ndarray:
    """Payoffs [2, 4, 4]: the row player sends one of two free messages and moves; the column player hears it and moves.

    Rows: (message, move); columns: (move after message 0, move after message 1). Sixteen extreme equilibria.
    """
    stag = np.array([[4, 0], [3, 3]])
    payoffs = np.zeros((2, 4, 4), dtype=int)
    for (r, (message, move)), (c, plan) in itertools.product(
        enumerate(itertools.product(range(2), repeat=2)), enumerate(itertools.product(range(2), repeat=2))
    ):
        payoffs[:, r, c] = stag[move, plan[message]], stag[plan[message], move]
    return payoffs


# Two-finger Morra: (fingers shown, fingers guessed) = (1, 1), (1, 2), (2, 1), (2, 2); who alone guesses the other's
# fingers wins the sum. The second and third with 4/7 and 3/7 are optimal, the value 0 (Ferguson, "Game Theory", II.4).
MORRA = np.array([[0, 2, -3, 0], [-2, 0, 0, 3], [3, 0, 0, -4], [0, -3, 4, 0]])


def travelers_dilemma(low: int, high: int, bonus: int = 2) -> np.ndarray:
    """Basu 1994: both claim between `low` and `high`, both get the lower claim, the lower claimant `bonus` from the
    other. (low, low) is the only rationalizable profile."""
    claims = np.arange(low, high + 1)
    row = np.minimum.outer(claims, claims) + bonus * np.sign(claims[None, :] - claims[:, None])
    return np.stack([row, row.T])


def public_goods(players: int, factor: int = 2) -> np.ndarray:
    """Each keeps 1 or gives it (strategy 0); gifts are multiplied by `factor` and shared by all. For factor < players
    keeping is dominant, and giving best for all (Ledyard 1995)."""
    payoffs = np.empty((players,) + (2,) * players, dtype=object)
    for profile in np.ndindex(*(2,) * players):
        gifts = profile.count(0)
        for player in range(players):
            payoffs[(player, *profile)] = Fraction(factor * gifts, players) + profile[player]
    return payoffs


def pigou(players: int = 2) -> np.ndarray:
    """Pigou 1920, made discrete: `players` drivers (Roughgarden 2005, "Selfish Routing", section 1.2), a wide road on
    which each loses 1, and a narrow one (strategy 0) on which each loses the share of drivers that take it.

    With k of n on the narrow road all lose (k^2 - kn + n^2) / n together: least for k = n / 2, namely 3n / 4, for odd n
    (3 n^2 + 1) / (4 n). All on it is an equilibrium and costs n, and none costs more, since the wide road is there for
    everyone. The price of anarchy is 4/3 for even n and 4 n^2 / (3 n^2 + 1) for odd n, with the limit 4/3. The only
    other pure equilibria leave one driver, whoever it is, on the wide road: n - 1 + 1/n in all.
    """
    payoffs = np.empty((players,) + (2,) * players, dtype=object)
    for profile in np.ndindex(*(2,) * players):
        for player in range(players):
            payoffs[(player, *profile)] = Fraction(-1 if profile[player] else Fraction(-profile.count(0), players))
    return payoffs


def volunteers_dilemma(players: int, benefit: float = 2.0, cost: float = 1.0) -> np.ndarray:
    """Diekmann 1985: all get `benefit` if anyone volunteers (strategy 0), and volunteers pay `cost`."""
    payoffs = np.zeros((players,) + (2,) * players)
    for profile in np.ndindex(*(2,) * players):
        for player in range(players):
            payoffs[(player, *profile)] = benefit * (0 in profile) - cost * (profile[player] == 0)
    return payoffs


def mckelvey_mclennan() -> np.ndarray:
    """The 2x2x2 game with nine equilibria, two of them totally mixed (McKelvey & McLennan 1997)."""
    payoffs = np.zeros((3, 2, 2, 2))
    payoffs[:, 0, 0, 0] = 9, 8, 12
    payoffs[:, 1, 1, 0] = 9, 8, 2
    payoffs[:, 0, 1, 1] = 3, 4, 6
    payoffs[:, 1, 0, 1] = 3, 4, 6
    return payoffs


# Gambit's example 3x3x3.nfg, "with five equilibria (two pure)": thousandths, the first player's strategy fastest.
_GAMBIT_3X3X3 = """
1131 1210 2426  1358 2234 2238  1655 1347 2747  1576 5634 5675  1478 2544 1973  1436 4864 5267  1735 4043 7247
3830 1335 1734  1428 1521 4248  2429 2326 2422  5255 5334 2643  2243 3518 3062  2455 6523 4225  7486 4483 5764
7566 4655 7076  4943 7362 4382  4434 4271 4120  4533 5231 5458  3222 3024 1223  2873 4452 4549  4564 4326 1762
5277 4837 5645  4995 5754 4383  4423 1759 2705  4642 1897 4042  4976 7324 7723  4486 4882 2537
"""
GAMBIT_3X3X3 = np.array([int(w) for w in _GAMBIT_3X3X3.split()]).reshape(3, 3, 3, 3).transpose(3, 2, 1, 0)


def solve(rows: list[list[Fraction]], right: list[Fraction]) -> list[Fraction] | None:
    """The only solution of a square linear system, or None where it is singular."""
    table = [[*map(Fraction, row), Fraction(b)] for row, b in zip(rows, right, strict=True)]
    for k in range(len(table)):
        pivot = next((r for r in range(k, len(table)) if table[r][k] != 0), None)
        if pivot is None:
            return None
        table[k], table[pivot] = table[pivot], table[k]
        table[k] = [value / table[k][k] for value in table[k]]
        for r in range(len(table)):
            if r != k:
                table[r] = [a - table[r][k] * b for a, b in zip(table[r], table[k], strict=True)]
    return [row[-1] for row in table]


def brute_vertices(matrix: list[list[int]]) -> dict[tuple[Fraction, ...], frozenset[int]]:
    """Every vertex of {x >= 0, matrix @ x <= 1} with its tight constraints, by trying every basis."""
    size = len(matrix[0])
    rows = [[int(i == j) for j in range(size)] for i in range(size)] + [list(row) for row in matrix]
    right = [0] * size + [1] * len(matrix)
    found = {}
    for basis in itertools.combinations(range(len(rows)), size):
        point = solve([rows[k] for k in basis], [right[k] for k in basis])
        if point is None:
            continue
        values = [sum(a * x for a, x in zip(row, point, strict=True)) for row in rows]
        if min(point) >= 0 and all(v <= 1 for v in values[size:]):
            tight = frozenset(k for k, value in enumerate(values) if value == right[k])
            found[tuple(point)] = tight
    return found


def brute_extreme_equilibria(a: np.ndarray, b: np.ndarray) -> set[Profile]:
    """Pairs of vertices that pass the definition: no strategy pays more than what the pair itself pays."""
    left = brute_vertices((b - b.min() + 1).T.tolist())
    right = brute_vertices((a - a.min() + 1).tolist())
    xs = {tuple(v / sum(x) for v in x) for x in left if any(x)}
    ys = {tuple(v / sum(y) for v in y) for y in right if any(y)}
    return {(x, y) for x in xs for y in ys if is_equilibrium(a, b, x, y)}


def is_equilibrium(a: np.ndarray, b: np.ndarray, x: tuple[Fraction, ...], y: tuple[Fraction, ...]) -> bool:
    """Nash's definition in exact arithmetic."""
    rows = [sum(int(v) * p for v, p in zip(row, y, strict=True)) for row in a]
    columns = [sum(int(v) * p for v, p in zip(column, x, strict=True)) for column in b.T]
    mine = sum(p * u for p, u in zip(x, rows, strict=True))
    yours = sum(p * u for p, u in zip(y, columns, strict=True))
    return max(rows) == mine and max(columns) == yours


def support_enumeration(a: np.ndarray, b: np.ndarray) -> set[Profile]:
    """Equilibria with supports of equal size and a unique solution: all of them in a non-degenerate game."""
    found = set()
    for size in range(1, min(a.shape) + 1):
        for rows in itertools.combinations(range(a.shape[0]), size):
            for columns in itertools.combinations(range(a.shape[1]), size):
                y = _equalizer(a[np.ix_(rows, columns)], columns, a.shape[1])
                x = _equalizer(b[np.ix_(rows, columns)].T, rows, a.shape[0])
                if x and y and is_equilibrium(a, b, x, y):
                    found.add((x, y))
    return found


def _equalizer(payoffs: np.ndarray, support: tuple[int, ...], size: int) -> tuple[Fraction, ...] | None:
    """The distribution on `support` that makes all rows of `payoffs` pay the same."""
    count = len(support)
    rows = [[int(payoffs[0, j] - payoffs[i, j]) for j in range(count)] for i in range(1, count)] + [[1] * count]
    weights = solve(rows, [0] * (count - 1) + [1])
    if weights is None or min(weights) < 0:
        return None
    full = [Fraction(0)] * size
    for place, weight in zip(support, weights, strict=True):
        full[place] = weight
    return tuple(full)
