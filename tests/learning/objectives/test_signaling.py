from __future__ import annotations

import math

import pytest
import torch
from scipy.stats import entropy

from marl.learning import objectives

ALL = torch.tensor([True, True, True, True])


def test_a_separating_code_is_worth_log_n_and_one_word_for_all_nothing() -> None:
    code = torch.full((4, 4), -torch.inf, dtype=torch.float64).fill_diagonal_(0.0)
    assert float(objectives.signaling_bonus(code, objectives.average_message(code), ALL)) == pytest.approx(math.log(4))
    same = torch.tensor([0.1, 0.2, 0.3, 0.4], dtype=torch.float64).log().expand(4, 4)
    assert float(objectives.signaling_bonus(same, objectives.average_message(same), ALL)) == pytest.approx(0.0)


def test_value_and_gradient_are_those_of_the_mutual_information_over_the_marked_turns() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 3, generator=generator, dtype=torch.float64).requires_grad_()
    turns = torch.tensor([True, True, False, True, True, False])
    table = logits.log_softmax(-1)
    bonus = objectives.signaling_bonus(table, objectives.average_message(table[turns]).detach(), turns)
    probabilities = table.detach()[turns].exp().numpy()
    information = entropy(probabilities.mean(0)) - entropy(probabilities, axis=1).mean()
    assert bonus.item() == pytest.approx(information, abs=1e-12)
    (ours,) = torch.autograd.grad(bonus, logits, retain_graph=True)
    shares = table[turns].exp()
    average = shares.mean(0)
    exact = -(average * average.log()).sum() + (shares * table[turns]).sum(-1).mean()
    (theirs,) = torch.autograd.grad(exact, logits)
    assert torch.allclose(ours, theirs, atol=1e-12)
    assert ours[~turns].abs().max() == 0.0


def test_illegal_words_and_no_turns_leave_finite_gradients() -> None:
    logits = torch.zeros(4, 3, requires_grad=True)
    barred = torch.tensor([[False, False, True]]).expand(4, 3)
    table = logits.masked_fill(barred, -torch.inf).log_softmax(-1)
    average = objectives.average_message(table.detach())
    objectives.signaling_bonus(table, average, ALL).backward()
    assert logits.grad is not None
    assert bool(logits.grad.isfinite().all())
    assert float(objectives.signaling_bonus(table, average, ~ALL)) == 0.0
