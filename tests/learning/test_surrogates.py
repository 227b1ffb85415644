from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from marl.errors import LearningError
from marl.learning.gradients import Given
from marl.learning.surrogates import mirror_descent, ppo, reinforce
from marl.training_settings import TrainingSettings

HALF = math.log(0.5)


def given(table: Any, choice: Any, old: Any, advantage: Any) -> tuple[dict[str, torch.Tensor], Given]:
    """One choice a turn: probabilities now and then, [T, A], and advantages [T]."""
    now, before, chosen = torch.tensor(table).log(), torch.tensor(old).log(), torch.tensor(choice).unsqueeze(-1)
    mask = torch.ones_like(chosen, dtype=torch.bool)
    part = {
        "old_log_probs": before.gather(-1, chosen),
        "advantage": torch.tensor(advantage),
        "choice": torch.tensor(choice),
        "old_table": before,
    }
    return part, Given(now.gather(-1, chosen), torch.zeros_like(chosen), mask, now)


def test_ppo_is_clipped_as_the_settings_say() -> None:
    part, now = given([[0.6, 0.4]], [0], [[0.5, 0.5]], [1.0])
    assert float(ppo(part, now, TrainingSettings(clip=0.5))) == pytest.approx(-1.2)
    assert float(ppo(part, now, TrainingSettings(clip=0.1))) == pytest.approx(-1.1)


def test_ppo_clips_a_text_as_a_whole_where_credit_is_a_turns() -> None:
    """Two tokens with ratios 1.5 and 2/3: each alone is outside of the clip range, both together are not."""
    part = {"old_log_probs": torch.zeros(1, 2), "advantage": torch.tensor([1.0])}
    ratios = torch.tensor([[1.5, 2 / 3]])
    now = Given(ratios.log(), torch.zeros(1, 2), torch.ones(1, 2, dtype=torch.bool), torch.empty(1, 0))
    assert float(ppo(part, now, TrainingSettings(clip=0.1))) == pytest.approx(-(1.1 + 2 / 3))
    assert float(ppo(part, now, TrainingSettings(clip=0.1, credit="turn"))) == pytest.approx(-1.0)


def test_reinforce_weighs_log_probabilities_and_has_no_ratio() -> None:
    part, now = given([[0.5, 0.5], [0.25, 0.75]], [0, 1], [[0.1, 0.9], [0.1, 0.9]], [2.0, -1.0])
    assert float(reinforce(part, now, TrainingSettings())) == pytest.approx(-(2 * HALF - math.log(0.75)) / 2)


def test_mirror_descent_pays_for_leaving_uniform_and_for_leaving_the_last_policy() -> None:
    part, now = given([[0.75, 0.25]], [0], [[0.5, 0.5]], [2.0])
    divergence = 0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5)
    settings = TrainingSettings.model_validate({"mirror_descent": {"temperature": 0.5, "step_size": 0.1}})
    wanted = -(0.75 / 0.5) * 2.0 + 0.5 * divergence + divergence / 0.1
    assert float(mirror_descent(part, now, settings)) == pytest.approx(wanted, rel=1e-5)


def test_mirror_descent_leaves_illegal_options_out_even_in_a_wider_pass() -> None:
    part, now = given([[0.75, 0.25]], [0], [[0.5, 0.5]], [2.0])
    alone = mirror_descent(part, now, TrainingSettings())
    wide = Given(now.log_probs, now.entropy, now.mask, torch.nn.functional.pad(now.table, (0, 3), value=-torch.inf))
    wide.table.requires_grad_()
    loss = mirror_descent(part, wide, TrainingSettings())
    assert float(loss.detach()) == pytest.approx(float(alone))
    loss.backward()
    assert wide.table.grad is not None
    assert wide.table.grad[0, 2:].tolist() == [0.0, 0.0, 0.0]
    assert wide.table.grad.isfinite().all()


def test_mirror_descent_refuses_free_text() -> None:
    part, now = given([[0.75, 0.25]], [0], [[0.5, 0.5]], [2.0])
    part["old_table"] = torch.full((1, 2), -torch.inf)
    with pytest.raises(LearningError, match=r"free text has none; give channel\.vocabulary"):
        mirror_descent(part, now, TrainingSettings())
