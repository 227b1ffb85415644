from __future__ import annotations

import dataclasses
from collections.abc import Callable

import pytest

from marl.errors import LearningError
from marl.learning.batch import CRITIC
from marl.learning.config import MultiAgentConfig
from marl.learning.presets import PRESETS
from marl.policies.build import model_seed
from marl.scenario import validate_scenario
from marl.settings import LanguageModelSettings, Scenario


def test_the_learner_builds_actors_and_critic_and_a_runner_only_actors(make_scenario: Callable[..., Scenario]) -> None:
    scenario = make_scenario(2)
    config = MultiAgentConfig.for_scenario(scenario)
    whole = config.get_multi_rl_module_spec()
    assert set(whole.rl_module_specs) == {"guest", CRITIC}
    assert whole.rl_module_specs[CRITIC].learner_only
    assert set(config.get_multi_rl_module_spec(inference_only=True).rl_module_specs) == {"guest"}
    actor = whole.rl_module_specs["guest"].model_config
    assert (actor["name"], actor["seed"]) == ("guest", model_seed(scenario.seed, "guest"))
    assert LanguageModelSettings(**actor["settings"]) == scenario.policies["guest"]
    assert whole.rl_module_specs[CRITIC].model_config["vector"] == 6


def test_no_policy_may_be_called_critic(make_scenario: Callable[..., Scenario]) -> None:
    data = make_scenario().model_dump()
    data["policies"] = {CRITIC: data["policies"]["guest"]}
    data["seats"] = {"guest_0": CRITIC}
    with pytest.raises(LearningError, match="critic"):
        MultiAgentConfig.for_scenario(validate_scenario(data))


def test_learners_are_remote_ones_of_our_own_kind(
    make_scenario: Callable[..., Scenario], monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario = make_scenario(training={"learners": 3})
    assert MultiAgentConfig.for_scenario(scenario).num_learners == 3
    assert MultiAgentConfig.for_scenario(make_scenario()).num_learners == 0
    other = dataclasses.replace(PRESETS["mappo"], learner="ray.rllib.core.learner.torch.torch_learner:TorchLearner")
    monkeypatch.setitem(PRESETS, "mappo", other)
    with pytest.raises(LearningError, match=r"training\.learners: 3, allowed: 0"):
        MultiAgentConfig.for_scenario(scenario)
