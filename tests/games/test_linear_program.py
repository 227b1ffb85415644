from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog

from marl.errors import SolverError
from marl.games.linear_program import maximize


def objects(values: object) -> np.ndarray:
    array = np.array(values, dtype=object)
    array.flat = [Fraction(value) for value in array.flat]
    return array


def test_a_textbook_program() -> None:
    """Dantzig's example in Chvatal 1983, chapter 2: optimum 13 at (2, 0, 1)."""
    found = maximize(objects([5, 4, 3]), objects([[2, 3, 1], [4, 1, 2], [3, 4, 2]]), objects([5, 11, 8]))
    assert found.exact
    assert (found.value, found.primal.tolist(), found.dual.tolist()) == (13, [2, 0, 1], [1, 0, 1])


def test_beales_example_does_not_cycle() -> None:
    """Beale 1955: the steepest column alone cycles here for ever; the optimum is 1/20."""
    matrix = objects([["1/4", -60, "-1/25", 9], ["1/2", -90, "-1/50", 3], [0, 0, 1, 0]])
    found = maximize(objects(["3/4", -150, "1/50", -6]), matrix, objects([0, 0, 1]))
    assert found.value == Fraction(1, 20)


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_optimal_by_duality_and_equal_to_highs(rows: int, columns: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    matrix = np.vstack([rng.integers(-3, 4, (rows, columns)), np.ones(columns, dtype=int)])
    bound, objective = np.append(rng.integers(0, 4, rows), 7), rng.integers(-3, 4, columns)
    scaled = objects(matrix.astype(object)) / 3
    found = maximize(objects(objective.astype(object)), scaled, objects(bound.astype(object)))
    assert (scaled @ found.primal <= bound).all()
    assert (found.primal >= 0).all()
    assert (found.dual >= 0).all()
    assert (found.dual @ scaled >= objective).all()
    assert found.dual @ bound == found.value == objective @ found.primal
    floats = maximize(objective, matrix / 3, bound)
    assert not floats.exact
    assert floats.value == pytest.approx(float(found.value), abs=1e-9)
    assert -linprog(-objective, A_ub=matrix / 3, b_ub=bound).fun == pytest.approx(float(found.value), abs=1e-9)


def test_refusals() -> None:
    with pytest.raises(SolverError, match="unbounded"):
        maximize(objects([1]), objects([[-1]]), objects([1]))
    with pytest.raises(SolverError, match="no answer"):
        maximize(np.ones(1), -np.ones((1, 1)), np.ones(1))
    with pytest.raises(SolverError, match="must be >= 0"):
        maximize(objects([1]), objects([[1]]), objects([-1]))
    with pytest.raises(SolverError, match="took longer"):
        maximize(objects([1] * 20), objects(np.eye(20, dtype=int)), objects([1] * 20), time_limit=1e-9)
