"""RLlib's AlgorithmConfig for a scenario: which modules there are and how they are built."""

from __future__ import annotations

import logging
from typing import Any

import gymnasium as gym
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from marl.errors import LearningError
from marl.learning.actor import Modules
from marl.learning.batch import CRITIC
from marl.learning.critic import NetworkCritic
from marl.learning.features import CriticLayout, critic_layout
from marl.learning.language_actor import LanguageModelActor
from marl.learning.mixer import MixerModule
from marl.learning.network_actor import NetworkActor
from marl.learning.presets import preset
from marl.learning.q_actor import QLanguageModelActor, QNetworkActor
from marl.learning.recurrent_actor import RecurrentActor
from marl.learning.seating import learning_policies
from marl.learning.text_critic import TextCritic
from marl.policies.build import model_seed
from marl.scenario import load_attribute
from marl.seeding import seed_of
from marl.settings import LanguageModelSettings, NetworkSettings, Scenario

_NO_SPACE: gym.Space = gym.spaces.Discrete(1)
"""Prompts and replies are ragged token ids; RLlib asks for spaces and never looks at them on this path."""


class MultiAgentConfig(AlgorithmConfig):
    """Settings come from `scenario.training`; nothing is set twice. Make it with `for_scenario`."""

    scenario: Scenario
    layout: CriticLayout

    @classmethod
    def for_scenario(cls, scenario: Scenario) -> MultiAgentConfig:
        """The config that trains `scenario`. Raises LearningError for a policy with the critic's name."""
        from marl.learning.algorithm import MultiAgentAlgorithm
        from marl.learning.learner import PolicyGradientLearner
        from marl.learning.runner import EpisodeRunner

        if CRITIC in learning_policies(scenario):
            raise LearningError(f"a policy may not be called {CRITIC!r}; rename it in policies and seats")
        # RLlib announces the new API stack and its own deprecated calls at every start; errors stay.
        for name in ("ray", "ray.rllib"):
            logging.getLogger(name).setLevel(logging.ERROR)
        chosen = preset(scenario.training.algorithm)
        config = cls(algo_class=MultiAgentAlgorithm)
        config.scenario = scenario
        config.layout = critic_layout(scenario)
        config.framework("torch")
        config.env_runners(
            env_runner_cls=EpisodeRunner,
            num_env_runners=scenario.training.env_runners,
            create_local_env_runner=False,
            num_cpus_per_env_runner=1,
        )
        learner = load_attribute(chosen.learner, "training.algorithm")
        if scenario.training.learners and not issubclass(learner, PolicyGradientLearner):
            raise LearningError(
                f"{scenario.training.algorithm} learns in this process only; given: training.learners: "
                f"{scenario.training.learners}, allowed: 0"
            )
        config.learners(learner_class=learner, num_learners=scenario.training.learners)
        config.training(grad_clip=scenario.training.grad_clip, grad_clip_by="global_norm")
        config.fault_tolerance(restart_failed_env_runners=True)
        config._dont_auto_sync_env_runner_states = True  # the weights travel with each task
        config.debugging(log_level="ERROR", log_sys_usage=False)
        return config

    @property
    def is_online(self) -> bool:
        """False: RLlib's own sampling would start Ray for no runner at all. `MultiAgentAlgorithm` has its own."""
        return False

    def get_multi_rl_module_spec(self, *, inference_only: bool = False, **_: Any) -> MultiRLModuleSpec:
        """One actor a learning policy and, unless `inference_only`, the critic."""
        specs = {
            name: _actor_spec(self.scenario, name, policy, inference_only)
            for name, policy in learning_policies(self.scenario).items()
        }
        if not inference_only and self.layout.reads != "none":
            mixes = self.scenario.training.value_based
            specs[CRITIC] = (_mixer_spec if mixes else _critic_spec)(self.scenario, self.layout)
        return MultiRLModuleSpec(multi_rl_module_class=Modules, rl_module_specs=specs)


def _actor_spec(
    scenario: Scenario, name: str, policy: LanguageModelSettings | NetworkSettings, inference_only: bool
) -> RLModuleSpec:
    config = {"name": name, "settings": policy.model_dump(mode="json"), "seed": model_seed(scenario.seed, name)}
    if isinstance(policy, NetworkSettings):
        config["scenario"] = scenario.model_dump(mode="json")
    else:
        config["checkpointing"] = scenario.training.gradient_checkpointing
    kinds: tuple[type, type] = (NetworkActor, LanguageModelActor)
    if scenario.training.value_based:
        config["q"], kinds = scenario.training.q.model_dump(mode="json"), (QNetworkActor, QLanguageModelActor)
    elif isinstance(policy, NetworkSettings) and policy.recurrent is not None:
        kinds = (RecurrentActor, LanguageModelActor)
    return RLModuleSpec(
        module_class=kinds[0] if isinstance(policy, NetworkSettings) else kinds[1],
        observation_space=_NO_SPACE,
        action_space=_NO_SPACE,
        inference_only=inference_only,
        model_config=config,
    )


def _critic_spec(scenario: Scenario, layout: CriticLayout) -> RLModuleSpec:
    critic = scenario.training.critic
    config: dict[str, Any] = {
        "agents": len(layout.agents),
        "options": 0 if layout.alphabet is None else layout.alphabet.size,
        "width": critic.width,
        "heads": critic.heads,
        "popart": critic.popart,
        "seed": seed_of(scenario.seed, "critic"),
    }
    if layout.text:
        config |= _trunk(scenario) | {"trained": critic.trunk == "trained", "trunk_lr": critic.trunk_lr}
    else:
        config |= {"vector": layout.vector, "messages": layout.messages}
    return RLModuleSpec(
        module_class=TextCritic if layout.text else NetworkCritic,
        observation_space=_NO_SPACE,
        action_space=_NO_SPACE,
        learner_only=True,
        model_config=config,
    )


def _trunk(scenario: Scenario) -> dict[str, str]:
    """The model that reads for a critic of kind text, as precise as where it acts."""
    wanted = scenario.training.critic.model
    learners = [p for p in learning_policies(scenario).values() if isinstance(p, LanguageModelSettings)]
    for policy in learners:
        if wanted in (None, policy.model):
            return {"model": policy.model, "precision": policy.precision}
    if wanted is None:
        raise LearningError("training.critic.model: no language model learns here; name the model that is to read")
    return {"model": wanted, "precision": "float32"}


def _mixer_spec(scenario: Scenario, layout: CriticLayout) -> RLModuleSpec:
    """QMIX's mixing network. The state that it reads is the env's, and two numbers that tell the moment."""
    learning = learning_policies(scenario)
    team = [agent for agent, name in scenario.seats.items() if name in learning]
    return RLModuleSpec(
        module_class=MixerModule,
        observation_space=_NO_SPACE,
        action_space=_NO_SPACE,
        learner_only=True,
        model_config={
            "agents": len(team),
            "state": layout.vector + 2,
            "width": scenario.training.q.mixer_width,
            "seed": seed_of(scenario.seed, "critic"),
        },
    )
