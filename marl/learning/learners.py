"""The learners of an algorithm as one: a Learner in this process, or several on Ray that train in step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import ray
from ray.exceptions import RayError
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core import COMPONENT_METRICS_LOGGER, COMPONENT_RL_MODULE
from ray.rllib.core.learner.learner_group import LearnerGroup
from ray.rllib.policy.sample_batch import MultiAgentBatch

from marl.errors import LearningError, ParleyError
from marl.learning.actor import ActorModule
from marl.learning.batch import is_critic
from marl.learning.features import Columns
from marl.learning.seating import learning_policies
from marl.learning.task_batch import task_batch
from marl.types import Episode


class Learners:
    """`actors` play here, by policy name: the Learner's own, or for learners on Ray copies that follow them."""

    def __init__(self, group: LearnerGroup, config: AlgorithmConfig) -> None:
        self.group = group
        self._config = config
        self.version = 0
        """Changes with the actors' weights."""
        self.actors: dict[str, ActorModule]
        if group.is_local:
            modules = group._learner.module.items()
            self.actors = {name: module.unwrapped() for name, module in modules if not is_critic(name)}
        else:
            self.actors = dict(config.get_multi_rl_module_spec(inference_only=True).build().items())
            self._follow()

    def columns(self, episodes: Sequence[Episode]) -> dict[str, Columns]:
        """What `update` takes of these episodes. Raises LearningError where nothing can be learned."""
        if self.group.is_local:
            found: dict[str, Columns] = self.group._learner.columns(episodes)
            return found
        config = self._config
        return task_batch(episodes, learning_policies(config.scenario), config.layouts)

    def update(self, batch: MultiAgentBatch, timesteps: Mapping[str, Any]) -> list[dict[str, Any]]:
        """One iteration over all rows of `batch`; RLlib's results. All learners get all rows and split the work.

        Raises the error of a learner that refuses, and LearningError where one has died.
        """
        given: dict[str, Any] = {"batch": batch}
        if self.group.is_remote:
            given = {"batch_refs": [ray.put(batch)] * len(self.group)}
        try:
            results: list[dict[str, Any]] = self.group.update(**given, timesteps=dict(timesteps))
        except RayError as error:
            cause = getattr(error, "cause", None)
            if isinstance(cause, ParleyError):
                raise cause from error
            raise LearningError(
                f"one of {len(self.group)} learners has died or failed; resume the run from its last checkpoint, with "
                f"training.learners: 0 to see why: {error}"
            ) from error
        self._follow()
        return results

    def weights(self) -> dict[str, Any]:
        """The states of all actors as they are now, by policy name."""
        return {name: actor.get_state(inference_only=True) for name, actor in self.actors.items()}

    def report(self) -> dict[str, float]:
        """Means over the last update: see the Learner's `report`."""
        report: dict[str, float] = self._first("report")
        return report

    def learning_rate(self) -> float:
        """The actors' learning rate as their optimizers have it now; all actors have the same."""
        return float(self._first("learning_rate", next(iter(self.actors))))

    def get_state(self) -> dict[str, Any]:
        """The Learner's state, in which all learners agree, without RLlib's metrics."""
        state: dict[str, Any] = self._first("get_state", not_components=COMPONENT_METRICS_LOGGER)
        return state

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Take over what `get_state` gave, whatever the number of learners was then."""
        self._all("set_state", dict(state))
        self._follow()

    def _follow(self) -> None:
        self.version += 1
        if self.group.is_remote:
            wanted = [f"{COMPONENT_RL_MODULE}/{name}" for name in self.actors]
            state = self._first("get_state", components=wanted, inference_only=True)
            for name, actor in self.actors.items():
                actor.set_state(state[COMPONENT_RL_MODULE][name])

    def _first(self, method: str, *args: Any, **kwargs: Any) -> Any:
        return self._all(method, *args, only_first=True, **kwargs)[0]

    def _all(self, method: str, *args: Any, only_first: bool = False, **kwargs: Any) -> list[Any]:
        group = self.group
        results = group.foreach_learner(
            lambda learner: getattr(learner, method)(*args, **kwargs),
            remote_actor_ids=[0] if only_first and group.is_remote else None,
        )
        found: list[Any] = group._get_results(results)
        return found
