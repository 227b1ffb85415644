import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from marl.errors import SolverError
from marl.games.normal_form import MAX_PROFILES, NormalFormGame, rationalize

PENNIES = [[[1, -1], [-1, 1]], [[-1, 1], [1, -1]]]


def by_definition(game: NormalFormGame, mixed: list[list[float]], player: int) -> float:
    return sum(
        math.prod(mixed[i][s] for i, s in enumerate(profile)) * float(game.payoffs[(player, *profile)])
        for profile in itertools.product(*map(range, game.shape))
    )


def test_exact_unless_there_is_a_float() -> None:
    assert NormalFormGame([[["9/4", 2]], [[Fraction(1, 3), 0]]]).exact
    assert NormalFormGame(np.zeros((2, 2, 2), dtype=int)).exact
    game = NormalFormGame([[[0.5, 2]], [[1, 0]]])
    assert not game.exact
    assert game.payoffs.dtype == np.float64
    assert NormalFormGame([[["9/4", 2]], [[0, 0]]]).payoffs[0, 0, 0] == Fraction(9, 4)


def test_names_are_made_up_or_kept() -> None:
    assert NormalFormGame(PENNIES).players == ("player_0", "player_1")
    named = NormalFormGame(PENNIES, ["even", "odd"], [["heads", "tails"]] * 2)
    assert named.strategies == (("heads", "tails"), ("heads", "tails"))


def test_fractions_of_numpys_numbers_do_not_overflow() -> None:
    game = NormalFormGame([[Fraction(np.int64(2**62)), Fraction(np.int64(1), np.int64(3))]])
    assert game.payoffs[0, 0] * 4 == 2**64
    assert game.payoffs[0, 1] == Fraction(1, 3)


@pytest.mark.parametrize(
    ("payoffs", "told"),
    [
        ([], "no game"),
        ([[[1, 2], [3]], [[1, 2], [3, 4]]], "no game"),
        ([[[], []], [[], []]], "no game"),
        ([[1, 2], [3, 4]], "no game"),
        ([[[1, math.nan]], [[1, 1]]], "1 of 4 payoffs are NaN or infinite"),
        ([[[1, math.inf]], [[1, 1.0]]], "NaN or infinite"),
        ([[["one", 2]], [[1, 1]]], "'one' is no number"),
        ([[["1/0", 2]], [[1, 1]]], "'1/0' is no number"),
        (np.zeros((1, MAX_PROFILES + 1)), "at most 1000000"),
        (np.array([1.0, -1e200])[None], r"as large as 1e100 .* given 1e\+200"),
        ([[1, Fraction(-(10**200), 3)]], "as large as 1e100"),
        ([[True, 1]], "True is no number"),
        (3, "one tensor per player"),
    ],
)
def test_what_is_no_game_is_refused(payoffs: object, told: str) -> None:
    with pytest.raises(SolverError, match=told):
        NormalFormGame(payoffs)


@pytest.mark.parametrize(
    ("players", "strategies", "told"),
    [
        (["a"], None, "give 2 different names"),
        (["a", "a"], None, "give 2 different names"),
        (None, [["x", "y"], ["x"]], "do not fit"),
        (None, [["x", "x"], ["x", "y"]], "repeat a name"),
    ],
)
def test_names_that_do_not_fit_are_refused(players: list[str] | None, strategies: list | None, told: str) -> None:
    with pytest.raises(SolverError, match=told):
        NormalFormGame(PENNIES, players, strategies)


@pytest.mark.parametrize("profile", [[0], [0, 2], [0, [0.5, 0.6]], [[1, 0], [0.5, 0.25, 0.25]], [[2, -1], 0], [[], 0]])
def test_profiles_that_do_not_fit_are_refused(profile: list) -> None:
    with pytest.raises(SolverError, match=r"player|entries"):
        NormalFormGame(PENNIES).expected_payoffs(profile)


def test_matching_pennies_by_hand() -> None:
    game = NormalFormGame(PENNIES)
    half = [Fraction(1, 2)] * 2
    assert game.expected_payoffs([half, half]) == (0, 0)
    assert game.regret([half, half]) == (0, 0)
    assert game.regret([0, 0]) == (0, 2)
    assert game.nash_conv([0, 0]) == 2
    assert game.best_responses([0, half], 0) == (0, 1)
    assert game.best_responses([0, 0], 1) == (1,)
    assert isinstance(game.regret([half, half])[0], Fraction)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=4), st.integers(0, 2**32 - 1))
def test_payoffs_and_regret_are_the_definition(shape: list[int], seed: int) -> None:
    rng = np.random.default_rng(seed)
    game = NormalFormGame(rng.normal(size=(len(shape), *shape)))
    mixed = [rng.dirichlet(np.ones(size)).tolist() for size in shape]
    for player, size in enumerate(shape):
        own = by_definition(game, mixed, player)
        pure = [[*mixed[:player], np.eye(size)[s].tolist(), *mixed[player + 1 :]] for s in range(size)]
        best = max(by_definition(game, profile, player) for profile in pure)
        assert game.expected_payoffs(mixed)[player] == pytest.approx(own)
        assert game.regret(mixed)[player] == pytest.approx(best - own, abs=1e-12)


def test_rationalize_joins_what_rounding_parted_and_keeps_the_rest() -> None:
    game = NormalFormGame([[[0.1 + 0.2, 0.3]], [[math.pi, 1e-3]]]).rational()
    assert game.exact
    assert game.payoffs[0].tolist() == [[Fraction(3, 10), Fraction(3, 10)]]
    assert game.payoffs[1].tolist() == [[Fraction(math.pi), Fraction(1, 1000)]]
    assert game.rational() is game


@given(st.floats(-1e6, 1e6))
def test_rationalize_stays_within_tolerance(value: float) -> None:
    tolerance = Fraction(1, 10**9)
    assert abs(rationalize(value, tolerance) - Fraction(value)) <= tolerance


def test_payoffs_cannot_be_changed_behind_the_cache() -> None:
    with pytest.raises(ValueError, match="read-only"):
        NormalFormGame(PENNIES).payoffs[0, 0, 0] = 5
