"""Simultaneous confidence intervals for several correlated means at once.

Source: Hothorn, Bretz & Westfall 2008, "Simultaneous inference in general parametric models" (max-t); each estimate is
divided by its own standard error, as in Hasler & Hothorn 2008, "Multiple contrast tests in the presence of
heteroscedasticity", so that the errors vary together only as far as the estimates do. They come from the diagonal of a
Wishart matrix, drawn by Bartlett's decomposition (Bartlett 1933, "On the theory of statistical regression").
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from marl.errors import SolverError

DRAWS = 20_000
CHUNK = 2_000_000
"""Numbers held at once, of each array."""
SAME = 1e-12
"""Correlations this near to 1 or -1 are."""
MOST_TOGETHER = 512
"""Estimates up to which their correlations are used; above, intervals are Bonferroni's, a little wider."""


def critical_value(
    covariance: np.ndarray, degrees: int, confidence: float, rng: np.random.Generator, draws: int = DRAWS
) -> float:
    """How many standard errors wide on either side intervals must be so that all cover at once with `confidence`.

    `covariance` [K, K] is that of the K estimates, `degrees` the degrees of freedom behind it. The quantile of the
    largest |t| is drawn by Monte Carlo (`draws` times); where all estimates are multiples of one, it is Student's.
    Estimates without variance are left out; 0.0 if none is left. Raises SolverError unless 0 < confidence < 1 and
    degrees >= 1.
    """
    _check(degrees, confidence)
    variance = np.diag(covariance)
    live = np.flatnonzero(variance > 0)
    if not len(live):
        return 0.0
    correlation = _correlation(covariance[np.ix_(live, live)])
    if np.abs(correlation).min() > 1 - SAME:
        from scipy.special import stdtrit  # takes its time to import

        return float(stdtrit(degrees, (1 + confidence) / 2))
    largest = [np.abs(drawn).max(axis=1) for drawn in _studentized(correlation, degrees, rng, draws)]
    return float(np.quantile(np.concatenate(largest), confidence))


def _studentized(correlation: np.ndarray, degrees: int, rng: np.random.Generator, draws: int) -> Iterator[np.ndarray]:
    """Errors of K normal estimates over their own estimated standard errors, in parts of [draws, K]."""
    root = covariance_root(correlation)
    # The share of draws beyond a bound varies with the errors by about 1 / (degrees x estimates as good as
    # independent), so that one draw of the errors, the dearer part, serves for many draws of the estimates.
    independent = len(root) ** 2 / np.square(correlation).sum()
    reused = min(draws, 1 + int(degrees * independent / 10))
    for errors in _errors(root, degrees, -(-draws // reused), rng, CHUNK // (reused * len(root))):
        estimates = rng.standard_normal((len(errors), reused, root.shape[1])) @ root.T
        drawn = (estimates / errors[:, None]).reshape(-1, len(root))[:draws]
        draws -= len(drawn)
        yield drawn


def _correlation(covariance: np.ndarray) -> np.ndarray:
    scale = np.sqrt(np.diag(covariance))
    return covariance / np.outer(scale, scale)


def covariance_root(covariance: np.ndarray) -> np.ndarray:
    """[K, rank] with root @ root.T the covariance [K, K]; without variance a row is zero to the last bit."""
    values, vectors = np.linalg.eigh(covariance)
    kept = values > len(values) * np.finfo(float).eps * values[-1]
    root: np.ndarray = vectors[:, kept] * np.sqrt(values[kept])
    root[np.diag(covariance) == 0] = 0.0
    return root


def _errors(root: np.ndarray, degrees: int, draws: int, rng: np.random.Generator, most: int) -> Iterator[np.ndarray]:
    """Estimated over true standard errors of K estimates, [draws, K] in parts of `most` rows at most.

    With A [degrees, rank] standard normal, `root` times the triangle of A's QR decomposition has rows whose squares sum
    to the diagonal of a Wishart matrix; Bartlett: the triangle's entries are independent, and which they are is known.
    """
    size, rank = root.shape
    width = min(rank, degrees)
    below = np.tril_indices(rank, -1, width)
    most = max(1, min(most, CHUNK // (size * width)))
    for start in range(0, draws, most):
        count = min(most, draws - start)
        triangle = np.zeros((count, rank, width))
        triangle[:, below[0], below[1]] = rng.standard_normal((count, len(below[0])))
        diagonal = np.arange(width)
        triangle[:, diagonal, diagonal] = np.sqrt(rng.chisquare(degrees - diagonal, (count, width)))
        yield np.sqrt((np.square(root @ triangle)).sum(axis=2) / degrees)


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
