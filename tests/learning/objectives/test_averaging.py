from __future__ import annotations

import pytest
import torch

from marl.learning import objectives


def test_the_average_plays_every_path_as_often_as_a_policy_drawn_anew() -> None:
    """A tree of three situations: the first choice leads to the second or the third. Leaves, by enumeration."""
    generator = torch.Generator().manual_seed(4)
    probs = torch.rand(5, 3, 2, generator=generator, dtype=torch.float64)
    probs = probs / probs.sum(dim=-1, keepdim=True)
    weights = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
    reach = torch.stack([torch.ones(5, dtype=torch.float64), probs[:, 0, 0], probs[:, 0, 1]], dim=1)
    average = objectives.average_policy(probs, reach, weights=weights)
    for first in range(2):
        for second in range(2):
            mixed = (weights / 15 * probs[:, 0, first] * probs[:, 1 + first, second]).sum()
            assert float(average[0, first] * average[1 + first, second]) == pytest.approx(float(mixed), abs=1e-12)
    assert not torch.allclose(average[1:], torch.einsum("m,mta->ta", weights / 15, probs)[1:])


def test_a_situation_that_no_policy_reaches_has_the_plain_average() -> None:
    probs = torch.tensor([[[1.0, 0.0]], [[0.0, 1.0]]], dtype=torch.float64)
    assert objectives.average_policy(probs, torch.zeros(2, 1).double()).tolist() == [[0.5, 0.5]]
    assert objectives.average_policy(probs, torch.tensor([[0.375], [0.125]]).double()).tolist() == [[0.75, 0.25]]
