import itertools
from fractions import Fraction
from functools import cache

import numpy as np
import pytest
from known_games import TWO_PLAYERS

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame
from marl.games.shapley import coalition_worth, sampled_shapley_value, shapley_value


def gloves(coalition: frozenset[int]) -> int:
    """One right glove (player 0), two left ones."""
    return int(0 in coalition and len(coalition) > 1)


def council(coalition: frozenset[int]) -> int:
    """UN Security Council: five members with a veto, ten others, nine votes needed (Shapley & Shubik 1954)."""
    return int(coalition >= set(range(5)) and len(coalition) >= 9)


def test_published_values() -> None:
    assert shapley_value(gloves, 3).values == (Fraction(2, 3), Fraction(1, 6), Fraction(1, 6))
    found = shapley_value(council, 15)
    assert found.exact
    assert found.values[0] == Fraction(421, 2145)
    assert found.values[14] == Fraction(4, 2145)


def test_airport() -> None:
    """Littlechild & Owen 1973: each part of the runway is shared by those who need it."""
    needs = [Fraction(8), Fraction(11), Fraction(13)]
    found = shapley_value(lambda c: -max((needs[p] for p in c), default=Fraction(0)), 3)
    assert found.values == (-Fraction(8, 3), -(Fraction(8, 3) + Fraction(3, 2)), -(Fraction(8, 3) + Fraction(3, 2) + 2))


def test_random_games_by_all_orders() -> None:
    rng = np.random.default_rng(0)
    worths = {frozenset(c): rng.random() for k in range(1, 6) for c in itertools.combinations(range(5), k)}
    worths[frozenset()] = 0.0
    totals = np.zeros(5)
    for order in itertools.permutations(range(5)):
        for place, player in enumerate(order):
            totals[player] += worths[frozenset(order[: place + 1])] - worths[frozenset(order[:place])]
    np.testing.assert_allclose(np.array(shapley_value(worths.__getitem__, 5).values, dtype=float), totals / 120)


def test_sampled_intervals_cover_all_players_at_once() -> None:
    rng = np.random.default_rng(1)
    weights = np.array([5, 4, 3, 2, 1, 1])

    @cache
    def majority(coalition: frozenset[int]) -> int:
        return int(weights[list(coalition)].sum() > 8) if coalition else 0

    truth = np.array(shapley_value(majority, 6).values, dtype=float)
    covered = 0
    for _ in range(200):
        found = sampled_shapley_value(majority, 6, 600, rng=rng)
        covered += bool((np.array(found.low) <= truth).all() and (truth <= np.array(found.high)).all())
        assert sum(found.values) == pytest.approx(1)
    assert covered >= 184


def test_coalitions_of_a_normal_form_game() -> None:
    worth = coalition_worth(NormalFormGame(TWO_PLAYERS["prisoners_dilemma"][:2]))
    assert [worth(frozenset(c)) for c in ([], [0], [1], [0, 1])] == pytest.approx([0, 1, 1, 6])
    assert [float(v) for v in shapley_value(worth, 2).values] == pytest.approx([3, 3])
    pennies = coalition_worth(NormalFormGame(TWO_PLAYERS["matching_pennies"][:2]))
    assert pennies(frozenset([0])) == pytest.approx(0, abs=1e-9)
    three = coalition_worth(NormalFormGame(np.random.default_rng(0).random((3, 2, 2, 2))))
    for a, b in itertools.permutations(range(3), 2):
        assert three(frozenset([a, b])) >= three(frozenset([a])) + three(frozenset([b])) - 1e-9


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="sampled_shapley_value"):
        shapley_value(gloves, 17)
    with pytest.raises(SolverError, match="empty coalition is worth 1"):
        shapley_value(lambda c: 1, 2)
    with pytest.raises(SolverError, match="orders 5"):
        sampled_shapley_value(gloves, 3, 5, rng=np.random.default_rng(0))
