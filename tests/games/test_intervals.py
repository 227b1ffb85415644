import numpy as np
import pytest
from scipy import stats

from marl.errors import SolverError
from marl.games.intervals import critical_value


def value(covariance: np.ndarray, degrees: int = 30, confidence: float = 0.95) -> float:
    return critical_value(covariance, degrees, confidence, np.random.default_rng(0), draws=200_000)


def test_one_estimate_is_students_t() -> None:
    assert value(np.array([[4.0]])) == pytest.approx(stats.t.ppf(0.975, 30), rel=0.01)
    assert value(np.array([[4.0]]), 5, 0.9) == pytest.approx(stats.t.ppf(0.95, 5), rel=0.01)


def test_fully_correlated_estimates_are_one() -> None:
    assert value(np.ones((4, 4))) == pytest.approx(stats.t.ppf(0.975, 30), rel=0.01)


def test_independent_estimates_need_the_sidak_width() -> None:
    many = 10_000
    assert value(np.eye(5), many) == pytest.approx(stats.norm.ppf((1 + 0.95 ** (1 / 5)) / 2), rel=0.01)


def test_scale_does_not_matter_and_constants_are_left_out() -> None:
    assert value(np.diag([1.0, 1e6])) == pytest.approx(value(np.eye(2)))
    assert value(np.diag([1.0, 0.0])) == pytest.approx(value(np.eye(1)))
    assert value(np.zeros((2, 2))) == 0.0
    assert value(np.zeros((0, 0))) == 0.0


@pytest.mark.parametrize(("degrees", "confidence"), [(0, 0.95), (5, 0.0), (5, 1.0)])
def test_impossible_arguments_are_refused(degrees: int, confidence: float) -> None:
    with pytest.raises(SolverError, match="between 0 and 1"):
        value(np.eye(1), degrees, confidence)
