from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from marl.errors import LearningError
from marl.learning.loggers import PROJECT, dotted, numbers, open_loggers
from marl.learning.trainer import Trainer
from marl.settings import Scenario
from marl.store import RunDirectory

MakeScenario = Callable[..., Scenario]
MakeRun = Callable[..., Path]
ROW = {"iteration": 3, "charts/episodic_return": 0.5, "reason": "iterations: all 3 are done"}


def test_settings_are_named_by_their_path_and_rows_are_numbers() -> None:
    assert dotted({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}
    assert numbers(ROW) == {"charts/episodic_return": 0.5}


@pytest.mark.parametrize("name", ["wandb", "mlflow"])
def test_a_library_that_is_not_there_is_named_with_its_extra(
    make_scenario: MakeScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(LearningError, match=rf"pip install 'parley-marl\[{name}\]'"):
        open_loggers(make_scenario(training={"loggers": [name]}), tmp_path)


def test_a_server_that_is_not_there_is_an_error(
    make_scenario: MakeScenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "nowhere://x")
    with pytest.raises(LearningError, match="set MLFLOW_TRACKING_URI"):
        open_loggers(make_scenario(training={"loggers": ["mlflow"]}), tmp_path)


def test_mlflow_has_every_number_and_a_resumed_run_goes_on_in_it(
    make_scenario: MakeScenario, make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"file://{tmp_path / 'mlruns'}")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    scenario = make_scenario(training={"iterations": 2, "evaluation_episodes": 2, "loggers": ["mlflow"]})
    run = make_run(scenario)
    with Trainer(scenario, run) as trainer:
        trainer.run(should_stop=lambda row: row["iteration"] == 1)
    with Trainer(scenario, run, resume=True) as trainer:
        trainer.run()
    client = mlflow.tracking.MlflowClient(f"file://{tmp_path / 'mlruns'}")
    experiment = client.get_experiment_by_name(PROJECT)
    (kept,) = client.search_runs([experiment.experiment_id])
    assert (kept.info.run_name, kept.info.status) == ("run", "FINISHED")
    assert kept.data.params["training.lr"] == "0.0003"
    rows = RunDirectory(run).metrics()
    assert len(rows) == 3
    for name in {name for row in rows for name in numbers(row)}:
        history = sorted(client.get_metric_history(kept.info.run_id, name), key=lambda point: point.step)
        expected = [(row["iteration"], row[name]) for row in rows if name in row]
        assert [(point.step, point.value) for point in history] == [(i, pytest.approx(v)) for i, v in expected]


def leveldb_records(log: bytes) -> Iterator[bytes]:
    """The records of a log of one 32 KiB block: checksum (4 bytes), length (2), type (1; 1 is a whole record), data."""
    assert len(log) < 32768 - 7
    while log:
        _, length, kind = struct.unpack("<IHB", log[:7])
        assert kind == 1
        yield log[7 : 7 + length]
        log = log[7 + length :]


def test_wandb_keeps_every_row_offline(
    make_scenario: MakeScenario, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    scenario = make_scenario(training={"loggers": ["wandb"]})
    run = make_run(scenario)
    (sink,) = open_loggers(scenario, run)
    sink.write({"iteration": 0, "evaluation/normal": 0.25})
    sink.write({"iteration": 1, "charts/SPS": 12.5})
    sink.close()
    (file,) = (run / "wandb").glob("offline-run-*/*.wandb")
    history, config = {}, {}
    for data in leveldb_records(file.read_bytes()[7:]):
        record = wandb.proto.wandb_internal_pb2.Record()
        record.ParseFromString(data)
        if record.HasField("history"):
            items = {"".join(item.nested_key) or item.key: item.value_json for item in record.history.item}
            history[int(items["_step"])] = items
        if record.HasField("run"):
            config = {item.key: item.value_json for item in record.run.config.update}
            assert record.run.project == PROJECT
    assert history[0]["evaluation/normal"] == "0.25"
    assert history[1]["charts/SPS"] == "12.5"
    assert config["name"] == '"doors"'
