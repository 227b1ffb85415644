import pytest

from marl.games.phrases import Numbers, listed, name, number, quoted, tied_masses


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (3, "3"),
        (3.0, "3"),
        (-1.5, "-1.50"),
        (1 / 3, "0.33"),
        (0.0123, "0.012"),
        (-0.00056, "-0.00056"),
        (0, "0"),
        (1.34e-9, "1.3e-9"),
        (-4 * 10**18, "-4e18"),
        (123456789, "123456789"),
    ],
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


@pytest.mark.parametrize(
    ("share", "text"), [(1, "100%"), (0.99999, "99.999%"), (1 - 1e-6, "99.9999%"), (0.9999, "99.99%"), (0, "0%")]
)
def test_only_what_is_all_is_called_all(share: float, text: str) -> None:
    assert Numbers().share("part", share) == text


def test_masses_tie_up_to_rounding() -> None:
    def found(*masses: float) -> dict[str, list[dict[str, float]]]:
        return {"masses": [{"mass": mass} for mass in masses]}

    assert tied_masses(found(0.5, 0.5 - 1e-15, 0.1)) == 1
    assert tied_masses(found(0.6, 0.4)) == tied_masses(found(1)) == 0
