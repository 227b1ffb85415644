import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_games import TWO_PLAYERS, VON_STENGEL

from marl.errors import SolverError
from marl.games.enumeration import extreme_equilibria
from marl.games.lemke_howson import lemke_howson, one_equilibrium
from marl.games.limits import Deadline
from marl.games.normal_form import NormalFormGame


def distance(one, known) -> float:
    flat = [np.array([float(p) for own in each.profile for p in own]) for each in (one, *known)]
    return min(np.abs(flat[0] - other).max() for other in flat[1:])


def test_matching_pennies_from_every_label() -> None:
    game = NormalFormGame(TWO_PLAYERS["matching_pennies"][:2])
    for label in range(4):
        found = lemke_howson(game, label)
        assert found is not None
        assert np.allclose(np.array(found.profile, dtype=float), 0.5)
        assert not found.exact


@settings(max_examples=500, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(1, 8), st.integers(0, 2**32 - 1))
def test_every_path_ends_at_an_extreme_equilibrium_degenerate_or_not(
    rows: int, columns: int, size: int, seed: int
) -> None:
    game = NormalFormGame(np.random.default_rng(seed).integers(0, size, (2, rows, columns)))
    known = extreme_equilibria(game).equilibria
    for label in range(rows + columns):
        found = lemke_howson(game, label)
        assert found is not None
        assert distance(found, known) < 1e-9


def test_a_big_game_has_one_with_no_regret() -> None:
    for payoffs in (
        np.random.default_rng(1).normal(size=(2, 120, 120)),
        np.random.default_rng(2).integers(0, 3, (2, 90, 120)),
        np.stack([matrix := np.random.default_rng(3).normal(size=(100, 100)), -matrix]),
    ):
        game = NormalFormGame(payoffs)
        found = one_equilibrium(game)
        assert float(found.regret) == pytest.approx(float(max(game.regret(found.profile))), abs=1e-12)
        assert float(found.regret) < 1e-9


def test_a_pure_one_is_preferred_and_exact() -> None:
    found = one_equilibrium(NormalFormGame(np.array(TWO_PLAYERS["stag_hunt"][:2]) / 10))
    assert (found.pure, found.exact, found.regret) == ((0, 0), True, 0)


def test_too_short_a_path_gives_nothing_and_time_is_limited() -> None:
    game = NormalFormGame(VON_STENGEL)
    assert lemke_howson(game, 0, max_pivots=1) is None
    with pytest.raises(SolverError, match="took longer"):
        lemke_howson(game, 0, deadline=Deadline(1e-9))
    with pytest.raises(SolverError, match="two players"):
        one_equilibrium(NormalFormGame(np.zeros((3, 2, 2, 2))))
