from __future__ import annotations

import itertools

import pytest
import torch

from marl.errors import LearningError
from marl.learning import objectives


def test_baseline_equals_enumeration_of_a_joint_value_table() -> None:
    """Three agents with 2, 3 and 2 options: for each joint choice and each agent, the others' choices stay."""
    generator = torch.Generator().manual_seed(5)
    shape = (2, 3, 2)
    joint = torch.randn(shape, generator=generator, dtype=torch.float64)
    policies = [torch.rand(n, generator=generator, dtype=torch.float64) for n in shape]
    policies = [policy / policy.sum() for policy in policies]
    rows = [(choice, agent) for choice in itertools.product(*map(range, shape)) for agent in range(3)]
    q, probs = torch.full((len(rows), 3), torch.nan, dtype=torch.float64), torch.full((len(rows), 3), torch.nan)
    probs, legal = probs.double(), torch.zeros(len(rows), 3, dtype=torch.bool)
    for row, (choice, agent) in enumerate(rows):
        for option in range(shape[agent]):
            q[row, option] = joint[tuple(option if i == agent else c for i, c in enumerate(choice))]
            probs[row, option], legal[row, option] = policies[agent][option], True
    chosen = torch.tensor([choice[agent] for choice, agent in rows])
    advantages = objectives.counterfactual_advantages(q, probs, legal, chosen)
    for row, (choice, agent) in enumerate(rows):
        expected = joint[choice].item()
        for option in range(shape[agent]):
            other = tuple(option if i == agent else c for i, c in enumerate(choice))
            expected -= policies[agent][option].item() * joint[other].item()
        assert float(advantages[row]) == pytest.approx(expected, abs=1e-12)


def test_advantages_have_mean_zero_under_the_policy_and_no_gradient() -> None:
    q = torch.tensor([[1.0, -2.0, 5.0]], dtype=torch.float64, requires_grad=True).expand(3, 3)
    probs = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    legal = torch.ones(3, 3, dtype=torch.bool)
    advantages = objectives.counterfactual_advantages(q, probs.expand(3, 3), legal, torch.arange(3))
    assert float((probs * advantages).sum()) == pytest.approx(0.0, abs=1e-12)
    assert not advantages.requires_grad


def test_a_choice_that_was_not_legal_is_refused() -> None:
    legal = torch.tensor([[True, True], [True, False]])
    with pytest.raises(LearningError, match=r"turns \[1\] chose options that are not legal"):
        objectives.counterfactual_advantages(torch.zeros(2, 2), torch.full((2, 2), 0.5), legal, torch.tensor([0, 1]))
