import itertools

import numpy as np
import pytest

from marl.errors import SolverError
from marl.games.multilinear import check_positive, float_payoffs, float_profile, pair_payoffs, strategy_payoffs
from marl.games.normal_form import NormalFormGame


def random_game(shape: tuple[int, ...]) -> tuple[NormalFormGame, list[np.ndarray]]:
    rng = np.random.default_rng(sum(shape))
    return NormalFormGame(rng.normal(size=(len(shape), *shape))), [rng.dirichlet(np.ones(size)) for size in shape]


@pytest.mark.parametrize("shape", [(2,), (3, 4), (2, 3, 4)])
def test_strategy_payoffs_are_those_of_the_checked_form(shape: tuple[int, ...]) -> None:
    game, mixed = random_game(shape)
    for ours, theirs in zip(strategy_payoffs(float_payoffs(game), mixed), game.deviation_payoffs(mixed), strict=True):
        np.testing.assert_allclose(ours, theirs)


def test_pair_payoffs_by_summing_over_profiles() -> None:
    game, mixed = random_game((2, 3, 4))
    for player, other in itertools.permutations(range(3), 2):
        third = 3 - player - other
        expected = np.zeros((game.shape[player], game.shape[other]))
        for profile in itertools.product(*map(range, game.shape)):
            weight = mixed[third][profile[third]]
            expected[profile[player], profile[other]] += weight * game.payoffs[(player, *profile)]
        np.testing.assert_allclose(pair_payoffs(float_payoffs(game), mixed, player, other), expected)


def test_profiles_default_to_uniform() -> None:
    game, _ = random_game((2, 4))
    assert [own.tolist() for own in float_profile(game, None)] == [[0.5, 0.5], [0.25] * 4]
    assert [own.tolist() for own in float_profile(game, (1, 0))] == [[0, 1], [1, 0, 0, 0]]


def test_what_is_not_positive_is_named() -> None:
    with pytest.raises(SolverError, match="time is 0"):
        check_positive(steps=1, time=0)
