from __future__ import annotations

import json
import logging
import math
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from marl.errors import LearningError
from marl.learning.checkpoint import Best, best_checkpoint, read_best
from marl.learning.metrics import is_timed
from marl.learning.task import GROUP, Task
from marl.learning.trainer import Trainer
from marl.policies import LanguageModelPolicy, build_policies
from marl.rollout import play
from marl.seeding import seed_of
from marl.settings import Scenario
from marl.store import RunDirectory

MakeScenario = Callable[..., Scenario]
MakeRun = Callable[..., Path]


def metrics(path: Path) -> list[dict[str, Any]]:
    """Rows of metrics.jsonl without what a clock decides."""
    rows = [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in row.items() if not is_timed(key)} for row in rows]


def everything(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Weights, buffers and optimizer state, by name."""
    learner = trainer.algorithm.learner
    found = {
        f"{name}.{key}": value.clone()
        for name, module in learner.module.items()
        for key, value in module.state_dict().items()
    }
    for name, optimizer in learner._named_optimizers.items():
        for number, state in optimizer.state_dict()["state"].items():
            found |= {f"{name}.{number}.{key}": torch.as_tensor(value).clone() for key, value in state.items()}
    return found


def stop_at(iteration: int) -> Callable[[dict[str, Any]], bool]:
    return lambda row: row["iteration"] == iteration


LORA = {"lora": {"rank": 4, "alpha": 8}}


@pytest.mark.parametrize("policies", [None, {"one": LORA, "two": LORA}], ids=["whole", "lora"])
def test_two_iterations_resumed_for_two_more_are_four_in_one_go(
    make_scenario: MakeScenario, make_run: MakeRun, policies: dict[str, Any] | None
) -> None:
    training = {"evaluate_every": 2, "evaluation_episodes": 4}
    scenario = make_scenario(2, talk_rounds=1, training=training, policies=policies)
    straight, broken = make_run(scenario, "straight"), make_run(scenario, "broken")
    with Trainer(scenario, straight) as trainer:
        summary = trainer.run()
        expected = everything(trainer)
    with Trainer(scenario, broken) as trainer:
        assert trainer.run(should_stop=stop_at(2))["reason"] == "stopped: the caller asked for it"
    with Trainer(scenario, broken, resume=True) as trainer:
        assert trainer.iteration == 2
        trainer.run()
        actual = everything(trainer)
    assert summary["reason"] == "iterations: all 4 are done"
    assert expected.keys() == actual.keys()
    assert any("exp_avg" in name for name in expected)
    assert "critic.scale.mean" in expected
    assert all(torch.equal(expected[name], actual[name]) for name in expected)
    rows = metrics(straight)
    assert rows == metrics(broken)
    assert [row["iteration"] for row in rows] == [0, 1, 2, 3, 4]
    evaluated = [row["iteration"] for row in rows if {"evaluation/normal", "evaluation/scrambled"} <= row.keys()]
    assert evaluated == [0, 2, 4]
    assert all(row["losses/first_ratio_deviation"] < 1e-5 for row in rows[1:])
    assert read_best(straight / "checkpoints") == read_best(broken / "checkpoints")


def test_a_run_killed_after_its_checkpoint_repeats_no_row(make_scenario: MakeScenario, make_run: MakeRun) -> None:
    scenario = make_scenario(training={"iterations": 4, "checkpoint_every": 2})
    run = make_run(scenario)
    with Trainer(scenario, run) as trainer:
        for _ in range(2):
            trainer.iterate()
        trainer.save()
        trainer.iterate()  # killed here: its row is written, its weights are not
    with (run / "metrics.jsonl").open("a") as file:
        file.write('{"iteration": 4, "cut of')
    before = metrics_of_first(run, 3)
    with Trainer(scenario, run, resume=True) as trainer:
        assert [row["iteration"] for row in RunDirectory(run).metrics()] == [1, 2]
        trainer.run()
    assert metrics(run)[:3] == before
    assert [row["iteration"] for row in metrics(run)] == [1, 2, 3, 4]


def metrics_of_first(path: Path, number: int) -> list[dict[str, Any]]:
    rows = RunDirectory(path).metrics()[:number]
    return [{key: value for key, value in row.items() if not is_timed(key)} for row in rows]


def test_a_checkpoint_cut_short_gives_way_to_the_one_before(
    make_scenario: MakeScenario, make_run: MakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    scenario = make_scenario(training={"iterations": 2, "checkpoint_every": 1})
    run = make_run(scenario)
    with Trainer(scenario, run) as trainer:
        trainer.run()
    state = run / "checkpoints" / "iteration_000002" / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with caplog.at_level(logging.WARNING), Trainer(scenario, run, resume=True) as trainer:
        assert trainer.iteration == 1
    assert "iteration_000002" in caplog.text


def test_resume_without_a_checkpoint_starts_at_the_beginning(make_scenario: MakeScenario, make_run: MakeRun) -> None:
    scenario = make_scenario(training={"iterations": 1})
    run = make_run(scenario)
    with Trainer(scenario, run) as trainer:
        trainer.begin()
    shutil.rmtree(run / "checkpoints")
    with Trainer(scenario, run, resume=True) as trainer:
        trainer.run()
    assert [row["iteration"] for row in metrics(run)] == [0, 1]


def test_a_checkpoint_of_other_modules_is_refused(make_scenario: MakeScenario, make_run: MakeRun) -> None:
    run = make_run(make_scenario())
    with Trainer(make_scenario(), run) as trainer:
        trainer.iterate()
        trainer.save()
    with pytest.raises(LearningError, match="does not fit"):
        Trainer(make_scenario(training={"critic": {"width": 8}}), run, resume=True)


def test_ctrl_c_finishes_the_iteration_and_saves_it(make_scenario: MakeScenario, make_run: MakeRun) -> None:
    scenario = make_scenario()
    run = make_run(scenario)
    with Trainer(scenario, run) as trainer:
        play_all = trainer.algorithm.play

        def interrupted(task: Any) -> Any:
            if (run / "metrics.jsonl").exists():  # not yet in the evaluation before training
                os.kill(os.getpid(), signal.SIGINT)
            return play_all(task)

        trainer.algorithm.play = interrupted  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            trainer.run()
    assert (run / "checkpoints" / "iteration_000001").is_dir()
    with Trainer(scenario, run, resume=True) as trainer:
        assert trainer.iteration == 1


def test_ctrl_c_in_a_callback_saves_too(make_scenario: MakeScenario, make_run: MakeRun) -> None:
    scenario = make_scenario()
    run = make_run(scenario)

    def press(row: dict[str, Any]) -> None:
        if row["iteration"]:
            raise KeyboardInterrupt

    with Trainer(scenario, run) as trainer, pytest.raises(KeyboardInterrupt):
        trainer.run(on_iteration=press)
    assert (run / "checkpoints" / "iteration_000001").is_dir()


def test_the_exported_policy_plays_without_a_critic_as_the_live_one_does(
    make_scenario: MakeScenario, make_run: MakeRun
) -> None:
    scenario = make_scenario(2, talk_rounds=1)
    run = make_run(scenario)
    with Trainer(scenario, run) as trainer:
        trainer.iterate()
        live = trainer.policies()
        (folder,) = trainer.export(run / "policies")
        expected = play(scenario, live, range(4), seed=8)
    assert not any("critic" in name for name in os.listdir(folder))
    exported = build_policies(scenario, seed=0, trained=run / "policies")
    assert isinstance(exported["guest"], LanguageModelPolicy)
    actual = play(scenario, exported, range(4), seed=8)
    for one, two in zip(expected, actual, strict=True):
        assert [(turn.text, turn.log_probs) for turn in one.turns] == [
            (turn.text, turn.log_probs) for turn in two.turns
        ]


def test_live_policies_share_the_trained_weights(make_scenario: MakeScenario, make_run: MakeRun) -> None:
    scenario = make_scenario()
    with Trainer(scenario, make_run(scenario)) as trainer:
        policy = trainer.policies()["guest"]
        assert isinstance(policy, LanguageModelPolicy)
        before = [p.detach().clone() for p in policy.model.network.parameters()]
        trainer.iterate()
        assert any(not torch.equal(a, b) for a, b in zip(before, policy.model.network.parameters(), strict=True))


def test_a_silent_scenario_is_not_evaluated_scrambled(make_scenario: MakeScenario, make_run: MakeRun) -> None:
    scenario = make_scenario(training={"evaluation_episodes": 2})
    with Trainer(scenario, make_run(scenario)) as trainer:
        row = trainer.evaluate()
    assert set(row) == {"evaluation/normal", "evaluation/episodes_failed", "time/evaluate"}


def test_what_fails_in_evaluation_is_counted(make_scenario: MakeScenario, make_run: MakeRun) -> None:
    scenario = make_scenario(fault="raise", training={"evaluation_episodes": 12})
    with Trainer(scenario, make_run(scenario)) as trainer:
        assert 0 < trainer.evaluate()["evaluation/episodes_failed"] < 12


@pytest.mark.parametrize("algorithm", ["mappo", "ippo"])
def test_it_learns_what_the_model_does_not_bring(
    make_scenario: MakeScenario, make_run: MakeRun, algorithm: str
) -> None:
    """Paid for saying blue whatever it sees, where the model says what it sees."""
    training = {"algorithm": algorithm, "iterations": 8, "episodes": 32, "epochs": 2}
    scenario = make_scenario(prize=2, training=training)
    with Trainer(scenario, make_run(scenario)) as trainer:
        rows = [trainer.iterate() for _ in range(8)]
    assert rows[0]["charts/episodic_return"] < 0.5
    assert sum(row["charts/episodic_return"] for row in rows[-2:]) / 2 > 0.9


def test_an_adapter_is_exported_reloaded_and_saved_without_its_base(
    make_scenario: MakeScenario, make_run: MakeRun
) -> None:
    scenario = make_scenario(2, talk_rounds=1, policies={"one": LORA, "two": LORA}, training={"lr": 1e-2})
    run = make_run(scenario)
    with Trainer(scenario, run) as trainer:
        trainer.iterate()
        trained = trainer.parameters()
        live = trainer.policies()
        folders = trainer.export(run / "policies")
        expected = play(scenario, live, range(4), seed=8)
        checkpoint = trainer.save()
        critic = sum(p.numel() for p in trainer.algorithm.learner.critic().parameters())
    assert isinstance(live["one"], LanguageModelPolicy)
    base = sum(p.numel() for name, p in live["one"].model.network.named_parameters() if "lora" not in name)
    assert trained["one"] == trained["two"] < base / 4
    assert {path.name for path in folders} == {"one", "two"}
    assert all((path / "adapter_model.safetensors").stat().st_size < 5 * trained["one"] for path in folders)
    # Weights and Adam's two moments of two adapters and of the critic, and what the file needs to list them.
    assert (checkpoint / "state.pt").stat().st_size < 4 * 3 * (2 * trained["one"] + critic) + 250_000 < 4 * 3 * base
    exported = build_policies(scenario, seed=0, trained=run / "policies")
    one, two = exported["one"], exported["two"]
    assert isinstance(one, LanguageModelPolicy)
    assert isinstance(two, LanguageModelPolicy)
    assert one.model is two.model
    for mine, theirs in zip(expected, play(scenario, exported, range(4), seed=8), strict=True):
        assert [(turn.text, turn.log_probs) for turn in mine.turns] == [
            (turn.text, turn.log_probs) for turn in theirs.turns
        ]


def test_adapters_learn_what_the_model_does_not_bring(make_scenario: MakeScenario, make_run: MakeRun) -> None:
    training = {"iterations": 8, "episodes": 32, "epochs": 2, "lr": 5e-3}
    scenario = make_scenario(prize=2, training=training, policies={"guest": {"lora": {"rank": 8, "alpha": 16}}})
    with Trainer(scenario, make_run(scenario)) as trainer:
        rows = [trainer.iterate() for _ in range(8)]
    assert rows[0]["charts/episodic_return"] < 0.5
    assert sum(row["charts/episodic_return"] for row in rows[-2:]) / 2 > 0.9


def test_the_loss_scale_is_resumed(make_scenario: MakeScenario, make_run: MakeRun) -> None:
    scenario = make_scenario(policies={"guest": {"precision": "float16"}})
    run = make_run(scenario)
    with Trainer(scenario, run) as trainer:
        scaler = trainer.algorithm.learner.scaler
        scaler.load_state_dict(scaler.state_dict() | {"scale": 128.0})
        trainer.iterate()
        trainer.save()
        assert trainer.algorithm.learner.scaler.get_scale() == 128.0
    with Trainer(scenario, run, resume=True) as trainer:
        assert trainer.algorithm.learner.scaler.get_scale() == 128.0


def test_the_row_before_training_is_what_the_untrained_policies_earn(
    make_scenario: MakeScenario, make_run: MakeRun
) -> None:
    scenario = make_scenario(2, training={"iterations": 1, "evaluation_episodes": 6})
    run = make_run(scenario)
    untrained = play(
        scenario, build_policies(scenario, seed=0), range(6), seed=seed_of(0, "periodic evaluation"), group=GROUP
    )
    with Trainer(scenario, run) as trainer:
        trainer.run()
    first = metrics(run)[0]
    assert (first["iteration"], first["env_steps"], first["turns"], first["tokens"]) == (0, 0, 0, 0)
    assert first["evaluation/normal"] == pytest.approx(sum(e.mean_return for e in untrained) / 6)


@pytest.mark.parametrize(
    ("stop", "iterations", "reason"),
    [
        ({"return_at_least": 0.0}, 0, "return_at_least: evaluation/normal is"),
        ({"env_steps": 12, "return_at_least": 2.0}, 2, "env_steps: env_steps is 12, and 12 was asked"),
        ({"plateau": {"metric": "env_steps", "mode": "min", "patience": 2}}, 2, "plateau: env_steps has not"),
        ({"time_s": 1e-6}, 0, "time_s: time_s is"),
        ({"env_steps": 1000}, 3, "iterations: all 3 are done"),
    ],
)
def test_the_first_rule_that_holds_ends_training_and_is_named(
    make_scenario: MakeScenario, make_run: MakeRun, stop: dict[str, Any], iterations: int, reason: str
) -> None:
    scenario = make_scenario(training={"iterations": 3, "evaluation_episodes": 4, "stop": stop})
    run = make_run(scenario)
    with Trainer(scenario, run) as trainer:
        closing = trainer.run()
        assert trainer.iteration == iterations
    assert closing["reason"].startswith(reason)
    rows = metrics(run)
    assert [row.get("reason") for row in rows] == [None] * iterations + [closing["reason"]]
    with Trainer(scenario, run, resume=True) as trainer:
        assert trainer.run()["reason"] == closing["reason"]
        assert trainer.iteration == iterations, "what has ended stays ended"
    assert metrics(run) == rows


def test_a_plateau_is_counted_on_over_a_resume(make_scenario: MakeScenario, make_run: MakeRun) -> None:
    stop = {"plateau": {"metric": "env_steps", "mode": "min", "patience": 3}}
    scenario = make_scenario(training={"iterations": 9, "evaluation_episodes": 2, "stop": stop})
    run = make_run(scenario)
    with Trainer(scenario, run) as trainer:
        trainer.run(should_stop=stop_at(2))
    with Trainer(scenario, run, resume=True) as trainer:
        trainer.run()
        assert trainer.iteration == 3


def test_the_best_checkpoint_stays_beside_the_newest(
    make_scenario: MakeScenario, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = {"iterations": 5, "evaluate_every": 1, "checkpoint_every": 1, "checkpoints_kept": 1}
    scenario = make_scenario(training=training)
    run = make_run(scenario)
    earned = iter([0.0, 3.0, 1.0, 3.0, 2.0, 1.0])
    with Trainer(scenario, run) as trainer:
        monkeypatch.setattr(trainer, "evaluate", lambda: {"evaluation/normal": next(earned)})
        trainer.run()
    assert sorted(path.name for path in (run / "checkpoints").glob("iteration_*")) == [
        "iteration_000001",
        "iteration_000005",
    ]
    assert best_checkpoint(run / "checkpoints")["iteration"] == 1


def test_a_best_that_the_resumed_run_has_not_reached_yet_is_forgotten(
    make_scenario: MakeScenario, make_run: MakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    scenario = make_scenario(training={"iterations": 2, "evaluate_every": 1, "evaluation_episodes": 2})
    run = make_run(scenario)
    earned = iter([0.0, 1.0, 2.0])
    with Trainer(scenario, run) as trainer:
        trainer.evaluate = lambda: {"evaluation/normal": next(earned)}  # type: ignore[method-assign]
        trainer.run()
    state = run / "checkpoints" / "iteration_000002" / "state.pt"
    state.write_bytes(state.read_bytes()[:1000])
    with caplog.at_level(logging.WARNING), Trainer(scenario, run, resume=True) as trainer:
        assert (trainer.iteration, read_best(run / "checkpoints")) == (1, Best(1, 1.0))
    assert "iteration_000002" in caplog.text


@pytest.mark.parametrize("algorithm", ["mappo", "dqn"])
def test_every_metric_is_documented_and_stands_in_tensorboard_too(
    algorithm: str, make_scenario: MakeScenario, make_run: MakeRun
) -> None:
    talk = int(algorithm == "mappo")
    training = {"algorithm": algorithm, "iterations": 1, "evaluation_episodes": 2, "q": {"updates": 1, "batch": 2}}
    scenario = make_scenario(2, talk_rounds=talk, training=training)
    run = make_run(scenario)
    with Trainer(scenario, run) as trainer:
        trainer.run()
    rows = RunDirectory(run).metrics()
    names = {name for row in rows for name in row}
    page = (Path(__file__).parents[2] / "docs" / "run_directory.md").read_text(encoding="utf-8")
    assert [name for name in sorted(names) if f"`{name}`" not in page] == []
    events = EventAccumulator(str(run / "tensorboard"))
    events.Reload()
    assert set(events.Tags()["scalars"]) == names - {"iteration", "reason"}
    for name in names - {"iteration", "reason"}:
        expected = [(row["iteration"], pytest.approx(row[name], rel=1e-6)) for row in rows if name in row]
        assert [(event.step, event.value) for event in events.Scalars(name)] == expected


def test_a_payoff_that_is_not_a_number_is_named_in_evaluation(make_scenario: MakeScenario, make_run: MakeRun) -> None:
    scenario = make_scenario(fault="nan")
    run = make_run(scenario)
    with Trainer(scenario, run) as trainer, pytest.raises(LearningError, match=r"evaluation episode 0: .*nan.*env"):
        trainer.run()
    assert not (run / "metrics.jsonl").exists()


def test_episodes_that_fail_are_counted_said_and_left_out(
    make_scenario: MakeScenario, make_run: MakeRun, caplog: pytest.LogCaptureFixture
) -> None:
    scenario = make_scenario(fault="raise", training={"iterations": 1, "episodes": 12, "evaluation_episodes": 12})
    with caplog.at_level(logging.WARNING), Trainer(scenario, make_run(scenario)) as trainer:
        row = trainer.run()
    failed = row["charts/episodes_failed"]
    assert 0 < failed < 12
    assert row["turns"] == 12
    assert f"{failed} of 12 episodes failed" in caplog.text
    assert "RuntimeError: the door is stuck" in caplog.text


def test_evaluation_plays_its_own_env_and_greedily(make_scenario: MakeScenario, make_run: MakeRun) -> None:
    scenario = make_scenario(training={"iterations": 1})
    apart = scenario.evaluation.model_copy(update={"env_kwargs": {"steps": 3, "prize": 1}, "greedy": True})
    scenario = scenario.model_copy(update={"evaluation": apart})
    with Trainer(scenario, make_run(scenario)) as trainer:
        trainer.begin()
        found = trainer.algorithm.play(Task(tuple(range(12)), 3, evaluated=True))
        assert {episode.length for episode in found} == {3}
        turns = [turn for episode in found for turn in episode.turns]
        assert all(turn.log_probs[0] >= -math.log(3) for turn in turns), "the likeliest of three"
        drawn = trainer.algorithm.play(Task(tuple(range(12)), 3))
        assert {episode.length for episode in drawn} == {1}, "training's own env is as it was"
        assert trainer.iterate()["charts/episodic_length"] == 1.0
