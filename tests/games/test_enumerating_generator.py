from collections import Counter
from collections.abc import Callable
from fractions import Fraction
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from marl.errors import SolverError
from marl.games.enumerating_generator import EnumeratingGenerator


class Way:
    """One way through the draws: the choices of `script`, then the first ones, and its probability."""

    def __init__(self, script: list[int]) -> None:
        self.script, self.taken, self.sizes, self.weight = script, [], [], Fraction(1)

    def __call__(self, names: tuple[str, ...], shares: tuple[Fraction, ...]) -> int:
        assert sum(shares) == 1
        assert len(set(names)) == len(names) == len(shares)
        place = len(self.taken)
        self.taken.append(self.script[place] if place < len(self.script) else 0)
        self.sizes.append(len(shares))
        self.weight *= shares[self.taken[-1]]
        return self.taken[-1]


def distribution(draw: Callable[[Any], Any]) -> dict[Any, Fraction]:
    """What `draw(generator)` gives, with which probability, over all that can happen."""
    found: Counter[Any] = Counter()
    script: list[int] = []
    while True:
        way = Way(script)
        found[draw(EnumeratingGenerator(way))] += way.weight
        script = way.taken
        while script and script[-1] + 1 == way.sizes[len(script) - 1]:
            script.pop()
        if not script:
            return dict(found)
        script[-1] += 1


def tally(values: Any) -> dict[Any, Fraction]:
    counted = Counter(values)
    return {value: Fraction(n, counted.total()) for value, n in counted.items()}


@pytest.mark.parametrize(
    ("draw", "expected"),
    [
        (lambda g: g.integers(3), tally(range(3))),
        (lambda g: g.integers(1, 3, endpoint=True), tally([1, 2, 3])),
        (lambda g: tuple(g.integers(2, size=2).tolist()), tally([(a, b) for a in (0, 1) for b in (0, 1)])),
        (lambda g: g.integers(5, 6), {5: 1}),
        (lambda g: tuple(g.permutation(3).tolist()), tally(permutations(range(3)))),
        (lambda g: tuple(g.permutation(["a", "b"]).tolist()), tally(permutations("ab"))),
        (lambda g: g.choice(["a", "b", "c"], p=[0.1, 0.9, 0.0]), {"a": Fraction(1, 10), "b": Fraction(9, 10)}),
        (lambda g: g.choice(4), tally(range(4))),
        (lambda g: g.choice(["a", "a", "b"]), {"a": Fraction(2, 3), "b": Fraction(1, 3)}),
        (lambda g: tuple(g.choice(3, size=2, replace=False).tolist()), tally(permutations(range(3), 2))),
        (lambda g: tuple(g.choice(2, size=2).tolist()), tally([(a, b) for a in (0, 1) for b in (0, 1)])),
        (lambda g: bool(g.random() < 0.3), {True: Fraction(3, 10), False: Fraction(7, 10)}),
        (lambda g: bool(np.float64(0.3) > g.random()), {True: Fraction(3, 10), False: Fraction(7, 10)}),
        (lambda g: bool(g.random() >= 0.3), {True: Fraction(7, 10), False: Fraction(3, 10)}),
        (lambda g: bool(g.random() < 1.0), {True: 1}),
        (lambda g: bool(g.random() < 0.0), {False: 1}),
        (
            lambda g: tuple((g.random(2) < 0.5).tolist()),
            tally([(a, b) for a in (True, False) for b in (True, False)]),
        ),
    ],
)
def test_every_outcome_with_its_probability(draw: Callable[[Any], Any], expected: dict[Any, Fraction]) -> None:
    assert distribution(draw) == expected


def test_one_number_is_compared_with_several_bounds() -> None:
    def third(generator: Any) -> str:
        number = generator.random()
        return "low" if number < 0.2 else "middle" if number < 0.5 else "high"

    assert distribution(third) == {"low": Fraction(1, 5), "middle": Fraction(3, 10), "high": Fraction(1, 2)}


def test_a_list_is_shuffled_in_place() -> None:
    def shuffled(generator: Any) -> tuple[str, ...]:
        held = ["a", "b", "c"]
        generator.shuffle(held)
        return tuple(held)

    assert distribution(shuffled) == tally(permutations("abc"))


@pytest.mark.parametrize("draw", [lambda g: g.choice(4), lambda g: g.integers(2, 7), lambda g: g.permutation(4)])
def test_numpys_generator_gives_nothing_else(draw: Callable[[Any], Any]) -> None:
    def plain(generator: Any) -> Any:
        value = draw(generator)
        return tuple(value.tolist()) if isinstance(value, np.ndarray) else int(value)

    rng = np.random.default_rng(0)
    assert {plain(rng) for _ in range(400)} == set(distribution(plain))


def test_what_cannot_be_listed_is_refused() -> None:
    generator = EnumeratingGenerator(lambda names, shares: 0)
    with pytest.raises(SolverError, match="draws 'normal', whose outcomes cannot be listed"):
        generator.normal()
    with pytest.raises(SolverError, match="without replacement and with p"):
        generator.choice(3, size=2, replace=False, p=[0.5, 0.25, 0.25])
    with pytest.raises(SolverError, match="too many orders"):
        generator.permutation(52)
    with pytest.raises(SolverError, match="a draw has 1000000 or more outcomes"):
        generator.integers(1_000_000)
