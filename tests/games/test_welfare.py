from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_games import TWO_PLAYERS, pigou

from marl.games.equilibrium import certify
from marl.games.mixed import mixed_equilibria
from marl.games.normal_form import NormalFormGame
from marl.games.pure import pure_equilibria
from marl.games.welfare import (
    equilibrium_welfare,
    pareto_set,
    price,
    price_of_anarchy,
    price_of_stability,
    social_optimum,
)
from marl.games.zero_sum import security_level


def known(name: str) -> NormalFormGame:
    return NormalFormGame(TWO_PLAYERS[name][:2])


def test_prisoners_dilemma_by_hand() -> None:
    game = known("prisoners_dilemma")
    assert social_optimum(game) == ((0, 0), 6)
    assert pareto_set(game) == [(0, 0), (0, 1), (1, 0)]
    equilibria = mixed_equilibria(game).equilibria
    assert price_of_anarchy(6, equilibria) == price_of_stability(6, equilibria) == 3


def test_rounding_parts_no_equilibrium_from_the_optimum() -> None:
    """Payoffs sum to nothing, and those of a floating equilibrium to what rounding leaves of it."""
    table = np.array([[0.1, -0.3], [-0.2, 0.6]])
    game = NormalFormGame([table, -table]).rational()
    found = certify(game, [[2 / 3, 1 / 3], [3 / 4, 1 / 4]], "by hand")
    off = certify(game, [[1, 0], [1, 0]], "by hand")
    rounded = replace(found, payoffs=(1.4e-17, 0.0))
    assert equilibrium_welfare(game, [found, rounded, off], Fraction(0)) == [0, 0, 0]
    large = NormalFormGame([table * 1e9, -table * 1e9])
    assert equilibrium_welfare(large, [replace(found, payoffs=(0.5, 0.0))], Fraction(0)) == [0]
    assert equilibrium_welfare(large, [replace(found, payoffs=(2.0, 0.0))], Fraction(0)) == [2.0]


def test_stag_hunt_by_hand() -> None:
    equilibria = mixed_equilibria(known("stag_hunt")).equilibria
    assert price_of_anarchy(18, equilibria) == Fraction(18, 14)
    assert price_of_stability(18, equilibria) == 1


def test_pigou_with_two_drivers_costs_four_thirds() -> None:
    game = NormalFormGame(pigou())
    found = mixed_equilibria(game)
    assert found.complete == "yes"
    _, optimum = social_optimum(game)
    assert optimum == -Fraction(3, 2)
    assert price_of_anarchy(optimum, found.equilibria) == Fraction(4, 3)
    assert price_of_stability(optimum, found.equilibria) == 1


@pytest.mark.parametrize("drivers", range(3, 11))
def test_pigou_goes_to_four_thirds(drivers: int) -> None:
    """The derivation stands at `pigou`; no equilibrium costs more than all on the narrow road, by what each secures."""
    game = NormalFormGame(pigou(drivers))
    assert {security_level(game, player).value for player in range(2)} == {-1}
    pure = pure_equilibria(game)
    assert [profile.count(1) for profile in pure] == [0] + [1] * drivers
    payoffs = [[game.payoffs[(player, *profile)] for player in range(drivers)] for profile in pure]
    _, optimum = social_optimum(game)
    odd = Fraction(4 * drivers**2, 3 * drivers**2 + 1)
    assert price_of_anarchy(optimum, payoffs) == (odd if drivers % 2 else Fraction(4, 3))
    assert price_of_stability(optimum, payoffs) == -(drivers - 1 + Fraction(1, drivers)) / optimum


def test_a_mixed_equilibrium_may_be_the_worst() -> None:
    equilibria = mixed_equilibria(known("coordination_3")).equilibria
    assert price_of_anarchy(2, equilibria) == 3
    assert price_of_anarchy(2, [one.payoffs for one in equilibria]) == 3


@pytest.mark.parametrize(
    ("optimum", "equilibrium", "expected"),
    [
        (6, 2, 3),
        (Fraction(1, 2), Fraction(1, 3), Fraction(3, 2)),
        (3.0, 2, 1.5),
        (-2, -6, 3),
        (0, 0, 1),
        (0.0, 0.0, 1),
        (5, 0, None),
        (5, -1, None),
        (0, -1, None),
    ],
)
def test_rules_of_sign(optimum: Fraction, equilibrium: Fraction, expected: Fraction | None) -> None:
    assert price(optimum, equilibrium) == expected


def test_no_equilibria_no_price() -> None:
    assert price_of_anarchy(1, []) is None
    assert price_of_stability(1, []) is None


def test_optimum_among_known_profiles_only() -> None:
    game = known("prisoners_dilemma")
    assert social_optimum(game, np.array([[False, False], [True, True]])) == ((1, 0), 4)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_pareto_and_optimum_by_definition(seed: int) -> None:
    payoffs = np.random.default_rng(seed).integers(0, 4, size=(3, 2, 3, 2))
    game = NormalFormGame(payoffs)
    rows = {p: payoffs[(slice(None), *p)] for p in np.ndindex(2, 3, 2)}
    undominated = [p for p, own in rows.items() if not any((o >= own).all() and (o > own).any() for o in rows.values())]
    assert pareto_set(game) == undominated
    profile, welfare = social_optimum(game)
    assert welfare == rows[profile].sum() == max(own.sum() for own in rows.values())
    assert profile in undominated


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_anarchy_is_at_least_stability_is_at_least_one(seed: int) -> None:
    game = NormalFormGame(np.random.default_rng(seed).integers(1, 9, size=(2, 3, 3)))
    equilibria = mixed_equilibria(game).equilibria
    _, optimum = social_optimum(game)
    anarchy, stability = price_of_anarchy(optimum, equilibria), price_of_stability(optimum, equilibria)
    assert anarchy is not None
    assert stability is not None
    assert anarchy >= stability >= 1
