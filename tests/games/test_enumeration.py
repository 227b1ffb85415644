from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_games import (
    MORRA,
    TWO_PLAYERS,
    VON_STENGEL,
    Profile,
    brute_extreme_equilibria,
    cheap_talk_stag_hunt,
    support_enumeration,
    travelers_dilemma,
)

from marl.errors import SolverError
from marl.games.enumeration import extreme_equilibria, positive_integers
from marl.games.normal_form import NormalFormGame

payoff_arrays = st.builds(
    lambda rows, columns, largest, seed: np.random.default_rng(seed).integers(0, largest, size=(2, rows, columns)),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(1, 6),
    st.integers(0, 2**32 - 1),
)


def solved(payoffs: object) -> set[Profile]:
    found = extreme_equilibria(NormalFormGame(payoffs))
    assert found.complete == "yes"
    assert all(one.exact and one.regret == 0 for one in found.equilibria)
    profiles = [one.profile for one in found.equilibria]
    assert len(set(profiles)) == len(profiles)
    return set(profiles)


@pytest.mark.parametrize("name", sorted(TWO_PLAYERS))
def test_known_number_of_equilibria(name: str) -> None:
    a, b, count = TWO_PLAYERS[name]
    assert len(solved([a, b])) == count


def test_known_mixtures() -> None:
    third = (Fraction(1, 3),) * 3
    assert solved(TWO_PLAYERS["rock_paper_scissors"][:2]) == {(third, third)}
    assert solved(TWO_PLAYERS["shapley"][:2]) == {(third, third)}
    dare = (Fraction(2, 3), Fraction(1, 3))
    assert (dare, dare) in solved(TWO_PLAYERS["chicken"][:2])
    stag = (Fraction(7, 8), Fraction(1, 8))
    assert (stag, stag) in solved(TWO_PLAYERS["stag_hunt"][:2])
    sexes = solved(TWO_PLAYERS["battle_of_the_sexes"][:2])
    assert ((Fraction(2, 3), Fraction(1, 3)), (Fraction(1, 3), Fraction(2, 3))) in sexes


def test_von_stengels_75() -> None:
    assert len(solved(VON_STENGEL)) == 75


def test_morra_is_played_by_mixtures_of_two_optimal_strategies_a_side() -> None:
    """Ferguson, "Game Theory", II.4: (0, p, 1 - p, 0) is optimal for all p from 4/7 to 3/5 and nothing else is."""
    ends = {(Fraction(0), p, 1 - p, Fraction(0)) for p in (Fraction(4, 7), Fraction(3, 5))}
    assert solved([MORRA, -MORRA]) == {(x, y) for x in ends for y in ends}


def test_travelers_claim_the_least() -> None:
    """Basu 1994: whatever the range of claims, (low, low) is the only equilibrium."""
    low = tuple(Fraction(claim == 2) for claim in range(2, 12))
    assert solved(travelers_dilemma(2, 11)) == {(low, low)}


def test_cheap_talk_is_degenerate_and_complete() -> None:
    payoffs = cheap_talk_stag_hunt()
    found = solved(payoffs)
    assert len(found) == 16
    assert found == brute_extreme_equilibria(*payoffs)
    assert extreme_equilibria(NormalFormGame(payoffs)).degenerate


@settings(max_examples=150, deadline=None)
@given(payoff_arrays)
def test_small_games_against_brute_force_degenerate_or_not(payoffs: np.ndarray) -> None:
    assert solved(payoffs) == brute_extreme_equilibria(*payoffs)


def test_non_degenerate_games_against_support_enumeration() -> None:
    rng = np.random.default_rng(1)
    for shape in [(2, 3), (3, 3), (4, 4), (5, 4)] * 8:
        payoffs = rng.integers(-(10**6), 10**6, size=(2, *shape))
        assert not extreme_equilibria(NormalFormGame(payoffs)).degenerate
        found = solved(payoffs)
        assert found == support_enumeration(*payoffs)
        assert len(found) % 2 == 1  # Wilson 1971


@settings(max_examples=60, deadline=None)
@given(payoff_arrays, st.integers(1, 50), st.fractions(-9, 9, max_denominator=7))
def test_affine_changes_of_payoffs_change_no_equilibrium(payoffs: np.ndarray, scale: int, shift: Fraction) -> None:
    changed = np.array([payoffs[0] * Fraction(scale, 3) + shift, payoffs[1] * scale - shift], dtype=object)
    assert solved(changed) == solved(payoffs)


@settings(max_examples=60, deadline=None)
@given(payoff_arrays, st.integers(0, 3))
def test_a_duplicate_strategy_only_splits_equilibria(payoffs: np.ndarray, which: int) -> None:
    row = which % payoffs.shape[1]
    doubled = np.concatenate([payoffs, payoffs[:, row : row + 1]], axis=1)
    merged = set()
    for x, y in solved(doubled):
        joined = list(x[:-1])
        joined[row] += x[-1]
        merged.add((tuple(joined), y))
    assert merged == solved(payoffs)
    assert len(solved(doubled)) >= len(solved(payoffs))


@settings(max_examples=40, deadline=None)
@given(payoff_arrays)
def test_swapping_the_players_swaps_the_equilibria(payoffs: np.ndarray) -> None:
    assert solved([payoffs[1].T, payoffs[0].T]) == {(y, x) for x, y in solved(payoffs)}


def test_floats_are_solved_as_the_fractions_they_stand_for() -> None:
    a, b, _ = TWO_PLAYERS["stag_hunt"]
    assert solved(np.array([a, b]) / 10) == solved([a, b])
    assert solved(np.array([a, b]) * 0.1) == solved([a, b])


def test_positive_integers_keep_the_order_and_the_ratios() -> None:
    table = positive_integers(np.array([[Fraction(1, 2), Fraction(-1, 3)], [Fraction(4, 3), Fraction(-1, 3)]]))
    assert table.tolist() == [[2, 1], [3, 1]]
    assert positive_integers(np.array([[Fraction(0), Fraction(0)]])).tolist() == [[1, 1]]


def test_refusals_name_the_way_out() -> None:
    with pytest.raises(SolverError, match="two players"):
        extreme_equilibria(NormalFormGame(np.zeros((3, 2, 2, 2))))
    with pytest.raises(SolverError, match="at most 63"):
        extreme_equilibria(NormalFormGame(np.zeros((2, 40, 40))))


def test_ten_by_ten_is_complete() -> None:
    game = NormalFormGame(np.random.default_rng(2).integers(0, 1000, size=(2, 10, 10)))
    found = extreme_equilibria(game)
    assert found.complete == "yes"
    assert len(found.equilibria) % 2 == 1  # Wilson 1971


def test_a_time_limit_ends_it() -> None:
    game = NormalFormGame(np.random.default_rng(2).integers(0, 1000, size=(2, 14, 14)))
    with pytest.raises(SolverError, match=r"took longer than 0\.001 s"):
        extreme_equilibria(game, time_limit=0.001)
