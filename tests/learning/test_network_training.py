"""Networks beside language models: trained together, resumed, exported, and every algorithm over both."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from marl import experiment
from marl.errors import ScenarioError, StoreError
from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.batch import CRITIC
from marl.learning.config import MultiAgentConfig
from marl.learning.presets import PRESETS, Preset
from marl.learning.task import Task
from marl.learning.trainer import Trainer
from marl.policies import build_policies
from marl.rollout import play
from marl.scenario import load_scenario
from marl.settings import Scenario
from marl.store import RunDirectory

SMALL = [
    *("training.iterations=4", "training.episodes=8", "training.evaluation_episodes=4", "training.evaluate_every=2"),
    *("training.checkpoint_every=1", "training.critic.epochs=2", "evaluation.episodes=8", "analysis.episodes=4"),
]


def lewis(sender: str, receiver: str, *more: str) -> Scenario:
    kinds = [f"policies.sender={{kind: {sender}}}", f"policies.receiver={{kind: {receiver}}}"]
    return load_scenario("lewis", [*SMALL, *kinds, *more])


def recall(recurrent: str | None, *more: str) -> Scenario:
    """Two agents with one network, which see a bit and have to name it a step later."""
    seats = "seats={guest_0: guest, guest_1: guest}"
    policies = f"policies={{guest: {{kind: network, hidden: [16], recurrent: {recurrent or 'null'}}}}}"
    env = "env={entry: toy_games:Recall, kwargs: {agents: 2, wait: 1}}"
    return load_scenario("lewis", [*SMALL, env, "channel={topology: none}", seats, policies, "analysis={}", *more])


@pytest.fixture
def build() -> Iterator[Callable[[Scenario], MultiAgentAlgorithm]]:
    made: list[MultiAgentAlgorithm] = []

    def make(scenario: Scenario) -> MultiAgentAlgorithm:
        made.append(MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario)))
        return made[-1]

    yield make
    for algorithm in made:
        algorithm.stop()


def weights(algorithm: MultiAgentAlgorithm) -> dict[str, list[torch.Tensor]]:
    return {
        name: [parameter.detach().clone() for parameter in module.parameters()]
        for name, module in algorithm.learner.module.items()
    }


@pytest.mark.parametrize("algorithm_name", list(PRESETS))
def test_every_algorithm_moves_both_kinds_of_actor_and_its_critic(
    build: Callable[[Scenario], MultiAgentAlgorithm], algorithm_name: str
) -> None:
    algorithm = build(lewis("network", "language_model", f"training.algorithm={algorithm_name}"))
    before = weights(algorithm)
    assert (CRITIC in before) == (PRESETS[algorithm_name].critic != "none")
    algorithm.train()
    if isinstance(PRESETS[algorithm_name], Preset):
        assert algorithm.row["losses/first_ratio_deviation"] < 1e-5
    for name, after in weights(algorithm).items():
        assert any(not torch.equal(a, b) for a, b in zip(before[name], after, strict=True)), name


@pytest.mark.parametrize("algorithm_name", [name for name in PRESETS if isinstance(PRESETS[name], Preset)])
def test_a_network_that_remembers_begins_with_a_ratio_of_1(
    build: Callable[[Scenario], MultiAgentAlgorithm], algorithm_name: str
) -> None:
    algorithm = build(recall("gru", f"training.algorithm={algorithm_name}", "training.minibatches=3"))
    before = weights(algorithm)
    algorithm.train()
    algorithm.train()
    assert algorithm.row["losses/first_ratio_deviation"] < 1e-5
    for name, after in weights(algorithm).items():
        assert any(not torch.equal(a, b) for a, b in zip(before[name], after, strict=True)), name


@pytest.mark.parametrize(("recurrent", "right"), [(None, (0.25, 0.75)), ("gru", (0.99, 1.0))])
def test_only_what_remembers_names_a_bit_that_is_gone(
    tmp_path: Path, recurrent: str | None, right: tuple[float, float]
) -> None:
    """A policy of what is seen now is right half of the time, whatever it does: 64 episodes, +-4 standard errors."""
    training = {"algorithm": "ippo", "iterations": 15, "episodes": 48, "epochs": 6, "lr": 0.02, "evaluate_every": 100}
    scenario = recall(recurrent, f"training={{{', '.join(f'{key}: {value}' for key, value in training.items())}}}")
    run = RunDirectory.create(tmp_path / "run", scenario)
    with Trainer(scenario, run.path) as trainer:
        trainer.run()
        trainer.export(run.path / "policies")
    played = play(scenario, experiment.policies_of(run), range(64), seed=7)
    assert right[0] <= np.mean([episode.mean_return for episode in played]) <= right[1]


@pytest.mark.parametrize("algorithm_name", ["reinforce", "coma"])
def test_what_holds_for_the_acting_policy_only_makes_one_step(
    build: Callable[[Scenario], MultiAgentAlgorithm], algorithm_name: str
) -> None:
    algorithm = build(lewis("network", "network", f"training.algorithm={algorithm_name}", "training.epochs=5"))
    learner, steps = algorithm.learner, []
    apply = learner.apply_gradients
    learner.apply_gradients = lambda gradients: (steps.append(len(gradients)), apply(gradients))  # type: ignore[method-assign]
    algorithm.train()
    assert len(steps) == 1 + 2, "one of the actors, and the critic's two"


def test_episodes_of_a_group_begin_in_one_situation(build: Callable[[Scenario], MultiAgentAlgorithm]) -> None:
    algorithm = build(lewis("network", "network", "training.algorithm=magrpo"))
    played: list[Any] = []
    original = algorithm.play
    algorithm.play = lambda task: played.extend(original(task)) or played  # type: ignore[method-assign]
    algorithm.train()
    situations = [episode.situation for episode in played]
    assert [len(set(situations[start : start + 4])) for start in (0, 4)] == [1, 1]
    assert situations[0] != situations[4]
    assert len({tuple(turn.text for turn in episode.turns) for episode in played[:4]}) > 1


def test_free_text_has_no_counterfactual(build: Callable[[Scenario], MultiAgentAlgorithm]) -> None:
    algorithm = build(load_scenario("scout_hunt", [*SMALL, "training.algorithm=coma"]))
    with pytest.raises(ScenarioError, match=r"free text, which cannot be listed; give channel\.vocabulary"):
        algorithm.train()


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        ("network", "mappo"),
        ("network", "selfplay_ppo"),
        ("network, recurrent: gru", "mappo"),
        ("language_model", "coma"),
    ],
)
def test_resumed_training_is_straight_training(tmp_path: Path, kind: str, algorithm: str) -> None:
    scenario = lewis("network", kind, f"training.algorithm={algorithm}")
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


def test_a_run_that_finds_no_more_room_says_so_and_goes_on_when_there_is(
    tmp_path: Path, room: Callable[[int], AbstractContextManager[None]]
) -> None:
    scenario = lewis("network", "network")
    with room(200_000), pytest.raises(StoreError, match=r"iteration_000000': File too large; .*go.* on .*--resume"):
        experiment.train(scenario, tmp_path / "run")
    assert RunDirectory(tmp_path / "run").read_json("run.json")["status"] == "failed"
    run = experiment.train(scenario, tmp_path / "run", resume=True)
    assert [row["iteration"] for row in run.metrics()] == [0, 1, 2, 3, 4]
    with (
        Trainer(scenario, run.path, resume=True) as trainer,
        room(10_000),
        pytest.raises(StoreError, match=r"cannot write '.*policies'"),
    ):
        trainer.export(tmp_path / "policies")


def test_a_run_of_networks_is_evaluated_analyzed_and_reported(tmp_path: Path) -> None:
    scenario = lewis("network", "network")
    run = experiment.run(scenario, tmp_path / "run")
    assert {path.name for path in (run.path / "policies/sender").iterdir()} == {"config.json", "model.safetensors"}
    evaluation = run.read_json("evaluation.json")
    assert {"normal", "off", "scrambled", "untrained", experiment.TWIN} <= set(evaluation["arms"])
    assert run.has("analysis.json")
    assert "relu network of 64 and 64 units (sender)" in (run.path / "report.html").read_text()


@pytest.mark.parametrize("kind", ["network", "network, recurrent: gru"])
def test_the_exported_network_plays_as_the_live_one_does(tmp_path: Path, kind: str) -> None:
    scenario = lewis("network", kind)
    run = RunDirectory.create(tmp_path / "run", scenario)
    with Trainer(scenario, run.path) as trainer:
        trainer.run()
        trainer.export(tmp_path / "policies")
        live = play(scenario, trainer.policies(), range(8), seed=5)
    loaded = play(scenario, build_policies(scenario, seed=9, trained=tmp_path / "policies"), range(8), seed=5)
    assert [[turn.log_probs for turn in e.turns] for e in live] == [
        [turn.log_probs for turn in e.turns] for e in loaded
    ]


@pytest.mark.parametrize("recurrent", [None, "gru"])
def test_iterations_on_arrays_go_on_from_where_they_were(tmp_path: Path, build: Any, recurrent: str | None) -> None:
    scenario = load_scenario("lewis", [*SMALL, "env={entry: clockwork:Clockwork, arrays: clockwork:ClockworkArrays}"])
    data = scenario.model_dump(mode="json") | {
        "channel": {"topology": "none"},
        "seats": {"guest_0": "sender", "guest_1": "receiver"},
        "policies": {
            name: {"kind": "network", "hidden": [8], "recurrent": recurrent} for name in ("sender", "receiver")
        },
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
def test_networks_on_two_actors_are_trained_as_here(
    ray_of_two: None, build: Callable[[Scenario], MultiAgentAlgorithm]
) -> None:
    found = []
    for runners in (0, 2):
        algorithm = build(lewis("network", "network", "training.episodes=40", f"training.env_runners={runners}"))
        algorithm.train()
        algorithm.train()
        found.append(weights(algorithm))
    for name, parameters in found[0].items():
        assert all(torch.equal(a, b) for a, b in zip(parameters, found[1][name], strict=True)), name


@pytest.mark.parametrize("recurrent", ["null", "gru"])
def test_a_league_of_networks_plays_on_seats_of_its_own(tmp_path: Path, recurrent: str) -> None:
    policies = (
        f"policies={{sender: {{kind: network, recurrent: {recurrent}}}, past: {{kind: league, of: sender, every: 1}}}}"
    )
    scenario = load_scenario("lewis", [*SMALL, policies, "seats.receiver_0=past"])
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


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_mappo_trusts_its_partner_in_the_two_step_game(
    build: Callable[[Scenario], MultiAgentAlgorithm], seed: int
) -> None:
    """The 8 of Rashid et al., 2018, that needs the second step to be trusted; entropy keeps that step visited."""
    hidden = "{kind: network, hidden: [64, 64]}"
    settings = [
        f"policies={{first: {hidden}, second: {hidden}}}",
        *(f"seed={seed}", "training.algorithm=mappo", "training.iterations=60", "training.episodes=64"),
        *("training.lr=0.003", "training.epochs=4", "training.minibatches=1", "training.action_entropy=[0.5, 0.0]"),
    ]
    algorithm = build(load_scenario("two_step", settings))
    for _ in range(60):
        algorithm.train()
    assert algorithm.env_steps == 60 * 64 * 2
    returns = [episode.mean_return for episode in algorithm.play(Task(tuple(range(64)), 1))]
    print(f"seed {seed}: {np.mean(returns):.2f} after {algorithm.env_steps} env steps")
    assert np.mean(returns) >= 7.8
