from __future__ import annotations

import pytest
import torch
from torch import nn

from marl.errors import LearningError
from marl.learning import objectives

NAN = float("nan")
TARGET = torch.tensor([[1.0, 5.0, 9.0], [4.0, 2.0, 3.0], [NAN, NAN, NAN]], dtype=torch.float64)
ONLINE = torch.tensor([[8.0, 7.0, 9.0], [0.0, 1.0, 2.0], [NAN, NAN, NAN]], dtype=torch.float64)
LEGAL = torch.tensor([[True, True, False], [True, True, True], [False, False, False]])
LIVE = torch.tensor([True, True, False])
REWARDS = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)


def test_targets_take_the_best_legal_option_and_nothing_after_the_end() -> None:
    following = objectives.next_values(TARGET, LEGAL, LIVE)
    assert following.tolist() == [5.0, 4.0, 0.0]  # 9 is not legal
    assert objectives.td_targets(REWARDS, following, ~LIVE, gamma=0.5).tolist() == [3.5, 4.0, 3.0]


def test_double_dqn_chooses_with_the_online_network_and_values_with_the_target_network() -> None:
    following = objectives.next_values(TARGET, LEGAL, LIVE, online_next_q=ONLINE)
    assert following.tolist() == [1.0, 3.0, 0.0]  # online prefers options 0 and 2


def test_a_mixed_value_that_is_not_zero_is_left_out_at_the_end() -> None:
    """A mixing network's bias answers even when no agent is left."""
    following = torch.tensor([6.0, NAN, 6.0], dtype=torch.float64)
    terminal = torch.tensor([False, True, True])
    assert objectives.td_targets(REWARDS, following, terminal, gamma=0.5).tolist() == [4.0, 2.0, 3.0]


def test_a_live_row_without_a_legal_option_is_refused() -> None:
    with pytest.raises(LearningError, match=r"turns \[2\] have no legal option"):
        objectives.next_values(TARGET, LEGAL, torch.ones(3, dtype=torch.bool))


def test_targets_lag_and_carry_no_gradient() -> None:
    online, target = nn.Linear(2, 3, dtype=torch.float64), nn.Linear(2, 3, dtype=torch.float64)
    situation, legal = torch.ones(1, 2, dtype=torch.float64), torch.ones(1, 3, dtype=torch.bool)
    live = torch.ones(1, dtype=torch.bool)
    objectives.follow(target, online)
    assert all(torch.equal(a, b) for a, b in zip(target.parameters(), online.parameters(), strict=True))
    before = objectives.next_values(target(situation), legal, live)
    with torch.no_grad():
        online.bias += 1.0
    assert torch.equal(objectives.next_values(target(situation), legal, live), before)
    assert not before.requires_grad
    objectives.follow(target, online, rate=0.25)
    torch.testing.assert_close(objectives.next_values(target(situation), legal, live), before + 0.25)
    objectives.follow(target, online)
    torch.testing.assert_close(objectives.next_values(target(situation), legal, live), before + 1.0)


def test_following_copies_buffers_too() -> None:
    online, target = nn.BatchNorm1d(2), nn.BatchNorm1d(2)
    online(torch.tensor([[1.0, 2.0], [3.0, 8.0]]))
    objectives.follow(target, online, rate=0.1)
    assert torch.equal(target.running_mean, online.running_mean)
    assert int(target.num_batches_tracked) == 1


def test_n_step_rewards_by_hand() -> None:
    rewards = torch.tensor([[1.0, 2.0, 4.0, 8.0], [3.0, 5.0, 99.0, 99.0]], dtype=torch.float64)
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    total, steps = objectives.n_step_rewards(rewards, mask, n=3, gamma=0.5)
    assert total.tolist() == [[1 + 1 + 1, 2 + 2 + 2, 4 + 4, 8], [3 + 2.5, 5, 0, 0]]
    assert steps.tolist() == [[3, 3, 2, 1], [2, 1, 0, 0]]
    one, single = objectives.n_step_rewards(rewards, mask, n=1, gamma=0.5)
    assert one.tolist() == [[1, 2, 4, 8], [3, 5, 0, 0]]
    assert single.tolist() == [[1, 1, 1, 1], [1, 1, 0, 0]]
    with pytest.raises(LearningError, match="at least 1"):
        objectives.n_step_rewards(rewards, mask, n=0, gamma=0.5)


def test_n_step_targets_discount_the_bootstrap_by_the_steps_there_were() -> None:
    targets = objectives.td_targets(
        torch.tensor([3.0, 8.0], dtype=torch.float64),
        torch.tensor([16.0, 16.0], dtype=torch.float64),
        torch.zeros(2, dtype=torch.bool),
        gamma=0.5,
        steps=torch.tensor([3, 1]),
    )
    assert targets.tolist() == [3 + 16 / 8, 8 + 16 / 2]


def test_q_loss_is_hubers_over_the_marked_rows() -> None:
    values = torch.tensor([1.0, 1.0, NAN], dtype=torch.float64, requires_grad=True)
    targets = torch.tensor([1.5, 4.0, NAN], dtype=torch.float64, requires_grad=True)
    loss = objectives.q_loss(values, targets, torch.tensor([True, True, False]))
    loss.backward()
    assert loss.item() == (0.5 * 0.5**2 + (3.0 - 0.5)) / 2
    assert values.grad.tolist() == [-0.25, -0.5, 0.0]
    assert targets.grad is None


def test_q_iteration_on_a_chain_reaches_value_iteration() -> None:
    """Four cells in a row, left or right, 1 for stepping onto the last one; left is not legal in the first cell."""
    gamma, cells = 0.9, 4
    q = torch.zeros(cells, 2, dtype=torch.float64)
    legal = torch.tensor([[False, True], [True, True], [True, True], [False, False]])
    turns = [(cell, move) for cell in range(cells - 1) for move in (0, 1) if legal[cell, move]]
    after = torch.tensor([cell + (1 if move else -1) for cell, move in turns])
    rewards = (after == cells - 1).double()
    for _ in range(60):
        live = after != cells - 1
        targets = objectives.td_targets(
            rewards, objectives.next_values(q[after], legal[after], live), ~live, gamma=gamma
        )
        q = q.clone()
        for (cell, move), target in zip(turns, targets, strict=True):
            q[cell, move] = target
    optimal = {(0, 1): 0.81, (1, 1): 0.9, (2, 1): 1.0, (1, 0): 0.9 * 0.81, (2, 0): 0.81}
    assert {turn: float(q[turn]) for turn in turns} == pytest.approx(optimal, abs=1e-12)
    assert objectives.greedy(q[:3], legal[:3]).tolist() == [1, 1, 1]
    assert objectives.chosen_q(q[:3], torch.ones(3, dtype=torch.int64)).tolist() == pytest.approx([0.81, 0.9, 1.0])


def test_what_turned_out_worse_than_thought_weighs_less() -> None:
    values, targets = torch.tensor([3.0, 1.0, 2.0]), torch.tensor([1.0, 2.0, 2.0])
    mask = torch.ones(3, dtype=torch.bool)
    loss = objectives.q_loss(values, targets, mask, delta=100.0, overestimate=0.25)
    assert float(loss) == pytest.approx((0.25 * 2.0 + 0.5) / 3)


def test_optimistic_values_are_those_of_the_best_partner() -> None:
    """Two independent learners of the climbing game (Claus & Boutilier 1998), the other one playing at random."""
    payoff = torch.tensor([[11.0, -30.0, 0.0], [-30.0, 7.0, 6.0], [0.0, 0.0, 5.0]])
    best = {}
    for weight in (1.0, 0.001):
        q = torch.zeros(3, requires_grad=True)
        optimizer = torch.optim.SGD([q], lr=0.5)
        every = torch.ones(9, dtype=torch.bool)
        for _ in range(3000):
            optimizer.zero_grad()
            loss = objectives.q_loss(q.repeat_interleave(3), payoff.flatten(), every, delta=1e6, overestimate=weight)
            loss.backward()
            optimizer.step()
        best[weight] = q.detach()
    assert int(best[1.0].argmax()) == 2  # 5/3 for right, -19/3 for left
    torch.testing.assert_close(best[1.0], payoff.mean(dim=1), atol=1e-2, rtol=0)
    torch.testing.assert_close(best[0.001], payoff.amax(dim=1), atol=0.1, rtol=0)
