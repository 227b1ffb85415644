"""Intervals and tests for payoffs: what a sample of episodes can and cannot say.

Which interval: a t-interval where the sample is near symmetric or small, the bias-corrected and accelerated bootstrap
(BCa; Efron, JASA 82, 1987) where it is skewed and large enough. In simulation at 95 %, a payoff of 10 won with
probability 0.95 is covered by t in 84 % and by BCa in 94 % of samples of 64; below about 32 values, or without skew,
BCa is no better than t. The percentile bootstrap is never the best of the three, so it is not offered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from math import comb
from typing import Any, Literal

import numpy as np
from scipy import stats

from marl.errors import ParleyError

RESAMPLES = 9_999
PERMUTATIONS = 19_999
SKEWED = 0.5
ENOUGH_FOR_BOOTSTRAP = 32

Method = Literal["t", "bca", "constant"]


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its confidence interval; `method` is "t", "bca", "wilson" or "constant" (no spread seen)."""

    mean: float
    low: float
    high: float
    n: int
    method: str

    def to_json(self) -> dict[str, Any]:
        """The five fields as plain data."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Difference:
    """Mean of first minus second with its interval and the p-value of "they do not differ"."""

    mean: float
    low: float
    high: float
    p: float
    n: int
    test: str

    def to_json(self) -> dict[str, Any]:
        """The six fields as plain data."""
        return asdict(self)


def mean_interval(
    sample: Sequence[float] | np.ndarray,
    *,
    confidence: float,
    rng: np.random.Generator,
    method: Literal["auto", "t", "bca"] = "auto",
) -> Interval:
    """Confidence interval of the mean of `sample` (shape [n], n >= 2).

    A sample without spread has no estimable error: its interval has zero width and says so by method "constant". It
    does not claim that another value cannot happen (with n equal values, an event of probability 3 / n can still
    have been missed at 95 %). Raises ParleyError for fewer than two values or values that are not finite.
    """
    values = _checked(sample)
    mean = float(values.mean())
    if np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        return Interval(mean, mean, mean, len(values), "constant")
    chosen = _better_method(values) if method == "auto" else method
    if chosen == "t":
        bounds = stats.ttest_1samp(values, 0.0).confidence_interval(confidence)
    else:
        bounds = stats.bootstrap(
            (values,), np.mean, n_resamples=RESAMPLES, confidence_level=confidence, method="BCa", rng=rng
        ).confidence_interval
    return Interval(mean, float(bounds.low), float(bounds.high), len(values), chosen)


def success_interval(successes: int, n: int, *, confidence: float) -> Interval:
    """Wilson's score interval for a rate of `successes` in `n` (Wilson, JASA 22, 1927).

    Unlike the t-interval it has width at 0 of n and n of n. Raises ParleyError unless 0 <= successes <= n, n >= 1.
    """
    if not 0 <= successes <= n or n < 1:
        raise ParleyError(f"{successes} successes in {n} trials is not a rate; give 0 <= successes <= n with n >= 1")
    low, high = stats.binomtest(successes, n).proportion_ci(confidence, method="wilson")
    return Interval(successes / n, float(low), float(high), n, "wilson")


def paired_difference(
    first: Sequence[float] | np.ndarray,
    second: Sequence[float] | np.ndarray,
    *,
    confidence: float,
    rng: np.random.Generator,
) -> Difference:
    """Mean of `first` - `second` (both shape [n], paired by position) and a two-sided sign-flip permutation test.

    Under the null each pair's difference is as likely with either sign. With few pairs (2^n <= 19,999) all sign
    patterns are counted and p is exact; otherwise 19,999 random ones with the observed one added (Phipson and Smyth,
    Stat. Appl. Genet. Mol. Biol. 9, 2010). The smallest p is then 1e-4, and p is never 0.
    """
    one, other = _checked(first), _checked(second)
    if one.shape != other.shape:
        raise ParleyError(f"{len(one)} and {len(other)} values cannot be paired; give the same episodes of both arms")
    gaps = one - other
    interval = mean_interval(gaps, confidence=confidence, rng=rng)
    p, exact = _permutation_p((gaps,), "samples", 2 ** len(gaps), rng)
    return Difference(
        interval.mean, interval.low, interval.high, p, len(gaps), f"paired sign-flip permutation, {exact}"
    )


def unpaired_difference(
    first: Sequence[float] | np.ndarray,
    second: Sequence[float] | np.ndarray,
    *,
    confidence: float,
    rng: np.random.Generator,
) -> Difference:
    """The same for samples (shapes [n], [m]) that share no episodes: Welch's interval, label permutation test.

    `n` of the result is the smaller sample's size. The p-value has the resolution of `paired_difference`.
    """
    one, other = _checked(first), _checked(second)
    mean = float(one.mean() - other.mean())
    low = high = mean
    if one.var() + other.var() > 0:
        low, high = stats.ttest_ind(one, other, equal_var=False).confidence_interval(confidence)
    p, exact = _permutation_p((one, other), "independent", comb(len(one) + len(other), len(one)), rng)
    return Difference(mean, float(low), float(high), p, min(len(one), len(other)), f"unpaired permutation, {exact}")


def _checked(sample: Sequence[float] | np.ndarray) -> np.ndarray:
    values = np.asarray(sample, dtype=np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ParleyError(f"a sample of shape {values.shape} has no interval; give a list of at least 2 values")
    if not np.isfinite(values).all():
        raise ParleyError(f"{int((~np.isfinite(values)).sum())} of {len(values)} values are not finite; leave them out")
    return values


def _better_method(values: np.ndarray) -> Literal["t", "bca"]:
    skewed = abs(float(stats.skew(values))) > SKEWED
    return "bca" if skewed and len(values) >= ENOUGH_FOR_BOOTSTRAP else "t"


def _permutation_p(
    samples: tuple[np.ndarray, ...],
    kind: Literal["samples", "independent"],
    patterns: int,
    rng: np.random.Generator,
) -> tuple[float, str]:
    """Two-sided p-value of the difference of means, and in words whether all `patterns` were counted."""
    result = stats.permutation_test(
        samples,
        _gap,
        permutation_type=kind,
        vectorized=True,
        n_resamples=PERMUTATIONS,
        batch=max(1, 1_000_000 // sum(map(len, samples))),
        rng=rng,
    )
    words = "exact" if patterns <= PERMUTATIONS else f"{PERMUTATIONS} resamples"
    return float(result.pvalue), words


def _gap(first: np.ndarray, second: np.ndarray | None = None, axis: int = -1) -> np.ndarray:
    return np.mean(first, axis=axis) - (0.0 if second is None else np.mean(second, axis=axis))
