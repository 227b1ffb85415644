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
from marl.learning.batch import critic_id, is_critic
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
from marl.multi_task import AnyScenario, MultiTask, games_of, home_of
from marl.policies.build import model_seed
from marl.policies.encoding import Encoding
from marl.scenario import load_attribute
from marl.seeding import seed_of
from marl.settings import LanguageModelSettings, NetworkSettings, Scenario

_NO_SPACE: gym.Space = gym.spaces.Discrete(1)
"""Prompts and replies are ragged token ids; RLlib asks for spaces and never looks at them on this path."""


class MultiAgentConfig(AlgorithmConfig):
    """Settings come from `scenario.training`; nothing is set twice. Make it with `for_scenario`."""

    scenario: AnyScenario
    layout: CriticLayout
    layouts: dict[str, CriticLayout]
    """By the name of the scenario, of which there are several in multi-task training; `layout` is the first one's."""

    @classmethod
    def for_scenario(cls, scenario: AnyScenario) -> MultiAgentConfig:
        """The config that trains `scenario`.

        Raises LearningError for a policy with a critic's name, and for a network in tasks that ask different things.
        """
        from marl.learning.algorithm import MultiAgentAlgorithm
        from marl.learning.learner import PolicyGradientLearner
        from marl.learning.runner import EpisodeRunner

        for name in filter(is_critic, learning_policies(scenario)):
            raise LearningError(f"a policy that learns may not be called {name!r}; rename it in policies and seats")
        _check_networks(scenario)
        # RLlib announces the new API stack and its own deprecated calls at every start; errors stay.
        for name in ("ray", "ray.rllib"):
            logging.getLogger(name).setLevel(logging.ERROR)
        chosen = preset(scenario.training.algorithm)
        config = cls(algo_class=MultiAgentAlgorithm)
        config.scenario = scenario
        config.layouts = {name: critic_layout(game) for name, game in games_of(scenario).items()}
        config.layout = next(iter(config.layouts.values()))
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

    def games(self) -> dict[str, Scenario]:
        """The scenarios that are played, by name."""
        return games_of(self.scenario)

    def game(self, name: str | None) -> Scenario:
        """The scenario of that name; the first, which may be the only one, for None."""
        games = self.games()
        return next(iter(games.values())) if name is None else games[name]

    def critics(self) -> dict[str, CriticLayout]:
        """What the critics read, by module id: one critic, or one a task."""
        several = len(self.layouts) > 1
        return {critic_id(name if several else None): layout for name, layout in self.layouts.items()}

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
            spec_of = _mixer_spec if self.scenario.training.value_based else _critic_spec
            games = zip(self.critics().items(), self.games().values(), strict=True)
            specs |= {name: spec_of(game, layout) for (name, layout), game in games}
        return MultiRLModuleSpec(multi_rl_module_class=Modules, rl_module_specs=specs)


def _check_networks(scenario: AnyScenario) -> None:
    for name in scenario.policies if isinstance(scenario, MultiTask) else ():
        if isinstance(scenario.policies[name], NetworkSettings):
            played = {task: game for task, game in games_of(scenario).items() if name in game.seats.values()}
            encodings = {task: Encoding.of(game, name) for task, game in played.items()}
            if any(encoding != next(iter(encodings.values())) for encoding in encodings.values()):
                sizes = {task: f"{each.inputs} numbers, {each.outputs} options" for task, each in encodings.items()}
                raise LearningError(
                    f"policies.{name}: one network cannot sit in tasks whose agents, observations or options differ: "
                    f"{sizes}; seat a network of its own in each task, or a language model in all"
                )


def _actor_spec(
    scenario: AnyScenario, name: str, policy: LanguageModelSettings | NetworkSettings, inference_only: bool
) -> RLModuleSpec:
    config = {"name": name, "settings": policy.model_dump(mode="json"), "seed": model_seed(scenario.seed, name)}
    if isinstance(policy, NetworkSettings):
        config["scenario"] = home_of(scenario, name).model_dump(mode="json")
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
