import numpy as np
import pytest

from marl.errors import SolverError
from marl.games.basins import basins_of_attraction
from marl.games.logit_dynamics import logit_dynamics
from marl.games.normal_form import NormalFormGame
from marl.games.symmetric import SymmetricGame
from marl.games.trajectory import Trajectory

STAG_HUNT = SymmetricGame.from_matrix(np.array([[4.0, 0.0], [3.0, 3.0]]))


def test_a_stag_hunts_basins_are_divided_at_its_mixed_equilibrium() -> None:
    """Stag pays more from 3/4 stags on."""
    found = basins_of_attraction(STAG_HUNT, 150, rng=np.random.default_rng(0))
    assert [np.round(basin.state[0]).tolist() for basin in found.basins] == [[0, 1], [1, 0]]
    hare, stag = found.basins
    assert hare.low <= 0.75 <= hare.high
    assert stag.low <= 0.25 <= stag.high
    assert sum(basin.count for basin in found.basins) + found.unsettled == found.samples == 150


def test_intervals_cover_with_their_confidence() -> None:
    def jump(start: list[np.ndarray]) -> Trajectory:
        stags = float(start[0][0] > 0.75)
        return Trajectory(np.arange(20.0), (np.tile([stags, 1 - stags], (20, 1)),))

    covered = 0
    for seed in range(300):
        found = basins_of_attraction(STAG_HUNT, 60, rng=np.random.default_rng(seed), follow=jump)
        stag = next(basin for basin in found.basins if basin.state[0][0] == 1)
        covered += stag.low <= 0.25 <= stag.high
    assert covered >= 0.95 * 300


def test_two_populations_coordinate_half_and_half() -> None:
    game = NormalFormGame([np.eye(2), np.eye(2)])
    found = basins_of_attraction(game, 60, rng=np.random.default_rng(1))
    assert len(found.basins) == 2
    assert all(basin.low <= 0.5 <= basin.high for basin in found.basins)


def test_what_circles_is_unsettled() -> None:
    rps = SymmetricGame.from_matrix(np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]))
    found = basins_of_attraction(rps, 10, rng=np.random.default_rng(0))
    assert found.unsettled == 10
    assert found.basins == ()


def test_other_dynamics_can_be_followed() -> None:
    found = basins_of_attraction(
        STAG_HUNT, 20, rng=np.random.default_rng(0), follow=lambda start: logit_dynamics(STAG_HUNT, 0.1, start, time=60)
    )
    assert len(found.basins) == 1
    assert found.basins[0].count == 20


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="samples 0"):
        basins_of_attraction(STAG_HUNT, 0, rng=np.random.default_rng(0))
