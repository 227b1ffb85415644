import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
from known_games import TWO_PLAYERS

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame
from marl.games.pure import pure_equilibria
from marl.games.symmetric import SymmetricGame, count_profiles, is_symmetric


def public_goods(players: int, factor: Fraction) -> SymmetricGame:
    """Each contributor pays 1, the pot grows by `factor` and is shared by all."""
    return SymmetricGame.from_function(
        players, ["give", "keep"], lambda s, counts: factor * counts[0] / players - (1 if s == 0 else 0)
    )


def test_count_profiles_are_all_splits_in_order() -> None:
    assert count_profiles(2, 3).tolist() == [[0, 0, 2], [0, 1, 1], [0, 2, 0], [1, 0, 1], [1, 1, 0], [2, 0, 0]]
    brute = sorted(row for row in itertools.product(range(5), repeat=4) if sum(row) == 4)
    assert [tuple(row) for row in count_profiles(4, 4).tolist()] == brute


@pytest.mark.parametrize(("players", "size"), [(1, 3), (2, 4), (3, 3), (4, 2)])
def test_to_normal_form_and_back(players: int, size: int) -> None:
    rng = np.random.default_rng(players)
    shape = (math.comb(players + size - 1, size - 1), size)
    game = SymmetricGame(players, [f"s{i}" for i in range(size)], rng.normal(size=shape))
    wide = game.to_normal_form()
    assert is_symmetric(wide)
    again = SymmetricGame.from_normal_form(wide)
    assert (again.payoffs == game.payoffs).all()
    state = rng.dirichlet(np.ones(size))
    np.testing.assert_allclose(game.fitness(state), wide.deviation_payoffs([state] * players)[0])


def test_exact_payoffs_stay_exact() -> None:
    game = public_goods(3, Fraction(3, 2))
    assert game.payoffs.dtype == object
    assert game.to_normal_form().exact
    assert game.to_normal_form().payoffs[0, 0, 0, 0] == Fraction(1, 2)
    assert SymmetricGame.from_normal_form(game.to_normal_form()).payoffs.tolist() == game.payoffs.tolist()


def test_pure_equilibria_are_those_of_the_normal_form() -> None:
    assert public_goods(4, Fraction(2)).pure_equilibria() == [(0, 4)]
    assert public_goods(4, Fraction(5)).pure_equilibria() == [(4, 0)]
    rng = np.random.default_rng(0)
    for players, size in [(2, 3), (3, 3), (4, 2)] * 10:
        shape = (math.comb(players + size - 1, size - 1), size)
        game = SymmetricGame(players, [f"s{i}" for i in range(size)], rng.integers(0, 4, size=shape).astype(float))
        wide = {tuple(p.count(s) for s in range(size)) for p in pure_equilibria(game.to_normal_form())}
        assert set(game.pure_equilibria()) == wide


def test_two_players_have_a_matrix() -> None:
    rng = np.random.default_rng(4)
    matrix = rng.normal(size=(5, 5))
    game = SymmetricGame.from_matrix(matrix)
    assert (game.matrix == matrix).all()
    state = rng.dirichlet(np.ones(5))
    np.testing.assert_allclose(game.fitness(state), matrix @ state)
    with pytest.raises(SolverError, match="two players"):
        _ = public_goods(3, Fraction(1)).matrix


def test_regret_is_zero_at_the_mixture_of_hawks_and_doves() -> None:
    game = SymmetricGame.from_matrix(np.array([[-1, 4], [0, 2]]))  # V = 4, C = 6
    assert game.regret(np.array([2 / 3, 1 / 3])) == pytest.approx(0, abs=1e-12)
    assert game.regret(np.array([0.0, 1.0])) == pytest.approx(2)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="not symmetric"):
        SymmetricGame.from_normal_form(NormalFormGame(TWO_PLAYERS["battle_of_the_sexes"][:2]))
    with pytest.raises(SolverError, match="not symmetric"):
        SymmetricGame.from_normal_form(NormalFormGame(np.zeros((2, 2, 3))))
    with pytest.raises(SolverError, match="square"):
        SymmetricGame.from_matrix(np.zeros((2, 3)))
    with pytest.raises(SolverError, match="shape"):
        SymmetricGame(2, ["a", "b"], np.zeros((2, 2)))
    with pytest.raises(SolverError, match="NaN"):
        SymmetricGame(2, ["a", "b"], np.full((3, 2), np.nan))
    with pytest.raises(SolverError, match="all different"):
        SymmetricGame(2, ["a", "a"], np.zeros((3, 2)))
    with pytest.raises(SolverError, match="count profiles"):
        count_profiles(100, 30)
    with pytest.raises(SolverError, match="by counts"):
        SymmetricGame(25, ["a", "b"], np.zeros((26, 2))).to_normal_form()
