"""A multi-task run beside specialists, end to end on real parts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from marl import experiment
from marl.comparison import compare
from marl.errors import ParleyError, StoreError
from marl.multi_task import load_any
from marl.scenario import load_scenario
from marl.store import RunDirectory

SMALL = ["training.iterations=1", "training.episodes=8", "training.evaluation_episodes=4", "training.evaluate_every=1"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    out = tmp_path_factory.mktemp("runs") / "both"
    short = [f"tasks.{task}.set=[evaluation.episodes=12]" for task in ("rendezvous", "scout_hunt")]
    return experiment.train(load_any("hunt_and_meet", [*SMALL, *short]), out)


def test_each_task_is_a_run_directory_that_every_command_takes(run: RunDirectory, tmp_path: Path) -> None:
    shutil.copytree(run.path, tmp_path / "copy", symlinks=True)
    tasks = RunDirectory(tmp_path / "copy").tasks()
    assert list(tasks) == ["scout_hunt", "rendezvous"]
    for name, task in tasks.items():
        assert task.scenario().name == name
        assert task.read_json("run.json")["status"] == "trained"
        (last,) = [row for row in run.metrics() if row["iteration"] == 1]
        assert task.metrics()[-1]["evaluation/normal"] == last[f"evaluation/{name}/normal"]
        assert task.metrics()[-1]["losses/policy_loss"] == last["losses/policy_loss"]
        assert not any("hunt" in key or "rendezvous" in key for key in task.metrics()[-1])
    meeting = tasks["rendezvous"].path
    evaluation = experiment.evaluate(meeting)
    assert {"normal", "untrained"} <= set(evaluation["arms"])
    experiment.evaluate(meeting, checkpoint="best")
    assert experiment.report(meeting).is_file()


def test_the_same_policies_do_not_differ_and_others_are_told_apart(run: RunDirectory, tmp_path: Path) -> None:
    specialist = experiment.train(
        load_scenario("rendezvous", [*SMALL, "training.lr=0.05", "evaluation.episodes=12"]), tmp_path / "alone"
    )
    played: list[tuple[str, str]] = []
    own = run.path / "tasks/scout_hunt"
    found = compare(run.path, [own, specialist.path], on_arm=lambda task, arm: played.append((task, arm)))
    assert set(found["scout_hunt"]["arms"]) == {"normal", "untrained", "scout_hunt"}
    assert set(found["rendezvous"]["arms"]) == {"normal", "untrained", "alone"}
    same = found["scout_hunt"]["differences"]["normal-scout_hunt"]
    assert (same["mean"], same["low"], same["high"], same["n"]) == (0.0, 0.0, 0.0, 12)
    arms = found["rendezvous"]["arms"]
    assert found["rendezvous"]["differences"]["normal-alone"]["mean"] == pytest.approx(
        arms["normal"]["mean"] - arms["alone"]["mean"]
    )
    assert run.read_json("comparison.json") == {"checkpoint": "last", "tasks": found}
    assert len(played) == 6


def test_specialists_of_other_games_are_refused(run: RunDirectory, tmp_path: Path) -> None:
    other = RunDirectory.create(tmp_path / "other", load_scenario("rendezvous", ["env.kwargs.days=2"]))
    with pytest.raises(ParleyError, match=r"none of the tasks \['scout_hunt', 'rendezvous'\]: env and channel"):
        compare(run.path, [other.path])
    with pytest.raises(ParleyError, match="is a run of one scenario"):
        compare(other.path)
    again = RunDirectory.create(tmp_path / "untrained", load_scenario("rendezvous"))
    with pytest.raises(ParleyError, match=r"two policies would be called 'untrained'; rename"):
        compare(run.path, [again.path])


def test_what_takes_one_scenario_says_where_the_tasks_are(run: RunDirectory) -> None:
    with pytest.raises(StoreError, match=r"run over several tasks.*tasks/scout_hunt.*tasks/rendezvous"):
        experiment.analyze(run.path)
