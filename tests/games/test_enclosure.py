import itertools

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from known_games import mckelvey_mclennan

from marl.games.enclosure import enclose
from marl.games.limits import Deadline


def roots_of_two_by_two(payoffs: np.ndarray) -> list[tuple[float, float, float]]:
    """Inner equilibria of a 2x2x2 game by elimination: each indifference is a + b x + c y + d x y in the two others'
    weights of their first strategies, and putting two of them into the third leaves a quadratic equation."""

    def coefficients(player: int) -> tuple[float, float, float, float]:
        gap = np.moveaxis(payoffs[player], player, 0)
        gap = gap[0] - gap[1]
        return gap[1, 1], gap[0, 1] - gap[1, 1], gap[1, 0] - gap[1, 1], gap[0, 0] - gap[0, 1] - gap[1, 0] + gap[1, 1]

    a1, b1, c1, d1 = coefficients(0)  # in q, r
    a2, b2, c2, d2 = coefficients(1)  # in p, r
    a3, b3, c3, d3 = coefficients(2)  # in p, q
    # q = -(a1 + c1 r) / (b1 + d1 r), p = -(a2 + c2 r) / (b2 + d2 r), a3 + b3 p + c3 q + d3 p q = 0.
    top_q, low_q = np.poly1d([-c1, -a1]), np.poly1d([d1, b1])
    top_p, low_p = np.poly1d([-c2, -a2]), np.poly1d([d2, b2])
    equation = low_p * low_q * a3 + top_p * low_q * b3 + top_q * low_p * c3 + top_p * top_q * d3
    found = []
    for root in equation.roots:
        r = float(root.real)
        if abs(root.imag) < 1e-12:
            point = (top_p(r) / low_p(r), top_q(r) / low_q(r), r)
            if all(1e-6 < weight < 1 - 1e-6 for weight in point):
                found.append(point)
    return sorted(found)


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_all_inner_solutions_of_2x2x2_games(seed: int) -> None:
    payoffs = np.random.default_rng(seed).normal(size=(3, 2, 2, 2))
    found = enclose(payoffs, [(0, 1)] * 3, Deadline(60))
    assert found.complete
    inner = sorted(tuple(p[[0, 2, 4]]) for p in found.points if p.min() > 1e-6)
    expected = roots_of_two_by_two(payoffs)
    assert len(inner) == len(expected)
    assert np.allclose(inner, expected, atol=1e-6)


def test_two_totally_mixed_equilibria() -> None:
    """McKelvey & McLennan 1997."""
    found = enclose(mckelvey_mclennan() / 12, [(0, 1)] * 3, Deadline(60))
    assert found.complete
    assert len(found.points) == 2
    assert np.allclose(sorted(found.points[:, ::2].tolist()), [[2 / 5, 1 / 2, 1 / 3], [1 / 2, 2 / 5, 1 / 4]])


def test_a_strategy_outside_that_always_pays_more_empties_the_support() -> None:
    payoffs = np.zeros((2, 3, 2))
    payoffs[0, 2] = 1
    payoffs[0, :2] = [[0, 0.5], [0.5, 0]]
    payoffs[1, :2] = [[0, 1], [1, 0]]
    found = enclose(payoffs, [(0, 1), (0, 1)], Deadline(60))
    assert found.complete
    assert len(found.points) == 0


def test_a_continuum_is_not_proved() -> None:
    assert not enclose(np.zeros((3, 2, 2, 2)), [(0, 1)] * 3, Deadline(60)).complete
    one_mixes = enclose(np.zeros((2, 2, 2)), [(0, 1), (0,)], Deadline(60))
    assert not one_mixes.complete


def test_time_over_is_not_complete() -> None:
    payoffs = np.random.default_rng(0).normal(size=(3, 4, 4, 4))
    assert not enclose(payoffs, [(0, 1, 2, 3)] * 3, Deadline(1e-9)).complete


def test_two_players_have_at_most_one_solution_a_support() -> None:
    rng = np.random.default_rng(0)
    for support in itertools.product([(0, 1), (1, 2), (0, 1, 2)], repeat=2):
        if len(support[0]) == len(support[1]):
            found = enclose(rng.normal(size=(2, 3, 3)), support, Deadline(60))
            assert found.complete
            assert len(found.points) <= 1
