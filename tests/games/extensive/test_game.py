import pickle
from fractions import Fraction

import numpy as np
import pytest
from known_trees import PAIR, entry_deterrence, kuhn_poker, matching_pennies, random_tree

from marl.errors import SolverError
from marl.games.extensive.game import ExtensiveGame
from marl.games.extensive.nodes import Chance, Decision, Terminal

END = Terminal((0, 0))


def test_the_tree_of_kuhn_poker() -> None:
    game = kuhn_poker()
    assert (len(game.nodes), len(game.leaf_chance), game.exact) == (55, 30, True)
    assert [len(own) for own in game.information_sets] == [6, 6]
    assert game.sequence_counts == (13, 13)
    assert not game.perfect_information
    assert game.constant_sum == 0
    facing = next(one for one in game.information_sets[0] if one.name == "2 pass bet")
    start = next(one for one in game.information_sets[0] if one.name == "2")
    assert (facing.parent, start.parent, len(facing.nodes)) == (start.first, 0, 2)
    assert set(game.leaf_chance.tolist()) == {Fraction(1, 6)}
    assert game.children[0] == tuple(range(1, 55, 9))
    assert "nodes=55" in repr(game)


def test_a_tree_may_be_one_end_and_have_one_player() -> None:
    assert ExtensiveGame(["alone"], [Terminal((3,))]).leaf_payoffs.tolist() == [[3]]
    game = ExtensiveGame(["alone"], [Decision(0, "", ("a", "b")), Terminal((3,)), Terminal((4,))])
    assert game.perfect_information
    assert game.constant_sum is None


def test_a_deep_tree_is_no_harder() -> None:
    nodes = [node for k in range(2000) for node in (Decision(k % 2, f"{k}", ("stop", "go")), END)] + [END]
    game = pickle.loads(pickle.dumps(ExtensiveGame(PAIR, nodes)))
    assert game.leaf_sequences[-1].tolist() == [2000, 2000]


def test_one_float_makes_the_game_floating_and_rational_undoes_it() -> None:
    shares = (1 / 3, 1 / 3, 1 / 3)
    game = ExtensiveGame(PAIR, [Chance(("a", "b", "c"), shares), END, END, Terminal((0.1 + 0.2, 1))])
    assert not game.exact
    assert game.leaf_chance.dtype == np.float64
    rational = game.rational()
    assert rational.exact
    assert rational.leaf_chance.tolist() == [Fraction(1, 3)] * 3
    assert rational.leaf_payoffs[0].tolist() == [0, 0, Fraction(3, 10)]
    assert rational.rational() is rational


def test_constant_sums() -> None:
    assert matching_pennies().constant_sum == 0
    assert entry_deterrence().constant_sum is None
    tenths = ExtensiveGame(PAIR, [Decision(0, "", ("a", "b")), Terminal((0.1, 0.2)), Terminal((0.3, 0.0))])
    assert tenths.constant_sum == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("nodes", "told"),
    [
        ([], "needs 1 to .* given 0"),
        ([END, END], "node 1 comes after the end"),
        ([Decision(0, "a", ("x", "y")), END], "ends early: node 0 has 1 of 2 children"),
        ([Decision(0, "a", ("x",)), Decision(0, "a", ("x",)), END], "other own moves .* imperfect recall"),
        (
            [Decision(1, "b", ("x", "y")), Decision(0, "a", ("x",)), END, Decision(0, "a", ("z",)), END],
            r"node 3 is in information set 'a' of one with actions \('z',\), others there have \('x',\)",
        ),
        (  # The player forgets whether it went left or right.
            [
                Decision(0, "start", ("left", "right")),
                *(Decision(0, "later", ("x", "y")), END, END) * 2,
            ],
            r"node 4 is in information set 'later' of one, .* first node \(node 1\)",
        ),
        ([Terminal((1,))], "node 0 has 1 payoffs"),
    ],
)
def test_what_does_not_fit_is_said(nodes: list, told: str) -> None:
    with pytest.raises(SolverError, match=told):
        ExtensiveGame(PAIR, nodes)


def test_players_need_names_and_errors_call_nodes_as_told() -> None:
    for players in ([], ["a", "a"]):
        with pytest.raises(SolverError, match="give at least one, each with a name of its own"):
            ExtensiveGame(players, [Terminal((0,) * len(players))])
    with pytest.raises(SolverError, match="line 7 comes after the end"):
        ExtensiveGame(PAIR, [END, END], places=["line 6", "line 7"])


@pytest.mark.parametrize("seed", range(10))
def test_sequences_are_the_players_own_ways(seed: int) -> None:
    game = random_tree(seed, players=3)
    leaf = 0

    def walk(k: int, ways: list[list[tuple[str, str]]], chance: Fraction) -> None:
        nonlocal leaf
        node = game.nodes[k]
        if isinstance(node, Terminal):
            for player, way in enumerate(ways):
                sets, found = game.information_sets[player], []
                sequence = int(game.leaf_sequences[leaf, player])
                while sequence:
                    one = next(s for s in sets if s.sequences.start <= sequence < s.sequences.stop)
                    found.append((one.name, one.actions[sequence - one.first]))
                    sequence = one.parent
                assert found[::-1] == way
            assert game.leaf_chance[leaf] == chance
            assert tuple(game.leaf_payoffs[:, leaf]) == node.payoffs
            leaf += 1
            return
        for a, child in enumerate(game.children[k]):
            if isinstance(node, Chance):
                walk(child, ways, chance * node.probabilities[a])
            else:
                step = (node.information_set, node.actions[a])
                own = [[*way, step] if player == node.player else way for player, way in enumerate(ways)]
                walk(child, own, chance)

    walk(0, [[], [], []], Fraction(1))
    assert leaf == len(game.leaf_chance)
