"""Learners on Ray against the one in this process: same steps, same statistics, same checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
import torch

from marl.errors import LearningError
from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.batch import CRITIC
from marl.learning.config import MultiAgentConfig
from marl.learning.learner import BASELINES, PRICE
from marl.learning.metrics import is_timed
from marl.learning.trainer import Trainer
from marl.scenario import load_scenario
from marl.settings import Scenario

LORA = {"lora": {"rank": 2, "alpha": 4}}
UNEVEN = {"episodes": 3, "minibatches": 4, "learners": 2, "critic": {"epochs": 2}}
"""Six rows of each policy in minibatches of 2, 2, 1 and 1, of which the second learner has 1, 1, none and none."""
SELFPLAY = [
    *("training.algorithm=selfplay_ppo", "training.episodes=5", "training.learners=2", "training.minibatches=3"),
    *("policies.first={kind: network}", "policies.second={kind: network}"),
]


@pytest.fixture
def build(ray_of_two: None) -> Iterator[Callable[[Scenario], MultiAgentAlgorithm]]:
    made: list[MultiAgentAlgorithm] = []

    def make(scenario: Scenario) -> MultiAgentAlgorithm:
        made.append(MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario)))
        return made[-1]

    yield make
    for algorithm in made:
        algorithm.stop()


def flat(state: Any, name: str = "") -> dict[str, Any]:
    """Leaves of nested dicts and lists by their path."""
    if isinstance(state, dict):
        return {k: v for key, value in state.items() for k, v in flat(value, f"{name}/{key}").items()}
    if isinstance(state, list | tuple):
        return {k: v for key, value in enumerate(state) for k, v in flat(value, f"{name}/{key}").items()}
    return {name: torch.as_tensor(state) if hasattr(state, "shape") else state}


def states(algorithm: MultiAgentAlgorithm) -> list[dict[str, Any]]:
    found = algorithm.learners._all("get_state", not_components="metrics_logger")
    return [flat(state) for state in found]


def alone(scenario: Scenario) -> Scenario:
    training = scenario.training.model_copy(update={"learners": 0})
    return scenario.model_copy(update={"training": training})


def compare(build: Callable[[Scenario], MultiAgentAlgorithm], scenario: Scenario) -> dict[str, Any]:
    """Train three iterations with two learners and with one; the state in which all agree."""
    two, one = build(scenario), build(alone(scenario))
    begun = states(one)[0]
    for _ in range(3):
        two.train()
        one.train()
        for name, value in one.row.items():
            if not is_timed(name) and name != "losses/first_ratio_deviation":
                assert two.row[name] == pytest.approx(value, rel=1e-3, abs=1e-5), name
        assert two.row["losses/first_ratio_deviation"] < 1e-5
    (first, second), (single,) = states(two), states(one)
    assert first.keys() == second.keys() == single.keys()
    moved = set()
    for name, value in first.items():
        if isinstance(value, torch.Tensor):
            assert torch.equal(value, second[name]), f"{name} differs between the learners"
            torch.testing.assert_close(value, single[name], rtol=1e-3, atol=2e-5, msg=lambda m, n=name: f"{n}: {m}")
            if name in begun and not torch.equal(single[name], begun[name]):
                moved.add(name.split("/")[2] if name.startswith("/rl_module") else name)
        else:
            assert value == second[name] == pytest.approx(single[name]), name
    assert {f"/{BASELINES}", *one.actors()} & moved
    for name, actor in two.actors().items():
        for key, value in flat(actor.get_state()).items():
            assert torch.equal(value, first[f"/rl_module/{name}{key}"]), "the copies that play follow the learners"
    return {"moved": moved, **single}


@pytest.mark.parametrize("critic", [{}, {"kind": "text", "trunk": "trained"}], ids=["network", "text"])
def test_adapters_critic_and_the_adapted_price_are_in_step_and_as_with_one_learner(
    build: Callable[[Scenario], MultiAgentAlgorithm], make_scenario: Callable[..., Scenario], critic: dict[str, Any]
) -> None:
    price = {"coefficient": 0.1, "target": 0.01}
    training = {**UNEVEN, "reference": price, "critic": {"epochs": 2, **critic}}
    scenario = make_scenario(2, talk_rounds=1, policies={"one": LORA, "two": LORA}, training=training)
    state = compare(build, scenario)
    assert {"one", "two", CRITIC} <= state["moved"]
    assert state[f"/{PRICE}"] != 0.1


def test_role_baselines_and_tables_of_networks_are_in_step(build: Callable[[Scenario], MultiAgentAlgorithm]) -> None:
    state = compare(build, load_scenario("kuhn_poker", SELFPLAY))
    assert f"/{BASELINES}" in state["moved"]


def test_a_run_goes_on_with_another_number_of_learners(
    ray_of_two: None, make_scenario: Callable[..., Scenario], make_run: Callable[..., Path]
) -> None:
    scenario = make_scenario(1, training={**UNEVEN, "iterations": 4, "checkpoint_every": 1, "lr": 1e-3})
    with Trainer(alone(scenario), make_run(alone(scenario), "one")) as trainer:
        expected = trainer.run()
    path = make_run(scenario, "two")
    with Trainer(scenario, path) as trainer:
        trainer.run(should_stop=lambda row: row["iteration"] == 2)
    with Trainer(alone(scenario), path, resume=True) as trainer:
        assert trainer.iteration == 2
        last = trainer.run()
    for name in ("losses/value_loss", "losses/approx_kl", "losses/entropy_action", "charts/episodic_return"):
        assert last[name] == pytest.approx(expected[name], rel=1e-3, abs=1e-5), name


def test_an_error_in_learning_is_clear_and_nobody_waits(
    build: Callable[[Scenario], MultiAgentAlgorithm], make_scenario: Callable[..., Scenario]
) -> None:
    algorithm = build(make_scenario(2, training=UNEVEN))

    def spoil(learner: Any) -> int:
        def broken(*_: Any) -> torch.Tensor:
            raise LearningError("the second learner's rows are spoiled")

        if learner.peers.rank == 1:
            learner._actor_loss = broken
        return int(learner.peers.rank)

    assert [result.get() for result in algorithm.learner_group.foreach_learner(spoil)] == [0, 1]
    with pytest.raises(LearningError, match="the second learner's rows are spoiled"):
        algorithm.train()


def test_a_learner_that_dies_is_named(
    build: Callable[[Scenario], MultiAgentAlgorithm], make_scenario: Callable[..., Scenario]
) -> None:
    algorithm = build(make_scenario(1, training=UNEVEN))
    ray.kill(algorithm.learner_group._workers[1])
    with pytest.raises(LearningError, match="one of 2 learners has died"):
        algorithm.train()
