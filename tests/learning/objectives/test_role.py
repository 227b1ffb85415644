from __future__ import annotations

import pytest
import torch

from marl.learning import objectives


def test_baselines_by_hand() -> None:
    returns = torch.tensor([1.0, -1.0, 1.0, 3.0], dtype=torch.float64)
    roles = torch.tensor([0, 1, 0, 2])
    before = torch.tensor([0.0, 0.0, 2.0], dtype=torch.float64)
    advantages, after = objectives.role_advantages(returns, roles, before, decay=0.9)
    assert advantages.tolist() == pytest.approx([1.0, -1.0, 0.9, 1.0])
    assert after.tolist() == pytest.approx([0.19, -0.1, 2.1])
    assert before.tolist() == [0.0, 0.0, 2.0]


def test_two_batches_are_one() -> None:
    generator = torch.Generator().manual_seed(0)
    returns = torch.randn(20, generator=generator, dtype=torch.float64)
    roles = torch.randint(0, 3, (20,), generator=generator)
    start = torch.zeros(3, dtype=torch.float64)
    whole, end = objectives.role_advantages(returns, roles, start)
    first, middle = objectives.role_advantages(returns[:7], roles[:7], start)
    second, last = objectives.role_advantages(returns[7:], roles[7:], middle)
    assert torch.equal(whole, torch.cat([first, second]))
    assert torch.equal(end, last)


def test_a_role_that_the_game_favors_is_not_paid_for_it() -> None:
    """The first mover always wins 1: its advantage dies out, where one baseline for both would leave it at 1."""
    returns = torch.tensor([1.0, -1.0] * 200, dtype=torch.float64)
    start = torch.zeros(2, dtype=torch.float64)
    own, _ = objectives.role_advantages(returns, torch.tensor([0, 1] * 200), start)
    shared, _ = objectives.role_advantages(returns, torch.zeros(400, dtype=torch.int64), start)
    assert float(own[-20:].abs().max()) < 1e-3
    assert float(shared[-20:].abs().min()) > 0.9
