"""Ray actors that play with whatever policies they are given: evaluation, tournaments, audits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
import ray
import torch
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.env.env_runner import EnvRunner
from ray.rllib.env.env_runner_group import EnvRunnerGroup

from marl.learning.answer import Answer, answer
from marl.learning.cluster import ensure_ray
from marl.learning.dispatch import play_on
from marl.learning.task import Task
from marl.policies import Policy, meters
from marl.rollout import Tables
from marl.settings import Scenario
from marl.types import Episode


class PolicyRunner(EnvRunner):
    """Plays tasks; keeps the last policies that it unpacked, since all groups of a task come with the same ones."""

    def __init__(self, *, config: AlgorithmConfig, **kwargs: Any) -> None:
        super().__init__(config=config, **kwargs)
        torch.set_num_threads(1)
        self._key = -1
        self._seated: tuple[Scenario, Mapping[str, Policy], Tables] | None = None

    def sample(self, *, task: Task, key: int, seated: list[Any]) -> Answer:
        """Play with the scenario and policies behind the reference `seated[0]`."""
        if self._seated is None or key != self._key:
            scenario, policies = ray.get(seated[0])
            self._key, self._seated = key, (scenario, policies, Tables(scenario))
        return answer(task, *self._seated)

    def get_spaces(self) -> dict[str, tuple[gym.Space, gym.Space]]:
        """None: it owns no module."""
        return {}

    def assert_healthy(self) -> None:
        """Nothing can be missing once the constructor is through."""


class PolicyRunners:
    """So many `PolicyRunner`s, each a Ray actor with one CPU."""

    def __init__(self, number: int) -> None:
        ensure_ray(number)
        config = AlgorithmConfig().env_runners(env_runner_cls=PolicyRunner, num_env_runners=number)
        config.fault_tolerance(restart_failed_env_runners=True)
        self._group = EnvRunnerGroup(config=config, local_env_runner=False)
        self._calls = 0

    def play(
        self,
        scenario: Scenario,
        policies: Mapping[str, Policy],
        indices: Sequence[int],
        *,
        seed: int,
        intervention: str | None = None,
        pool: Mapping[str, Sequence[str]] | None = None,
    ) -> list[Episode]:
        """The episodes that `marl.rollout.play` gives, played on all actors; what meters count there is added here."""
        self._calls += 1
        seated = ray.put((scenario, dict(policies)))
        task = Task(tuple(indices), seed, intervention, pool)
        return play_on(self._group, task, meters(policies.values()), key=self._calls, seated=[seated])

    def close(self) -> None:
        """Stop the actors."""
        self._group.stop()
