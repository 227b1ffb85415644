import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from known_games import MORRA, TWO_PLAYERS, volunteers_dilemma
from scipy.optimize import LinearConstraint, minimize

from marl.errors import SolverError
from marl.games.correlated import correlated_equilibrium, deviation_gains
from marl.games.mixed import mixed_equilibria
from marl.games.normal_form import NormalFormGame


def known(name: str) -> NormalFormGame:
    return NormalFormGame(TWO_PLAYERS[name][:2])


def test_aumanns_chicken() -> None:
    """Aumann 1974, example 2.7: 21/4 each, each of the three outcomes but the crash: 1/2, 1/4, 1/4."""
    best = correlated_equilibrium(known("chicken"))
    assert best.exact
    assert best.payoffs == (Fraction(21, 4), Fraction(21, 4))
    assert best.distribution.tolist() == [[Fraction(1, 2), Fraction(1, 4)], [Fraction(1, 4), 0]]
    fair = correlated_equilibrium(known("chicken"), "fairest")
    assert min(fair.payoffs) == Fraction(21, 4)
    assert correlated_equilibrium(known("chicken"), "min_welfare").welfare == Fraction(36, 5)


def test_coarse_allows_more() -> None:
    """Moulin & Vial 1978: where the players may only accept or refuse as a whole, Shapley's game reaches 1/2 each."""
    game = known("shapley")
    assert correlated_equilibrium(game, coarse=True).welfare >= correlated_equilibrium(game).welfare
    assert correlated_equilibrium(game, coarse=True).welfare == 1


def test_zero_sum_games_have_one_value() -> None:
    game = NormalFormGame([MORRA, -MORRA])
    for objective, coarse in itertools.product(("max_welfare", "fairest"), (False, True)):
        found = correlated_equilibrium(game, objective, coarse=coarse)
        assert [float(payoff) for payoff in found.payoffs] == pytest.approx([0, 0], abs=1e-9)


def by_definition(game: NormalFormGame, joint: np.ndarray, coarse: bool) -> float:
    """The largest gain from a deviation, by summing over profiles one by one."""
    gains = [0.0]
    for player, size in enumerate(game.shape):
        sources = [None] if coarse else list(range(size))
        for source, target in itertools.product(sources, range(size)):
            total = 0.0
            for profile in np.ndindex(game.shape):
                if source in (None, profile[player]):
                    other = (*profile[:player], target, *profile[player + 1 :])
                    change = game.payoffs[(player, *other)] - game.payoffs[(player, *profile)]
                    total += float(joint[profile]) * float(change)
            gains.append(total)
    return max(gains)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(1, 3), min_size=1, max_size=3), st.booleans(), st.integers(0, 2**32 - 1))
def test_every_answer_is_an_equilibrium_with_the_regret_it_states(shape: list[int], coarse: bool, seed: int) -> None:
    game = NormalFormGame(np.random.default_rng(seed).integers(0, 5, (len(shape), *shape)))
    found = {
        objective: correlated_equilibrium(game, objective, coarse=coarse)
        for objective in ("max_welfare", "min_welfare", "fairest", "max_entropy")
    }
    for one in found.values():
        assert float(one.distribution.sum()) == pytest.approx(1)
        assert (one.distribution >= 0).all()
        assert by_definition(game, one.distribution, coarse) == pytest.approx(float(one.regret), abs=1e-9)
        assert float(one.regret) < 1e-5
        assert one.regret == 0 or not one.exact
    best, worst = float(found["max_welfare"].welfare), float(found["min_welfare"].welfare)
    assert all(worst - 1e-5 <= float(one.welfare) <= best + 1e-5 for one in found.values())
    least = float(min(found["fairest"].payoffs))
    assert all(float(min(one.payoffs)) <= least + 1e-5 for one in found.values())
    for nash in mixed_equilibria(game).equilibria:
        assert worst - 1e-9 <= float(sum(nash.payoffs)) <= best + 1e-9
    assert best <= float(correlated_equilibrium(game, coarse=True).welfare) + 1e-9


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_maximum_entropy_against_a_general_solver(seed: int) -> None:
    game = NormalFormGame(np.random.default_rng(seed).normal(size=(2, 2, 3)))
    found = correlated_equilibrium(game, "max_entropy").distribution.ravel()

    def negative(p: np.ndarray) -> float:
        positive = p[p > 1e-300]
        return float((positive * np.log(positive)).sum())

    rules = [
        LinearConstraint(deviation_gains(game.payoffs, coarse=False), ub=0),
        LinearConstraint(np.ones((1, 6)), lb=1, ub=1),
    ]
    start = correlated_equilibrium(game).distribution.ravel()
    other = minimize(negative, 0.5 * start + 0.5 * found, bounds=[(0, 1)] * 6, constraints=rules, method="SLSQP")
    assert negative(found) <= other.fun + 1e-5


def test_maximum_entropy_by_hand() -> None:
    zero = correlated_equilibrium(NormalFormGame(np.zeros((3, 2, 2, 2))), "max_entropy")
    assert zero.distribution == pytest.approx(np.full((2, 2, 2), 1 / 8))
    dilemma = correlated_equilibrium(known("prisoners_dilemma"), "max_entropy")
    assert dilemma.distribution == pytest.approx(np.array([[0, 0], [0, 1]]))
    pennies = correlated_equilibrium(known("matching_pennies"), "max_entropy")
    assert pennies.distribution == pytest.approx(np.full((2, 2), 1 / 4), abs=1e-6)


def test_volunteers_and_time() -> None:
    game = NormalFormGame(volunteers_dilemma(3))
    assert float(correlated_equilibrium(game).welfare) == pytest.approx(5)  # one volunteer is an equilibrium
    with pytest.raises(SolverError, match="time limit"):
        correlated_equilibrium(NormalFormGame(np.random.default_rng(0).normal(size=(3, 6, 6, 6))), time_limit=1e-9)
