from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from marl.errors import ModelError
from marl.learning.algorithm import MultiAgentPPO
from marl.learning.config import PPOConfig
from marl.learning.runner import EpisodeRunner
from marl.learning.task import Task
from marl.scenario import load_scenario
from marl.settings import Scenario


def test_a_local_runner_builds_nothing_until_it_adopts(make_scenario: Callable[..., Scenario]) -> None:
    config = PPOConfig.for_scenario(make_scenario())
    runner = EpisodeRunner(config=config, worker_index=0)
    assert runner.actors == {}
    other = EpisodeRunner(config=config, worker_index=1)
    other.assert_healthy()
    assert set(other.actors) == {"guest"}
    runner.adopt(other.actors)
    episodes = runner.sample(task=Task((0, 1), 3)).episodes()
    assert [episode.index for episode in episodes] == [0, 1]


def test_parleys_own_errors_are_answers(make_scenario: Callable[..., Scenario]) -> None:
    runner = EpisodeRunner(config=PPOConfig.for_scenario(make_scenario()), worker_index=1)
    runner.actors["guest"].model.context = 3
    assert isinstance(runner.sample(task=Task((0,), 3)).result, ModelError)


@pytest.mark.slow
def test_training_on_two_actors_is_training_here(ray_of_two: None) -> None:
    overrides = ["training.episodes=40", "training.epochs=1", "training.minibatches=1", "training.critic.epochs=1"]
    rows, weights = [], []
    for runners in (0, 2):
        scenario = load_scenario("scout_hunt", [*overrides, f"training.env_runners={runners}"])
        algorithm = MultiAgentPPO(PPOConfig.for_scenario(scenario))
        algorithm.train()
        algorithm.train()
        rows.append({key: value for key, value in algorithm.row.items() if not key.startswith("time")})
        weights.append([p.detach().clone() for p in algorithm.learner.module["hunter"].parameters()])
        algorithm.stop()
    assert rows[0] == rows[1]
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))
