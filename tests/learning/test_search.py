from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from marl import experiment
from marl.errors import LearningError, ScenarioError, StoreError
from marl.learning.search import Trial, search, table
from marl.learning.search_space import load_search
from marl.store import RunDirectory

SMALL = {
    "training.iterations": 3,
    "training.episodes": 4,
    "training.epochs": 1,
    "training.critic.epochs": 1,
    "training.evaluation_episodes": 4,
    "training.evaluate_every": 1,
    "training.checkpoint_every": 1,
}


def write(tmp_path: Path, space: dict[str, Any], **fields: Any) -> Path:
    file = tmp_path / "search.yaml"
    data = {"scenario": "lewis", "space": space, "set": {**SMALL, **fields.pop("set", {})}, **fields}
    file.write_text(yaml.safe_dump(data))
    return file


def run_of(tmp_path: Path, file: Path, name: str = "trial") -> RunDirectory:
    settings = load_search(file)
    return RunDirectory.create(tmp_path / name, settings.scenario_of(settings.trials()[0]))


def results(trial: Trial) -> list[dict[str, Any]]:
    found = [trial.step()]
    while not found[-1]["done"]:
        found.append(trial.step())
    return found


def test_an_unknown_field_is_an_error_before_anything_is_written(tmp_path: Path) -> None:
    file = write(tmp_path, {"training.lr": {"grid": [1e-3]}, "training.clipp": {"choice": [0.1]}})
    with pytest.raises(ScenarioError, match="did you mean 'clip'"):
        search(file, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_trial_reports_the_rows_that_have_the_metric_and_leaves_a_run(tmp_path: Path) -> None:
    file = write(tmp_path, {"training.lr": {"grid": [1e-3]}}, set={"training.evaluate_every": 2})
    run = run_of(tmp_path, file)
    trial = Trial({"folder": str(run.path), "metric": "evaluation/normal"})
    assert [(row["iteration"], row["done"]) for row in results(trial)] == [(0, False), (2, False), (3, True)]
    trial.stop()
    assert run.read_json("run.json")["ended"] == "iterations: all 3 are done"
    assert experiment.policies_of(run).keys() == {"sender", "receiver"}


def test_a_trial_that_is_stopped_early_can_be_opened_and_gone_on_with(tmp_path: Path) -> None:
    run = run_of(tmp_path, write(tmp_path, {"training.lr": {"grid": [1e-3]}}))
    config = {"folder": str(run.path), "metric": "evaluation/normal"}
    trial = Trial(config)
    first = [trial.step(), trial.step()]
    trial.stop()
    card = run.read_json("run.json")
    assert (card["status"], card["ended"]) == ("trained", "stopped: others did better so far")
    assert experiment.policies_of(run).keys() == {"sender", "receiver"}
    again = Trial(config)
    rows = results(again)
    again.stop()
    assert [row["iteration"] for row in rows] == [0, 1, 2, 3]
    assert [row["evaluation/normal"] for row in rows[:2]] == [row["evaluation/normal"] for row in first]
    assert [row["iteration"] for row in run.metrics()] == [0, 1, 2, 3]


@pytest.mark.parametrize(("metric", "close"), [("charts/retrun", "charts/episodic_return"), ("reason", "turns")])
def test_a_metric_that_will_never_come_is_named_after_the_first_iteration(
    tmp_path: Path, metric: str, close: str
) -> None:
    run = run_of(tmp_path, write(tmp_path, {"training.lr": {"grid": [1e-3]}}))
    trial = Trial({"folder": str(run.path), "metric": metric})
    with pytest.raises(LearningError, match=rf"no metric '{metric}'; close ones: .*{close}"):
        trial.step()
    assert trial.trainer.iteration == 1, "not after the last"
    trial.stop()


def test_what_is_resumed_is_the_search_that_the_file_is_of(tmp_path: Path) -> None:
    file = write(tmp_path, {"training.lr": {"grid": [1e-3]}})
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "search.yaml").write_text(file.read_text())
    write(tmp_path, {"training.lr": {"grid": [1e-3, 1e-4]}}, samples=2)
    with pytest.raises(StoreError, match=r"search.yaml' is not the search that '.*out' holds: space, samples differ"):
        search(file, tmp_path / "out", resume=True)


def test_a_field_that_no_trial_reads_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nothing(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("marl.learning.search.ensure_ray", nothing)  # what comes after the warning is not of interest
    space = {"training.clip": {"grid": [0.2, 0.1]}, "training.lr": {"grid": [1e-3]}}
    for algorithms in (["reinforce", "coma"], ["reinforce", "mappo"]):
        file = write(tmp_path, space | {"training.algorithm": {"grid": algorithms}})
        with pytest.raises(KeyboardInterrupt):
            search(file, tmp_path / "-".join(algorithms))
    told = [record.getMessage() for record in caplog.records if record.name == "marl.learning.search"]
    assert told == [
        "space.training.clip: it has no effect in any trial (beside training.algorithm: reinforce), so that they do "
        "not differ in it"
    ]


@pytest.mark.parametrize(("mode", "order"), [("max", ["0001", "0002", "0000"]), ("min", ["0002", "0001", "0000"])])
def test_the_table_is_sorted_by_the_last_value_with_the_valueless_last(
    tmp_path: Path, mode: str, order: list[str]
) -> None:
    settings = load_search(write(tmp_path, {"training.lr": {"grid": [1e-3, 1e-4, 1e-5]}}, mode=mode))
    folders = []
    for number, values in enumerate([(), (9.0, 2.0), (1.0,)]):
        run = RunDirectory.create(tmp_path / f"{number:04d}", settings.scenario_of(settings.trials()[number]))
        for iteration, value in enumerate(values):
            run.append_metrics({"iteration": iteration, "evaluation/normal": value, "time_s": 1.0})
        folders.append(run.path)
    rows = table(settings, settings.trials(), folders)
    assert [row["trial"] for row in rows] == order
    assert [row["training.lr"] for row in rows] == [settings.trials()[int(name)]["training.lr"] for name in order]


@pytest.mark.slow
def test_a_search_trains_every_trial_stops_the_worse_ones_and_goes_on_where_it_was(
    ray_of_two: None, tmp_path: Path
) -> None:
    space = {"training.lr": {"grid": [1e-3, 1e-4]}, "training.gamma": {"uniform": [0.5, 1.0]}}
    file = write(tmp_path, space, concurrent=2, scheduler="asha", grace=1, reduction=2)
    out, told = tmp_path / "out", []
    rows = search(file, out, on_progress=told.append)
    assert [row["done"] for row in told] == [1, 2]
    assert json.loads((out / "results.json").read_text()) == rows
    with (out / "results.csv").open() as table_file:
        assert [row["trial"] for row in csv.DictReader(table_file)] == [row["trial"] for row in rows]
    values = [row["evaluation/normal"] for row in rows]
    assert values == sorted(values, reverse=True)
    for row in rows:
        run = RunDirectory(row["run"])
        assert row["status"] == "trained"
        assert run.scenario().training.lr == row["training.lr"]
        assert run.metrics()[-1]["iteration"] == row["iterations"]
        assert experiment.policies_of(run).keys() == {"sender", "receiver"}
    with pytest.raises(StoreError, match="--resume"):
        search(file, out)
    before = {row["trial"]: RunDirectory(row["run"]).metrics() for row in rows}
    for row in search(file, out, resume=True):
        metrics = RunDirectory(row["run"]).metrics()
        assert metrics[: len(before[row["trial"]])] == before[row["trial"]], "what was done is not done again"


@pytest.mark.slow
def test_a_trial_that_fails_is_a_row_and_all_that_fail_an_error(ray_of_two: None, tmp_path: Path) -> None:
    models = ["nano", str(tmp_path / "no_model")]
    file = write(tmp_path, {"policies.sender.model": {"grid": models}}, set={"training.iterations": 1}, concurrent=2)
    rows = search(file, tmp_path / "out")
    assert [(row["trial"], row["status"]) for row in rows] == [("0000", "trained"), ("0001", "failed")]
    assert "no_model" in rows[1]["ended"]
    file.write_text(file.read_text().replace("- nano", f"- {tmp_path / 'neither'}"))
    with pytest.raises(LearningError, match="all 2 trials failed"):
        search(file, tmp_path / "none")


@pytest.mark.slow
def test_rays_mlflow_callback_keeps_the_trials(
    ray_of_two: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{tmp_path / 'mlruns'}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    file = write(tmp_path, {"training.lr": {"grid": [1e-3]}}, set={"training.iterations": 1}, loggers=["mlflow"])
    (row,) = search(file, tmp_path / "out")
    client = mlflow.tracking.MlflowClient(f"file://{tmp_path / 'mlruns'}")
    (kept,) = client.search_runs([client.get_experiment_by_name("parley").experiment_id])
    assert kept.data.metrics["evaluation/normal"] == pytest.approx(row["evaluation/normal"])
