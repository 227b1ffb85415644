from __future__ import annotations

import torch
from torch import Tensor

from marl.learning import objectives

LOGITS = torch.tensor([0.3, -0.7, 1.1, 0.2], dtype=torch.float64)
PAYS = torch.tensor([1.0, 4.0, -2.0, 0.5], dtype=torch.float64)
"""A bandit of four arms and a softmax policy over them."""


def gradient(chosen: Tensor, weights: Tensor, baseline: Tensor | None = None) -> Tensor:
    """Of the loss by autograd, each choice a turn of one token; `weights` are its returns."""
    logits = LOGITS.clone().requires_grad_()
    log_probs = logits.log_softmax(-1)[chosen].unsqueeze(-1)
    loss = objectives.reinforce_loss(
        log_probs, weights, torch.ones_like(log_probs, dtype=torch.bool), baseline=baseline
    )
    (grad,) = torch.autograd.grad(loss, logits)
    return grad


def test_gradient_of_sampled_choices_is_the_closed_form() -> None:
    """d log softmax(z)_a / dz = e_a - pi."""
    chosen = torch.tensor([2, 0, 0, 1, 3, 2])
    baseline = torch.tensor([0.5, 0.1, -1.0, 2.0, 0.0, 0.3], dtype=torch.float64)
    policy = LOGITS.exp() / LOGITS.exp().sum()
    rows = [
        (float(PAYS[a]) - float(b)) * (torch.eye(4, dtype=torch.float64)[a] - policy)
        for a, b in zip(chosen, baseline, strict=True)
    ]
    torch.testing.assert_close(gradient(chosen, PAYS[chosen], baseline), -torch.stack(rows).mean(0), atol=1e-9, rtol=0)


def test_expected_gradient_is_that_of_the_expected_return_whatever_the_baseline() -> None:
    """Every arm once, weighted by its probability: d E[r] / dz_a = pi_a (r_a - E[r])."""
    policy = LOGITS.exp() / LOGITS.exp().sum()
    closed = policy * (PAYS - (policy * PAYS).sum())
    for baseline in (0.0, 3.7):
        summed = 4 * gradient(torch.arange(4), policy * (PAYS - baseline))
        torch.testing.assert_close(-summed, closed, atol=1e-9, rtol=0)


def test_a_text_counts_with_all_its_tokens_and_the_critic_gets_no_gradient() -> None:
    log_probs = torch.tensor([[-1.0, -2.0], [-0.5, 9.0]], dtype=torch.float64, requires_grad=True)
    mask = torch.tensor([[True, True], [True, False]])
    baseline = torch.tensor([1.0, 1.0], dtype=torch.float64, requires_grad=True)
    loss = objectives.reinforce_loss(log_probs, torch.tensor([3.0, 0.0], dtype=torch.float64), mask, baseline=baseline)
    loss.backward()
    assert loss.item() == -(2.0 * -3.0 + -1.0 * -0.5) / 2
    assert log_probs.grad.tolist() == [[-1.0, -1.0], [0.5, 0.0]]
    assert baseline.grad is None
