import numpy as np
import pytest

from marl.errors import SolverError
from marl.games.moran import absorption, fixation_probability, fixed_fitness, meeting_payoffs, transition_matrix
from marl.games.symmetric import SymmetricGame

HAWK_DOVE = SymmetricGame.from_matrix(np.array([[1.0, 4.0], [2.0, 3.0]]))


def test_neutral_mutants_take_over_with_one_over_the_population() -> None:
    game = SymmetricGame.from_matrix(np.ones((2, 2)))
    assert fixation_probability(game, 0, 1, 10) == pytest.approx(0.1)
    assert fixation_probability(HAWK_DOVE, 0, 1, 10, intensity=0.0) == pytest.approx(0.1)


@pytest.mark.parametrize("fitness", [0.5, 1.0, 1.1, 3.0])
def test_constant_fitness_has_morans_closed_form(fitness: float) -> None:
    game = SymmetricGame.from_matrix(np.array([[fitness, fitness], [1.0, 1.0]]))
    assert fixation_probability(game, 0, 1, 12) == pytest.approx(fixed_fitness(fitness, 12))
    if fitness != 1:
        assert fixed_fitness(fitness, 12) == pytest.approx((1 - 1 / fitness) / (1 - fitness**-12))


@pytest.mark.parametrize("population", [2, 7, 40])
def test_the_formula_agrees_with_the_whole_chain(population: int) -> None:
    for mutant, resident in ((0, 1), (1, 0)):
        chain = transition_matrix(HAWK_DOVE, mutant, resident, population, intensity=0.7)
        np.testing.assert_allclose(chain.sum(axis=1), 1)
        taken, steps = absorption(chain)
        assert taken[1] == pytest.approx(fixation_probability(HAWK_DOVE, mutant, resident, population, 0.7))
        assert steps[1] == pytest.approx(1 + chain[1] @ steps)


def test_the_chain_agrees_with_simulation() -> None:
    rng = np.random.default_rng(1)
    chain = transition_matrix(HAWK_DOVE, 0, 1, 5)
    state, cumulative = np.ones(4000, dtype=int), chain.cumsum(axis=1)
    while ((state > 0) & (state < 5)).any():
        state = (rng.random(len(state))[:, None] > cumulative[state]).sum(axis=1)
    probability = absorption(chain)[0][1]
    assert abs((state == 5).mean() - probability) < 4 * np.sqrt(probability * (1 - probability) / 4000)


def test_pairwise_comparison_is_right_where_numbers_are_extreme() -> None:
    game = SymmetricGame.from_matrix(np.array([[0.0, 0.0], [100.0, 100.0]]))
    assert fixation_probability(game, 1, 0, 50, 10.0, "fermi") == pytest.approx(1)
    assert fixation_probability(game, 0, 1, 50, 10.0, "fermi") == 0
    own, theirs = meeting_payoffs(HAWK_DOVE, 0, 1, 6)
    products = np.cumprod(np.exp(-0.3 * (own - theirs)))
    assert fixation_probability(HAWK_DOVE, 0, 1, 6, 0.3, "fermi") == pytest.approx(1 / (1 + products.sum()))


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="two different"):
        fixation_probability(HAWK_DOVE, 0, 0, 5)
    with pytest.raises(SolverError, match="population 1"):
        fixation_probability(HAWK_DOVE, 0, 1, 1)
    with pytest.raises(SolverError, match="add a constant"):
        fixation_probability(SymmetricGame.from_matrix(np.array([[-1.0, -1.0], [0.0, 1.0]])), 0, 1, 5)
    with pytest.raises(SolverError, match=r"intensity in \[0, 1\]"):
        fixation_probability(HAWK_DOVE, 0, 1, 5, 2.0)
