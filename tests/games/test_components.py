import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_games import TWO_PLAYERS, VON_STENGEL, cheap_talk_stag_hunt, volunteers_dilemma

from marl.errors import SolverError
from marl.games.components import equilibrium_components
from marl.games.enumeration import extreme_equilibria
from marl.games.mixed import mixed_equilibria
from marl.games.normal_form import NormalFormGame


def test_without_degeneracy_each_is_alone() -> None:
    found = extreme_equilibria(NormalFormGame(VON_STENGEL)).equilibria
    components = equilibrium_components(found)
    assert [one.equilibria for one in components] == [(k,) for k in range(75)]
    assert all(one.isolated for one in components)


def test_everything_is_one_subset_of_the_zero_game() -> None:
    (one,) = equilibrium_components(extreme_equilibria(NormalFormGame(TWO_PLAYERS["all_zero"][:2])).equilibria)
    (subset,) = one.subsets
    assert (subset.left, subset.right, len(subset.equilibria)) == (2, 3, 6)
    assert not one.isolated


def test_cheap_talk_has_a_component_of_each_outcome() -> None:
    """Stag with 4 each and hare with 3 each: free messages change no other payoff of an equilibrium but mixtures'."""
    found = extreme_equilibria(NormalFormGame(cheap_talk_stag_hunt())).equilibria
    components = equilibrium_components(found)
    assert sorted(k for one in components for k in one.equilibria) == list(range(16))


def maximal_by_brute_force(found: list) -> set[frozenset[int]]:
    """Maximal sets left x right of equilibria, by trying every set of left sides."""
    number = {one.profile: k for k, one in enumerate(found)}
    lefts = list({one.profile[0] for one in found})
    rights = list({one.profile[1] for one in found})
    sets = set()
    for size in range(1, len(lefts) + 1):
        for chosen in itertools.combinations(lefts, size):
            fitting = [y for y in rights if all((x, y) in number for x in chosen)]
            if fitting:
                sets.add(frozenset(number[x, y] for x in chosen for y in fitting))
    return {one for one in sets if not any(one < other for other in sets)}


@settings(max_examples=80, deadline=None)
@given(st.integers(1, 4), st.integers(1, 4), st.integers(1, 3), st.integers(0, 2**32 - 1))
def test_subsets_are_the_maximal_ones_and_their_mixtures_are_equilibria(
    rows: int, columns: int, size: int, seed: int
) -> None:
    game = NormalFormGame(np.random.default_rng(seed).integers(0, size, (2, rows, columns)))
    found = extreme_equilibria(game).equilibria
    subsets = [subset for one in equilibrium_components(found) for subset in one.subsets]
    assert {frozenset(one.equilibria) for one in subsets} == maximal_by_brute_force(list(found))
    for subset in subsets:
        sides = [{found[k].profile[side] for k in subset.equilibria} for side in range(2)]
        assert (subset.left, subset.right) == tuple(map(len, sides))
        mixture = [
            [sum(own[s] for own in side) * Fraction(1, len(side)) for s in range(game.shape[i])]
            for i, side in enumerate(sides)
        ]
        assert game.regret(mixture) == (0, 0)


def test_two_players_and_time_are_needed() -> None:
    with pytest.raises(SolverError, match="two-player"):
        equilibrium_components(mixed_equilibria(NormalFormGame(volunteers_dilemma(3))).equilibria)
    with pytest.raises(SolverError, match="took longer"):
        equilibrium_components(extreme_equilibria(NormalFormGame(VON_STENGEL)).equilibria, time_limit=1e-9)
