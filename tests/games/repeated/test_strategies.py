import numpy as np
import pytest

from marl.errors import SolverError
from marl.games.repeated.memory_one import Counts, MemoryOne, count_play, play, total
from marl.games.repeated.strategies import (
    EXTORTIONATE,
    GENEROUS,
    NONE,
    PURE,
    extortionate,
    largest_phi,
    log_likelihood,
    name_strategy,
)

PARTNERS = [MemoryOne(np.full(4, p)) for p in (0.1, 0.5, 0.9)]


def observed(strategy: MemoryOne, rounds: int, seed: int = 0) -> Counts:
    rng = np.random.default_rng(seed)
    return total(count_play(play(strategy, partner, rounds, rng)) for partner in PARTNERS)


@pytest.mark.parametrize("name", PURE)
@pytest.mark.parametrize("error", [0.0, 0.05])
def test_the_classics_are_recognized(name: str, error: float) -> None:
    naming = name_strategy(observed(MemoryOne(np.array(PURE[name])).noisy(error), 200))
    assert naming.name == naming.best.name == name
    assert naming.best.error == pytest.approx(error, abs=0.03)
    assert naming.best.strategy.after.tolist() == list(PURE[name])


def test_generosity_is_estimated() -> None:
    naming = name_strategy(observed(MemoryOne(np.array([1, 1 / 3, 1, 1 / 3])).noisy(0.02), 400))
    assert naming.name == GENEROUS
    assert naming.best.parameters["generosity"] == pytest.approx(1 / 3, abs=0.07)


def test_extortion_is_estimated() -> None:
    """Press & Dyson 2012: chi = 3 and phi = 1/26 give (11/13, 1/2, 7/26, 0)."""
    after = extortionate(3, 1 / 26)
    np.testing.assert_allclose(after, [11 / 13, 1 / 2, 7 / 26, 0])
    assert largest_phi(3) == pytest.approx(1 / 13)
    naming = name_strategy(observed(MemoryOne(after), 1500))
    assert naming.name == EXTORTIONATE
    assert naming.best.parameters["chi"] == pytest.approx(3, rel=0.35)


def test_what_is_none_of_these_is_called_so() -> None:
    for after in ([0.5, 0.5, 0.5, 0.5], [0.2, 0.9, 0.1, 0.7], [0.0, 1.0, 0.0, 1.0]):
        naming = name_strategy(observed(MemoryOne(np.array(after)), 300))
        assert naming.name == NONE
        assert "none" in naming.words
        np.testing.assert_allclose(naming.free.after, after, atol=0.1)
        assert len(naming.readings) == 7


def test_true_names_are_rejected_as_rarely_as_said() -> None:
    """The test at 1 % must not turn down many of 60 noisy tit-for-tats, whatever the chosen name."""
    kept = 0
    for seed in range(60):
        naming = name_strategy(observed(MemoryOne(np.array(PURE["TFT"])).noisy(0.05), 100, seed))
        kept += next(r for r in naming.readings if r.name == "TFT").p_value >= 0.01
    assert kept >= 57


def test_likelihood_by_hand() -> None:
    counts = Counts(np.array([[3, 1], [0, 2], [0, 0], [1, 0]]), np.array([1, 0]))
    p = np.array([0.75, 0.0, 0.3, 1.0])
    assert log_likelihood(counts, p) == pytest.approx(3 * np.log(0.75) + np.log(0.25))
    assert log_likelihood(counts, np.array([0.0, 0.0, 0.3, 1.0])) == -np.inf


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="longer play"):
        name_strategy(count_play([(0, 0)]))
    with pytest.raises(SolverError, match="no prisoner's dilemma"):
        name_strategy(count_play([(0, 0), (0, 0)]), np.eye(2))
