"""Networks beside language models: trained together, resumed, exported, and every algorithm over both."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from marl import experiment
from marl.errors import ScenarioError
from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.batch import CRITIC
from marl.learning.presets import PRESETS, Preset
from marl.learning.task import Task
from marl.learning.trainer import Trainer
from marl.policies import build_policies
from marl.rollout import play
from marl.scenario import load_scenario
from marl.settings import Scenario
from marl.store import RunDirectory

Lewis = Callable[..., Scenario]
Build = Callable[[Scenario], MultiAgentAlgorithm]


def weights(algorithm: MultiAgentAlgorithm) -> dict[str, list[torch.Tensor]]:
    return {
        name: [parameter.detach().clone() for parameter in module.parameters()]
        for name, module in algorithm.learner.module.items()
    }


@pytest.mark.parametrize("algorithm_name", list(PRESETS))
def test_every_algorithm_moves_both_kinds_of_actor_and_its_critic(
    make_lewis: Lewis, build: Build, algorithm_name: str
) -> None:
    algorithm = build(make_lewis("network", "language_model", f"training.algorithm={algorithm_name}"))
    before = weights(algorithm)
    assert (CRITIC in before) == (PRESETS[algorithm_name].critic != "none")
    algorithm.train()
    if isinstance(PRESETS[algorithm_name], Preset):
        assert algorithm.row["losses/first_ratio_deviation"] < 1e-5
    for name, after in weights(algorithm).items():
        assert any(not torch.equal(a, b) for a, b in zip(before[name], after, strict=True)), name


@pytest.mark.parametrize("algorithm_name", ["reinforce", "coma"])
def test_what_holds_for_the_acting_policy_only_makes_one_step(
    make_lewis: Lewis, build: Build, algorithm_name: str
) -> None:
    algorithm = build(make_lewis("network", "network", f"training.algorithm={algorithm_name}", "training.epochs=5"))
    learner, steps = algorithm.learner, []
    apply = learner.apply_gradients
    learner.apply_gradients = lambda gradients: (steps.append(len(gradients)), apply(gradients))  # type: ignore[method-assign]
    algorithm.train()
    assert len(steps) == 1 + 2, "one of the actors, and the critic's two"


def test_episodes_of_a_group_begin_in_one_situation(make_lewis: Lewis, build: Build) -> None:
    algorithm = build(make_lewis("network", "network", "training.algorithm=magrpo"))
    played: list[Any] = []
    original = algorithm.play
    algorithm.play = lambda task: played.extend(original(task)) or played  # type: ignore[method-assign]
    algorithm.train()
    situations = [episode.situation for episode in played]
    assert [len(set(situations[start : start + 4])) for start in (0, 4)] == [1, 1]
    assert situations[0] != situations[4]
    assert len({tuple(turn.text for turn in episode.turns) for episode in played[:4]}) > 1


def test_free_text_has_no_counterfactual(build: Build) -> None:
    algorithm = build(load_scenario("scout_hunt", ["training.episodes=8", "training.algorithm=coma"]))
    with pytest.raises(ScenarioError, match=r"free text, which cannot be listed; give channel\.vocabulary"):
        algorithm.train()


@pytest.mark.parametrize(
    ("kind", "algorithm"), [("network", "mappo"), ("network", "selfplay_ppo"), ("language_model", "coma")]
)
def test_resumed_training_is_straight_training(make_lewis: Lewis, tmp_path: Path, kind: str, algorithm: str) -> None:
    scenario = make_lewis("network", kind, f"training.algorithm={algorithm}")
    states = []
    for name, pauses in (("straight", [4]), ("broken", [2, 4])):
        run = RunDirectory.create(tmp_path / name, scenario)
        for pause in pauses:
            with Trainer(scenario, run.path, resume=True) as trainer:
                trainer.run(should_stop=lambda row, last=pause: row["iteration"] == last)
                states.append((weights(trainer.algorithm), trainer.algorithm.learner.baselines))
    straight, broken = states[0], states[2]
    for name, parameters in straight[0].items():
        assert all(torch.equal(a, b) for a, b in zip(parameters, broken[0][name], strict=True)), name
    assert torch.equal(straight[1], broken[1])
    assert bool(straight[1].any()) == (algorithm == "selfplay_ppo")
    rows = [RunDirectory(tmp_path / name).metrics() for name in ("straight", "broken")]
    one, two = ([row["losses/policy_loss"] for row in given if row["iteration"]] for given in rows)
    assert len(one) == 4
    assert one == two


def test_a_run_of_networks_is_evaluated_analyzed_and_reported(make_lewis: Lewis, tmp_path: Path) -> None:
    scenario = make_lewis("network", "network")
    run = experiment.run(scenario, tmp_path / "run")
    assert {path.name for path in (run.path / "policies/sender").iterdir()} == {"config.json", "model.safetensors"}
    evaluation = run.read_json("evaluation.json")
    assert {"normal", "off", "scrambled", "untrained", experiment.TWIN} <= set(evaluation["arms"])
    assert run.has("analysis.json")
    assert "relu network of 64 and 64 units (sender)" in (run.path / "report.html").read_text()


def test_the_exported_network_plays_as_the_live_one_does(make_lewis: Lewis, tmp_path: Path) -> None:
    scenario = make_lewis("network", "network")
    run = RunDirectory.create(tmp_path / "run", scenario)
    with Trainer(scenario, run.path) as trainer:
        trainer.run()
        trainer.export(tmp_path / "policies")
        live = play(scenario, trainer.policies(), range(8), seed=5)
    loaded = play(scenario, build_policies(scenario, seed=9, trained=tmp_path / "policies"), range(8), seed=5)
    assert [[turn.log_probs for turn in e.turns] for e in live] == [
        [turn.log_probs for turn in e.turns] for e in loaded
    ]


def test_iterations_on_arrays_go_on_from_where_they_were(make_lewis: Lewis, tmp_path: Path, build: Any) -> None:
    scenario = make_lewis("network", "network", "env={entry: clockwork:Clockwork, arrays: clockwork:ClockworkArrays}")
    data = scenario.model_dump(mode="json") | {
        "channel": {"topology": "none"},
        "seats": {"guest_0": "sender", "guest_1": "receiver"},
        "policies": {name: {"kind": "network", "hidden": [8]} for name in ("sender", "receiver")},
    }
    algorithm = build(Scenario.model_validate(data))
    numbers = []
    for _ in range(2):
        algorithm.train()
        assert algorithm.row["losses/first_ratio_deviation"] < 1e-5
        numbers.append(algorithm.row["env_steps"])
    assert 8 <= numbers[0] < numbers[1] <= 2 * 4 * 8
    assert np.isfinite(algorithm.row["losses/value_loss"])
    assert len(algorithm.play(Task((0, 1), 3))) == 2, "evaluation plays real episodes"


@pytest.mark.slow
def test_networks_on_two_actors_are_trained_as_here(make_lewis: Lewis, ray_of_two: None, build: Build) -> None:
    found = []
    for runners in (0, 2):
        algorithm = build(make_lewis("network", "network", "training.episodes=40", f"training.env_runners={runners}"))
        algorithm.train()
        algorithm.train()
        found.append(weights(algorithm))
    for name, parameters in found[0].items():
        assert all(torch.equal(a, b) for a, b in zip(parameters, found[1][name], strict=True)), name


def test_a_league_of_networks_plays_on_seats_of_its_own(make_lewis: Lewis, tmp_path: Path) -> None:
    policies = "policies={sender: {kind: network}, past: {kind: league, of: sender, every: 1}}"
    scenario = make_lewis("network", "network", policies, "seats.receiver_0=past")
    run = RunDirectory.create(tmp_path / "run", scenario)
    with Trainer(scenario, run.path) as trainer:
        trainer.run()
        row = trainer.algorithm.row
        assert row["league/past/members"] == 5, "one before training, and one after each iteration"
        trainer.export(run.path / "policies")
        live = play(scenario, trainer.policies(), range(8), seed=5)
    loaded = play(scenario, experiment.policies_of(run), range(8), seed=5)
    one, two = ([[turn.log_probs for turn in episode.turns] for episode in played] for played in (live, loaded))
    assert one == two
    assert "receiver" not in trainer.algorithm.actors()
