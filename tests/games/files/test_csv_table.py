from fractions import Fraction

import pytest

from marl.errors import SolverError
from marl.games.files.csv_table import format_csv, parse_csv
from marl.games.normal_form import NormalFormGame

TEXT = """row,column,payoff row,payoff column
up,left,9/4,0
up,right,0.5,1
down,left,1,2

down,right,-3,4
"""


def test_rows_in_any_order_exactly() -> None:
    game = parse_csv(TEXT)
    assert game.exact
    assert (game.players, game.strategies) == (("row", "column"), (("up", "down"), ("left", "right")))
    assert game.payoffs[0].tolist() == [[Fraction(9, 4), Fraction(1, 2)], [1, -3]]
    lines = TEXT.splitlines()
    shuffled = parse_csv("\n".join([lines[0], lines[1], lines[5], lines[3], lines[2]]))
    assert shuffled.strategies == (("up", "down"), ("left", "right"))
    assert (shuffled.payoffs == game.payoffs).all()


def test_what_is_written_is_read_back() -> None:
    game = NormalFormGame([[[1, "1/3"]], [[0, 2]]], ["a, b", 'c "d"'], [["x"], ["y,", "z"]])
    again = parse_csv(format_csv(game))
    assert (again.payoffs == game.payoffs).all()
    assert (again.players, again.strategies) == (game.players, game.strategies)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "found 0 rows"),
        ("row,column,payoff row\nu,l,1", "line 1: expected a column for each player"),
        (TEXT.replace("1,2", "1"), "line 4: expected 4 fields, found 3"),
        (TEXT.replace("1,2", "1,x"), "line 4: expected numbers"),
        (TEXT.replace("down,left", "up,left"), "line 4: the profile .* appears twice"),
        (TEXT.replace("1,2", "1,1e1000000000"), "line 4: numbers may be as large as 1e100"),
        (TEXT.replace("1,2", f"1,{'2' * 1001}"), "line 4: numbers may be .* as long as 1000"),
        ("a,a,payoff a,payoff a\nx,y,1,1", "line 1: expected a name of its own for each player"),
        (TEXT.replace("down,left", f"{'x' * 200_000},left"), "line .*: no CSV .field larger than"),
        (TEXT.replace("up,left", '"u\np",left').replace("1,2", "1,x"), "line 5: expected numbers"),
        (TEXT.replace("down,right,-3,4\n", ""), "no row for the profile .'down', 'right'."),
    ],
)
def test_what_is_wrong_is_said(text: str, told: str) -> None:
    with pytest.raises(SolverError, match=told) as caught:
        parse_csv(text, "game.csv")
    assert "game.csv" in str(caught.value)
