import numpy as np
import pytest

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame
from marl.games.symmetric import SymmetricGame
from marl.games.trajectory import fitness_function, integrate, starting_point


def test_integration_follows_a_known_solution() -> None:
    """x' = x (1 - x) is the logistic curve."""
    path = integrate(lambda s: [np.array([s[0][0] * s[0][1], -s[0][0] * s[0][1]])], [np.array([0.1, 0.9])], 5.0, 11)
    expected = 1 / (1 + 9 * np.exp(-path.times))
    np.testing.assert_allclose(path.states[0][:, 0], expected, rtol=1e-7)
    np.testing.assert_allclose(path.final[0].sum(), 1)
    assert path.times.tolist() == np.linspace(0, 5, 11).tolist()


def test_a_symmetric_game_is_one_population() -> None:
    symmetric = SymmetricGame.from_matrix(np.array([[1.0, 2.0], [3.0, 4.0]]))
    assert [own.tolist() for own in starting_point(symmetric, None)] == [[0.5, 0.5]]
    assert fitness_function(symmetric)([np.array([1.0, 0.0])])[0].tolist() == [1, 3]
    wide = NormalFormGame([[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    assert [own.tolist() for own in fitness_function(wide)([np.array([1.0, 0.0])] * 2)] == [[1, 3], [5, 6]]


def test_what_does_not_fit_is_said() -> None:
    start = [np.array([1.0, 0.0])]
    with pytest.raises(SolverError, match="time is 0"):
        integrate(lambda s: s, start, 0, 3)
    with pytest.raises(SolverError, match="points is 1"):
        integrate(lambda s: s, start, 1, 1)
    with pytest.raises(SolverError, match="sum to 1"):
        starting_point(SymmetricGame.from_matrix(np.eye(2)), [[0.5, 0.6]])
