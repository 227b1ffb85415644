import numpy as np
import pytest

from marl.errors import SolverError
from marl.games.repeated.memory_one import (
    MemoryOne,
    average_payoffs,
    count_play,
    outcome_shares,
    play,
    total,
    transition_matrix,
)
from marl.games.repeated.strategies import PRISONERS_DILEMMA, PURE, extortionate, largest_phi

TFT, ALLD, WSLS = (MemoryOne(np.array(PURE[name]), float(name != "ALLD")) for name in ("TFT", "ALLD", "WSLS"))


def test_counting_by_hand() -> None:
    transcript = [(0, 0), (0, 1), (1, 1), (1, 0), (0, 0)]
    counts = count_play(transcript)
    assert counts.after.tolist() == [[1, 0], [0, 1], [1, 0], [0, 1]]
    assert counts.first.tolist() == [1, 0]
    other = count_play(transcript, 1)
    assert other.after.tolist() == [[0, 1], [1, 0], [0, 1], [1, 0]]
    assert (counts + other).after.tolist() == total([counts, other]).after.tolist() == [[1, 1]] * 4
    assert counts.estimate().after.tolist() == [1, 0, 1, 0]


def test_intervals_are_clopper_pearsons_and_open_where_nothing_was_seen() -> None:
    """0 of 10: [0, 1 - 0.025^(1/10)]; 4 of 10: [0.1216, 0.7376] (Newcombe 1998 by the exact method)."""
    counts = count_play([(0, 0)])
    counts = type(counts)(np.array([[0, 10], [4, 6], [10, 0], [0, 0]]), counts.first)
    np.testing.assert_allclose(
        counts.intervals(), [[0, 1 - 0.025**0.1], [0.1216, 0.7376], [0.025**0.1, 1], [0, 1]], atol=1e-4
    )


def test_play_by_hand() -> None:
    rng = np.random.default_rng(0)
    assert play(TFT, ALLD, 4, rng).tolist() == [[0, 1], [1, 1], [1, 1], [1, 1]]
    assert play(WSLS, ALLD, 4, rng).tolist() == [[0, 1], [1, 1], [0, 1], [1, 1]]


def test_discounted_payoffs_in_closed_form() -> None:
    """TFT against ALLD: 0 in the first round, then 1 for both."""
    d = 0.9
    own, other = average_payoffs(TFT, ALLD, PRISONERS_DILEMMA, d)
    assert own == pytest.approx(d)
    assert other == pytest.approx((1 - d) * 5 + d)
    assert average_payoffs(TFT, ALLD, PRISONERS_DILEMMA) == pytest.approx((1, 1))
    assert average_payoffs(WSLS, ALLD, PRISONERS_DILEMMA) == pytest.approx((0.5, 3))


def test_first_moves_matter_where_the_chain_is_reducible() -> None:
    suspicious = MemoryOne(np.array(PURE["TFT"]), 0.0)
    np.testing.assert_allclose(outcome_shares(TFT, suspicious), [0, 0.5, 0.5, 0])
    np.testing.assert_allclose(outcome_shares(MemoryOne(TFT.after, 0.5), TFT), [0.5, 0.25, 0.25, 0])


def test_the_limit_of_means_is_where_discounting_goes() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        one, other = (MemoryOne(np.round(rng.random(4) * 2) / 2, rng.random()) for _ in range(2))
        np.testing.assert_allclose(outcome_shares(one, other), outcome_shares(one, other, 1 - 1e-9), atol=1e-6)


def test_shares_agree_with_simulation() -> None:
    rng = np.random.default_rng(1)
    one, other = MemoryOne(rng.random(4)), MemoryOne(rng.random(4))
    actions = play(one, other, 40_000, rng)
    seen = np.bincount(2 * actions[:, 0] + actions[:, 1], minlength=4) / len(actions)
    np.testing.assert_allclose(outcome_shares(one, other), seen, atol=0.015)
    np.testing.assert_allclose(transition_matrix(one, other).sum(axis=1), 1)
    np.testing.assert_allclose(count_play(actions).estimate().after, one.after, atol=0.05)
    np.testing.assert_allclose(count_play(actions, 1).estimate().after, other.after, atol=0.05)


@pytest.mark.parametrize("chi", [1.5, 3.0, 10.0])
def test_extortion_takes_its_multiple_whoever_plays(chi: float) -> None:
    """Press & Dyson 2012: own payoff - P = chi (other's payoff - P)."""
    rng = np.random.default_rng(2)
    strategy = MemoryOne(extortionate(chi, 0.7 * largest_phi(chi)))
    for _ in range(5):
        own, other = average_payoffs(strategy, MemoryOne(rng.uniform(0.05, 0.95, 4)), PRISONERS_DILEMMA)
        assert own - 1 == pytest.approx(chi * (other - 1))


def test_errors_swap_actions() -> None:
    np.testing.assert_allclose(TFT.noisy(0.1).after, [0.9, 0.1, 0.9, 0.1])
    assert TFT.noisy(0.1).first == pytest.approx(0.9)


def test_what_does_not_fit_is_said() -> None:
    with pytest.raises(SolverError, match="4 \\+ 1 probabilities"):
        MemoryOne(np.array([0.5, 0.5]))
    with pytest.raises(SolverError, match="4 \\+ 1 probabilities"):
        MemoryOne(np.array([0.5, 0.5, 2, 0]))
    with pytest.raises(SolverError, match=r"\[rounds, 2\]"):
        count_play([(0, 2)])
    with pytest.raises(SolverError, match=r"\[rounds, 2\]"):
        count_play([(0, 0, 0)])
    with pytest.raises(SolverError, match="discount 1"):
        outcome_shares(TFT, TFT, 1.0)
    with pytest.raises(SolverError, match="confidence 0"):
        count_play([(0, 0)]).intervals(0)
