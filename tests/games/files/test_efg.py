from fractions import Fraction
from io import StringIO

import pytest
from known_trees import (
    centipede,
    entry_deterrence,
    kuhn_poker,
    matching_pennies,
    random_tree,
    selten_horse,
)

from marl.errors import SolverError
from marl.games.extensive.behavior import expected_payoffs, regrets, uniform_profile
from marl.games.extensive.game import ExtensiveGame
from marl.games.extensive.nodes import Chance, Decision, Terminal
from marl.games.extensive.reduced_form import strategy_counts
from marl.games.files.efg import format_efg, parse_efg

TEXT = r"""EFG 2 R "A \"small\" game" { "one" "two" }
"A comment
on two lines"

c "root" 1 "(0,1)" { "up" 1/3 "down" 2/3 } 0
p "" 1 1 "seen" { "L" "R" } 1 "fee" { -1, 0.5 }
t "" 2 "" { 1 2 }
t "" 0
p "" 2 7 { "l" "r" } 0
p "x" 1 2 "" { "A" "A" } 0
t "" 2
t "" 3 { 1e1 -.25 }
t "" 2
"""


def test_everything_in_one_file() -> None:
    game = parse_efg(TEXT)
    assert (game.title, game.players, game.exact) == ('A "small" game', ("one", "two"), True)
    assert game.nodes == (
        Chance(("up", "down"), (Fraction(1, 3), Fraction(2, 3))),
        Decision(0, "seen", ("L", "R")),
        Terminal((Fraction(0), Fraction(5, 2))),  # the fee on the way is added
        Terminal((Fraction(-1), Fraction(1, 2))),
        Decision(1, "(2,7)", ("l", "r")),
        Decision(0, "(1,2)", ("1", "2")),
        Terminal((Fraction(1), Fraction(2))),
        Terminal((Fraction(10), Fraction(-1, 4))),
        Terminal((Fraction(1), Fraction(2))),
    )


def test_sets_and_chance_are_told_once() -> None:
    game = parse_efg(
        'EFG 2 R "" { "a" "b" } p "" 1 1 { "x" "y" } 0 c "" 4 { "h" .5 "t" .5 } 0 p "" 2 1 "s" { "l" "r" } 0\n'
        't "" 1 { 1 1 } t "" 1 p "" 2 1 0 t "" 1 t "" 1 c "" 4 0 t "" 0 t "" 0'
    )
    assert [len(one.nodes) for own in game.information_sets for one in own] == [1, 2]
    assert game.nodes[1] == game.nodes[8] == Chance(("h", "t"), (Fraction(1, 2),) * 2)


@pytest.mark.parametrize("written", ["0.333333", "0.3333333333333333", ".333", "1/3"])
def test_rounded_probabilities_are_scaled(written: str) -> None:
    game = parse_efg(f'EFG 2 D "" {{ "a" }} c "" 1 {{ "x" {written} "y" {written} "z" {written} }} 0' + ' t "" 0' * 3)
    assert game.leaf_chance.tolist() == [Fraction(1, 3)] * 3


def test_labels_that_are_shared_do_not_make_one_set_of_two() -> None:
    text = 'EFG 2 R "" { "a" } p "" 1 1 "s" { "x" "y" } 0 p "" 1 2 "s" { "x" "y" } 0 t "" 0 t "" 0 t "" 0'
    assert [one.name for one in parse_efg(text).information_sets[0]] == ["(1,1)", "(1,2)"]
    clash = text.replace('2 "s"', '2 "(1,1)"').replace('1 "s"', '1 ""')
    assert [one.name for one in parse_efg(clash).information_sets[0]] == ["(1,1)", "(1,2)"]


TREES = [kuhn_poker(), centipede(), entry_deterrence(), matching_pennies(), selten_horse(), parse_efg(TEXT)]


@pytest.mark.parametrize("game", [*TREES, *(random_tree(seed, players=1 + seed % 3) for seed in range(6))])
def test_what_is_written_is_read_back(game: ExtensiveGame) -> None:
    again = parse_efg(format_efg(game))
    assert (again.nodes, again.players, again.title) == (game.nodes, game.players, game.title)


def test_floats_are_written_in_full() -> None:
    game = ExtensiveGame(["a"], [Chance(("x", "y"), (0.1, 0.9)), Terminal((0.1 + 0.2,)), Terminal((1e-7,))])
    again = parse_efg(format_efg(game))
    assert format_efg(game).startswith("EFG 2 D")
    assert again.leaf_payoffs.astype(float).tolist() == game.leaf_payoffs.tolist()
    assert again.leaf_chance.tolist() == [Fraction(1, 10), Fraction(9, 10)]


START = 'EFG 2 R "" { "a" "b" }\n'


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: expected EFG at the start, found the end of the file"),
        ('NFG 1 R "" { "a" }', "line 1: expected EFG at the start, found 'NFG'"),
        ('EFG 1 R "" { "a" }', "expected version 2 after EFG, found '1'"),
        ('EFG 2 X "" { "a" }', "expected R .rational. or D"),
        (START, "line 2: expected a node .c, p or t., number 1 in the tree, found the end"),
        (START + 'x "" 1', "line 2: expected a node .* found 'x'"),
        (START + 'p "" 3 1 { "x" } 0', "line 2: expected a player's number from 1 to 2, found '3'"),
        (START + 'p "" 1 0 { "x" } 0', "expected the information set's number, 1 or more, found '0'"),
        (START + 'p "" 1 1 { } 0', "line 2: expected at least one action"),
        (START + 'p "" 1 1 { x } 0', "line 2: expected the actions in quotes or }, found 'x'"),
        (START + 'p "" 1 1 { "x" } 0', "line 2: expected a node .*, number 2 in the tree, found the end of the file"),
        (
            START + 'p "" 1 1 { "x" "y" } 0\nt "" 0\np "" 1 1 { "x" "z" } 0',
            "line 4: expected the actions of information",
        ),
        (START + 'p "" 1 1 0', "line 2: expected { before the actions in quotes, found '0'"),
        (
            START + 'c "" 1 { "x" 1/2 "y" 1/3 } 0',
            "line 2: expected probabilities .* sum to 1, found 1/2, 1/3, .* to 5/6",
        ),
        (START + 'c "" 1 { "x" 0.5 "y" 0.6 } 0', "found 1/2, 3/5, which sum to 11/10"),
        (START + 'c "" 1 { "x" 2 "y" -1 } 0', "that are >= 0"),
        (START + 'c "" 1 { "x" } 0', "expected the action's probability, found '}'"),
        (START + 't "" 1', "line 2: expected { before the payoffs of outcome 1, which is new, found the end"),
        (START + 't "" -1', "expected an outcome's number, 0 for none, found '-1'"),
        (START + 't "" 1 "" { 1 }', "expected a payoff of the outcome .2 players., found '}'"),
        (START + 't "" 1 "" { 1 2 3 }', "line 2: expected } after the payoffs, found '3'"),
        (START + 't "" 1 "" { 1 x }', "expected a payoff .* found 'x'"),
        (START + 't "" 0\nt "" 0', "line 3: expected the end of the file, since every action has its node, found 't'"),
        (
            START + 'p "" 1 1 { "x" "y" } 0\nt "" 1 { 1 2 }\nt "" 1 { 2 1 }',
            "line 4: expected the payoffs of outcome 1 as before, 1, 2; found 2, 1",
        ),
        (START + 'c "" 1 { "x" 1 } 0 c "" 1 { "y" 1 } 0', "line 2: chance set 1 had other actions before"),
        (START + 't "', "line 2: expected a closing"),
        ('EFG 2 R "" { } t "" 0', "line 1: expected one player or more"),
        (
            START + 'p "" 1 1 { "x" } 0\np "" 1 1 { "x" } 0\nt "" 0',
            "game.efg, line 3: the node is in information set .* imperfect recall",
        ),
    ],
)
def test_what_is_wrong_is_said(text: str, told: str) -> None:
    with pytest.raises(SolverError, match=told):
        parse_efg(text, "game.efg")


@pytest.mark.parametrize("game", TREES)
def test_gambit_reads_what_we_write_and_agrees(game: ExtensiveGame) -> None:
    gambit = pytest.importorskip("pygambit")
    theirs = gambit.read_efg(StringIO(format_efg(game)))
    assert tuple(len(list(theirs.get_strategies(player))) for player in theirs.players) == strategy_counts(game)
    uniform = theirs.mixed_behavior_profile(rational=True)
    payoffs = [Fraction(str(uniform.payoffs[player])) for player in game.players]
    assert payoffs == list(expected_payoffs(game, uniform_profile(game)))
    assert Fraction(str(uniform.max_regret())) == max(regrets(game, uniform_profile(game)))


def test_gambit_finds_the_same_value() -> None:
    gambit = pytest.importorskip("pygambit")
    found = gambit.nash.lp_solve(gambit.read_efg(StringIO(format_efg(kuhn_poker()))), rational=True).equilibrium
    assert Fraction(str(found.payoffs["one"])) == Fraction(-1, 18)
