"""The EnvRunner: plays whole groups of numbered episodes on `marl.rollout`, here or inside a Ray actor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import ray
import torch
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.env.env_runner import EnvRunner

from marl.learning.actor import ActorModule
from marl.learning.answer import Answer, answer
from marl.learning.league import Bench, Lineup
from marl.learning.seating import seat
from marl.learning.task import Task
from marl.models.api_meter import Meter
from marl.policies import meters


class EpisodeRunner(EnvRunner):
    """Owns the actors of the learning policies, or is lent the learner's own (`adopt`), and plays tasks with them."""

    def __init__(self, *, config: AlgorithmConfig, **kwargs: Any) -> None:
        super().__init__(config=config, **kwargs)
        torch.set_num_threads(1)
        self._version: int | None = None
        self.actors: dict[str, ActorModule] = {}
        self._policies: dict[str, Any] = {}
        if self.worker_index:
            self.make_module()

    def make_module(self) -> None:
        """Build own actors, as a Ray actor must; the critic is `learner_only` and stays away."""
        module = self.config.get_multi_rl_module_spec(inference_only=True).build()
        self.adopt(dict(module.items()))

    def adopt(self, actors: Mapping[str, ActorModule]) -> None:
        """Play with these actors from now on; their weights are shared, not copied."""
        self.actors = dict(actors)
        self._policies = seat(self.config.scenario, {name: actor.policy for name, actor in actors.items()})
        self._bench = Bench(self.config, self._policies)

    def sample(
        self, *, task: Task, weights: tuple[int, Any] | None = None, lineups: Mapping[str, Lineup] | None = None
    ) -> Answer:
        """Play one task. `weights` is (version, reference to module states): fetched when the version is new.

        `lineups` are those of the seated leagues, by policy name.
        """
        if weights is not None and weights[0] != self._version:
            for name, state in ray.get(weights[1]).items():
                self.actors[name].set_state(state)
            self._version = weights[0]
        self._bench.seat(lineups or {})
        for actor in self.actors.values():
            actor.explore(task.explore)
        try:
            return answer(task, self.config.game(task.game), self._policies)
        finally:
            for actor in self.actors.values():
                actor.explore(False)

    @property
    def meters(self) -> dict[str, Meter]:
        """What the API policies have counted here, by policy name."""
        return meters(self._policies.values())

    def get_spaces(self) -> dict[str, tuple[gym.Space, gym.Space]]:
        """No spaces: prompts and replies are token ids, which no gymnasium space needs to describe here."""
        return {}

    def assert_healthy(self) -> None:
        """Raise AssertionError when no actor was built."""
        assert self.actors, "the episode runner has no actors"
