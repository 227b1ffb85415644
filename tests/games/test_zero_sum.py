from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_games import MORRA, TWO_PLAYERS, public_goods

from marl.errors import SolverError
from marl.games.enumeration import extreme_equilibria
from marl.games.normal_form import NormalFormGame
from marl.games.zero_sum import is_constant_sum, matrix_game, security_level, zero_sum_value


def test_two_finger_morra_is_fair() -> None:
    found = zero_sum_value(NormalFormGame([MORRA, -MORRA]))
    assert found.value == 0
    assert found.exact
    assert found.row[0] == found.row[3] == 0
    # All optimal strategies play the second between 4/7 and 3/5.
    assert Fraction(4, 7) <= found.row[1] <= Fraction(3, 5)


def test_weighted_rock_paper_scissors() -> None:
    found = zero_sum_value(NormalFormGame(TWO_PLAYERS["weighted_rock_paper_scissors"][:2]))
    assert (found.value, found.row, found.column) == (0, *[(Fraction(1, 4), Fraction(1, 2), Fraction(1, 4))] * 2)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 9), st.integers(0, 2**32 - 1))
def test_all_equilibria_of_a_zero_sum_game_pay_its_value(rows: int, columns: int, size: int, seed: int) -> None:
    matrix = np.random.default_rng(seed).integers(-size, size + 1, (rows, columns))
    game = NormalFormGame([matrix, 5 - matrix])
    value = zero_sum_value(game)
    assert value.regret == 0
    assert {one.payoffs for one in extreme_equilibria(game).equilibria} == {(value.value, 5 - value.value)}
    pair = (value.row, value.column)
    assert game.regret(pair) == (0, 0)


def test_large_floating_games_come_with_a_small_regret() -> None:
    matrix = np.random.default_rng(0).normal(size=(60, 50))
    found = zero_sum_value(NormalFormGame([matrix, -matrix]))
    assert not found.exact
    assert found.regret < 1e-9
    assert max(NormalFormGame([matrix, -matrix]).regret((found.row, found.column))) < 1e-9


def test_security_by_hand() -> None:
    chicken = NormalFormGame(TWO_PLAYERS["chicken"][:2])
    assert [security_level(chicken, player).value for player in range(2)] == [2, 2]
    assert security_level(chicken, 0).row == (1, 0)
    goods = NormalFormGame(public_goods(3))
    assert [security_level(goods, player).value for player in range(3)] == [1, 1, 1]


def test_only_constant_sums_have_a_value() -> None:
    assert not is_constant_sum(NormalFormGame(np.zeros((3, 2, 2, 2))))
    assert is_constant_sum(NormalFormGame([[[0.1, 0.2]], [[0.2, 0.1]]]))
    with pytest.raises(SolverError, match="sum to a constant"):
        zero_sum_value(NormalFormGame(TWO_PLAYERS["chicken"][:2]))


def test_one_row_one_column() -> None:
    assert matrix_game(np.array([[Fraction(3)]], dtype=object)).value == 3
