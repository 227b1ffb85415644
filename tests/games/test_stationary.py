from fractions import Fraction

import numpy as np
import pytest
from scipy import sparse

from marl.errors import SolverError
from marl.games import stationary
from marl.games.stationary import eliminate_logs, eliminate_orders, solve_directly


def exact(rates: list[list[Fraction]]) -> list[Fraction]:
    """Markov chain tree theorem, by Gaussian elimination in fractions: the null vector of the generator."""
    n = len(rates)
    q = [[rates[i][j] if i != j else -sum(rates[i][k] for k in range(n) if k != i) for i in range(n)] for j in range(n)]
    q[-1] = [Fraction(1)] * n
    right = [Fraction(0)] * (n - 1) + [Fraction(1)]
    for k in range(n):
        pivot = next(r for r in range(k, n) if q[r][k] != 0)
        q[k], q[pivot], right[k], right[pivot] = q[pivot], q[k], right[pivot], right[k]
        for r in range(n):
            if r != k and q[r][k] != 0:
                f = q[r][k] / q[k][k]
                q[r] = [a - f * b for a, b in zip(q[r], q[k], strict=True)]
                right[r] -= f * right[k]
    return [right[k] / q[k][k] for k in range(n)]


@pytest.mark.parametrize("states", [1, 2, 5, 30])
def test_all_ways_agree_on_tame_chains(states: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rates = np.random.default_rng(states).random((states, states)) / states
    expected = np.array(exact([[Fraction(x) for x in row] for row in rates]), dtype=float)
    np.testing.assert_allclose(solve_directly(sparse.csr_array(rates)), expected, rtol=1e-10)
    np.testing.assert_allclose(eliminate_logs(np.log(rates)), expected, rtol=1e-10)
    np.testing.assert_allclose(eliminate_orders(rates, np.zeros_like(rates)), expected, rtol=1e-10)
    monkeypatch.setattr(stationary, "MAX_DENSE", 0)
    np.testing.assert_allclose(solve_directly(sparse.csr_array(rates)), expected, rtol=1e-10)


def test_rates_far_apart_are_right_to_the_last_digit() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        powers = rng.integers(-60, 0, size=(5, 5))
        expected = exact([[Fraction(10) ** int(p) for p in row] for row in powers])
        got = eliminate_logs(powers * np.log(10))
        np.testing.assert_allclose(got, np.array(expected, dtype=float), rtol=1e-9)


def test_a_direct_solve_that_would_be_wrong_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    chain = sparse.csr_array(np.array([[0, 1, 1e-17], [1, 0, 0], [3e-17, 0, 0]]))
    assert solve_directly(chain) is None
    reducible = sparse.csr_array(np.array([[0.0, 0.0, 0.0], [1, 0, 1], [0, 0, 0]]))
    assert solve_directly(reducible) is None
    assert solve_directly(sparse.csr_array((3, 3))) is None
    monkeypatch.setattr(stationary, "MAX_DENSE", 0)
    assert solve_directly(chain) is None
    assert solve_directly(reducible) is None


def test_orders_give_the_limit_of_small_epsilon() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        factors, orders = rng.uniform(0.5, 2, size=(6, 6)), rng.integers(0, 4, size=(6, 6))
        limit = eliminate_orders(factors, orders)
        np.testing.assert_allclose(eliminate_logs(np.log(factors) - 60 * orders), limit, atol=1e-12)


def test_a_reducible_chain_is_refused() -> None:
    absorbing = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])
    with np.errstate(divide="ignore"), pytest.raises(SolverError, match="reducible"):
        eliminate_logs(np.log(absorbing))
    with pytest.raises(SolverError, match="reducible"):
        eliminate_orders(absorbing, np.zeros((3, 3)))


def test_too_many_states_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stationary, "MAX_ELIMINATED", 2)
    with pytest.raises(SolverError, match="lower alpha"):
        eliminate_logs(np.zeros((3, 3)))
