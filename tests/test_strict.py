"""What no settings take, whichever they are."""

from __future__ import annotations

import pytest

from marl.errors import ScenarioError
from marl.scenario import load_scenario


@pytest.mark.parametrize("key", ["iterations", "clip", "critic.value_clip", "signaling", "q.epsilon", "stop.time_s"])
@pytest.mark.parametrize("value", ["true", "no"])
def test_a_switch_is_no_number(key: str, value: str) -> None:
    """YAML's true would be 1, and `value_clip: true` a clip of one standard deviation that nobody asked for."""
    said = "true" if value == "true" else "false"
    with pytest.raises(ScenarioError, match=rf"{key.rpartition('.')[2]}: give a number, not {said}"):
        load_scenario("lewis", [f"training.{key}={value}"])


def test_a_switch_is_a_switch_and_an_argument_of_the_env_may_be_one() -> None:
    given = ["training.anneal_lr=true", "training.critic.popart=false", "env.kwargs.known=true"]
    scenario = load_scenario("lewis", given)
    assert (scenario.training.anneal_lr, scenario.training.critic.popart) == (True, False)
    assert scenario.env.kwargs["known"] is True
    with pytest.raises(ScenarioError, match=r"training\.reference: give a mapping"):
        load_scenario("lewis", ["training.reference=true"])
