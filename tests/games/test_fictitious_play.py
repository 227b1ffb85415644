import numpy as np
import pytest
from known_games import TWO_PLAYERS

from marl.errors import SolverError
from marl.games.fictitious_play import fictitious_play
from marl.games.normal_form import NormalFormGame


def game(name: str) -> NormalFormGame:
    return NormalFormGame(TWO_PLAYERS[name][:2])


def test_matching_pennies_by_hand() -> None:
    """The row player wants to match. Ties go to heads."""
    path = fictitious_play(game("matching_pennies"), 7)
    rows, columns = (np.diff(own * path.times[:, None], axis=0, prepend=0).argmax(axis=1) for own in path.states)
    assert rows.tolist() == [0, 0, 0, 1, 1, 1, 1]
    assert columns.tolist() == [0, 1, 1, 1, 1, 1, 0]


@pytest.mark.parametrize("name", ["matching_pennies", "rock_paper_scissors"])
def test_zero_sum_games_converge(name: str) -> None:
    final = fictitious_play(game(name), 20_000).final
    assert game(name).nash_conv(final) < 0.03


def test_shapleys_game_never_settles() -> None:
    path = fictitious_play(game("shapley"), 20_000)
    late = path.states[0][2_000:]
    assert np.ptp(late, axis=0).min() > 0.1


def test_a_strict_equilibrium_is_kept() -> None:
    path = fictitious_play(game("stag_hunt"), 50, (0, 0))
    assert (path.states[0][:, 0] == 1).all()
    assert path.times.tolist() == list(range(1, 51))


def test_three_players_coordinate() -> None:
    payoffs = np.zeros((3, 2, 2, 2))
    payoffs[:, 0, 0, 0], payoffs[:, 1, 1, 1] = 2, 1
    assert [own.tolist() for own in fictitious_play(NormalFormGame(payoffs), 30, (1, 1, 1)).final] == [[0, 1]] * 3


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="steps is 0"):
        fictitious_play(game("chicken"), 0)
    with pytest.raises(SolverError, match="has choices 0 to 1; given 2"):
        fictitious_play(game("chicken"), 5, (2, 0))
