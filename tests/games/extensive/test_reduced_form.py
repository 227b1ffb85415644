from fractions import Fraction
from itertools import product
from math import prod

import numpy as np
import pytest
from known_trees import centipede, entry_deterrence, kuhn_poker, matching_pennies, random_tree, selten_horse

from marl.errors import SolverError
from marl.games.extensive.behavior import expected_payoffs
from marl.games.extensive.game import ExtensiveGame
from marl.games.extensive.nodes import Decision, Terminal
from marl.games.extensive.reduced_form import (
    normal_form_fits,
    reduced_normal_form,
    reduced_strategies,
    strategy_counts,
    strategy_names,
)
from marl.games.pure import pure_equilibria


def test_matching_pennies_is_its_matrix() -> None:
    game = reduced_normal_form(matching_pennies())
    assert game.strategies == (("heads", "tails"),) * 2
    assert game.payoffs[0].tolist() == [[1, -1], [-1, 1]]
    assert game.exact


def test_an_empty_threat_is_an_equilibrium_of_the_normal_form() -> None:
    game = reduced_normal_form(entry_deterrence())
    assert game.players == ("entrant", "incumbent")
    named = {tuple(own[s] for own, s in zip(game.strategies, p, strict=True)) for p in pure_equilibria(game)}
    assert named == {("out", "fight"), ("in", "share")}


def test_seltens_horse_has_four_pure_equilibria_less_two() -> None:
    game = reduced_normal_form(selten_horse())
    assert set(pure_equilibria(game)) == {(0, 0, 1), (1, 0, 0)}


def test_strategies_end_where_their_own_moves_end_them() -> None:
    assert strategy_counts(centipede(6)) == (4, 4)
    assert reduced_strategies(centipede(4), 0) == [(0, None), (1, 0), (1, 1)]
    assert strategy_names(centipede(4), 0) == ["take, *", "pass, take", "pass, pass"]
    assert strategy_counts(kuhn_poker()) == (27, 64)
    assert strategy_names(ExtensiveGame(["a"], [Terminal((1,))]), 0) == ["nothing to choose"]


@pytest.mark.parametrize("seed", range(10))
def test_payoffs_are_those_of_the_strategies_played_in_the_tree(seed: int) -> None:
    tree = random_tree(seed, players=2 + seed % 2, depth=4)
    game = reduced_normal_form(tree)
    assert game.shape == strategy_counts(tree)
    listed = [reduced_strategies(tree, player) for player in range(len(tree.players))]
    assert all(len(set(own)) == len(own) for own in listed)
    rng = np.random.default_rng(seed)
    for _ in range(30):
        profile = tuple(int(rng.integers(size)) for size in game.shape)
        played = [[a or 0 for a in own[s]] for own, s in zip(listed, profile, strict=True)]
        assert tuple(tensor[profile] for tensor in game.payoffs) == expected_payoffs(tree, played)


@pytest.mark.parametrize("seed", range(6))
def test_the_reduced_strategies_are_all_plans_up_to_where_they_lead(seed: int) -> None:
    tree = random_tree(seed, depth=4)
    for player, own in enumerate(tree.information_sets):
        if prod(len(one.actions) for one in own) > 3000:
            continue
        seen = set()
        for plan in product(*(range(len(one.actions)) for one in own)):
            played, kept = {0}, []
            for action, one in zip(plan, own, strict=True):
                kept.append(action if one.parent in played else None)
                if one.parent in played:
                    played.add(one.first + action)
            seen.add(tuple(kept))
        assert seen == set(reduced_strategies(tree, player))


def test_floats_stay_floats_and_fractions_may_be_large() -> None:
    tree = ExtensiveGame(["a"], [Decision(0, "", ("x", "y")), Terminal((0.5,)), Terminal((2.0,))])
    assert reduced_normal_form(tree).payoffs.tolist() == [[0.5, 2.0]]
    big = ExtensiveGame(["a"], [Decision(0, "", ("x", "y")), Terminal((Fraction(10**30, 7),)), Terminal((1,))])
    assert reduced_normal_form(big).payoffs.tolist() == [[Fraction(10**30, 7), 1]]


def test_names_that_would_be_the_same_get_numbers() -> None:
    end = Terminal((0,))
    leaves = [Decision(0, "b", ("y, z", "y")), end, end]
    tree = ExtensiveGame(["a"], [Decision(0, "a", ("x", "x, y")), *leaves, Decision(0, "c", ("z", "w")), end, end])
    names = strategy_names(tree, 0)
    assert len(set(names)) == len(names) == 4


def test_too_many_profiles_are_counted_and_not_listed() -> None:
    nodes: list = []
    for k in range(40):
        nodes += [Decision(k % 2, f"{k}", tuple("abcdefgh")), *[Terminal((0, 0))] * 7]
    nodes.append(Terminal((1, 1)))
    assert normal_form_fits(ExtensiveGame(["a", "b"], nodes))  # 141 x 141
    with pytest.raises(SolverError, match="has 141 x 141 = 19881 profiles; at most 1000 are allowed"):
        reduced_normal_form(ExtensiveGame(["a", "b"], nodes), max_profiles=1000)
    signal = Decision(0, "signal", tuple(map(str, range(30))))
    wide = [signal, *(node for k in range(30) for node in (Decision(1, f"{k}", ("x", "y")), *[Terminal((0, 0))] * 2))]
    with pytest.raises(SolverError, match=r"has 30 x about 10\^9 = about 10\^11 profiles"):
        reduced_normal_form(ExtensiveGame(["a", "b"], wide), max_profiles=10**20)  # more than a normal form may have


def test_few_but_endless_strategies_are_not_listed_either() -> None:
    nodes = [node for k in range(2000) for node in (Decision(0, f"{k}", ("stop", "go")), Terminal((k,)))]
    tree = ExtensiveGame(["alone"], [*nodes, Terminal((0,))])
    assert strategy_counts(tree) == (2001,)
    assert not normal_form_fits(tree)
    with pytest.raises(SolverError, match="2001 strategies with 4002000 actions in all; at most 2000000 are listed"):
        reduced_normal_form(tree)


def test_the_time_limit_holds() -> None:
    with pytest.raises(SolverError, match="the reduced normal form took longer"):
        reduced_normal_form(kuhn_poker(), time_limit=1e-9)
