"""Logit quantal response equilibria: everybody plays better strategies more often, knowing that all others do.

Sources: McKelvey & Palfrey 1995, "Quantal response equilibria for normal form games"; the principal branch by
predictor-corrector path following in logarithms of probabilities: Turocy 2005, "A dynamic homotopy interpretation of
the logistic quantal response equilibrium correspondence".
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from marl.errors import SolverError
from marl.games.multilinear import float_payoffs, pair_payoffs, strategy_payoffs
from marl.games.normal_form import NormalFormGame

FIRST_STEP = 0.02
LONGEST_STEP = 0.05
"""Of 1 + the length of the current point, so that steps grow with the rationality."""
SHORTEST_STEP = 1e-8
RESIDUAL = 1e-10


@dataclass(frozen=True, slots=True)
class QuantalBranch:
    """Points on the principal branch, from rationality 0 on.

    `rationality` [points] is lambda, in 1 / payoff; it may turn back for a while. `profiles` holds for each player
    [points, strategies]. `complete` says whether the branch was followed up to the rationality asked for. `system` and
    `curve` [points, unknowns] let `refined` compute points in between.
    """

    rationality: np.ndarray
    profiles: tuple[np.ndarray, ...]
    complete: bool
    system: LogitSystem
    curve: np.ndarray

    def refined(self, position: float) -> tuple[float, list[np.ndarray]]:
        """The rationality and the logarithms of the probabilities [strategies] per player at a position on the branch.

        Position 3.5 lies between points 3 and 4: the branch's point in the plane across the middle of their chord.
        """
        before = min(int(position), len(self.curve) - 2)
        chord = self.curve[before + 1] - self.curve[before]
        guess = self.curve[before] + (position - before) * chord
        point = self.system.corrected(guess, chord / np.linalg.norm(chord))
        if point is None:
            raise SolverError(f"the branch could not be refined at {position}; follow it with more points")
        return float(point[-1] / self.system.scale), self.system.split(point)


class LogitSystem:
    """The equations of a logit equilibrium in z = (all players' log-probabilities, lambda * scale) [unknowns + 1].

    Payoffs are divided by `scale`, their largest range, so that steps mean the same in every unit of payoff.
    """

    def __init__(self, game: NormalFormGame) -> None:
        payoffs = float_payoffs(game)
        axes = tuple(range(1, payoffs.ndim))
        self.scale = float((payoffs.max(axis=axes) - payoffs.min(axis=axes)).max()) or 1.0
        self.payoffs = payoffs / self.scale
        self.sizes = game.shape
        self.cuts = np.cumsum(game.shape)[:-1]

    def start(self) -> np.ndarray:
        """Rationality 0: everybody plays uniformly."""
        return np.concatenate([*(np.full(size, -np.log(size)) for size in self.sizes), [0.0]])

    def split(self, z: np.ndarray) -> list[np.ndarray]:
        """The players' log-probabilities."""
        return np.split(z[:-1], self.cuts)

    def residual(self, z: np.ndarray) -> np.ndarray:
        """Turocy 2005's H: log-odds minus lambda times payoff differences; probabilities minus 1. [unknowns]."""
        logs = self.split(z)
        values = strategy_payoffs(self.payoffs, [np.exp(own) for own in logs])
        parts = []
        for own, u in zip(logs, values, strict=True):
            parts.append(np.append(own[1:] - own[0] - z[-1] * (u[1:] - u[0]), np.exp(own).sum() - 1))
        return np.concatenate(parts)

    def jacobian(self, z: np.ndarray) -> np.ndarray:
        """The derivative of `residual`: [unknowns, unknowns + 1]."""
        logs = self.split(z)
        mixed = [np.exp(own) for own in logs]
        values, starts = strategy_payoffs(self.payoffs, mixed), np.concatenate([[0], np.cumsum(self.sizes)])
        result = np.zeros((len(z) - 1, len(z)))
        for i, size in enumerate(self.sizes):
            rows, last = slice(starts[i], starts[i] + size - 1), starts[i] + size - 1
            for k, other in enumerate(self.sizes):
                columns = slice(starts[k], starts[k] + other)
                if k == i:
                    result[rows, columns] = np.column_stack([-np.ones(size - 1), np.eye(size - 1)])
                    result[last, columns] = mixed[i]
                else:
                    table = pair_payoffs(self.payoffs, mixed, i, k) * mixed[k]
                    result[rows, columns] = -z[-1] * (table[1:] - table[0])
            result[rows, -1] = -(values[i][1:] - values[i][0])
        return result

    def tangent(self, z: np.ndarray) -> np.ndarray:
        """The branch's direction at z, of length 1, up to its sign."""
        return np.linalg.qr(self.jacobian(z).T, mode="complete")[0][:, -1]

    def corrected(self, guess: np.ndarray, normal: np.ndarray) -> np.ndarray | None:
        """Newton's method in the plane through `guess` across `normal`; None where it does not converge quickly."""
        z = guess.copy()
        for _ in range(8):
            error = self.residual(z)
            if np.abs(error).max() < RESIDUAL * (1 + abs(z[-1])):
                return z
            system = np.vstack([self.jacobian(z), normal])
            try:
                move = np.linalg.solve(system, np.append(error, normal @ (z - guess)))
            except np.linalg.LinAlgError:
                return None
            z = z - move
            if not np.isfinite(z).all() or z[:-1].max() > 1:
                return None
        return None


def quantal_branch(
    game: NormalFormGame, max_rationality: float | None = None, *, max_points: int = 5_000
) -> QuantalBranch:
    """The principal branch of logit equilibria up to `max_rationality`, by default 1000 / (the largest payoff range).

    It starts where everybody plays uniformly; in almost every game it leads to one Nash equilibrium, McKelvey &
    Palfrey's selection, which the last profile approaches. Raises SolverError unless max_rationality > 0.
    """
    system = LogitSystem(game)
    goal = 1000.0 if max_rationality is None else max_rationality * system.scale
    if not 0 < goal < np.inf or max_points < 2:
        raise SolverError(f"max_rationality {max_rationality} must be positive and max_points {max_points} >= 2")
    point, direction, step = system.start(), np.eye(len(system.start()))[-1], FIRST_STEP
    curve = [point]
    while len(curve) < max_points and point[-1] < goal and step > SHORTEST_STEP:
        tangent = system.tangent(point)
        tangent *= np.sign(tangent @ direction) or 1.0
        found = system.corrected(point + step * tangent, tangent)
        if found is None or np.linalg.norm(found - point - step * tangent) > 0.3 * step:
            step /= 2
            continue
        direction, point = (found - point) / np.linalg.norm(found - point), found
        curve.append(point)
        step = min(1.5 * step, LONGEST_STEP * (1 + float(np.linalg.norm(point))))
    complete = point[-1] >= goal
    if complete:
        share = (goal - curve[-2][-1]) / (curve[-1][-1] - curve[-2][-1])
        last = system.corrected(curve[-2] + share * (curve[-1] - curve[-2]), np.eye(len(point))[-1])
        curve[-1] = curve[-1] if last is None else last
    stacked = np.array(curve)
    profiles = [np.exp(own) for own in np.split(stacked[:, :-1], system.cuts, axis=1)]
    normal = tuple(own / own.sum(axis=1, keepdims=True) for own in profiles)
    return QuantalBranch(stacked[:, -1] / system.scale, normal, bool(complete), system, stacked)
