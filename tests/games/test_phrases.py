import pytest

from marl.games.phrases import Numbers, listed, name, number, quoted


@pytest.mark.parametrize(
    ("value", "text"),
    [(3, "3"), (3.0, "3"), (-1.5, "-1.50"), (1 / 3, "0.33"), (0.0123, "0.012"), (-0.00056, "-0.00056")],
)
def test_numbers_are_short_and_keep_two_digits_that_matter(value: float, text: str) -> None:
    assert number(value) == text


def test_what_is_said_is_remembered() -> None:
    say = Numbers()
    text = f"{say.count('games', 1, 'game')}, {say.count('mice', 2, 'mouse', 'mice')}, {say.share('part', 0.25)}"
    assert text == "1 game, 2 mice, 25%"
    assert say.sentence(text) == {"text": text, "numbers": {"games": 1, "mice": 2, "part": 0.25}}


def test_names_and_lists() -> None:
    assert (name("row"), name("row 1"), quoted("x")) == ("row", "“row 1”", "“x”")
    assert listed(["a"]) == "a"
    assert listed(["a", "b", "c"], "or") == "a, b or c"
