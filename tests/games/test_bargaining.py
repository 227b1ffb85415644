import itertools

import numpy as np
import pytest
from known_games import TWO_PLAYERS

from marl.errors import SolverError
from marl.games.bargaining import kalai_smorodinsky, nash_bargaining
from marl.games.normal_form import NormalFormGame


def game(name: str) -> NormalFormGame:
    return NormalFormGame(TWO_PLAYERS[name][:2])


def test_battle_of_the_sexes_is_shared_evenly() -> None:
    for found in (nash_bargaining(game("battle_of_the_sexes")), kalai_smorodinsky(game("battle_of_the_sexes"))):
        np.testing.assert_allclose(found.payoffs, [1.5, 1.5], atol=1e-6)
        np.testing.assert_allclose(found.joint, [[0.5, 0], [0, 0.5]], atol=1e-6)


def test_without_an_agreement_each_gets_what_it_can_secure_alone() -> None:
    np.testing.assert_allclose(nash_bargaining(game("battle_of_the_sexes")).disagreement, [2 / 3, 2 / 3])
    np.testing.assert_allclose(nash_bargaining(game("chicken")).disagreement, [2, 2])


def test_nash_divides_money_by_utility() -> None:
    """Splitting along a straight frontier from (0, 1) to (3, 0): half of each end."""
    line = NormalFormGame([[[3, 0]], [[0, 1]]])
    np.testing.assert_allclose(nash_bargaining(line, [0, 0]).payoffs, [1.5, 0.5], atol=1e-6)


def test_the_two_solutions_differ_where_the_frontier_is_cut() -> None:
    """Hull of (0,0), (0,1), (1,1), (2,0): the product x (2 - x) peaks at the corner; shares of (2, 1) meet at 4/3."""
    trapeze = NormalFormGame([[[0, 0, 1, 2]], [[0, 1, 1, 0]]])
    np.testing.assert_allclose(nash_bargaining(trapeze, [0, 0]).payoffs, [1, 1], atol=1e-6)
    np.testing.assert_allclose(kalai_smorodinsky(trapeze, [0, 0]).payoffs, [4 / 3, 2 / 3], atol=1e-8)


@pytest.mark.parametrize("shape", [(3, 3), (2, 2, 2), (4, 5, 6)])
def test_nash_beats_all_other_mixtures_and_does_not_mind_units(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(sum(shape))
    payoffs = rng.random((len(shape), *shape))
    outside = np.full(len(shape), 0.2)
    found = nash_bargaining(NormalFormGame(payoffs), outside)
    product = np.prod(found.payoffs - outside)
    points = payoffs.reshape(len(shape), -1).T
    for _ in range(2000):
        some = rng.choice(len(points), 3, replace=False)
        other = rng.dirichlet(np.ones(3)) @ points[some] - outside
        assert (other < 0).any() or np.prod(other) <= product * (1 + 1e-5)
    factors = np.arange(1.0, len(shape) + 1)
    moved = NormalFormGame(payoffs * factors.reshape(-1, *[1] * len(shape)) + 7)
    again = nash_bargaining(moved, outside * factors + 7)
    np.testing.assert_allclose((again.payoffs - 7) / factors, found.payoffs, atol=1e-4)


def test_two_players_by_scanning_all_edges() -> None:
    rng = np.random.default_rng(3)
    for _ in range(10):
        payoffs = rng.random((2, 3, 4))
        points = payoffs.reshape(2, -1).T
        best = 0.0
        for one, other in itertools.combinations(points, 2):
            line = one + np.linspace(0, 1, 2001)[:, None] * (other - one) - 0.3
            best = max(best, float(np.where((line > 0).all(axis=1), line.prod(axis=1), 0).max()))
        found = nash_bargaining(NormalFormGame(payoffs), [0.3, 0.3])
        assert np.prod(found.payoffs - 0.3) == pytest.approx(best, rel=1e-4)


def test_kalai_smorodinsky_gives_equal_shares_of_the_ideal() -> None:
    rng = np.random.default_rng(5)
    for _ in range(10):
        payoffs = rng.random((2, 4, 4))
        outside = np.array([0.3, 0.4])
        found = kalai_smorodinsky(NormalFormGame(payoffs), outside)
        gains = found.payoffs - outside
        points = payoffs.reshape(2, -1).T
        ideal = []
        for player in (0, 1):
            lines = [a + np.linspace(0, 1, 4001)[:, None] * (b - a) for a, b in itertools.combinations(points, 2)]
            ideal.append(max(float(np.where((x >= outside).all(axis=1), x[:, player], 0).max()) for x in lines))
        shares = gains / (np.array(ideal) - outside)
        assert shares[0] == pytest.approx(shares[1], abs=2e-3)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="no joint play"):
        nash_bargaining(game("matching_pennies"))
    with pytest.raises(SolverError, match="2 finite payoffs"):
        kalai_smorodinsky(game("chicken"), [1])
