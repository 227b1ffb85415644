from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from typing import Any

import pytest
import torch
from api_server import legal, serving

from marl.errors import ModelError
from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.config import MultiAgentConfig
from marl.learning.metrics import is_timed
from marl.learning.runner import EpisodeRunner
from marl.learning.task import Task
from marl.scenario import load_scenario
from marl.settings import Scenario


def test_a_local_runner_builds_nothing_until_it_adopts(make_scenario: Callable[..., Scenario]) -> None:
    config = MultiAgentConfig.for_scenario(make_scenario())
    runner = EpisodeRunner(config=config, worker_index=0)
    assert runner.actors == {}
    other = EpisodeRunner(config=config, worker_index=1)
    other.assert_healthy()
    assert set(other.actors) == {"guest"}
    runner.adopt(other.actors)
    episodes = runner.sample(task=Task((0, 1), 3)).episodes()
    assert [episode.index for episode in episodes] == [0, 1]


def test_parleys_own_errors_are_answers(make_scenario: Callable[..., Scenario]) -> None:
    runner = EpisodeRunner(config=MultiAgentConfig.for_scenario(make_scenario()), worker_index=1)
    runner.actors["guest"].model.context = 3
    assert isinstance(runner.sample(task=Task((0,), 3)).result, ModelError)


@pytest.mark.slow
def test_training_on_two_actors_is_training_here(ray_of_two: None) -> None:
    overrides = ["training.episodes=40", "training.epochs=1", "training.minibatches=1", "training.critic.epochs=1"]
    rows, weights = [], []
    for runners in (0, 2):
        scenario = load_scenario("scout_hunt", [*overrides, f"training.env_runners={runners}"])
        algorithm = MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario))
        algorithm.train()
        algorithm.train()
        rows.append({key: value for key, value in algorithm.row.items() if not is_timed(key)})
        weights.append([p.detach().clone() for p in algorithm.learner.module["hunter"].parameters()])
        algorithm.stop()
    assert rows[0] == rows[1]
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


@pytest.mark.slow
def test_adapters_on_two_actors_are_trained_as_here(ray_of_two: None) -> None:
    overrides = ["training.episodes=40", "training.epochs=1", "training.minibatches=1", "training.critic.epochs=1"]
    overrides += [f"policies.{name}.lora={{rank: 4, alpha: 8}}" for name in ("sender", "receiver")]
    rows, weights = [], []
    for runners in (0, 2):
        scenario = load_scenario("lewis", [*overrides, f"training.env_runners={runners}"])
        algorithm = MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario))
        algorithm.train()
        algorithm.train()
        rows.append({key: value for key, value in algorithm.row.items() if not is_timed(key)})
        actors = algorithm.actors().values()
        weights.append([p.detach().clone() for actor in actors for p in actor.parameters()])
        algorithm.stop()
    assert rows[0] == rows[1]
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


@pytest.mark.slow
def test_what_api_policies_spend_in_training_on_actors_is_counted(ray_of_two: None) -> None:
    with serving(legal) as server:
        tutor = {"kind": "api", "model": "tiny", "base_url": server.url}
        seats = [f"policies.tutor={json.dumps(tutor)}", "seats.partner_0=tutor"]
        small = ["training.env_runners=2", "training.episodes=40", "training.epochs=1", "training.critic.epochs=1"]
        algorithm = MultiAgentAlgorithm(MultiAgentConfig.for_scenario(load_scenario("scout_hunt", [*seats, *small])))
        algorithm.train()
        assert algorithm.meters["tutor"].requests == len(server.requests) == 40 * 2
        algorithm.stop()


@pytest.mark.slow
def test_a_runner_that_is_killed_in_mid_iteration_costs_nothing_and_is_counted(
    ray_of_two: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = ["training.episodes=96", "training.epochs=1", "training.minibatches=1", "training.critic.epochs=1"]
    rows, weights = [], []
    for kill in (False, True):
        algorithm = MultiAgentAlgorithm(
            MultiAgentConfig.for_scenario(load_scenario("lewis", [*small, "training.env_runners=2"]))
        )
        algorithm.train()
        if kill:
            _kill_once_all_are_busy(algorithm, monkeypatch)
        algorithm.train()
        rows.append({key: value for key, value in algorithm.row.items() if not is_timed(key)})
        weights.append([p.detach().clone() for p in algorithm.learner.module["sender"].parameters()])
        algorithm.stop()
    assert [row.pop("charts/env_runners_lost") for row in rows] == [0, 1]
    assert rows[0] == rows[1]
    assert all(torch.equal(a, b) for a, b in zip(*weights, strict=True))


def _pids(algorithm: MultiAgentAlgorithm) -> list[int]:
    return algorithm.env_runner_group.foreach_env_runner(lambda runner: os.getpid(), local_env_runner=False)


def _kill_once_all_are_busy(algorithm: MultiAgentAlgorithm, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kill the first runner as soon as the group is asked for answers: by no clock, however fast the episodes are."""
    group = algorithm.env_runner_group
    victims, fetch = _pids(algorithm)[:1], group.fetch_ready_async_reqs

    def killing(**arguments: Any) -> Any:
        if victims and group.num_in_flight_async_reqs() == group.num_remote_env_runners():
            os.kill(victims.pop(), signal.SIGKILL)
        return fetch(**arguments)

    monkeypatch.setattr(group, "fetch_ready_async_reqs", killing)
