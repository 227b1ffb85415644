from __future__ import annotations

from itertools import combinations, product
from math import sqrt

import numpy as np
import pytest
from scipy import stats

from marl.errors import ParleyError
from marl.evaluation.statistics import mean_interval, paired_difference, success_interval, unpaired_difference
from marl.seeding import stream


def rng(*path: str | int) -> np.random.Generator:
    return stream(0, "bootstrap", *path)


def test_t_interval_agrees_with_the_textbook_formula() -> None:
    values = rng("x").normal(3.0, 2.0, size=12)
    interval = mean_interval(values, confidence=0.9, rng=rng())
    half = stats.t.ppf(0.95, 11) * values.std(ddof=1) / sqrt(12)
    assert interval.method == "t"
    assert (interval.low, interval.high) == pytest.approx((values.mean() - half, values.mean() + half))


def test_skewed_samples_use_the_bootstrap_and_it_is_asymmetric() -> None:
    values = 10.0 * (np.arange(100) >= 4)
    interval = mean_interval(values, confidence=0.95, rng=rng())
    assert interval.method == "bca"
    assert interval.mean - interval.low > interval.high - interval.mean > 0
    assert interval.high <= 10.0
    assert mean_interval(values, confidence=0.95, rng=rng(), method="t").high > interval.high


def test_small_skewed_samples_do_not_use_the_bootstrap() -> None:
    assert mean_interval([10.0] * 9 + [0.0], confidence=0.95, rng=rng()).method == "t"


def test_constant_sample_has_zero_width_and_says_so() -> None:
    interval = mean_interval([0.1 + 0.2, 0.3, 0.3], confidence=0.95, rng=rng())
    assert interval.method == "constant"
    assert interval.low == interval.mean == interval.high == pytest.approx(0.3)
    assert interval.to_json()["n"] == 3


@pytest.mark.parametrize(("values", "words"), [([1.0], "at least 2"), ([], "at least 2"), ([1.0, np.nan], "1 of 2")])
def test_samples_without_an_interval_are_refused(values: list[float], words: str) -> None:
    with pytest.raises(ParleyError, match=words):
        mean_interval(values, confidence=0.95, rng=rng())


@pytest.mark.parametrize("shape", ["symmetric", "skewed"])
def test_intervals_cover_the_truth_as_often_as_they_say(shape: str) -> None:
    draws = rng("coverage", shape)
    hits, repeats = 0, 150
    for repeat in range(repeats):
        if shape == "symmetric":
            values, truth = draws.normal(5.0, 1.0, size=16), 5.0
        else:
            values, truth = 10.0 * (draws.random(64) < 0.93), 9.3
        interval = mean_interval(values, confidence=0.9, rng=rng("coverage", repeat))
        hits += interval.low <= truth <= interval.high
    assert 0.82 <= hits / repeats <= 0.97


def test_wilson_interval_agrees_with_its_closed_form_and_has_width_at_the_ends() -> None:
    n, z = 40, stats.norm.ppf(0.975)
    for successes in (0, 13, 40):
        share = successes / n
        center = (share + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
        interval = success_interval(successes, n, confidence=0.95)
        assert (interval.low, interval.high) == pytest.approx((max(0, center - half), min(1, center + half)), abs=1e-12)
        assert interval.high > interval.low
    with pytest.raises(ParleyError, match="5 successes in 4"):
        success_interval(5, 4, confidence=0.95)


def test_paired_p_is_exact_for_few_pairs() -> None:
    first, second = np.array([3.0, 5.0, 4.0, 6.0, 2.0, 7.0]), np.array([1.0, 4.5, 4.5, 3.0, 1.0, 2.0])
    gaps = first - second
    sums = [np.dot(signs, gaps) for signs in product((-1, 1), repeat=len(gaps))]
    tail = np.mean(np.array(sums) >= gaps.sum() - 1e-12)
    difference = paired_difference(first, second, confidence=0.95, rng=rng())
    assert difference.p == pytest.approx(min(1.0, 2 * tail))
    assert difference.test.endswith("exact")
    assert difference.mean == pytest.approx(gaps.mean())


def test_paired_p_is_never_zero_and_resolves_one_in_ten_thousand() -> None:
    difference = paired_difference(np.full(100, 10.0), np.zeros(100), confidence=0.95, rng=rng())
    assert difference.p == pytest.approx(1e-4)
    assert (difference.low, difference.high) == (10.0, 10.0)
    assert difference.to_json()["n"] == 100


def test_equal_arms_have_p_one() -> None:
    values = np.arange(50.0)
    assert paired_difference(values, values, confidence=0.95, rng=rng()).p == 1.0


def test_paired_test_rejects_at_its_nominal_rate() -> None:
    draws = rng("null")
    rejected = sum(
        paired_difference(draws.normal(size=10), draws.normal(size=10), confidence=0.95, rng=rng(i)).p <= 0.1
        for i in range(200)
    )
    assert 6 <= rejected <= 36


def test_same_seed_same_numbers() -> None:
    first, second = rng("a").random(300) ** 4, rng("b").random(300) ** 4
    one, other = (paired_difference(first, second, confidence=0.95, rng=rng("c")) for _ in range(2))
    assert one == other


def test_unequal_lengths_cannot_be_paired() -> None:
    with pytest.raises(ParleyError, match="3 and 2 values"):
        paired_difference([1, 2, 3], [1, 2], confidence=0.95, rng=rng())


def test_unpaired_difference_agrees_with_welch_and_with_enumeration() -> None:
    first, second = [5.0, 7.0, 6.5, 9.0], [4.0, 5.5, 3.0]
    pooled = np.array(first + second)
    observed = np.mean(first) - np.mean(second)
    gaps = []
    for chosen in combinations(range(7), 4):
        mask = np.isin(np.arange(7), chosen)
        gaps.append(pooled[mask].mean() - pooled[~mask].mean())
    difference = unpaired_difference(first, second, confidence=0.95, rng=rng())
    assert difference.p == pytest.approx(2 * np.mean(np.array(gaps) >= observed - 1e-12))
    welch = stats.ttest_ind(first, second, equal_var=False).confidence_interval(0.95)
    assert (difference.low, difference.high) == pytest.approx((welch.low, welch.high))
    assert (difference.n, difference.test) == (3, "unpaired permutation, exact")


def test_unpaired_difference_of_constant_samples_is_exact() -> None:
    difference = unpaired_difference([2.0, 2.0], [1.0, 1.0], confidence=0.95, rng=rng())
    assert (difference.mean, difference.low, difference.high) == (1.0, 1.0, 1.0)
