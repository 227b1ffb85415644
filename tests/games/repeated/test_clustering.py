import numpy as np
import pytest
from repeated_play import adjusted_rand

from marl.errors import SolverError
from marl.games.repeated.clustering import cluster_play
from marl.games.repeated.memory_one import Counts, MemoryOne, count_play, play
from marl.games.repeated.strategies import PURE


def test_adjusted_rand_by_hand() -> None:
    """Hubert & Arabie: equal partitions 1; a split in crossing halves is below 0."""
    assert adjusted_rand(np.array([0, 0, 1, 1]), np.array([1, 1, 0, 0])) == 1
    assert adjusted_rand(np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])) == pytest.approx(-0.5)


@pytest.mark.parametrize("seed", range(4))
def test_players_of_one_strategy_are_put_together(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pool = [MemoryOne(np.array(PURE[name])).noisy(0.05) for name in ("ALLC", "ALLD", "TFT", "WSLS", "GRIM")]
    truth, counts = [], []
    for one, own in enumerate(pool):
        for other in pool * 3:
            truth.append(one)
            counts.append(count_play(play(own, other, 150, rng)))
    found = cluster_play(counts, rng=rng)
    assert adjusted_rand(np.array(truth), found.labels) >= 0.9
    assert len(found.centers) == 5
    assert min(found.bic, key=found.bic.__getitem__) == 5
    np.testing.assert_allclose(found.memberships.sum(axis=1), 1)
    assert found.shares.sum() == pytest.approx(1)


def test_one_strategy_is_one_cluster() -> None:
    rng = np.random.default_rng(0)
    strategy = MemoryOne(np.array([0.8, 0.3, 0.6, 0.2]))
    found = cluster_play([count_play(play(strategy, strategy, 100, rng)) for _ in range(30)], rng=rng)
    assert len(found.centers) == 1
    np.testing.assert_allclose(found.centers[0, :4], strategy.after, atol=0.06)


def test_a_single_transcript_is_its_own_cluster() -> None:
    counts = Counts(np.array([[9, 0], [0, 0], [0, 0], [0, 0]]), np.array([1, 0]))
    found = cluster_play([counts], rng=np.random.default_rng(0))
    assert found.labels.tolist() == [0]
    assert found.centers[0].tolist() == [0.95, 0.5, 0.5, 0.5, 0.75]


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="nothing to cluster"):
        cluster_play([], rng=np.random.default_rng(0))
