import io
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl.errors import SolverError
from marl.games.files.nfg import format_nfg, parse_nfg
from marl.games.normal_form import NormalFormGame

# The two examples of Gambit's documentation of the format.
PAYOFFS = """NFG 1 R "Selten (IJGT, 75), Figure 2, normal form"
{ "Player 1" "Player 2" } { 3 2 }

1 1 0 2 0 2 1 1 0 3 2 0
"""
OUTCOMES = """NFG 1 R "Selten (IJGT, 75), Figure 2, normal form" { "Player 1" "Player 2" }

{
{ "1" "2" "3" }
{ "1" "2" }
}

{
{ "" 1, 1 }
{ "" 0, 2 }
{ "" 0, 2 }
{ "" 1, 1 }
{ "" 0, 3 }
{ "" 2, 0 }
}
1 2 3 4 5 6
"""


@pytest.mark.parametrize("text", [PAYOFFS, OUTCOMES])
def test_both_versions_of_seltens_game(text: str) -> None:
    game = parse_nfg(text)
    assert game.exact
    assert game.players == ("Player 1", "Player 2")
    assert game.payoffs[0].tolist() == [[1, 1], [0, 0], [0, 2]]
    assert game.payoffs[1].tolist() == [[1, 1], [2, 3], [2, 0]]


def test_numbers_comments_escapes_and_the_null_outcome() -> None:
    text = 'NFG 1 D "a \\"title\\"" { "x" "y" } { { "l" "r" } { "u" } } "why" { { "win" 9/4 -0.5 } } 1 0'
    game = parse_nfg(text)
    assert game.strategies == (("l", "r"), ("u",))
    assert game.payoffs[:, 0, 0].tolist() == [Fraction(9, 4), Fraction(-1, 2)]
    assert game.payoffs[:, 1, 0].tolist() == [0, 0]
    assert parse_nfg('NFG 1 D "" { "x" } { 2 } 1e-3 .25').payoffs[0].tolist() == [Fraction(1, 1000), Fraction(1, 4)]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "line 1: expected NFG at the start, found the end of the file"),
        ("EFG 2 R", "line 1: expected NFG at the start, found 'EFG'"),
        ("NFG 2 R", "line 1: expected version 1 after NFG, found '2'"),
        ("NFG 1 X", "line 1: expected R .* found 'X'"),
        ("NFG 1 R title", "line 1: expected the title in quotes, found 'title'"),
        ('NFG 1 R "t\n{ "a" "b" } { 2 2 } 1', "line"),
        ('NFG 1 R "t" { "a" "b" } { 2 }', r"line 1: expected strategies for 2 players \(these are 1\)"),
        ('NFG 1 R "t" { "a" b } { 2 2 }', "line 1: expected the players' names in quotes or }, found 'b'"),
        ('NFG 1 R "t" { "a" "b" } { 0 2 }', "line 1: expected a number of strategies, whole and >= 1, or }, found '0'"),
        ('NFG 1 R "t" { "a" "b" } { { } { "x" } }', "line 1: expected at least one strategy"),
        (
            'NFG 1 R "t" { "a" "b" }\n{ 2 2 }\n1 2 3 4\n5 6 x 8',
            "line 4: expected a payoff .4 profiles times 2.* found 'x'",
        ),
        ('NFG 1 R "t" { "a" "b" }\n{ 2 2 }\n1 2 3 4\n5 6 7', "line 4: expected a payoff .* found the end of the file"),
        ('NFG 1 R "t" { "a" "b" }\n{ 2 2 }\n1 2 3 4\n5 6 7 8 9', "line 4: expected the end of the file .* found '9'"),
        (
            'NFG 1 R "t" { "a" } { 2 } { { "o" 1 } } 1 2',
            "line 1: expected an outcome's number from 0 to 1 .* found '2'",
        ),
        ('NFG 1 R "t" { "a" } { 2 } { { "o" 1 2 } } 1 1', "expected } after the outcome's payoffs, found '2'"),
        ('NFG 1 R "t" { "a" } { 2 } 1/0 1', "expected a payoff"),
        ('NFG 1 R "t" { "a" "b" } { 4000 4000 } 1', "line 1: 16000000 profiles are too many"),
        ('NFG 1 R "t" { } { } 1', "line 1: expected one player or more"),
        ('NFG 1 R "t"\n{ "a" "a" } { 1 1 } 1 1', "line 2: expected one player or more, each with a name of its own"),
        ('NFG 1 R "t" { "a" } { 1 }\n1e200', "line 2: numbers may be as large as 1e100 .* given '1e200'"),
        ('NFG 1 D "t" { "a" } { 1 }\n1e1000000000', "line 2: .* given '1e1000000000'"),
    ],
)
def test_malformed_files_name_the_line_and_what_was_expected(text: str, told: str) -> None:
    with pytest.raises(SolverError, match=told) as caught:
        parse_nfg(text, "game.nfg")
    assert "game.nfg" in str(caught.value)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.integers(0, 2**32 - 1))
def test_written_games_are_read_back(shape: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    payoffs = rng.integers(-9, 9, (len(shape), *shape)).astype(object) / Fraction(7)
    names = [[f'{s} "quoted" \\ {s}' for s in range(size)] for size in shape]
    game = NormalFormGame(payoffs, [f"p {i}" for i in range(len(shape))], names)
    again = parse_nfg(format_nfg(game, 'a "title"'))
    assert (again.payoffs == game.payoffs).all()
    assert (again.players, again.strategies) == (game.players, game.strategies)


def test_gambit_reads_what_we_write_and_we_what_it_writes() -> None:
    pygambit = pytest.importorskip("pygambit")
    rng = np.random.default_rng(0)
    game = NormalFormGame(rng.integers(-9, 9, (3, 2, 3, 2)).astype(object) / Fraction(7), ["a b", 'q"', "c"])
    theirs = pygambit.read_nfg(io.StringIO(format_nfg(game)))
    assert [getattr(player, "label", player) for player in theirs.players] == list(game.players)
    assert (parse_nfg(theirs.to_nfg()).payoffs == game.payoffs).all()
