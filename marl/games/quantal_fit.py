"""How rational is observed play? The logit equilibrium that makes it most likely, with an interval.

Source: McKelvey & Palfrey 1995, section 4 (maximum likelihood on the principal branch); the interval is the set that
the likelihood-ratio test does not reject (Wilks 1938).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize_scalar
from scipy.stats import chi2

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame
from marl.games.quantal_response import QuantalBranch, quantal_branch

FLAT = 1e-6
"""Log-likelihoods this near to each other are equal."""


@dataclass(frozen=True, slots=True)
class QuantalFit:
    """`rationality` (lambda, in 1 / payoff) with its interval, and the equilibrium there, one distribution per player.

    `high` is infinite where even the most rational play that was tried is not rejected. `log_likelihood` leaves the
    multinomial coefficients out; `saturated` is that of the observed frequencies themselves, the most that any model
    can reach. `bounded` is False where nothing is more likely than the end of the branch; `rationality` is then there.
    """

    rationality: float
    low: float
    high: float
    confidence: float
    profile: tuple[np.ndarray, ...]
    log_likelihood: float
    saturated: float
    bounded: bool


def fit_rationality(
    game: NormalFormGame,
    counts: Sequence[Sequence[int]],
    *,
    confidence: float = 0.95,
    max_rationality: float | None = None,
) -> QuantalFit:
    """The rationality that explains best how often each player chose each strategy.

    `counts` holds for each player [strategies of the player]. All decisions are taken as independent. SolverError
    where counts do not fit the game, are negative or all zero, and unless 0 < confidence < 1.
    """
    observed = _checked(game, counts)
    if not 0 < confidence < 1:
        raise SolverError(f"confidence {confidence} must lie between 0 and 1")
    branch = quantal_branch(game, max_rationality)

    def likelihood(position: float) -> float:
        return sum(float(n @ logs) for n, logs in zip(observed, branch.refined(position)[1], strict=True))

    end = len(branch.curve) - 1
    grid = np.array([likelihood(k) for k in range(end + 1)])
    top = int(np.argmax(grid))
    around = (max(0, top - 1), min(end, top + 1))
    found = minimize_scalar(lambda t: -likelihood(t), bounds=around, method="bounded", options={"xatol": 1e-8})
    best = float(found.x) if -found.fun > grid[top] else float(top)
    peak = max(float(-found.fun), float(grid[top]))
    bounded = grid[end] < peak - FLAT
    best = best if bounded else float(end)
    floor = peak - chi2.ppf(confidence, 1) / 2
    lower = _crossing(likelihood, grid, best, floor, range(int(np.floor(best)), -1, -1))
    upper = _crossing(likelihood, grid, best, floor, range(int(np.ceil(best)), end + 1))
    return QuantalFit(
        rationality=branch.refined(best)[0],
        low=0.0 if lower is None else branch.refined(lower)[0],
        high=np.inf if upper is None else branch.refined(upper)[0],
        confidence=confidence,
        profile=_profile(branch, best),
        log_likelihood=peak,
        saturated=sum(float(n[n > 0] @ np.log(n[n > 0] / n.sum())) for n in observed if n.sum()),
        bounded=bool(bounded),
    )


def _checked(game: NormalFormGame, counts: Sequence[Sequence[int]]) -> list[np.ndarray]:
    observed = [np.asarray(own, dtype=np.float64) for own in counts]
    if tuple(own.shape for own in observed) != tuple((size,) for size in game.shape):
        raise SolverError(
            f"counts have lengths {[own.shape for own in observed]}; the game has {game.shape} strategies"
        )
    if any((own < 0).any() or not np.isfinite(own).all() for own in observed) or not sum(own.sum() for own in observed):
        raise SolverError("counts must be 0 or more, and not all 0")
    return observed


def _crossing(
    likelihood: Callable[[float], float], grid: np.ndarray, best: float, floor: float, way: range
) -> float | None:
    """Where the likelihood falls to `floor`, walking from `best` along the grid; None where it never does."""
    inside = best
    for place in way:
        if grid[place] < floor:
            return float(brentq(lambda t: likelihood(t) - floor, *sorted((inside, place)), xtol=1e-9))
        inside = float(place)
    return None


def _profile(branch: QuantalBranch, position: float) -> tuple[np.ndarray, ...]:
    mixed = [np.exp(logs) for logs in branch.refined(position)[1]]
    return tuple(own / own.sum() for own in mixed)
