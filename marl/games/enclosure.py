"""All solutions of the indifference equations on a support, proved by subdivision.

A cell is a simplex of distributions for every player. Payoffs being linear in each player's distribution, their range
over a cell is that of their values at its corners, which makes every test below a proof (up to 1e-12 for rounding). A
cell is dropped where a strategy of the support pays less than another one everywhere in it, or where the interval
Newton step leads out of it; it is settled where all Jacobians over it are regular, for then it holds one solution at
most, which Newton's method finds; else it is halved along its longest edge. Source: Neumaier 1990, "Interval Methods
for Systems of Equations", section 5.1 (interval Newton, regularity); Krawczyk 1969.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from marl.games.indifference import indifferent_profiles
from marl.games.limits import Deadline

ROUNDING = 1e-12
REGULAR = 0.9
INSIDE = 1e-9
MAX_CELLS = 20_000
SMALLEST = 1e-4
"""Edges of cells that are not halved any more: what they hold is a continuum of solutions or a singular one."""

Cells = list[np.ndarray]
"""Per player the corners of every cell: [cells, corners, strategies of the support], corners = strategies."""


@dataclass(frozen=True, slots=True)
class Enclosure:
    """`points` [solutions, sum of support sizes]: the distributions of each solution side by side. `complete`: there
    are no others, proved; False where cells remained that could be neither dropped nor settled, or the time was over.
    """

    points: np.ndarray
    complete: bool


def enclose(tensors: Sequence[np.ndarray], support: Sequence[Sequence[int]], deadline: Deadline) -> Enclosure:
    """The distributions over `support` (two players at least) that make all its strategies best replies.

    `tensors`: each player's payoffs in the whole game (floats of order 1).
    """
    sizes = [len(own) for own in support]
    seen = [_seen(tensor, support, player) for player, tensor in enumerate(tensors)]
    inner = [tensor[np.ix_(*support)] for tensor in tensors]
    cells: Cells = [np.eye(size)[None] for size in sizes]
    points: list[np.ndarray] = []
    visited = 0
    while len(cells[0]):
        visited += len(cells[0])
        if visited > MAX_CELLS or deadline.passed:
            return Enclosure(np.array(points).reshape(-1, sum(sizes)), False)
        corners = [_at_corners(seen[player], cells, player) for player in range(len(sizes))]
        alive = ~_has_worse_strategy(corners, support)
        cells, corners = [part[alive] for part in cells], [part[alive] for part in corners]
        if not len(cells[0]):
            break
        settled, outside = _newton(corners, support)
        for k in np.flatnonzero(settled):
            point = _solution(inner, [part[k] for part in cells])
            if point is not None and all(np.abs(point - old).max() > INSIDE for old in points):
                points.append(point)
            settled[k] = point is not None
        halved = _halved([part[~(settled | outside)] for part in cells])
        if halved is None:
            return Enclosure(np.array(points).reshape(-1, sum(sizes)), False)
        cells = halved
    return Enclosure(np.array(points).reshape(-1, sum(sizes)), True)


def _seen(tensor: np.ndarray, support: Sequence[Sequence[int]], player: int) -> np.ndarray:
    """The player's payoffs of all own strategies against the others' supports: [own, *others in order]."""
    index = [np.arange(tensor.shape[player]) if i == player else np.array(own) for i, own in enumerate(support)]
    return np.moveaxis(tensor[np.ix_(*index)], player, 0)


def _at_corners(seen: np.ndarray, cells: Cells, player: int) -> np.ndarray:
    """The payoffs at all combinations of the others' corners: [cells, own strategies, *others' corners]."""
    letters = string.ascii_lowercase[: seen.ndim]
    others = [part for i, part in enumerate(cells) if i != player]
    inputs = [letters, *(f"Z{letter.upper()}{letter}" for letter in letters[1:])]
    return np.einsum(f"{','.join(inputs)}->Z{letters[0]}{letters[1:].upper()}", seen, *others)


def _has_worse_strategy(corners: Sequence[np.ndarray], support: Sequence[Sequence[int]]) -> np.ndarray:
    """[cells]: whether a strategy of the support pays less than one other of its player at every corner."""
    worse = np.zeros(len(corners[0]), dtype=bool)
    for values, own in zip(corners, support, strict=True):
        flat = values.reshape(*values.shape[:2], -1)
        for strategy in own:
            worse |= ((flat - flat[:, strategy : strategy + 1]).min(axis=2) > ROUNDING).any(axis=1)
    return worse


def _newton(corners: Sequence[np.ndarray], support: Sequence[Sequence[int]]) -> tuple[np.ndarray, np.ndarray]:
    """[cells] each: whether all Jacobians are regular, and whether the interval Newton step lies outside.

    Unknowns: each player's weights on its corners but the last, which is one minus their sum.
    """
    low, high, center = _jacobians(corners, support)
    middle, radius = (low + high) / 2, (high - low) / 2 + ROUNDING
    regular = np.abs(np.linalg.det(middle)) > 1e-300
    inverse = np.zeros_like(middle)
    inverse[regular] = np.linalg.inv(middle[regular])
    spread = np.abs(inverse) @ radius
    settled = regular & (spread.sum(axis=2).max(axis=1, initial=0.0) < REGULAR)
    step = -(inverse @ center[:, :, None])[:, :, 0]
    sizes = [len(own) for own in support]
    start = np.concatenate([np.full(size - 1, 1 / size) for size in sizes])
    reach = spread @ np.concatenate([np.full(size - 1, 1 - 1 / size) for size in sizes])
    best, worst = start + step + reach, start + step - reach
    beyond = (best < -INSIDE).any(axis=1) | (worst > 1 + INSIDE).any(axis=1)
    first = 0
    for size in sizes:
        last = 1 - worst[:, first : first + size - 1].sum(axis=1)
        beyond |= last < -INSIDE
        first += size - 1
    return settled, regular & beyond


def _jacobians(
    corners: Sequence[np.ndarray], support: Sequence[Sequence[int]]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Bounds of the Jacobian's entries over each cell ([cells, unknowns, unknowns] twice), and the payoff differences
    in its middle ([cells, unknowns]).
    """
    count, players = len(corners[0]), len(support)
    free = [len(own) - 1 for own in support]
    first = np.concatenate([[0], np.cumsum(free)])
    low, high = (np.zeros((count, first[-1], first[-1])) for _ in range(2))
    center = np.zeros((count, first[-1]))
    for player, own in enumerate(support):
        if not free[player]:
            continue
        rows = slice(first[player], first[player + 1])
        gaps = corners[player][:, list(own[1:])] - corners[player][:, [own[0]]]
        center[:, rows] = gaps.reshape(*gaps.shape[:2], -1).mean(axis=2)
        for other in range(players):
            if other == player or not free[other]:
                continue
            axis = 2 + other - (other > player)
            turned = np.moveaxis(gaps, axis, 2)
            slopes = (turned[:, :, :-1] - turned[:, :, -1:]).reshape(*gaps.shape[:2], free[other], -1)
            columns = slice(first[other], first[other + 1])
            low[:, rows, columns], high[:, rows, columns] = slopes.min(axis=3), slopes.max(axis=3)
    return low, high, center


def _solution(inner: Sequence[np.ndarray], cell: Cells) -> np.ndarray | None:
    """The solution that Newton's method reaches from the middle of a settled cell, if it lies in the cell."""
    middle = np.concatenate([part.mean(axis=0) for part in cell])
    points, _ = indifferent_profiles(inner, middle[None])
    for point in points:
        parts = np.split(point, np.cumsum([len(part) for part in cell])[:-1])
        weights = [np.linalg.solve(part.T, own) for part, own in zip(cell, parts, strict=True)]
        if min(own.min() for own in weights) > -INSIDE:
            return point
    return None


def _halved(cells: Cells) -> Cells | None:
    """Each cell in two, across its longest edge; None where one is too small for that."""
    count = len(cells[0])
    if not count:
        return cells
    lengths = np.stack([_edges(part).max(axis=(1, 2)) for part in cells], axis=1)
    longest = lengths.argmax(axis=1)
    if lengths.max(axis=1).min() < SMALLEST:
        return None
    halves = [np.concatenate([part, part]) for part in cells]
    for player, part in enumerate(cells):
        chosen = np.flatnonzero(longest == player)
        if len(chosen):
            edges = _edges(part[chosen])
            a, b = np.unravel_index(edges.reshape(len(chosen), -1).argmax(axis=1), edges.shape[1:])
            between = (part[chosen, a] + part[chosen, b]) / 2
            halves[player][chosen, a] = between
            halves[player][count + chosen, b] = between
    return halves


def _edges(part: np.ndarray) -> np.ndarray:
    """Distances between corners: [cells, corners, corners]."""
    return np.abs(part[:, :, None] - part[:, None]).max(axis=3)
