"""One policy over several tasks, against each task's own training on the same episodes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

from marl.errors import LearningError
from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.batch import CRITIC, critic_id
from marl.learning.config import MultiAgentConfig
from marl.learning.metrics import over_tasks
from marl.learning.trainer import Trainer
from marl.multi_task import AnyScenario, MultiTask, games_of, resolved
from marl.store import RunDirectory

TRAINING = {
    "iterations": 4,
    "episodes": 16,
    "evaluation_episodes": 4,
    "evaluate_every": 2,
    "checkpoint_every": 1,
    "critic": {"epochs": 2},
    "grad_clip": 1e9,
    "action_entropy": [0.0, 0.0],
}


def several(algorithm: str = "mappo", **training: Any) -> MultiTask:
    tasks = {"lewis": {"scenario": "lewis"}, "scout_hunt": {"scenario": "scout_hunt"}}
    if algorithm in {"coma", "selfplay_ppo"}:  # whose options can be listed
        tasks["scout_hunt"] = {"scenario": "climbing"}
    return resolved(
        {
            "name": "both",
            "title": "Both",
            "tasks": tasks,
            "policies": {"player": {"kind": "language_model"}},
            "training": {**TRAINING, "algorithm": algorithm, **training},
        }
    )


@pytest.fixture
def build() -> Iterator[Callable[[AnyScenario], MultiAgentAlgorithm]]:
    made: list[MultiAgentAlgorithm] = []

    def make(scenario: AnyScenario) -> MultiAgentAlgorithm:
        made.append(MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario)))
        return made[-1]

    yield make
    for algorithm in made:
        algorithm.stop()


def weights(algorithm: MultiAgentAlgorithm) -> dict[str, list[torch.Tensor]]:
    modules = algorithm.learner.module.items()
    return {name: [p.detach().clone() for p in module.parameters()] for name, module in modules}


@pytest.mark.parametrize("name", ["reinforce", "ippo", "coma", "magrpo", "selfplay_ppo"])
def test_every_algorithm_begins_with_a_ratio_of_1(
    build: Callable[[AnyScenario], MultiAgentAlgorithm], name: str
) -> None:
    algorithm = build(several(name))
    before = weights(algorithm)
    algorithm.train()
    assert algorithm.row["losses/first_ratio_deviation"] < 1e-5
    for module, after in weights(algorithm).items():
        assert any(not torch.equal(a, b) for a, b in zip(before[module], after, strict=True)), module


def test_critics_that_read_words_learn_in_every_task(build: Callable[[AnyScenario], MultiAgentAlgorithm]) -> None:
    algorithm = build(several(critic={"kind": "text", "epochs": 1}))
    before = weights(algorithm)
    algorithm.train()
    assert algorithm.row["losses/first_ratio_deviation"] < 1e-5
    for name in ("lewis", "scout_hunt"):
        after = weights(algorithm)[critic_id(name)]
        assert any(not torch.equal(a, b) for a, b in zip(before[critic_id(name)], after, strict=True)), name


def test_an_update_is_the_weighted_sum_of_the_tasks_own_and_critics_are_theirs(
    build: Callable[[AnyScenario], MultiAgentAlgorithm],
) -> None:
    """The first iteration's episodes are those of each scenario alone: same seed, same numbers, same weights."""
    both = several("reinforce")
    steps: list[list[torch.Tensor]] = []

    def trained(scenario: AnyScenario) -> MultiAgentAlgorithm:
        algorithm = build(scenario)
        learner, mine = algorithm.learner, [id(p) for p in algorithm.learner.module["player"].parameters()]
        apply = learner.apply_gradients

        def noted(gradients: dict[Any, torch.Tensor]) -> None:
            own = {id(learner._params[ref]): gradient.clone() for ref, gradient in gradients.items()}
            if set(mine) & set(own):
                steps.append([own[number] for number in mine if number in own])
            apply(gradients)

        learner.apply_gradients = noted  # type: ignore[method-assign]
        algorithm.train()
        return algorithm

    whole = trained(both)
    alone = {name: trained(game) for name, game in games_of(both).items()}
    assert len(steps) == 3
    turns = [algorithm.turns for algorithm in alone.values()]
    assert whole.turns == sum(turns)
    for found, one, two in zip(*steps, strict=True):
        expected = (turns[0] * one + turns[1] * two) / sum(turns)
        torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-3)
    for name, algorithm in alone.items():
        own, theirs = weights(algorithm)[CRITIC], weights(whole)[critic_id(name)]
        assert all(torch.equal(a, b) for a, b in zip(own, theirs, strict=True)), name
        assert algorithm.row["charts/episodic_return"] == whole.row[f"charts/{name}/episodic_return"]


def test_resumed_training_is_straight_training(tmp_path: Path) -> None:
    scenario = several("selfplay_ppo")
    found = []
    for name, pauses in (("straight", [3]), ("broken", [2, 3])):
        run = RunDirectory.create(tmp_path / name, scenario)
        for pause in pauses:
            with Trainer(run.settings(), run.path, resume=True) as trainer:
                trainer.run(should_stop=lambda row, last=pause: row["iteration"] == last)
                found.append((weights(trainer.algorithm), trainer.algorithm.learner.baselines))
    (straight, roles), (broken, others) = found[0], found[2]
    for name, parameters in straight.items():
        assert all(torch.equal(a, b) for a, b in zip(parameters, broken[name], strict=True)), name
    assert torch.equal(roles, others)
    assert len(roles) == 4, "each task's roles have their own"
    rows = [RunDirectory(tmp_path / name).metrics() for name in ("straight", "broken")]
    one, two = ([row.get("losses/policy_loss") for row in given] for given in rows)
    assert one == two
    row = rows[0][2]
    assert row["evaluation/normal"] == pytest.approx(
        (row["evaluation/lewis/normal"] + row["evaluation/scout_hunt/normal"]) / 2
    )
    best = json.loads((tmp_path / "straight/checkpoints/best.json").read_text())
    assert best["value"] == max(row["evaluation/normal"] for row in rows[0] if "evaluation/normal" in row)


def test_it_stops_by_the_mean_over_tasks(tmp_path: Path) -> None:
    scenario = several(stop={"return_at_least": -100.0})
    with Trainer(scenario, RunDirectory.create(tmp_path / "run", scenario).path) as trainer:
        assert "return_at_least" in trainer.run()["reason"]


def test_counts_are_summed_and_measures_averaged() -> None:
    rows = {"a": {"charts/parse_failures": 2.0, "charts/success": 0.5}, "b": {"charts/parse_failures": 1.0}}
    assert over_tasks(rows) == {
        "charts/parse_failures": 3.0,
        "charts/a/parse_failures": 2.0,
        "charts/b/parse_failures": 1.0,
        "charts/success": 0.5,
        "charts/a/success": 0.5,
    }


@pytest.mark.slow
def test_two_runners_play_what_is_played_here(
    ray_of_two: None, build: Callable[[AnyScenario], MultiAgentAlgorithm]
) -> None:
    found = []
    for runners in (0, 2):
        algorithm = build(several(episodes=80, env_runners=runners))
        algorithm.train()
        found.append(weights(algorithm))
    for name, parameters in found[0].items():
        assert all(torch.equal(a, b) for a, b in zip(parameters, found[1][name], strict=True)), name


def networks(seats: dict[str, dict[str, str]], *policies: str) -> MultiTask:
    tasks = {name: {"scenario": name, "seats": own} for name, own in seats.items()}
    small = {"kind": "network", "hidden": [8]}
    data = {"name": "both", "title": "Both", "tasks": tasks, "policies": dict.fromkeys(policies, small)}
    return resolved({**data, "training": TRAINING})


def test_one_network_sits_only_in_tasks_that_ask_the_same_of_it(
    build: Callable[[AnyScenario], MultiAgentAlgorithm],
) -> None:
    one = {"player_0": "player", "player_1": "player"}
    with pytest.raises(LearningError, match=r"policies\.player: one network cannot sit in tasks.*penalty"):
        MultiAgentConfig.for_scenario(
            networks({"lewis": {"sender_0": "player", "receiver_0": "player"}, "penalty": one}, "player")
        )
    algorithm = build(networks({"climbing": one, "penalty": one}, "player"))
    algorithm.train()
    assert algorithm.row["losses/first_ratio_deviation"] < 1e-5
    two = {"player_0": "other", "player_1": "other"}
    apart = build(
        networks({"lewis": {"sender_0": "player", "receiver_0": "player"}, "penalty": two}, "player", "other")
    )
    apart.train()
    assert apart.row["losses/first_ratio_deviation"] < 1e-5
