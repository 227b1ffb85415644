from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_games import brute_vertices

from marl.errors import SolverError
from marl.games.vertices import polytope_vertices


def as_points(matrix: list[list[int]]) -> dict[tuple[Fraction, ...], frozenset[int]]:
    found = polytope_vertices(matrix)
    size = len(matrix[0]) + len(matrix)
    points = {
        tuple(Fraction(x, ray[0]) for x in ray[1:]): frozenset(k for k in range(size) if int(label) >> k & 1)
        for ray, label in zip(found.rays, found.labels, strict=True)
    }
    assert len(points) == len(found.rays)
    return points


def test_a_triangle() -> None:
    assert as_points([[2, 4]]) == {
        (Fraction(0), Fraction(0)): frozenset({0, 1}),
        (Fraction(1, 2), Fraction(0)): frozenset({1, 2}),
        (Fraction(0), Fraction(1, 4)): frozenset({0, 2}),
    }


@settings(max_examples=150, deadline=None)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 4), st.integers(0, 2**32 - 1))
def test_same_vertices_and_labels_as_trying_every_basis(size: int, rows: int, largest: int, seed: int) -> None:
    """Small entries make most of these degenerate: parallel, repeated and redundant constraints."""
    matrix = np.random.default_rng(seed).integers(1, largest + 1, size=(rows, size)).tolist()
    assert as_points(matrix) == brute_vertices(matrix)


def test_whole_numbers_beyond_any_machine_word() -> None:
    huge = 10**40
    assert as_points([[huge, 1], [1, huge]])[(Fraction(1, huge + 1),) * 2] == {2, 3}


def test_too_much_is_refused_with_the_way_out() -> None:
    with pytest.raises(SolverError, match="at most 63"):
        polytope_vertices([[1] * 32] * 32)
    with pytest.raises(SolverError, match="positive"):
        polytope_vertices([[1, 0]])
    matrix = (np.eye(12, dtype=int) + 1).tolist()
    with pytest.raises(SolverError, match="more than 100 vertices"):
        polytope_vertices(matrix, max_vertices=100)
