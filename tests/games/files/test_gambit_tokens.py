from fractions import Fraction

import pytest

from marl.errors import SolverError
from marl.games.files.gambit_tokens import Tokens, quoted

TEXT = 'NFG 1 D "a \\"b\\" \\\\" { "one"\n "two" } 1/2, -.5\n{ 3 }'


def test_pieces_in_order_with_their_lines() -> None:
    tokens = Tokens(TEXT, "file")
    assert tokens.prologue("NFG", "1") == ('a "b" \\', ["one", "two"])
    assert (tokens.line_of(tokens.place), tokens.peek()) == (2, "1/2")
    assert [tokens.number("x"), tokens.number("x")] == [Fraction(1, 2), Fraction(-1, 2)]
    assert tokens.braced("word", "numbers") == ["3"]
    assert (tokens.ended, tokens.peek(), tokens.line_of(tokens.place)) == (True, "", 3)


def test_whole_numbers_have_bounds_and_stay_where_they_are_wrong() -> None:
    tokens = Tokens("3 1/2 7", "file")
    assert tokens.whole("a count", 0) == 3
    with pytest.raises(SolverError, match="file, line 1: expected a count, found '1/2'"):
        tokens.whole("a count", 0)
    tokens.number("x")
    with pytest.raises(SolverError, match="found '7'"):
        tokens.whole("a count", 0, 6)
    assert tokens.whole("a count", 7, 7) == 7
    with pytest.raises(SolverError, match="expected more, found the end of the file"):
        tokens.whole("more", 0)


def test_an_open_quote_is_found() -> None:
    with pytest.raises(SolverError, match='line 2: expected a closing "'):
        Tokens('a\n"b', "file")
    with pytest.raises(SolverError, match='line 3: expected a closing "'):
        Tokens('"a\nb"\n "c d', "file")


def test_texts_may_be_left_out() -> None:
    tokens = Tokens('"a" 1 ""', "file")
    assert (tokens.text(), tokens.text(), tokens.number("x"), tokens.text(), tokens.ended) == ("a", "", 1, "", True)


def test_names_are_quoted_so_that_they_are_read_back() -> None:
    names = ['a "b"', "c \\ d", ""]
    assert Tokens("{" + quoted(names) + "}", "file").braced("text", "names") == names
