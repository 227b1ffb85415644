import numpy as np
import pytest
from known_games import mckelvey_mclennan

from marl.games.indifference import indifferent_profiles


def starts(sizes: list[int], count: int = 32, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.concatenate([rng.dirichlet(np.ones(k), count) for k in sizes], axis=1)


def test_matching_pennies_from_anywhere() -> None:
    pennies = np.array([[1.0, -1.0], [-1.0, 1.0]])
    points, isolated = indifferent_profiles([pennies, -pennies], starts([2, 2]))
    assert points == pytest.approx(np.full((32, 4), 0.5))
    assert isolated.all()


def test_both_totally_mixed_solutions_of_a_three_player_game() -> None:
    points, isolated = indifferent_profiles(list(mckelvey_mclennan() / 12), starts([2, 2, 2]))
    inside = points[(points > 1e-6).all(axis=1)]
    assert len(np.unique(inside.round(8), axis=0)) == 2
    assert isolated[(points > 1e-6).all(axis=1)].all()


def test_a_continuum_is_said_to_be_one() -> None:
    points, isolated = indifferent_profiles([np.zeros((2, 2)), np.zeros((2, 2))], starts([2, 2]))
    assert len(points) == 32
    assert not isolated.any()


def test_no_solution_gives_no_rows() -> None:
    dominated = np.array([[1.0, 1.0], [0.0, 0.0]])
    points, isolated = indifferent_profiles([dominated, np.eye(2)], starts([2, 2]))
    assert len(points) == len(isolated) == 0


def test_one_strategy_each_is_solved_by_itself() -> None:
    points, _ = indifferent_profiles([np.ones((1, 1, 1))] * 3, np.ones((1, 3)))
    assert points.tolist() == [[1.0, 1.0, 1.0]]
