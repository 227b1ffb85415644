import itertools

import numpy as np
import pytest
from known_games import TWO_PLAYERS
from scipy.integrate import solve_ivp

from marl.errors import SolverError
from marl.games.normal_form import NormalFormGame
from marl.games.replicator import jacobian, replicator, rest_points, symmetric_equilibria
from marl.games.symmetric import SymmetricGame

RPS = SymmetricGame.from_matrix(np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]))


def hawk_dove(value: float, cost: float) -> SymmetricGame:
    """Maynard Smith 1982, section 2: the share of hawks settles at V / C."""
    return SymmetricGame.from_matrix(np.array([[(value - cost) / 2, value], [0, value / 2]]), ["hawk", "dove"])


@pytest.mark.parametrize(("value", "cost"), [(2, 4), (1, 5), (3, 4)])
def test_hawks_settle_at_value_over_cost(value: float, cost: float) -> None:
    game = hawk_dove(value, cost)
    for share in (0.01, 0.5, 0.99):
        assert replicator(game, [[share, 1 - share]], time=200).final[0][0] == pytest.approx(value / cost, abs=1e-6)
    points = {point.support: point for point in rest_points(game)}
    np.testing.assert_allclose(points[0, 1].state, [value / cost, 1 - value / cost])
    assert points[0, 1].stability == "stable"
    assert [points[s].stability for s in ((0,), (1,))] == ["unstable", "unstable"]
    (only,) = symmetric_equilibria(game)
    assert only[0] == pytest.approx(value / cost)


def test_rock_paper_scissors_circles_and_keeps_the_product() -> None:
    path = replicator(RPS, [[0.5, 0.3, 0.2]], time=50, points=500)
    np.testing.assert_allclose(path.states[0].prod(axis=1), 0.03, rtol=1e-6)
    inner = next(point for point in rest_points(RPS) if len(point.support) == 3)
    assert inner.stability == "undecided"
    assert inner.equilibrium


@pytest.mark.parametrize(("win", "stability"), [(2.0, "stable"), (0.5, "unstable")])
def test_weighted_rock_paper_scissors_spirals(win: float, stability: str) -> None:
    """Hofbauer & Sigmund 1998, section 7.7: inwards where winning brings more than losing costs."""
    game = SymmetricGame.from_matrix(np.array([[0, -1, win], [win, 0, -1], [-1, win, 0]]))
    assert rest_points(game)[-1].stability == stability
    products = replicator(game, [[0.4, 0.3, 0.3]], time=10).states[0].prod(axis=1)
    assert (np.diff(products) > 0).all() if win > 1 else (np.diff(products) < 0).all()


def test_several_populations_agree_with_open_spiel() -> None:
    dynamics = pytest.importorskip("open_spiel.python.egt.dynamics")
    payoffs = np.random.default_rng(0).normal(size=(2, 3, 4))
    start = [np.array([0.2, 0.3, 0.5]), np.array([0.1, 0.2, 0.3, 0.4])]
    field = dynamics.MultiPopulationDynamics(payoffs, dynamics.replicator)
    solved = solve_ivp(lambda _, y: field(y), (0, 3), np.concatenate(start), rtol=1e-10, atol=1e-12)
    ours = replicator(NormalFormGame(payoffs), start, time=3).final
    np.testing.assert_allclose(np.concatenate(ours), solved.y[:, -1], atol=1e-7)


def test_mutation_keeps_everything_alive_and_has_its_own_rest_point() -> None:
    """Prisoner's dilemma: x (1-x) (-1) + mutation (1/2 - x) = 0 at x = ((1+mu) - sqrt((1+mu)^2 - 2 mu)) / 2."""
    game = SymmetricGame.from_matrix(np.array([[3.0, 0.0], [4.0, 1.0]]))
    share = replicator(game, mutation=0.1, time=300).final[0][0]
    assert share == pytest.approx((1.1 - np.sqrt(1.1**2 - 0.2)) / 2, abs=1e-7)
    assert replicator(game, time=300).final[0][0] < 1e-9


def test_rest_points_of_random_games_stand_still_and_are_all_that_scanning_finds() -> None:
    rng = np.random.default_rng(1)
    for _ in range(10):
        game = SymmetricGame.from_matrix(rng.normal(size=(3, 3)))
        points = rest_points(game)
        for point in points:
            field = point.state * (game.fitness(point.state) - point.state @ game.fitness(point.state))
            np.testing.assert_allclose(field, 0, atol=1e-10)
        for pair in itertools.combinations(range(3), 2):
            (a, b), (c, d) = game.matrix[np.ix_(pair, pair)]
            inside = (d - b) * (a - c) > 0
            assert sum(point.support == pair for point in points) == inside


def test_more_than_two_players() -> None:
    """Threshold of 2 among 3 givers at cost 1/4 of 1: 2x(1-x) = 1/4 has the solutions (1 -+ sqrt(1/2)) / 2."""
    game = SymmetricGame.from_function(
        3, ["give", "keep"], lambda s, n: (1.0 if n[0] >= 2 else 0.0) - (0.25 if s == 0 else 0)
    )
    mixed = [point for point in rest_points(game) if len(point.support) == 2]
    assert sorted(point.state[0] for point in mixed) == pytest.approx([(1 - 0.5**0.5) / 2, (1 + 0.5**0.5) / 2])
    assert {point.stability for point in mixed} == {"stable", "unstable"}


def test_continua_are_left_out() -> None:
    game = SymmetricGame.from_matrix(np.zeros((3, 3)))
    assert [point.support for point in rest_points(game)] == [(0,), (1,), (2,)]
    assert {point.stability for point in rest_points(game)} == {"undecided"}


def test_jacobian_has_the_closed_form() -> None:
    rng = np.random.default_rng(2)
    a, x = rng.normal(size=(4, 4)), rng.dirichlet(np.ones(4))
    f = a @ x
    expected = np.diag(f - x @ f) + x[:, None] * (a - x @ a - f)
    np.testing.assert_allclose(jacobian(SymmetricGame.from_matrix(a), x), expected, atol=1e-8)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="mutation is -1"):
        replicator(NormalFormGame(TWO_PLAYERS["chicken"][:2]), mutation=-1)
    with pytest.raises(SolverError, match="supports"):
        rest_points(SymmetricGame.from_matrix(np.zeros((13, 13))))
