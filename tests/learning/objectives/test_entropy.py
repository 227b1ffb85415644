from __future__ import annotations

import pytest
import torch

from marl.learning import objectives


def test_entropy_bonus_does_not_pay_for_length() -> None:
    entropy = torch.tensor([[2.0, 2.0, 2.0], [1.0, 0.0, 0.0]])
    mask = torch.tensor([[True, True, True], [True, False, False]])
    assert float(objectives.entropy_bonus(entropy, mask, torch.tensor([True, True]))) == pytest.approx(1.5)
    assert float(objectives.entropy_bonus(entropy, mask, torch.tensor([True, False]))) == pytest.approx(2.0)
    assert float(objectives.entropy_bonus(entropy, mask, torch.tensor([False, False]))) == 0.0
