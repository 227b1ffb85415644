import itertools

import numpy as np
import pytest
from repeated_play import adjusted_rand, tournament

from marl.errors import SolverError
from marl.games.repeated.memory_one import MemoryOne
from marl.games.repeated.recovery import common_error, invaders, recover_strategies, stable_states, strategy_game
from marl.games.repeated.strategies import NONE, PURE
from marl.games.replicator import rest_points, symmetric_equilibria
from marl.games.symmetric import SymmetricGame

SETS = [("ALLC", "ALLD", "TFT"), ("ALLC", "ALLD", "WSLS", "TFT"), ("ALLD", "GRIM", "TFT", "WSLS", "ALLC")]


@pytest.mark.parametrize("names", SETS)
@pytest.mark.parametrize("seed", range(3))
def test_known_strategies_with_errors_are_recovered_with_their_game(names: tuple[str, ...], seed: int) -> None:
    pool = [MemoryOne(np.array(PURE[name]), PURE[name][0]).noisy(0.05) for name in names]
    transcripts, owners = tournament(pool, 200, 4, np.random.default_rng(seed))
    found = recover_strategies(transcripts, rng=np.random.default_rng(seed))
    assert adjusted_rand(owners.ravel(), found.owners.ravel()) >= 0.9
    assert sorted(own.label for own in found.strategies) == sorted(names)
    place = [[own.label for own in found.strategies].index(name) for name in names]
    true, ours = strategy_game(pool, names), found.game()
    np.testing.assert_allclose(ours.matrix[np.ix_(place, place)], true.matrix, atol=0.1)
    expected, got = symmetric_equilibria(true), [state[place] for state in symmetric_equilibria(ours)]
    assert_same_states(expected, got)
    for stability in ("stable", "unstable"):
        assert_same_states(
            [point.state for point in rest_points(true) if point.stability == stability],
            [point.state[place] for point in rest_points(ours) if point.stability == stability],
        )


def assert_same_states(expected: list[np.ndarray], got: list[np.ndarray]) -> None:
    """The same supports, and every state near its counterpart."""
    assert len(expected) == len(got)
    for state in expected:
        near = min(got, key=lambda other, state=state: float(np.abs(other - state).max()))
        assert (near > 0).tolist() == (state > 0).tolist()
        np.testing.assert_allclose(near, state, atol=0.1)


def test_a_common_error_is_the_pooled_one() -> None:
    pool = [MemoryOne(np.array(PURE[name]), PURE[name][0]).noisy(0.05) for name in ("ALLC", "ALLD")]
    transcripts, _ = tournament(pool, 300, 5, np.random.default_rng(0))
    found = recover_strategies(transcripts, rng=np.random.default_rng(0))
    wrong = sum(own.naming.best.error * own.counts.after.sum() for own in found.strategies)
    pooled = wrong / sum(own.counts.after.sum() for own in found.strategies)
    for own in found.strategies:
        assert min(own.strategy.after[0], 1 - own.strategy.after[0]) == pytest.approx(pooled)


def test_an_unnamed_strategy_keeps_its_own_numbers() -> None:
    odd = MemoryOne(np.array([0.3, 0.8, 0.4, 0.7]), 0.5)
    transcripts, _ = tournament([odd], 400, 10, np.random.default_rng(0))
    (found,) = recover_strategies(transcripts, rng=np.random.default_rng(0)).strategies
    assert found.label == NONE
    np.testing.assert_allclose(found.strategy.after, odd.after, atol=0.05)
    assert ((found.intervals[:, 0] < odd.after) & (odd.after < found.intervals[:, 1])).sum() >= 3


def test_without_errors_the_game_is_the_textbooks() -> None:
    """Limit of means, Axelrod's payoffs: TFT and ALLC get 3 together, TFT and ALLD 1, ALLD exploits ALLC 5 to 0."""
    pool = [MemoryOne(np.array(PURE[name]), PURE[name][0]) for name in ("ALLC", "ALLD", "TFT")]
    game = strategy_game(pool, ("ALLC", "ALLD", "TFT"))
    np.testing.assert_allclose(game.matrix, [[3, 0, 3], [5, 1, 1], [3, 1, 3]], atol=1e-12)
    assert invaders(game, 0) == [1, 2]
    assert invaders(game, 1) == [2]
    assert invaders(game, 2) == [0]


def test_stable_states_are_where_populations_stay() -> None:
    game = SymmetricGame.from_matrix(np.array([[-1.0, 4.0], [0.0, 2.0]]))
    (only,) = stable_states(game)
    np.testing.assert_allclose(only.state, [2 / 3, 1 / 3])
    assert [invaders(game, s) for s in range(2)] == [[1], [0]]


def test_clusters_of_one_name_are_told_apart() -> None:
    pool = [MemoryOne(np.array(PURE["ALLD"]), 0.0).noisy(error) for error in (0.01, 0.15)]
    transcripts, owners = tournament(pool, 300, 5, np.random.default_rng(0))
    found = recover_strategies(transcripts, rng=np.random.default_rng(0))
    assert sorted(own.label for own in found.strategies) == ["ALLD", "ALLD (2)"]
    own_errors = [own.naming.best.error for own in found.strategies]
    assert common_error([own.naming for own in found.strategies], [own.counts for own in found.strategies]) is None
    assert [own.strategy.after[0] for own in found.strategies] == pytest.approx(own_errors)
    assert adjusted_rand(owners.ravel(), found.owners.ravel()) >= 0.9


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="fewer than 2 rounds"):
        recover_strategies([[(0, 0)]], rng=np.random.default_rng(0))


def test_every_pair_meets() -> None:
    pool = [MemoryOne(np.array(PURE[name])) for name in PURE]
    _, owners = tournament(pool, 3, 2, np.random.default_rng(0))
    pairs = {tuple(pair) for pair in owners.tolist()}
    assert pairs == set(itertools.combinations_with_replacement(range(5), 2))
