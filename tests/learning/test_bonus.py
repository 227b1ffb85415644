from __future__ import annotations

import math

import pytest
import torch

from marl.errors import LearningError
from marl.learning.bonus import average_message, bonus
from marl.learning.gradients import Given, Shares
from marl.training_settings import TrainingSettings

TALK = torch.tensor([True, True, False, False])
HALF = math.log(0.5)


def parts(average: bool) -> tuple[dict[str, torch.Tensor], Given]:
    """Two speakers with a word each, and two decisions between two options."""
    table = torch.tensor([[0.0, -torch.inf], [-torch.inf, 0.0], [HALF, HALF], [HALF, HALF]])
    entropy = torch.tensor([[0.0], [0.0], [-HALF], [-HALF]])
    part = {"talk": TALK}
    if average:
        part["average_message"] = average_message(table[TALK]).expand(4, -1)
    return part, Given(torch.zeros(4, 1), entropy, torch.ones(4, 1, dtype=torch.bool), table)


def paid(training: TrainingSettings, iteration: int, *, average: bool = True) -> tuple[float, dict[str, float]]:
    logged: dict[str, float] = {}
    part, given = parts(average)
    shares = Shares(0.5, 0.5, 0.25)
    total = bonus(part, given, training, iteration, shares, lambda name, value, _: logged.update({name: float(value)}))
    return float(total), logged


def test_each_bonus_counts_with_its_coefficient_of_the_iteration_and_its_share() -> None:
    training = TrainingSettings(
        iterations=5, action_entropy=(0.4, 0.0), message_entropy=(9.0, 9.0), signaling=(2.0, 0.0)
    )
    for iteration, left in ((0, 1.0), (2, 0.5), (4, 0.0)):
        total, logged = paid(training, iteration)
        assert total == pytest.approx(left * (0.4 * 0.5 + 2.0 * 0.25) * math.log(2), abs=1e-6)
        assert logged == pytest.approx(
            {"entropy_action": math.log(2), "entropy_message": 0.0, "signaling": math.log(2)}, abs=1e-6
        )


def test_without_an_average_there_is_no_bonus_for_signaling() -> None:
    training = TrainingSettings(iterations=5, action_entropy=(0.0, 0.0), signaling=(2.0, 0.0))
    total, logged = paid(training, 0, average=False)
    assert total == 0.0
    assert "signaling" not in logged


def test_free_text_has_no_average() -> None:
    with pytest.raises(LearningError, match=r"channel\.vocabulary"):
        average_message(torch.full((2, 0), -torch.inf))
