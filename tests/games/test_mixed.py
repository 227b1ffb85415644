import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_games import GAMBIT_3X3X3, TWO_PLAYERS, mckelvey_mclennan, public_goods, volunteers_dilemma

from marl.errors import SolverError
from marl.games.enumeration import extreme_equilibria
from marl.games.mixed import mixed_equilibria, search_equilibria
from marl.games.normal_form import NormalFormGame


def test_two_players_are_solved_exactly() -> None:
    a, b, count = TWO_PLAYERS["coordination_3"]
    found = mixed_equilibria(NormalFormGame([a, b]))
    assert (len(found.equilibria), found.complete) == (count, "yes")
    assert {one.method for one in found.equilibria} == {"vertex enumeration"}


def test_one_player_takes_the_best() -> None:
    found = mixed_equilibria(NormalFormGame([[1, 3, 3]]))
    assert [one.pure for one in found.equilibria] == [(1,), (2,)]
    assert found.complete == "yes"


def test_all_seven_equilibria_of_the_volunteers_dilemma() -> None:
    """Diekmann 1985: alone, in pairs (each stays out with probability cost / benefit) or all (its square root)."""
    found = mixed_equilibria(NormalFormGame(volunteers_dilemma(3, benefit=2, cost=1)))
    assert (len(found.equilibria), found.complete) == (7, "yes")
    assert [one.pure for one in found.equilibria[:3]] == [(0, 1, 1), (1, 0, 1), (1, 1, 0)]
    stay_out = sorted(tuple(own[1] for own in one.profile) for one in found.equilibria[3:])
    root = 1 / math.sqrt(2)
    expected = sorted([(0.5, 0.5, 1), (0.5, 1, 0.5), (1, 0.5, 0.5), (root, root, root)])
    assert np.allclose(stay_out, expected, atol=1e-9)


def test_all_nine_equilibria_of_mckelvey_and_mclennan() -> None:
    found = search_equilibria(NormalFormGame(mckelvey_mclennan()))
    assert (len(found.equilibria), found.complete) == (9, "yes")
    assert sum(one.support == ((0, 1),) * 3 for one in found.equilibria) == 2


@settings(max_examples=60, deadline=None)
@given(st.integers(2, 4), st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_search_and_enumeration_agree_on_random_two_player_games(rows: int, columns: int, seed: int) -> None:
    game = NormalFormGame(np.random.default_rng(seed).normal(size=(2, rows, columns)))
    exact, searched = extreme_equilibria(game), search_equilibria(game)
    assert [one.support for one in searched.equilibria] == [one.support for one in exact.equilibria]
    for ours, theirs in zip(searched.equilibria, exact.equilibria, strict=True):
        for mine, yours in zip(ours.profile, theirs.profile, strict=True):
            assert np.allclose(np.array(mine, dtype=float), np.array(yours, dtype=float), atol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_every_profile_returned_has_the_regret_it_states(seed: int) -> None:
    game = NormalFormGame(np.random.default_rng(seed).normal(size=(3, 2, 3, 2)))
    found = search_equilibria(game)
    assert found.complete == "yes"
    assert len(found.equilibria) % 2 == 1  # Wilson 1971, Harsanyi 1973
    for one in found.equilibria:
        assert float(one.regret) == pytest.approx(float(max(game.regret(one.profile))), abs=1e-12)
        assert float(one.regret) < 1e-8


def test_all_five_of_gambits_3x3x3() -> None:
    """Where Gambit's own enumpoly finds four of them."""
    found = mixed_equilibria(NormalFormGame(GAMBIT_3X3X3))
    assert (len(found.equilibria), found.complete) == (5, "yes")
    assert sum(one.pure is not None for one in found.equilibria) == 2


@pytest.mark.parametrize("players", [4, 5])
def test_volunteers_mix_in_every_subset(players: int) -> None:
    """One equilibrium for each set of k candidates, who stay out with probability (cost / benefit)^(1 / (k - 1))."""
    found = mixed_equilibria(NormalFormGame(volunteers_dilemma(players)))
    assert (len(found.equilibria), found.complete) == (2**players - 1, "yes")
    everyone = found.equilibria[-1]
    assert [float(own[1]) for own in everyone.profile] == pytest.approx([0.5 ** (1 / (players - 1))] * players)


def test_public_goods_has_one() -> None:
    found = mixed_equilibria(NormalFormGame(public_goods(3)))
    assert [one.pure for one in found.equilibria] == [(1, 1, 1)]
    assert found.complete == "yes"


def test_a_time_limit_gives_a_stated_part() -> None:
    game = NormalFormGame(np.random.default_rng(0).normal(size=(4, 4, 4, 4, 4)))
    found = mixed_equilibria(game, time_limit=0.05)
    assert found.complete == "unknown"
    assert "mixed supports" in found.reason
    two = mixed_equilibria(NormalFormGame(np.random.default_rng(0).normal(size=(2, 14, 14))), time_limit=0.05)
    assert two.complete == "unknown"
    assert "took longer than" in two.reason


def test_a_continuum_gives_one_profile_per_support() -> None:
    found = search_equilibria(NormalFormGame(np.zeros((3, 2, 2, 2))))
    assert len({one.support for one in found.equilibria}) == len(found.equilibria) == 27


def test_a_cut_search_says_how_much_it_saw() -> None:
    found = search_equilibria(NormalFormGame(np.random.default_rng(0).normal(size=(3, 3, 3, 3))), max_supports=10)
    assert found.complete == "unknown"
    assert "on 10 of 316 mixed supports" in found.reason


def test_beyond_enumeration_the_search_takes_over_and_says_why() -> None:
    payoffs = np.random.default_rng(0).integers(0, 9, size=(2, 3, 61))
    found = mixed_equilibria(NormalFormGame(payoffs))
    assert found.complete == "unknown"
    assert "at most 63" in found.reason
    assert "mixed supports" in found.reason
    assert "Lemke-Howson" in found.reason
    assert all(float(one.regret) < 1e-6 for one in found.equilibria)


def test_arguments_must_be_positive() -> None:
    with pytest.raises(SolverError, match="positive"):
        search_equilibria(NormalFormGame(np.zeros((2, 2, 2))), starts=0)
