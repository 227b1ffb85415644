from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from marl.errors import LearningError
from marl.learning import objectives

Q = torch.tensor([[9.0, 1.0, 3.0, 2.0]], dtype=torch.float64)
LEGAL = torch.tensor([[False, True, True, True]])


def test_epsilon_greedy_by_hand() -> None:
    """3 legal options share 0.3, and 0.7 more is the best one's; the largest value is not legal."""
    found = objectives.epsilon_greedy(Q, LEGAL, epsilon=0.3).exp()[0].tolist()
    assert found == pytest.approx([0.0, 0.1, 0.8, 0.1])


@pytest.mark.parametrize(("epsilon", "shares"), [(0.0, [0, 0, 1, 0]), (1.0, [0, 1 / 3, 1 / 3, 1 / 3])])
def test_epsilon_at_its_ends(epsilon: float, shares: list[float]) -> None:
    assert objectives.epsilon_greedy(Q, LEGAL, epsilon=epsilon).exp()[0].tolist() == pytest.approx(shares)


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.booleans(), st.integers(0, 3)), min_size=1, max_size=6),
    st.floats(0, 1),
)
def test_only_legal_options_are_ever_taken(options: list[tuple[float, bool, int]], epsilon: float) -> None:
    q = torch.tensor([[value for value, _, _ in options]], dtype=torch.float64)
    legal = torch.tensor([[is_legal for _, is_legal, _ in options]])
    counts = torch.tensor([[count for _, _, count in options]])
    if not legal.any():
        with pytest.raises(LearningError, match="no legal option"):
            objectives.epsilon_greedy(q, legal, epsilon=epsilon)
        return
    drawn, taken = objectives.epsilon_greedy(q, legal, epsilon=epsilon).exp(), objectives.ucb(q, counts, legal).exp()
    for shares in (drawn, taken):
        assert float(shares.sum()) == pytest.approx(1.0)
        assert not shares[~legal].any()
    untried = legal & (counts == 0)
    assert not untried.any() or torch.equal(taken > 0, untried)


@pytest.mark.parametrize(
    ("counts", "shares"),
    [((0, 0, 5, 0), [0, 0.5, 0, 0.5]), ((0, 2, 5, 0), [0, 0, 0, 1]), ((9, 0, 0, 1), [0, 0.5, 0.5, 0])],
)
def test_ucb_tries_every_legal_option_first(counts: tuple[int, ...], shares: list[float]) -> None:
    assert objectives.ucb(Q, torch.tensor([counts]), LEGAL).exp()[0].tolist() == pytest.approx(shares)


def test_ucb_then_adds_its_bonus() -> None:
    counts = torch.tensor([[100, 1, 50, 9]])
    bonus = [value + 2.0 * math.sqrt(math.log(60) / n) for value, n in [(1, 1), (3, 50), (2, 9)]]
    assert max(range(3), key=bonus.__getitem__) == 0  # 5.05, 3.57, 3.35
    assert objectives.ucb(Q, counts, LEGAL, c=2.0).exp().tolist() == [[0, 1, 0, 0]]
    assert objectives.ucb(Q, counts, LEGAL, c=0.1).exp().tolist() == [[0, 0, 1, 0]]
    # 1 + 1.1 sqrt(ln 60) < 3 + 1.1 sqrt(ln 60 / 50), which ln 160, with the option that is not legal, would turn round
    assert objectives.ucb(Q, counts, LEGAL, c=1.1).exp().tolist() == [[0, 0, 1, 0]]


def test_ucb_on_a_bandit_has_the_regret_that_was_proved() -> None:
    """Theorem 1: at most 8 ln n sum 1 / gap + (1 + pi^2 / 3) sum gap, for rewards in [0, 1]."""
    rng, means = np.random.default_rng(1), np.array([0.9, 0.5, 0.3])
    totals, counts = torch.zeros(1, 3, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.int64)
    legal, rounds = torch.ones(1, 3, dtype=torch.bool), 1500
    for _ in range(rounds):
        shares = objectives.ucb(totals / counts.clamp(min=1), counts, legal).exp()[0].numpy()
        arm = int(rng.choice(3, p=shares))
        totals[0, arm] += float(rng.random() < means[arm])
        counts[0, arm] += 1
    gaps = 0.9 - means
    regret = float((gaps * counts[0].numpy()).sum())
    bound = 8 * math.log(rounds) * sum(1 / gap for gap in gaps[1:]) + (1 + math.pi**2 / 3) * gaps.sum()
    assert regret < bound < 0.5 * rounds * gaps.mean()
