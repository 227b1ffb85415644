import itertools

import numpy as np
import pytest
from known_games import volunteers_dilemma

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame
from marl.games.pure import pure_equilibria


def by_definition(payoffs: np.ndarray) -> list[tuple[int, ...]]:
    shape = payoffs.shape[1:]

    def stable(profile: tuple[int, ...], player: int) -> bool:
        switches = [(*profile[:player], s, *profile[player + 1 :]) for s in range(shape[player])]
        return all(payoffs[(player, *switch)] <= payoffs[(player, *profile)] for switch in switches)

    profiles = itertools.product(*map(range, shape))
    return [profile for profile in profiles if all(stable(profile, i) for i in range(len(shape)))]


@pytest.mark.parametrize("shape", [(3,), (2, 2), (3, 4), (2, 3, 2), (2, 2, 2, 2)])
def test_all_pure_equilibria_of_random_games(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        payoffs = rng.integers(0, 4, size=(len(shape), *shape))
        assert pure_equilibria(NormalFormGame(payoffs)) == by_definition(payoffs)
        assert pure_equilibria(NormalFormGame(payoffs / 10)) == by_definition(payoffs)


def test_one_volunteer_is_enough() -> None:
    assert pure_equilibria(NormalFormGame(volunteers_dilemma(3))) == [(0, 1, 1), (1, 0, 1), (1, 1, 0)]


def test_a_tie_up_to_rounding_is_a_tie() -> None:
    assert pure_equilibria(NormalFormGame([[[0.1 + 0.2], [0.3]], [[0.0], [0.0]]])) == [(0, 0), (1, 0)]


def test_an_unknown_switch_proves_nothing() -> None:
    game = NormalFormGame([[[2, 0], [0, 1]], [[2, 0], [0, 1]]])
    known = np.array([[True, True], [True, False]])
    assert pure_equilibria(game, known) == [(0, 0)]
    assert pure_equilibria(game, np.array([[True, False], [True, True]])) == []
    with pytest.raises(SolverError, match="shape"):
        pure_equilibria(game, np.ones(3, dtype=bool))
