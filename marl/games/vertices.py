"""Exact vertices of a polytope {x >= 0, matrix @ x <= 1} by the double description method.

Source: Motzkin, Raiffa, Thompson & Thrall 1953; Fukuda & Prodon 1996, "Double description method revisited". Rays of
the cone over the polytope are integer vectors, so that no comparison is ever rounded, and degenerate vertices come out
once each with all their tight constraints.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from operator import mul

import numpy as np

from marl.errors import SolverError
from marl.games.limits import TIME_LIMIT, Deadline

MAX_CONSTRAINTS = 63


@dataclass(frozen=True, slots=True)
class Vertices:
    """`rays[v]` = (t, x_1 .. x_d) stands for the vertex x / t, in lowest terms; `labels[v]` (uint64) its tight
    constraints: bit j < d where x_j = 0, bit d + k where row k of the matrix is tight.
    """

    rays: list[tuple[int, ...]]
    labels: np.ndarray


def polytope_vertices(
    matrix: Sequence[Sequence[int]], *, max_vertices: int = 50_000, time_limit: float = TIME_LIMIT
) -> Vertices:
    """All vertices of {x in R^d: x >= 0, matrix @ x <= 1} for a `matrix` [k, d] of positive whole numbers.

    Raises SolverError where d + k exceeds 63, an entry is not positive (the polytope might be unbounded), more than
    `max_vertices` vertices appear on the way, or `time_limit` seconds are over.
    """
    rows, dimension = len(matrix), len(matrix[0])
    if rows + dimension > MAX_CONSTRAINTS:
        raise SolverError(
            f"{rows} + {dimension} strategies are too many to enumerate all equilibria; at most {MAX_CONSTRAINTS} in "
            "total are allowed. Drop strategies or use search_equilibria"
        )
    if min(min(row) for row in matrix) <= 0:
        raise SolverError("the matrix must be positive; shift the payoffs before enumerating")
    deadline = Deadline(time_limit)
    at_infinity = rows + dimension
    rays = [tuple(int(i == j) for i in range(dimension + 1)) for j in range(dimension + 1)]
    own = (1 << dimension) - 1
    first = [own] + [own & ~(1 << j) | 1 << at_infinity for j in range(dimension)]
    labels = np.array(first, dtype=np.uint64)
    for k, row in enumerate(matrix):
        rays, labels = _cut(rays, labels, tuple(row), dimension, np.uint64(1 << (dimension + k)), deadline)
        if len(rays) > max_vertices:
            raise SolverError(
                f"the best-response polytope has more than {max_vertices} vertices; drop strategies, raise "
                "max_vertices, or use search_equilibria"
            )
    return Vertices(rays, labels)


def _cut(
    rays: list[tuple[int, ...]],
    labels: np.ndarray,
    row: tuple[int, ...],
    dimension: int,
    bit: np.uint64,
    deadline: Deadline,
) -> tuple[list[tuple[int, ...]], np.ndarray]:
    """The cone's rays after the half-space t - row @ x >= 0: the kept ones, and one on each edge that it crosses."""
    slack = [ray[0] - sum(map(mul, row, ray[1:])) for ray in rays]
    sign = np.array([(s > 0) - (s < 0) for s in slack])
    above, below = np.flatnonzero(sign > 0), np.flatnonzero(sign < 0)
    new_rays, new_labels = [], []
    for plus in above:
        deadline.check("the enumeration of vertices")
        common = labels[below] & labels[plus]
        near = np.bitwise_count(common) >= dimension - 1
        for minus, shared in zip(below[near], common[near], strict=True):
            if np.count_nonzero((labels & shared) == shared) == 2:
                new_rays.append(_between(rays[plus], rays[minus], slack[plus], -slack[minus]))
                new_labels.append(shared | bit)
    keep = np.flatnonzero(sign >= 0)
    kept_labels = np.where(sign[keep] == 0, labels[keep] | bit, labels[keep])
    return [rays[i] for i in keep] + new_rays, np.concatenate([kept_labels, np.array(new_labels, dtype=np.uint64)])


def _between(plus: tuple[int, ...], minus: tuple[int, ...], above: int, below: int) -> tuple[int, ...]:
    """Where the edge from `plus` to `minus` meets the hyperplane, given the slack on either side, in lowest terms."""
    ray = [below * p + above * m for p, m in zip(plus, minus, strict=True)]
    divisor = math.gcd(*ray)
    return tuple(value // divisor for value in ray)
