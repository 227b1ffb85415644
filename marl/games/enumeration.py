"""All extreme equilibria of a two-player game, degenerate games included, in exact arithmetic.

Source: Mangasarian 1964; von Stengel 2002, "Computing equilibria for two-person games", and Avis, Rosenberg, Savani &
von Stengel 2010, "Enumeration of Nash equilibria for two-player games". A pair of vertices (x, y) of the two
best-response polytopes is an equilibrium exactly if every strategy of either player is unplayed or a best response.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from marl.errors import SolverError
from marl.games.equilibrium import EquilibriumSet, by_support, certify
from marl.games.limits import TIME_LIMIT, Deadline
from marl.games.normal_form import NormalFormGame
from marl.games.vertices import polytope_vertices

METHOD = "vertex enumeration"


def extreme_equilibria(
    game: NormalFormGame, *, max_vertices: int = 50_000, time_limit: float = TIME_LIMIT
) -> EquilibriumSet:
    """Every extreme equilibrium of a two-player game, each with regret exactly 0; complete is always "yes".

    Floating payoffs are first made rational (`NormalFormGame.rational`), and profiles, payoffs and regrets are those
    of the rational game. Raises SolverError unless there are two players, above 63 strategies in total, when a
    polytope has more than `max_vertices` vertices, and when `time_limit` seconds are over.
    """
    if len(game.shape) != 2:
        raise SolverError(f"vertex enumeration takes two players, the game has {len(game.shape)}; use mixed_equilibria")
    deadline = Deadline(time_limit)
    rational = game.rational()
    rows, columns = game.shape
    left, right = (
        polytope_vertices(positive_integers(matrix).tolist(), max_vertices=max_vertices, time_limit=deadline.left)
        for matrix in (rational.payoffs[1].T, rational.payoffs[0])
    )
    own = np.uint64((1 << columns) - 1)
    right_labels = (right.labels & own) << np.uint64(rows) | right.labels >> np.uint64(columns)
    every = np.uint64((1 << (rows + columns)) - 1)
    found = []
    for x, labels in zip(left.rays, left.labels, strict=True):
        deadline.check("the matching of vertices")
        if any(x[1:]):  # the pair of origins has all labels but is no profile
            partners = np.flatnonzero((right_labels | labels) == every)
            found += [certify(rational, (_normalized(x), _normalized(right.rays[j])), METHOD) for j in partners]
    degenerate = bool((np.bitwise_count(left.labels) > rows).any() or (np.bitwise_count(right.labels) > columns).any())
    reason = "all pairs of vertices of both best-response polytopes were compared in exact arithmetic"
    return EquilibriumSet(tuple(sorted(found, key=by_support)), "yes", reason, degenerate)


def positive_integers(payoffs: np.ndarray) -> np.ndarray:
    """Fractions as whole numbers >= 1 by a positive affine map, which changes no equilibrium; dtype object."""
    scale = math.lcm(*(value.denominator for value in payoffs.flat))
    whole = np.array([int(value * scale) for value in payoffs.flat], dtype=object)
    whole -= whole.min()
    return (whole // (math.gcd(*whole) or 1) + 1).reshape(payoffs.shape)


def _normalized(ray: tuple[int, ...]) -> tuple[Fraction, ...]:
    total = sum(ray[1:])
    return tuple(Fraction(value, total) for value in ray[1:])
