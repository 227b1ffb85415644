import numpy as np
import pytest
from scipy import stats

from marl.errors import SolverError
from marl.games.intervals import critical_value


def value(covariance: np.ndarray, degrees: int = 30, confidence: float = 0.95) -> float:
    return critical_value(covariance, degrees, confidence, np.random.default_rng(0), draws=200_000)


@pytest.mark.parametrize("degrees", [1, 5, 30])
def test_one_estimate_is_students_t(degrees: int) -> None:
    for confidence in (0.9, 0.95):
        assert value(np.array([[4.0]]), degrees, confidence) == pytest.approx(
            stats.t.ppf((1 + confidence) / 2, degrees)
        )


def test_fully_correlated_estimates_are_one() -> None:
    assert value(np.ones((4, 4))) == pytest.approx(stats.t.ppf(0.975, 30))
    signs = np.array([1.0, -2.0, 3.0])
    assert value(np.outer(signs, signs)) == pytest.approx(stats.t.ppf(0.975, 30))


@pytest.mark.parametrize("degrees", [3, 9, 40])
def test_independent_estimates_have_independent_errors(degrees: int) -> None:
    """Then the K |t| are independent, and all are small with the product of their probabilities."""
    for size in (2, 5):
        expected = stats.t.ppf((1 + 0.95 ** (1 / size)) / 2, degrees)
        assert value(np.eye(size), degrees) == pytest.approx(expected, rel=0.02)
        twice = np.kron(np.eye(size), np.ones((2, 2)))
        assert value(twice, degrees) == pytest.approx(expected, rel=0.02), "of two equal ones one counts"


@pytest.mark.parametrize("correlation", [0.5, -0.9])
def test_it_is_the_quantile_of_studentized_samples(correlation: float) -> None:
    """Against samples of `degrees` + 1 normal triples, each mean over its own standard error."""
    degrees, rng = 6, np.random.default_rng(1)
    covariance = np.array([[1.0, correlation, 0.0], [correlation, 1.0, 0.0], [0.0, 0.0, 1.0]])
    samples = rng.standard_normal((100_000, degrees + 1, 3)) @ np.linalg.cholesky(covariance).T
    t = samples.mean(axis=1) / samples.std(axis=1, ddof=1) * np.sqrt(degrees + 1)
    assert value(covariance, degrees) == pytest.approx(np.quantile(np.abs(t).max(axis=1), 0.95), rel=0.02)


@pytest.mark.parametrize(("size", "rank", "degrees"), [(300, 4, 9), (300, 300, 9), (200, 200, 400)])
def test_many_estimates_of_any_rank_are_dealt_with(size: int, rank: int, degrees: int) -> None:
    factors = np.random.default_rng(2).standard_normal((size, rank))
    found = critical_value(factors @ factors.T, degrees, 0.95, np.random.default_rng(0))
    least = stats.t.ppf((1 + 0.95 ** (1 / min(rank, 2))) / 2, degrees)
    assert least < found < 1.03 * stats.t.ppf((1 + 0.95 ** (1 / size)) / 2, degrees), "independence is the worst case"


def test_same_stream_same_value() -> None:
    draws = [critical_value(np.eye(3), 5, 0.95, np.random.default_rng(4)) for _ in range(2)]
    assert draws[0] == draws[1]


def test_independent_estimates_need_the_sidak_width() -> None:
    many = 10_000
    assert value(np.eye(5), many) == pytest.approx(stats.norm.ppf((1 + 0.95 ** (1 / 5)) / 2), rel=0.01)


def test_scale_does_not_matter_and_constants_are_left_out() -> None:
    assert value(np.diag([1.0, 1e6])) == pytest.approx(value(np.eye(2)))
    assert value(np.diag([1.0, 0.0, 1e6])) == pytest.approx(value(np.eye(2)))
    assert value(np.diag([1.0, 0.0])) == pytest.approx(value(np.eye(1)))
    assert value(np.zeros((2, 2))) == 0.0
    assert value(np.zeros((0, 0))) == 0.0


@pytest.mark.parametrize(("degrees", "confidence"), [(0, 0.95), (5, 0.0), (5, 1.0)])
def test_impossible_arguments_are_refused(degrees: int, confidence: float) -> None:
    with pytest.raises(SolverError, match="between 0 and 1"):
        value(np.eye(1), degrees, confidence)
