from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np
import pytest
from known_trees import (
    centipede,
    kuhn_equilibrium,
    kuhn_poker,
    matching_pennies,
    random_profile,
    random_tree,
    selten_horse,
    spiel_tree,
)

from marl.errors import SolverError
from marl.games.extensive.behavior import (
    behavior_strategy,
    best_response,
    expected_payoffs,
    exploitability,
    nash_conv,
    realization_plan,
    regrets,
    uniform_profile,
)
from marl.games.extensive.game import ExtensiveGame
from marl.games.extensive.nodes import Chance, Terminal


def walked(game: ExtensiveGame, profile: Sequence[Sequence[Sequence[Fraction]]]) -> list[Fraction]:
    """Expected payoffs by following the tree."""
    rows = {(p, one.name): row for p, own in enumerate(game.information_sets)
            for one, row in zip(own, profile[p], strict=True)}  # fmt: skip

    def value(k: int) -> list[Fraction]:
        node = game.nodes[k]
        if isinstance(node, Terminal):
            return [Fraction(u) for u in node.payoffs]
        shares = node.probabilities if isinstance(node, Chance) else rows[node.player, node.information_set]
        below = [value(child) for child in game.children[k]]
        return [sum(p * own[i] for p, own in zip(shares, below, strict=True)) for i in range(len(game.players))]

    return value(0)


@pytest.mark.parametrize("seed", range(12))
def test_payoffs_and_best_responses_by_following_the_tree(seed: int) -> None:
    game = random_tree(seed, players=2 + seed % 2, depth=3)
    profile = random_profile(game, seed)
    assert list(expected_payoffs(game, profile)) == walked(game, profile)
    for player, own in enumerate(game.information_sets):
        plans = product(*(range(len(one.actions)) for one in own))
        pure = [[[Fraction(a == k) for k in range(len(one.actions))] for a, one in zip(plan, own, strict=True)]
                for plan in plans]  # fmt: skip
        values = [walked(game, [*profile[:player], plan, *profile[player + 1 :]])[player] for plan in pure]
        found = best_response(game, profile, player)
        assert found.value == max(values)
        played = [*profile[:player], list(found.actions), *profile[player + 1 :]]
        assert expected_payoffs(game, played)[player] == found.value
        assert regrets(game, profile)[player] == max(values) - walked(game, profile)[player]


def test_kuhn_poker_exactly() -> None:
    game = kuhn_poker()
    assert nash_conv(game, uniform_profile(game)) == Fraction(11, 12)
    assert exploitability(game, uniform_profile(game)) == Fraction(11, 24)
    for alpha in (Fraction(0), Fraction(1, 5), Fraction(1, 3)):
        equilibrium = kuhn_equilibrium(alpha)
        assert expected_payoffs(game, equilibrium) == (Fraction(-1, 18), Fraction(1, 18))
        assert nash_conv(game, equilibrium) == 0
    assert nash_conv(game, kuhn_equilibrium(Fraction(1, 3) - Fraction(1, 100))) == 0
    off = kuhn_equilibrium(Fraction(1, 5))
    off[0][0] = [Fraction(1, 2), Fraction(1, 2)]
    assert nash_conv(game, off) > 0


def test_both_kinds_of_equilibria_of_seltens_horse() -> None:
    game = selten_horse()
    right, left = [Fraction(1), Fraction(0)], [Fraction(0), Fraction(1)]
    threat = [Fraction(1, 4), Fraction(3, 4)]  # the third goes right at most this often
    assert regrets(game, [[right], [right], [threat]]) == (0, 0, 0)
    assert regrets(game, [[right], [right], [[Fraction(1, 3), Fraction(2, 3)]]]) == (0, Fraction(1, 3), 0)
    assert regrets(game, [[left], [[Fraction(1, 3), Fraction(2, 3)]], [right]]) == (0, 0, 0)
    assert regrets(game, [[left], [[Fraction(1, 4), Fraction(3, 4)]], [right]]) == (Fraction(1, 4), 0, 0)


def test_floats_and_indices() -> None:
    game = kuhn_poker()
    floats = [[[float(p) for p in row] for row in own] for own in kuhn_equilibrium(Fraction(1, 5))]
    assert expected_payoffs(game, floats)[0] == pytest.approx(-1 / 18, abs=1e-15)
    assert isinstance(nash_conv(game, floats), float)
    assert nash_conv(game, floats) == pytest.approx(0, abs=1e-15)
    assert expected_payoffs(matching_pennies(), [[0], [1]]) == (-1, 1)


@pytest.mark.parametrize("seed", range(4))
def test_plans_and_behavior_are_the_same(seed: int) -> None:
    game = random_tree(seed)
    for player, own in enumerate(random_profile(game, seed)):
        plan = realization_plan(game, player, own)
        again = behavior_strategy(game, player, plan)
        assert (realization_plan(game, player, again) == plan).all()
        reached = [plan[one.parent] > 0 for one in game.information_sets[player]]
        rows = [row.tolist() for row in again]
        assert all(rows[k] == own[k] for k in range(len(own)) if reached[k])
        assert all(len(set(rows[k])) == 1 for k in range(len(own)) if not reached[k])


@pytest.mark.parametrize(
    ("profile", "told"),
    [
        ([[]], "a profile needs 2 strategies, one per player; given 1"),
        ([[0], [0]], "a strategy of one needs 3 distributions"),
        ([[0, 0, [0.5, 0.6]], [0, 0, 0]], "information set 'move 4' of one needs 2 probabilities .* summing to 1.1"),
        ([[0, 0, 2], [0, 0, 0]], "information set 'move 4' of one has choices 0 to 1; given 2"),
    ],
)
def test_what_is_no_profile_is_said(profile: list, told: str) -> None:
    with pytest.raises(SolverError, match=told):
        nash_conv(centipede(), profile)


@pytest.mark.parametrize(
    "name",
    ["kuhn_poker", "kuhn_poker(players=3)", pytest.param("leduc_poker", marks=pytest.mark.slow)],
)
def test_open_spiel_measures_the_same_nash_conv(name: str) -> None:
    pyspiel = pytest.importorskip("pyspiel")
    policies = pytest.importorskip("open_spiel.python.policy")
    measure = pytest.importorskip("open_spiel.python.algorithms.exploitability")
    theirs = pyspiel.load_game(name)
    game, table = spiel_tree(theirs), policies.TabularPolicy(theirs)
    for seed in range(1 if name.startswith("leduc") else 3):
        rng, profile = np.random.default_rng(seed), []
        for own in game.information_sets:
            profile.append([rng.dirichlet(np.ones(len(one.actions))) for one in own])
            for one, row in zip(own, profile[-1], strict=True):
                place = table.state_lookup[one.name]
                table.action_probability_array[place] = 0.0
                table.action_probability_array[place][table.legal_actions_mask[place] > 0] = row
        assert nash_conv(game, profile) == pytest.approx(measure.nash_conv(theirs, table), abs=1e-9)
