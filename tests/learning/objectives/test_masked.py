from __future__ import annotations

import torch

from marl.learning import objectives

VALUES = torch.tensor([[1.0, 2.0, 99.0], [4.0, 99.0, 99.0], [99.0, 99.0, 99.0]], dtype=torch.float64)
MASK = torch.tensor([[True, True, False], [True, False, False], [False, False, False]])


def test_sum_and_mean_over_tokens_leave_padding_out() -> None:
    assert objectives.sum_over_tokens(VALUES, MASK).tolist() == [3.0, 4.0, 0.0]
    assert objectives.mean_over_tokens(VALUES, MASK).tolist() == [1.5, 4.0, 0.0]
    assert float(objectives.masked_mean(VALUES, MASK)) == 7 / 3


def test_padding_that_is_not_a_number_gives_neither_value_nor_gradient() -> None:
    values = VALUES.masked_fill(~MASK, float("nan")).requires_grad_()
    objectives.sum_over_tokens(values, MASK).sum().backward()
    torch.testing.assert_close(values.grad, MASK.double())


def test_masked_mean_of_nothing_is_zero_with_a_gradient() -> None:
    values = torch.ones(3, requires_grad=True)
    mean = objectives.masked_mean(values, torch.zeros(3, dtype=torch.bool))
    mean.backward()
    assert mean.item() == 0.0
    assert not values.grad.any()
