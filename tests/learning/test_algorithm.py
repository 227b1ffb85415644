from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch

from marl.errors import LearningError
from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.batch import CRITIC, column_batch
from marl.learning.config import MultiAgentConfig
from marl.learning.features import critic_layout
from marl.learning.metrics import episode_metrics
from marl.learning.task import Task
from marl.settings import Scenario
from marl.types import ParseFailure


@pytest.fixture
def build() -> Iterator[Callable[[Scenario], MultiAgentAlgorithm]]:
    made: list[MultiAgentAlgorithm] = []

    def make(scenario: Scenario) -> MultiAgentAlgorithm:
        made.append(MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario)))
        return made[-1]

    yield make
    for algorithm in made:
        algorithm.stop()


def test_one_iteration_in_this_process_starts_no_ray_and_leaves_no_folder(
    make_scenario: Callable[..., Scenario],
    build: Callable[[Scenario], MultiAgentAlgorithm],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    import ray

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("Ray was started")

    monkeypatch.setattr(ray, "init", refuse)
    results = Path.home() / "ray_results"
    before = set(results.iterdir()) if results.exists() else set()
    algorithm = build(make_scenario(2, talk_rounds=1))
    algorithm.train()
    assert algorithm.rounds == 1
    row = algorithm.row
    assert row["iteration"] == 1
    assert row["env_steps"] == 6
    assert row["turns"] == 24
    assert row["charts/episodes_failed"] == 0
    assert 0 <= row["charts/episodic_return"] <= 1
    assert (set(results.iterdir()) if results.exists() else set()) == before


def test_each_iteration_plays_new_episodes(
    make_scenario: Callable[..., Scenario],
    build: Callable[[Scenario], MultiAgentAlgorithm],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    algorithm = build(make_scenario())
    tasks: list[Task] = []
    play = algorithm.play
    monkeypatch.setattr(algorithm, "play", lambda task: tasks.append(task) or play(task))
    algorithm.train()
    algorithm.train()
    assert [task.indices for task in tasks] == [tuple(range(6)), tuple(range(6, 12))]
    assert tasks[0].seed == tasks[1].seed


def test_the_local_runner_plays_with_the_learners_own_weights(
    make_scenario: Callable[..., Scenario], build: Callable[[Scenario], MultiAgentAlgorithm]
) -> None:
    algorithm = build(make_scenario())
    assert algorithm._here is not None
    assert algorithm._here.actors["guest"] is algorithm.actors()["guest"]
    assert CRITIC not in algorithm.actors()


def test_failed_episodes_are_counted_and_left_out(
    make_scenario: Callable[..., Scenario], build: Callable[[Scenario], MultiAgentAlgorithm]
) -> None:
    algorithm = build(make_scenario(fault="raise", training={"episodes": 12}))
    algorithm.train()
    failed = algorithm.row["charts/episodes_failed"]
    assert 0 < failed < 12
    assert algorithm.learner._rows["guest"]
    assert len(algorithm.learner._rows["guest"]) == 12 - failed


def test_a_reward_that_is_not_a_number_stops_training(
    make_scenario: Callable[..., Scenario], build: Callable[[Scenario], MultiAgentAlgorithm]
) -> None:
    with pytest.raises(LearningError, match="reward is nan"):
        build(make_scenario(fault="nan")).train()


@pytest.mark.parametrize("algorithm_name", ["mappo", "ippo"])
def test_anothers_private_observation_reaches_no_actor_and_only_mappos_critic(
    make_scenario: Callable[..., Scenario], build: Callable[[Scenario], MultiAgentAlgorithm], algorithm_name: str
) -> None:
    scenario = make_scenario(2, training={"algorithm": algorithm_name})
    algorithm = build(scenario)
    episodes = algorithm.play(Task(tuple(range(24)), 1))
    mine = {}
    for episode in episodes:  # two episodes that differ in what guest_1 sees, and not in what guest_0 sees
        turn = episode.turns_of("guest_0")[0]
        other = episode.turns_of("guest_1")[0]
        mine.setdefault(tuple(turn.features), {})[tuple(other.features)] = episode
    one, two = next(list(group.values())[:2] for group in mine.values() if len(group) > 1)
    batch = column_batch([one, two], {"guest"}, critic_layout(scenario))
    rows = [row for row, agent in enumerate(batch["guest"]["agent"]) if agent == 0]
    prompts = [tuple(batch["guest"]["prompt_ids"][row][: batch["guest"]["prompt_length"][row]]) for row in rows]
    assert prompts[0] == prompts[1]
    model = algorithm.actors()["guest"].model
    turns = [episode.turns_of("guest_0")[0] for episode in (one, two)]
    tables = model.choose([turn.prompt_ids for turn in turns], [turn.option_ids for turn in turns])
    assert (tables[0] == tables[1]).all()
    critic = {key: torch.as_tensor(value) for key, value in batch[CRITIC].items()}
    values = algorithm.learner.critic().values_of(critic)[batch["guest"]["row"][rows]]
    assert (float(values[0]) == float(values[1])) == (algorithm_name == "ippo")


def test_metrics_of_episodes_leave_failures_out(
    make_scenario: Callable[..., Scenario], build: Callable[[Scenario], MultiAgentAlgorithm]
) -> None:
    episodes = build(make_scenario(fault="raise")).play(Task(tuple(range(12)), 0))
    row = episode_metrics(episodes)
    played = [episode.mean_return for episode in episodes if episode.outcome != "failed"]
    assert row["charts/episodic_return"] == pytest.approx(sum(played) / len(played))
    assert row["charts/episodes_failed"] == len(episodes) - len(played)
    assert "charts/success" not in row


def test_failures_are_counted_by_kind(
    make_scenario: Callable[..., Scenario], build: Callable[[Scenario], MultiAgentAlgorithm]
) -> None:
    episodes = build(make_scenario()).play(Task((0, 1), 0))
    episodes[0].turns[0].failure = ParseFailure("", "timeout", "call")
    row = episode_metrics(episodes)
    assert (row["charts/parse_failures"], row["charts/failed_calls"]) == (0, 1)
