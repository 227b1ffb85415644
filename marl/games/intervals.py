"""Simultaneous confidence intervals for several correlated means at once.

Source: Hothorn, Bretz & Westfall 2008, "Simultaneous inference in general parametric models" (max-t).
"""

from __future__ import annotations

import numpy as np

from marl.errors import SolverError

DRAWS = 20_000


def critical_value(
    covariance: np.ndarray, degrees: int, confidence: float, rng: np.random.Generator, draws: int = DRAWS
) -> float:
    """How many standard errors wide on either side intervals must be so that all cover at once with `confidence`.

    `covariance` [K, K] is that of the K estimates, `degrees` the degrees of freedom behind it. The quantile of the
    largest |t| is drawn from the multivariate t distribution by Monte Carlo (`draws` times). Estimates without variance
    are left out; 0.0 if none is left. Raises SolverError unless 0 < confidence < 1 and degrees >= 1.
    """
    if not 0 < confidence < 1 or degrees < 1:
        raise SolverError(f"confidence {confidence} must lie between 0 and 1, and {degrees} degrees of freedom be >= 1")
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
