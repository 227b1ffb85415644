from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from marl.errors import LearningError
from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.config import MultiAgentConfig
from marl.learning.gradients import Given
from marl.learning.learner import PRICE
from marl.learning.reference import Reference, divergence
from marl.training_settings import ReferenceSettings

LORA = {"guest": {"lora": {"rank": 4, "alpha": 8}}}


def test_a_choice_counts_exactly_and_a_text_by_its_sample() -> None:
    """Row 0 chooses with (3/4, 1/4) against (1/2, 1/2); row 1 says two tokens of ratio 1/2 and 1."""
    inf = -torch.inf
    given = Given(
        torch.tensor([[0.75, 1.0], [0.5, 0.5]]).log(),
        torch.zeros(2, 2),
        torch.tensor([[True, False], [True, True]]),
        torch.tensor([[math.log(0.75), math.log(0.25), inf], [inf, inf, inf]]),
    )
    part = {
        "reference_log_probs": torch.tensor([[0.5, 1.0, 1.0], [0.25, 0.5, 1.0]]).log(),
        "reference_table": torch.tensor([[0.5, 0.5], [0.0, 0.0]]).log(),
    }
    chosen = 0.75 * math.log(1.5) + 0.25 * math.log(0.5)
    said = 0.5 - 1 - math.log(0.5)
    assert float(divergence(part, given)) == pytest.approx((chosen + said) / 2, abs=1e-6)


def test_the_price_follows_a_target_and_stays_without_one() -> None:
    fixed, led = Reference(ReferenceSettings()), Reference(ReferenceSettings(target=1.0))
    for reference in (fixed, led):
        reference.adapt(5.0)
    assert fixed.coefficient == 0.1
    assert led.coefficient == pytest.approx(0.1 * 1.02)
    led.adapt(0.0)
    assert led.coefficient == pytest.approx(0.1 * 1.02 * 0.98)


@pytest.fixture
def build(make_scenario: Any) -> Iterator[Any]:
    made: list[MultiAgentAlgorithm] = []

    def make(policies: Any = LORA, **reference: float) -> MultiAgentAlgorithm:
        training = {"reference": reference, "lr": 3e-3, "epochs": 3, "iterations": 9}
        scenario = make_scenario(2, talk_rounds=1, policies=policies, prize=0, training=training)
        made.append(MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario)))
        return made[-1]

    yield make
    for algorithm in made:
        algorithm.stop()


def test_a_high_price_keeps_the_policy_near_its_base(build: Any) -> None:
    last = []
    for coefficient in (0.0, 3.0):
        algorithm = build(coefficient=coefficient)
        rows = []
        for _ in range(3):
            algorithm.train()
            rows.append(algorithm.row)
        assert rows[0]["losses/first_ratio_deviation"] < 1e-5
        assert {row["losses/reference_coefficient"] for row in rows} == {coefficient}
        last.append(rows[-1]["losses/reference_kl"])
    assert last[0] > 3 * last[1] > 0


def test_the_adapted_price_is_part_of_the_state(build: Any) -> None:
    algorithm = build(coefficient=0.5, target=10.0)
    algorithm.train()
    state = algorithm.learner.get_state()
    assert state[PRICE] == pytest.approx(0.5 * 0.98)
    other = build(coefficient=0.5, target=10.0)
    other.learner.set_state(state)
    assert other.learner.reference.coefficient == state[PRICE]


def test_a_policy_that_is_trained_as_a_whole_has_no_reference(build: Any) -> None:
    with pytest.raises(LearningError, match="set lora"):
        build({"guest": {}}, coefficient=0.1).train()
