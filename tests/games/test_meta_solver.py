import itertools

import numpy as np
import pytest
from known_games import TWO_PLAYERS

from marl.errors import SolverError
from marl.games.meta_solver import META_SOLVERS, meta_strategy
from marl.games.normal_form import NormalFormGame


def game(name: str) -> NormalFormGame:
    return NormalFormGame(np.array(TWO_PLAYERS[name][:2], dtype=float))


def marginals(name: str, solver: str, **arguments) -> list[np.ndarray]:
    found = meta_strategy(game(name), solver, **arguments)
    return [found.marginal(0), found.marginal(1)]


WEIGHTED = [1 / 4, 1 / 2, 1 / 4]


@pytest.mark.parametrize("roles", [None, (0, 0)])
def test_nash_of_weighted_rock_paper_scissors(roles) -> None:
    for own in marginals("weighted_rock_paper_scissors", "nash", roles=roles):
        np.testing.assert_allclose(own, WEIGHTED, atol=1e-9)
    assert meta_strategy(game("weighted_rock_paper_scissors"), "nash", roles=roles).method == "minimax"


def test_nash_without_constant_sum_is_the_branchs_end() -> None:
    # Shapley's only equilibrium; the risk-dominant one of the stag hunt; the dominant one of the dilemma.
    for own in marginals("shapley", "nash"):
        np.testing.assert_allclose(own, 1 / 3, atol=1e-6)
    for own in marginals("stag_hunt", "nash"):
        np.testing.assert_allclose(own, [0, 1], atol=1e-6)
    for own in marginals("prisoners_dilemma", "nash"):
        np.testing.assert_allclose(own, [0, 1], atol=1e-6)


def test_players_of_one_role_are_treated_alike() -> None:
    # Chicken's asymmetric pure equilibria are out of question for one population: 2/3 yield, 1/3 dare.
    for own in marginals("chicken", "nash", roles=(0, 0)):
        np.testing.assert_allclose(own, [2 / 3, 1 / 3], atol=5e-3)
    # Seats that differ are dealt at random: matching pennies becomes a game in which everything is an equilibrium.
    one, two = marginals("matching_pennies", "correlated", roles=(0, 0))
    np.testing.assert_allclose([one, two], 1 / 2, atol=1e-6)
    found = meta_strategy(game("battle_of_the_sexes"), "correlated", roles=(0, 0))
    np.testing.assert_allclose(found.joint, found.joint.T, atol=1e-9)


def test_uniform_and_alpha_rank() -> None:
    for own in marginals("weighted_rock_paper_scissors", "uniform"):
        np.testing.assert_allclose(own, 1 / 3)
    # Omidshafiei et al. 2019: strong selection cycles evenly, whatever the weights of a single population's cycle.
    for own in marginals("weighted_rock_paper_scissors", "alpha_rank", roles=(0, 0)):
        np.testing.assert_allclose(own, 1 / 3, atol=1e-9)
    joint = meta_strategy(game("coordination_3"), "alpha_rank").joint
    np.testing.assert_allclose(joint, np.eye(3) / 3, atol=1e-9)  # the sinks, which are not independent


def test_correlated_is_a_coarse_correlated_equilibrium_of_large_entropy() -> None:
    for name in ("chicken", "shapley", "battle_of_the_sexes"):
        a, b = np.array(TWO_PLAYERS[name][:2], dtype=float)
        joint = meta_strategy(game(name), "correlated").joint
        assert (a @ joint.sum(axis=0)).max() <= (a * joint).sum() + 1e-5
        assert (joint.sum(axis=1) @ b).max() <= (b * joint).sum() + 1e-5
    np.testing.assert_allclose(meta_strategy(game("shapley"), "correlated").joint, 1 / 9, atol=1e-4)


def test_three_players_of_two_roles() -> None:
    rng = np.random.default_rng(0)
    payoffs = rng.random((3, 2, 3, 3))
    three, roles = NormalFormGame(payoffs), (0, 1, 1)
    for solver in META_SOLVERS:
        joint = meta_strategy(three, solver, roles=roles).joint
        assert joint.sum() == pytest.approx(1)
        np.testing.assert_allclose(joint, joint.transpose(0, 2, 1), atol=1e-12)
    dealt = np.zeros_like(payoffs)
    for profile in itertools.product(range(2), range(3), range(3)):
        a, b, c = profile
        dealt[(0, *profile)] = (payoffs[0, a, b, c] + payoffs[0, a, c, b]) / 2
        dealt[(1, *profile)] = (payoffs[1, a, b, c] + payoffs[2, a, c, b]) / 2
        dealt[(2, *profile)] = (payoffs[2, a, b, c] + payoffs[1, a, c, b]) / 2
    found = meta_strategy(three, "nash", roles=roles)
    assert max(NormalFormGame(dealt).regret([found.marginal(i).tolist() for i in range(3)])) < 5e-3


def test_nearly_equal_members_do_no_harm() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((2, 4, 4))
    twice = [0, 1, 2, 3, 3, 3]
    noisy = [m[np.ix_(twice, twice)] + 1e-3 * rng.standard_normal((6, 6)) for m in (a, b)]
    crowded = NormalFormGame(np.array(noisy))
    for solver in META_SOLVERS:
        found = meta_strategy(crowded, solver)
        assert np.isfinite(found.joint).all()
    sides = [meta_strategy(crowded, "nash").marginal(i).tolist() for i in range(2)]
    assert max(crowded.regret(sides)) < 1e-2


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(SolverError, match="'best' is unknown; there are nash, uniform"):
        meta_strategy(game("chicken"), "best")
    with pytest.raises(SolverError, match=r"role 0 share a population, and have \[2, 3\]"):
        meta_strategy(NormalFormGame(np.zeros((2, 2, 3))), "nash", roles=(0, 0))
