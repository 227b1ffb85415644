from __future__ import annotations

import logging
import os
import signal
import threading
import time
from typing import Any

import pytest

from marl.errors import LearningError
from marl.learning import dispatch
from marl.learning.answer import Answer
from marl.learning.dispatch import play_on
from marl.learning.policy_runner import PolicyRunners
from marl.learning.task import GROUP, Task
from marl.models.api_meter import COUNTS, Meter
from marl.policies import build_policies
from marl.scenario import load_scenario
from marl.settings import APISettings


class Group:
    """The part of RLlib's EnvRunnerGroup that `play_on` uses, with actors that die when `dies(task)` says so."""

    def __init__(self, actors: int, dies: Any) -> None:
        self.alive, self.dies = dict.fromkeys(range(1, actors + 1), True), dies
        self.ready: list[tuple[int, Any]] = []
        self.served: list[tuple[int, int]] = []

    def healthy_env_runner_ids(self) -> list[int]:
        return [number for number, alive in self.alive.items() if alive]

    def num_remote_env_runners(self) -> int:
        return len(self.alive)

    def num_in_flight_async_reqs(self) -> int:
        return len(self.ready)

    def foreach_env_runner_async(self, func: str, *, kwargs: Any, remote_worker_ids: list[int]) -> int:
        assert func == "sample"
        (runner,), task = remote_worker_ids, kwargs["task"]
        self.served.append((runner, task.indices[0]))
        if self.dies(runner, task):
            self.alive[runner] = False
        else:
            self.ready.append((runner, self.answer(task)))
        return 1

    def answer(self, task: Task) -> Any:
        episodes: Any = list(task.indices)
        return Answer(LearningError("bad seat") if task.seed == 13 else episodes, {"tutor": USAGE})

    def fetch_ready_async_reqs(self, timeout_seconds: float) -> list[tuple[int, Any]]:
        return [self.ready.pop()] if self.ready else []

    def probe_unhealthy_env_runners(self, timeout_seconds: float) -> list[int]:
        back = [number for number, alive in self.alive.items() if not alive]
        self.alive.update(dict.fromkeys(back, True))
        return back


USAGE = dict.fromkeys(COUNTS, 1)
TASK = Task(tuple(range(4 * GROUP + 1)), 0)


@pytest.mark.parametrize("actors", [1, 2, 7])
def test_the_answer_is_in_order_for_any_number_of_actors(actors: int) -> None:
    assert play_on(Group(actors, lambda runner, task: False), TASK, {}) == list(TASK.indices)


def test_a_group_whose_actor_died_is_played_again(caplog: pytest.LogCaptureFixture) -> None:
    deaths, lost = iter([True]), []
    group = Group(2, lambda runner, task: task.indices[0] == GROUP and next(deaths, False))
    with caplog.at_level(logging.WARNING):
        assert play_on(group, TASK, {}, on_lost=lost.append) == list(TASK.indices)
    assert "was lost" in caplog.text
    assert len(lost) == 1
    assert sorted(first for _, first in group.served).count(GROUP) == 2


def test_a_group_that_kills_every_actor_is_given_up() -> None:
    with pytest.raises(LearningError, match="died on the same group"):
        play_on(Group(2, lambda runner, task: task.indices[0] == GROUP), TASK, {})


def test_answers_to_a_call_that_was_broken_off_are_not_taken_for_this_ones() -> None:
    group = Group(3, lambda runner, task: False)
    with pytest.raises(LearningError, match="bad seat"):
        play_on(group, Task(TASK.indices, 13), {})
    group.ready.append((2, Answer(["stale"], {})))  # type: ignore[list-item]
    assert play_on(group, TASK, {}) == list(TASK.indices)


def test_no_actor_at_all_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch, "_RESTART_SECONDS", 0.2)
    group = Group(1, lambda runner, task: True)
    monkeypatch.setattr(group, "probe_unhealthy_env_runners", lambda timeout_seconds: [])
    with pytest.raises(LearningError, match="no env runner is alive"):
        play_on(group, TASK, {})


@pytest.mark.parametrize("actors", [1, 3])
def test_what_meters_counted_there_is_added_here(actors: int) -> None:
    meter = Meter("tutor", APISettings(kind="api", model="tiny"))
    play_on(Group(actors, lambda runner, task: False), TASK, {"tutor": meter})
    assert (meter.requests, meter.seconds) == (5, 5.0), "one for each of the five groups of episodes"
    with pytest.raises(LearningError, match="bad seat"):
        play_on(Group(actors, lambda runner, task: False), Task(TASK.indices, 13), {"tutor": meter})
    assert meter.requests == 5 + actors, "those that were still under way when the first error came, too"


def test_a_killed_ray_actor_costs_no_episode(two_runners: PolicyRunners) -> None:
    scenario = load_scenario("scout_hunt")
    policies = build_policies(scenario, seed=0)
    expected = two_runners.play(scenario, policies, range(2 * GROUP), seed=1)
    pids = two_runners._group.foreach_env_runner(lambda runner: os.getpid(), local_env_runner=False)

    def kill() -> None:
        time.sleep(0.3)
        os.kill(pids[0], signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    actual = two_runners.play(scenario, policies, range(8 * GROUP), seed=1)
    killer.join()
    assert [episode.index for episode in actual] == list(range(8 * GROUP))
    assert [episode.messages for episode in actual[: 2 * GROUP]] == [episode.messages for episode in expected]
