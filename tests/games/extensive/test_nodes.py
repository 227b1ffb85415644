from fractions import Fraction

import pytest

from marl.errors import SolverError
from marl.games.extensive.nodes import Chance, Decision, Terminal, checked


def test_numbers_are_converted() -> None:
    assert checked(Terminal((1, "9/4")), 2, "here") == Terminal((Fraction(1), Fraction(9, 4)))  # type: ignore[arg-type]
    assert checked(Chance(("a", "b"), ("1/3", "2/3")), 2, "here").probabilities == (Fraction(1, 3), Fraction(2, 3))  # type: ignore[union-attr, arg-type]
    assert checked(Chance(("a", "b"), (0.1, 0.9)), 2, "here").probabilities == (0.1, 0.9)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("node", "told"),
    [
        ("x", "here is 'x'; give Chance, Decision or Terminal"),
        (Terminal((1,)), "here has 1 payoffs; give 2"),
        (Terminal((1, float("nan"))), "here holds nan; give finite"),
        (Terminal((1, float("inf"))), "here holds inf; give finite"),
        (Terminal((1, 1e200)), "here holds 1e+200; give finite numbers up to 1e100".replace("+", r"\+")),
        (Terminal((1, "x")), "here: payoff 'x' is no number"),
        (Decision(2, "a", ("x",)), "here is of player 2; there are 0 to 1"),
        (Decision(0, "a", ()), "give at least one"),
        (Decision(0, "a", ("x", "x")), "each with a name of its own"),
        (Chance(("a", "b"), (1,)), "with 1 probabilities that sum to 1; give 2"),
        (Chance(("a", "b"), (Fraction(1, 3), Fraction(1, 3))), "sum to 2/3; give 2 that are >= 0 and sum to 1"),
        (Chance(("a", "b"), (2, -1)), "that are >= 0"),
        (Chance(("a", "b"), (0.5, 0.6)), "sum to 1.1"),
    ],
)
def test_what_does_not_fit_is_said(node, told: str) -> None:
    with pytest.raises(SolverError, match=told.replace("(", r"\(")):
        checked(node, 2, "here")
