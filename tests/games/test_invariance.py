"""What a second name for a strategy, or payoffs on another scale, must not change: properties of several concepts."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl.games import correlated
from marl.games.alpha_rank import alpha_rank
from marl.games.bargaining import kalai_smorodinsky, nash_bargaining
from marl.games.correlated import correlated_equilibrium
from marl.games.dominance import iterated_elimination
from marl.games.evolutionary_stability import evolutionarily_stable
from marl.games.mixed import mixed_equilibria
from marl.games.normal_form import NormalFormGame
from marl.games.pure import pure_equilibria
from marl.games.replicator import rest_points
from marl.games.response_graph import response_sinks
from marl.games.stackelberg import stackelberg
from marl.games.symmetric import SymmetricGame
from marl.games.welfare import pareto_set, price_of_anarchy, social_optimum
from marl.games.zero_sum import security_level

games = st.builds(
    lambda shape, largest, seed: np.random.default_rng(seed).integers(0, largest, size=(len(shape), *shape)),
    st.lists(st.integers(1, 3), min_size=2, max_size=3),
    st.integers(2, 9),
    st.integers(0, 2**32 - 1),
)


@settings(max_examples=15, deadline=None)
@given(games, st.integers(0, 2))
def test_a_duplicate_strategy_adds_names_and_nothing_else(payoffs: np.ndarray, which: int) -> None:
    strategy = which % payoffs.shape[1]
    game = NormalFormGame(payoffs)
    doubled = NormalFormGame(np.concatenate([payoffs, payoffs[:, strategy : strategy + 1]], axis=1))
    last = payoffs.shape[1]

    def merged(profile: tuple[int, ...]) -> tuple[int, ...]:
        return (strategy if profile[0] == last else profile[0], *profile[1:])

    for concept in (pure_equilibria, pareto_set):
        assert sorted(set(map(merged, concept(doubled)))) == concept(game)
    sinks = {frozenset(map(merged, one)) for one in response_sinks(doubled, responses="better")}
    assert sinks == {frozenset(one) for one in response_sinks(game, responses="better")}
    assert social_optimum(doubled) == social_optimum(game)
    for player in range(len(game.shape)):
        assert security_level(doubled, player).value == security_level(game, player).value
    for coarse in (False, True):
        ours = correlated_equilibrium(doubled, coarse=coarse).welfare
        assert abs(ours - correlated_equilibrium(game, coarse=coarse).welfare) < 1e-7


@settings(max_examples=20, deadline=None)
@given(games, st.fractions(Fraction(1, 5), 5, max_denominator=5), st.fractions(-9, 9, max_denominator=7))
def test_each_players_scale_and_zero_are_free(payoffs: np.ndarray, scale: Fraction, shift: Fraction) -> None:
    changed = payoffs.astype(object)
    changed[0] = payoffs[0] * scale + shift
    game, other = NormalFormGame(payoffs), NormalFormGame(changed)
    for concept in (pure_equilibria, pareto_set, response_sinks):
        assert concept(other) == concept(game)
    for strict in (True, False):
        one, two = (iterated_elimination(g, strict=strict) for g in (game, other))
        assert one.remaining == two.remaining
    assert security_level(other, 0).value == security_level(game, 0).value * scale + shift
    # With all downhill steps alike, strong selection sees only the order of each player's payoffs.
    np.testing.assert_allclose(
        alpha_rank(other, np.inf, downhill="equal").masses, alpha_rank(game, np.inf, downhill="equal").masses, atol=1e-9
    )


@settings(max_examples=20, deadline=None)
@given(games, st.integers(2, 9))
def test_one_scale_for_all_keeps_prices_and_stability(payoffs: np.ndarray, scale: int) -> None:
    game, other = NormalFormGame(payoffs + 1), NormalFormGame((payoffs + 1) * scale)
    if len(game.shape) == 2:
        prices = [price_of_anarchy(social_optimum(g)[1], mixed_equilibria(g).equilibria) for g in (game, other)]
        assert prices[0] == prices[1]
    row = payoffs[0].reshape(payoffs.shape[1], -1)
    size = min(row.shape)
    stable = []
    for matrix in (row[:size, :size], row[:size, :size] * scale + 3):
        symmetric = NormalFormGame(np.stack([matrix, matrix.T]))
        found = evolutionarily_stable(symmetric, mixed_equilibria(symmetric).equilibria)
        stable.append([one.profile for one in found])
    assert stable[0] == stable[1]


LARGE = np.random.default_rng(0).normal(size=(2, 33, 33))
"""Too many payoffs for exact programs."""


@pytest.mark.parametrize("unit", [1e-9, 1e6, 1e12])
def test_no_unit_is_too_small_or_too_large_for_a_linear_program(unit: float) -> None:
    game, other = NormalFormGame(LARGE), NormalFormGame(LARGE * unit)
    for player in range(2):
        level = security_level(game, player)
        assert security_level(other, player).value == pytest.approx(level.value * unit, rel=1e-6)
        leads = stackelberg(game, player)
        assert stackelberg(other, player).leader_payoff == pytest.approx(leads.leader_payoff * unit, rel=1e-6)
    for strict in (True, False):
        assert iterated_elimination(other, strict=strict).remaining == (tuple(range(33)),) * 2
    agreed = nash_bargaining(game, [0, 0]).payoffs
    np.testing.assert_allclose(nash_bargaining(other, [0, 0]).payoffs, agreed * unit, rtol=1e-6)
    share = kalai_smorodinsky(game, [0, 0]).payoffs
    np.testing.assert_allclose(kalai_smorodinsky(other, [0, 0]).payoffs, share * unit, rtol=1e-6)


def test_players_need_no_common_unit_to_be_kept_from_deviating() -> None:
    """The row plays for a millionth of a millionth of what the column does, and must be obeyed as much."""
    payoffs = np.random.default_rng(3).normal(size=(2, 9, 9))
    own = payoffs * np.array([1e-12, 1.0])[:, None, None]
    for coarse in (False, True):
        found = correlated_equilibrium(NormalFormGame(own), coarse=coarse)
        gains = correlated.deviation_gains(payoffs[:1], coarse=coarse) @ found.distribution.ravel().astype(float)
        assert gains.max() < 1e-6


@pytest.mark.parametrize("unit", [1e-10, 1e9])
def test_rest_points_and_strong_selection_in_any_unit(unit: float) -> None:
    wheel = np.array([[0.0, -1, 2], [1, 0, -1], [-2, 1, 0]])
    one, other = (rest_points(SymmetricGame.from_matrix(matrix)) for matrix in (wheel, wheel * unit))
    assert [point.stability for point in other] == [point.stability for point in one]
    coordination = np.random.default_rng(1).normal(size=(2, 3, 3)) + 3 * np.eye(3)
    masses = [alpha_rank(NormalFormGame(payoffs), np.inf).masses for payoffs in (coordination, coordination * unit)]
    np.testing.assert_allclose(masses[1], masses[0], atol=1e-9)
