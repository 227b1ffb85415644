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


@pytest.mark.parametrize(
    ("draw", "which", "place"), [(0.1, 0.0, 1), (0.1, 0.34, 2), (0.1, 0.67, 3), (0.1, 0.9999, 3), (0.2, 0.0, 2)]
)
def test_epsilon_greedy_by_hand(draw: float, which: float, place: int) -> None:
    """Below epsilon any legal option by the second draw, from epsilon on the best legal one."""
    draws = torch.tensor([[draw, which]], dtype=torch.float64)
    assert objectives.epsilon_greedy(Q, LEGAL, draws, epsilon=0.2).tolist() == [place]


def test_epsilon_greedy_has_the_frequencies_that_it_says() -> None:
    draws = torch.as_tensor(np.random.default_rng(0).random((30_000, 2)))
    found = objectives.epsilon_greedy(Q.expand(30_000, 4), LEGAL.expand(30_000, 4), draws, epsilon=0.3)
    shares = (found.bincount(minlength=4) / 30_000).tolist()
    assert shares == pytest.approx([0.0, 0.1, 0.8, 0.1], abs=0.01)


@given(
    st.lists(st.tuples(st.floats(-5, 5), st.booleans(), st.integers(0, 3)), min_size=1, max_size=6),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1, exclude_max=True),
    st.floats(0, 1),
)
def test_only_legal_options_are_ever_taken(
    options: list[tuple[float, bool, int]], draw: float, which: float, epsilon: float
) -> None:
    q = torch.tensor([[value for value, _, _ in options]], dtype=torch.float64)
    legal = torch.tensor([[is_legal for _, is_legal, _ in options]])
    counts = torch.tensor([[count for _, _, count in options]])
    draws = torch.tensor([[draw, which]], dtype=torch.float64)
    if not legal.any():
        with pytest.raises(LearningError, match="no legal option"):
            objectives.epsilon_greedy(q, legal, draws, epsilon=epsilon)
        return
    assert legal[0, objectives.epsilon_greedy(q, legal, draws, epsilon=epsilon)[0]]
    taken = objectives.ucb(q, counts, legal, draws[:, 0])[0]
    assert legal[0, taken]
    untried = legal & (counts == 0)
    assert not untried.any() or untried[0, taken]


@pytest.mark.parametrize(
    ("counts", "draw", "place"), [((0, 0, 5, 0), 0.4, 1), ((0, 0, 5, 0), 0.5, 3), ((0, 2, 5, 0), 0.0, 3)]
)
def test_ucb_tries_every_legal_option_first(counts: tuple[int, ...], draw: float, place: int) -> None:
    found = objectives.ucb(Q, torch.tensor([counts]), LEGAL, torch.tensor([draw], dtype=torch.float64))
    assert found.tolist() == [place]


def test_ucb_then_adds_its_bonus() -> None:
    counts = torch.tensor([[100, 1, 50, 9]])
    bonus = [value + 2.0 * math.sqrt(math.log(60) / n) for value, n in [(1, 1), (3, 50), (2, 9)]]
    assert max(range(3), key=bonus.__getitem__) == 0  # 5.05, 3.57, 3.35
    draws = torch.zeros(1, dtype=torch.float64)
    assert objectives.ucb(Q, counts, LEGAL, draws, c=2.0).tolist() == [1]
    assert objectives.ucb(Q, counts, LEGAL, draws, c=0.1).tolist() == [2]
    # 1 + 1.1 sqrt(ln 60) < 3 + 1.1 sqrt(ln 60 / 50), which ln 160, with the option that is not legal, would turn round
    assert objectives.ucb(Q, counts, LEGAL, draws, c=1.1).tolist() == [2]


def test_ucb_on_a_bandit_has_the_regret_that_was_proved() -> None:
    """Theorem 1: at most 8 ln n sum 1 / gap + (1 + pi^2 / 3) sum gap, for rewards in [0, 1]."""
    rng, means = np.random.default_rng(1), np.array([0.9, 0.5, 0.3])
    totals, counts = torch.zeros(1, 3, dtype=torch.float64), torch.zeros(1, 3, dtype=torch.int64)
    legal, rounds = torch.ones(1, 3, dtype=torch.bool), 1500
    for _ in range(rounds):
        arm = int(objectives.ucb(totals / counts.clamp(min=1), counts, legal, torch.as_tensor(rng.random(1))))
        totals[0, arm] += float(rng.random() < means[arm])
        counts[0, arm] += 1
    gaps = 0.9 - means
    regret = float((gaps * counts[0].numpy()).sum())
    bound = 8 * math.log(rounds) * sum(1 / gap for gap in gaps[1:]) + (1 + math.pi**2 / 3) * gaps.sum()
    assert regret < bound < 0.5 * rounds * gaps.mean()
