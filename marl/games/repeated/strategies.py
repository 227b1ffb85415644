"""Names for memory-one strategies: which well-known one, played with some errors, explains what was counted?

Sources: Axelrod 1984, "The evolution of cooperation" (ALLC, ALLD, TFT, GRIM); Nowak & Sigmund 1992, "Tit for tat in
heterogeneous populations" (generous TFT); Nowak & Sigmund 1993 (WSLS); Press & Dyson 2012 (extortionate
zero-determinant strategies, their equation for p(chi, phi)).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize
from scipy.special import xlogy
from scipy.stats import chi2

from marl.errors import SolverError
from marl.games.repeated.memory_one import Counts, MemoryOne

PURE = {
    "ALLC": (1.0, 1.0, 1.0, 1.0),
    "ALLD": (0.0, 0.0, 0.0, 0.0),
    "TFT": (1.0, 0.0, 1.0, 0.0),
    "GRIM": (1.0, 0.0, 0.0, 0.0),
    "WSLS": (1.0, 0.0, 0.0, 1.0),
}
GENEROUS, EXTORTIONATE, NONE = "generous TFT", "extortionate ZD", "none of these"
PRISONERS_DILEMMA = np.array([[3.0, 0.0], [5.0, 1.0]])
"""Axelrod's payoffs: R = 3, S = 0, T = 5, P = 1."""
LARGEST_ERROR = 0.2
LARGEST_FACTOR = 50.0
WORDS = {
    "ALLC": "always cooperates",
    "ALLD": "always defects",
    "TFT": "does what the other did last",
    "GRIM": "cooperates until anyone defects, then defects for ever",
    "WSLS": "repeats what paid well, changes what did not",
    GENEROUS: "does what the other did last, but forgives some defections",
    EXTORTIONATE: "claims a fixed multiple of the other's gain over mutual defection",
    NONE: "fits none of the named strategies",
}


@dataclass(frozen=True, slots=True)
class Reading:
    """One candidate: the `strategy` as intended, the `error` with which each action is swapped, and how well it fits.

    `parameters` are generosity, or chi (extortion factor) and phi. `p_value` is that of the likelihood-ratio test
    against memory-one strategies in general.
    """

    name: str
    strategy: MemoryOne
    error: float
    parameters: dict[str, float]
    log_likelihood: float
    bic: float
    p_value: float


@dataclass(frozen=True, slots=True)
class Naming:
    """The verdict: `name`, in `words`, the `best` reading (also where the name is "none of these") and all `readings`.

    `free` is the most likely memory-one strategy, whatever its name.
    """

    name: str
    words: str
    best: Reading
    readings: tuple[Reading, ...]
    free: MemoryOne


def extortionate(chi: float, phi: float, payoffs: np.ndarray = PRISONERS_DILEMMA) -> np.ndarray:
    """The extortionate strategy [4] with extortion factor chi >= 1: own gain over P is chi times the other's.

    Press & Dyson 2012, p(chi, phi), before any clipping: a phi too large gives values outside [0, 1].
    """
    reward, sucker, temptation, punishment = np.asarray(payoffs, dtype=np.float64).ravel()
    down, up, inner = punishment - sucker, temptation - punishment, reward - punishment
    return np.array(
        [
            1 - phi * (chi - 1) * inner / down,
            1 - phi * (1 + chi * up / down),
            phi * (chi + up / down),
            0.0,
        ]
    )


def largest_phi(chi: float, payoffs: np.ndarray = PRISONERS_DILEMMA) -> float:
    """The largest phi with which `extortionate` is a strategy."""
    slopes = np.array([1.0, 1.0, 0.0, 0.0]) - extortionate(chi, 1.0, payoffs)
    return 1 / float(np.abs(slopes).max())


def name_strategy(counts: Counts, payoffs: np.ndarray = PRISONERS_DILEMMA, *, significance: float = 0.01) -> Naming:
    """Fit every named strategy with an error rate up to 0.2 by maximum likelihood, and choose by BIC.

    A name is given only where the likelihood-ratio test (`significance`) does not reject it against a free memory-one
    strategy, and BIC prefers it to that. `payoffs` [2, 2], a prisoner's dilemma, matter for extortion only. Raises
    SolverError for payoffs that are none and where no round follows another.
    """
    table = np.asarray(payoffs, dtype=np.float64)
    reward, sucker, temptation, punishment = table.ravel() if table.shape == (2, 2) else (0.0,) * 4
    if not temptation > reward > punishment > sucker:
        raise SolverError(f"payoffs {table.tolist()} are no prisoner's dilemma: T > R > P > S is needed")
    seen = int(counts.after.sum())
    if seen == 0:
        raise SolverError("no round follows another, so that nothing is known about the strategy; give longer play")
    free = counts.estimate()
    ceiling, met = log_likelihood(counts, np.asarray(free.after)), int((counts.after.sum(axis=1) > 0).sum())
    fits = [
        *(_fit(counts, name, np.array(after), ceiling, met) for name, after in PURE.items()),
        _fit_generous(counts, ceiling, met),
        _fit_extortionate(counts, table, ceiling, met),
    ]
    readings = tuple(sorted(fits, key=lambda reading: reading.bic))
    kept = [reading for reading in readings if reading.p_value >= significance]
    best = kept[0] if kept else readings[0]
    name = best.name if kept and best.bic <= met * np.log(seen) - 2 * ceiling else NONE
    return Naming(name, WORDS[name], best, readings, free)


def log_likelihood(counts: Counts, after: np.ndarray) -> float:
    """Of the counts after the first round, given the probabilities of cooperating [4]."""
    return float(xlogy(counts.after[:, 0], after).sum() + xlogy(counts.after[:, 1], 1 - after).sum())


def _fit(counts: Counts, name: str, after: np.ndarray, ceiling: float, met: int) -> Reading:
    """A deterministic strategy: the most likely error is the share of unexpected actions."""
    expected = np.where(after == 1, counts.after[:, 0], counts.after[:, 1]).sum()
    error = min(1 - expected / counts.after.sum(), LARGEST_ERROR)
    return _reading(counts, name, after, float(error), {}, 1, (ceiling, met))


def _fit_generous(counts: Counts, ceiling: float, met: int) -> Reading:
    def after(x: Sequence[float]) -> np.ndarray:
        return np.array([1.0, x[1], 1.0, x[1]])

    x = _most_likely(counts, after, [(0.0, LARGEST_ERROR), (0.0, 1.0)], [[0.01, 0.1], [0.05, 0.4]])
    return _reading(counts, GENEROUS, after(x), x[0], {"generosity": x[1]}, 2, (ceiling, met))


def _fit_extortionate(counts: Counts, payoffs: np.ndarray, ceiling: float, met: int) -> Reading:
    """Over 1 / chi in (0, 1] and phi as a share of its largest value."""

    def after(x: Sequence[float]) -> np.ndarray:
        chi = 1 / x[1]
        return np.clip(extortionate(chi, x[2] * largest_phi(chi, payoffs), payoffs), 0.0, 1.0)

    bounds = [(0.0, LARGEST_ERROR), (1 / LARGEST_FACTOR, 1.0), (1e-3, 1.0)]
    starts = [[0.01, inverse, share] for inverse in (0.2, 0.5, 0.8) for share in (0.3, 0.9)]
    x = _most_likely(counts, after, bounds, starts)
    found = {"chi": 1 / x[1], "phi": x[2] * largest_phi(1 / x[1], payoffs)}
    return _reading(counts, EXTORTIONATE, after(x), x[0], found, 3, (ceiling, met))


def _most_likely(
    counts: Counts,
    after: Callable[[Sequence[float]], np.ndarray],
    bounds: list[tuple[float, float]],
    starts: list[list[float]],
) -> list[float]:
    """The parameters, the error first, that make the counts most likely, from the best of several starts."""

    def loss(x: np.ndarray) -> float:
        p = MemoryOne(after(x.tolist())).noisy(float(x[0])).after
        return -log_likelihood(counts, np.clip(p, 1e-9, 1 - 1e-9)) / counts.after.sum()

    solved = [minimize(loss, start, bounds=bounds, method="L-BFGS-B") for start in starts]
    return [float(value) for value in min(solved, key=lambda one: one.fun).x]


def _reading(
    counts: Counts,
    name: str,
    after: np.ndarray,
    error: float,
    parameters: dict[str, float],
    free: int,
    general: tuple[float, int],
) -> Reading:
    ceiling, met = general
    first = float(counts.first[0] >= counts.first[1])
    strategy = MemoryOne(np.clip(after, 0.0, 1.0), first)
    reached = log_likelihood(counts, np.asarray(strategy.noisy(error).after))
    surprise, degrees = 2 * (ceiling - reached), max(met - free, 1)
    p_value = float(chi2.sf(max(surprise, 0.0), degrees))
    bic = free * float(np.log(counts.after.sum())) - 2 * reached
    return Reading(name, strategy, error, parameters, reached, bic, p_value)
