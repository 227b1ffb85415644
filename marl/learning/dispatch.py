"""Spreading lockstep groups of episodes over Ray actors, with lost actors replaced and their groups played again."""

from __future__ import annotations

import logging
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from ray.rllib.env.env_runner_group import EnvRunnerGroup

from marl.errors import LearningError, ParleyError
from marl.learning.answer import Answer
from marl.learning.task import Task
from marl.models.api_meter import Meter
from marl.types import Episode

logger = logging.getLogger(__name__)
ATTEMPTS = 3
_POLL_SECONDS = 0.2
_RESTART_SECONDS = 60.0


def play_on(
    group: EnvRunnerGroup,
    task: Task,
    meters: Mapping[str, Meter],
    *,
    on_lost: Callable[[int], None] = lambda runner: None,
    **arguments: Any,
) -> list[Episode]:
    """Call `sample(task=..., **arguments)` of the group's actors; the episodes come back in order of `task.indices`.

    The answer does not depend on the number of actors nor on who played what. A group of episodes whose actor died
    is played again, at most ATTEMPTS times; then, or when no actor comes back, LearningError. `on_lost` gets each such
    actor's number.
    What API policies counted there is added to `meters`, but for an actor that died.
    """
    _drain(group, {})  # what a call that was broken off by an error or Ctrl-C still waits for
    parts = task.groups()
    waiting = deque(range(len(parts)))
    busy: dict[int, int] = {}
    done: dict[int, list[Episode]] = {}
    tries: Counter[int] = Counter()
    while len(done) < len(parts):
        for runner in sorted(set(group.healthy_env_runner_ids()) - set(busy)):
            if waiting:
                asked = {"task": parts[waiting[0]], **arguments}
                if group.foreach_env_runner_async("sample", kwargs=asked, remote_worker_ids=[runner]):
                    busy[runner] = waiting.popleft()
        ready = group.fetch_ready_async_reqs(timeout_seconds=_POLL_SECONDS)
        _book(ready, meters)
        if meters and any(isinstance(answer.result, ParleyError) for _, answer in ready):
            _drain(group, meters)  # what the others have spent meanwhile counts too
        for runner, answer in ready:
            done[busy.pop(runner)] = answer.episodes()
        # Before any actor is brought back: a restarted one is healthy and knows nothing of what it was asked.
        healthy = set(group.healthy_env_runner_ids())
        for runner in [runner for runner in busy if runner not in healthy]:
            waiting.appendleft(_lost(runner, busy.pop(runner), tries))
            on_lost(runner)
        if len(healthy) < group.num_remote_env_runners():
            _bring_back(group, patience=0.0 if healthy else _RESTART_SECONDS)
    return [episode for number in range(len(parts)) for episode in done[number]]


def _book(ready: Iterable[tuple[int, Answer]], meters: Mapping[str, Meter]) -> None:
    for _, answer in ready if meters else ():
        answer.book(meters)


def _drain(group: EnvRunnerGroup, meters: Mapping[str, Meter]) -> None:
    while group.num_in_flight_async_reqs():
        _book(group.fetch_ready_async_reqs(timeout_seconds=_POLL_SECONDS), meters)


def _bring_back(group: EnvRunnerGroup, patience: float) -> None:
    """Take restarted actors in again; with `patience`, wait for the first one that long, then LearningError."""
    deadline = time.monotonic() + patience
    while not group.probe_unhealthy_env_runners(timeout_seconds=_POLL_SECONDS) and patience:
        if time.monotonic() > deadline:
            raise LearningError(
                f"no env runner is alive and none came back within {patience:.0f} s; "
                "set env_runners to 0 or look at Ray's logs"
            )
        time.sleep(_POLL_SECONDS)


def _lost(runner: int, part: int, tries: Counter[int]) -> int:
    tries[part] += 1
    if tries[part] >= ATTEMPTS:
        raise LearningError(f"{ATTEMPTS} env runners died on the same group of episodes; try env_runners: 0 to see why")
    logger.warning("env runner %d was lost; its group of episodes is played again", runner)
    return part
