"""Simultaneous confidence intervals for several correlated means at once.

Source: Hothorn, Bretz & Westfall 2008, "Simultaneous inference in general parametric models" (max-t).
"""

from __future__ import annotations

import numpy as np

from marl.errors import SolverError

DRAWS = 20_000
MOST_TOGETHER = 512
"""Estimates up to which their correlations are used; above, intervals are Bonferroni's, a little wider."""


def critical_value(
    covariance: np.ndarray, degrees: int, confidence: float, rng: np.random.Generator, draws: int = DRAWS
) -> float:
    """How many standard errors wide on either side intervals must be so that all cover at once with `confidence`.

    `covariance` [K, K] is that of the K estimates, `degrees` the degrees of freedom behind it. The quantile of the
    largest |t| is drawn from the multivariate t distribution by Monte Carlo (`draws` times). Estimates without variance
    are left out; 0.0 if none is left. Raises SolverError unless 0 < confidence < 1 and degrees >= 1.
    """
    _check(degrees, confidence)
    variance = np.diag(covariance)
    live = np.flatnonzero(variance > 0)
    if not len(live):
        return 0.0
    scale = np.sqrt(variance[live])
    values, vectors = np.linalg.eigh(covariance[np.ix_(live, live)] / np.outer(scale, scale))
    root = vectors * np.sqrt(np.clip(values, 0, None))
    normal = rng.standard_normal((draws, len(live))) @ root.T
    spread = np.sqrt(rng.chisquare(degrees, draws) / degrees)
    return float(np.quantile(np.abs(normal).max(axis=1) / spread, confidence))


def simultaneous_margins(
    covariance: np.ndarray, degrees: int, confidence: float, rng: np.random.Generator
) -> np.ndarray:
    """Half-widths [K] of intervals that cover at once, from the `covariance` [K, K], or from variances [K].

    By `critical_value` for a covariance of at most MOST_TOGETHER estimates, else by `bonferroni_value`.
    """
    together = covariance.ndim == 2 and len(covariance) <= MOST_TOGETHER
    variances = np.diag(covariance) if covariance.ndim == 2 else covariance
    width = (
        critical_value(covariance, degrees, confidence, rng)
        if together
        else bonferroni_value(len(variances), degrees, confidence)
    )
    return width * np.sqrt(variances)


def bonferroni_value(count: int, degrees: int, confidence: float) -> float:
    """How many standard errors wide `count` intervals must be to cover at once whatever their correlations are."""
    from scipy.special import stdtrit

    _check(degrees, confidence)
    return float(stdtrit(degrees, 1 - (1 - confidence) / (2 * count)))


def without_dust(covariance: np.ndarray, resolution: float) -> np.ndarray:
    """The covariance [K, K] in which errors up to `resolution`, which are rounding, are none at all."""
    fixed = np.diag(covariance) <= resolution**2
    covariance = covariance.copy()
    covariance[fixed, :] = covariance[:, fixed] = 0.0
    return covariance


def _check(degrees: int, confidence: float) -> None:
    if not 0 < confidence < 1 or degrees < 1:
        raise SolverError(f"confidence {confidence} must lie between 0 and 1, and {degrees} degrees of freedom be >= 1")
