import json
from fractions import Fraction

import pytest

from marl.errors import SolverError
from marl.games.files.json_game import format_json, number_to_json, parse_json


def test_fractions_names_and_floats() -> None:
    game = parse_json(
        '{"players": ["a", "b"], "strategies": [["x"], ["y", "z"]], "payoffs": [[["9/4", 2]], [[0, -1]]]}'
    )
    assert game.exact
    assert game.payoffs[0].tolist() == [[Fraction(9, 4), 2]]
    assert (game.players, game.strategies) == (("a", "b"), (("x",), ("y", "z")))
    assert not parse_json('{"payoffs": [[[0.5, 1]], [[1, 1]]]}').exact
    again = parse_json(format_json(game))
    assert (again.payoffs == game.payoffs).all()
    assert (again.players, again.strategies) == (game.players, game.strategies)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "line 1: no JSON"),
        ("[1]", 'expected an object with "payoffs"'),
        ('{"payoffs": [[[1, 2], [3]], [[1, 2], [3, 4]]]}', "no game"),
        ('{"payoffs": []}', "no game"),
        ('{"payoffs": 3}', "must be a list"),
        ('{"payoffs": [[[NaN, 1.0]], [[1, 1]]]}', "NaN or infinite"),
        ('{"payoffs": [[[Infinity, 1.0]], [[1, 1]]]}', "NaN or infinite"),
        ('{"payoffs": [[["a", 1]], [[1, 1]]]}', "'a' is no number"),
        ('{"payoffs": [[[null, 1]], [[1, 1]]]}', "None is no number"),
        ('{"payoffs": [[[true, 1]], [[1, 1]]]}', "True is no number"),
        ('{"payoffs": [[["1e1000000000", 1]], [[1, 1]]]}', "as large as 1e100 .* given '1e1000000000'"),
        ('{"payoffs": [[["1e200", 0.5]], [[1, 1]]]}', "as large as 1e100"),
        ('{"payoffs": [[[1e200, 0.5]], [[1, 1]]]}', "as large as 1e100 .* given 1e.200"),
        (f'{{"payoffs": [[[{"9" * 400}, 1]], [[1, 1]]]}}', "as large as 1e100"),
        (f'{{"payoffs": [[[{"9" * 5000}, 1]], [[1, 1]]]}}', "no game .*digits"),
        (f'{{"payoffs": {"[" * 100_000}', "no game .*recursion"),
        ('{"payoffs": [[1]], "players": ["\\ud800"]}', "list of names"),
        ('{"payoffs": [[1]], "players": "ab"}', "list of names"),
        ('{"payoffs": [[1]], "players": ["a"], "strategies": [3]}', "list of names"),
        ('{"payoffs": [[1]], "payofs": 1}', "unknown keys .'payofs'."),
    ],
)
def test_what_is_wrong_is_said(text: str, told: str) -> None:
    with pytest.raises(SolverError, match=told) as caught:
        parse_json(text, "game.json")
    assert "game.json" in str(caught.value)


def test_numbers_without_loss() -> None:
    values = [Fraction(4, 2), Fraction(9, 4), 0.1, 3]
    assert json.dumps([number_to_json(value) for value in values]) == '[2, "9/4", 0.1, 3]'
