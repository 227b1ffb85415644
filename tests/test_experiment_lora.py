"""Two adapters over one base, from training to the report, and after a kill."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from marl import experiment
from marl.experiment import policies_of, untrained_policies
from marl.learning.metrics import is_timed
from marl.policies import LanguageModelPolicy
from marl.scenario import load_scenario
from marl.settings import Scenario
from marl.store import RunDirectory

SMALL = [
    *("training.iterations=4", "training.episodes=8", "training.evaluation_episodes=4", "training.evaluate_every=1"),
    *("training.checkpoint_every=2", "evaluation.episodes=8", "analysis.episodes=4", "training.silent_twin=false"),
    *(f"policies.{name}.lora={{rank: 4, alpha: 8}}" for name in ("sender", "receiver")),
]


def scenario() -> Scenario:
    return load_scenario("lewis", SMALL)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return experiment.run(scenario(), tmp_path_factory.mktemp("runs") / "lewis")


def test_the_run_holds_adapters_that_share_a_base(run: RunDirectory) -> None:
    names = {path.name for path in (run.path / "policies" / "sender").iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors", "tokenizer.json"} <= names
    assert "model.safetensors" not in names
    policies = policies_of(run)
    sender, receiver = policies["sender"], policies["receiver"]
    assert isinstance(sender, LanguageModelPolicy)
    assert isinstance(receiver, LanguageModelPolicy)
    assert sender.model is receiver.model
    assert (sender.adapter, receiver.adapter) == ("sender", "receiver")
    assert run.read_json("run.json")["parameters"]["sender"] < 200_000
    assert set(run.read_json("evaluation.json")["arms"]) == {"normal", "off", "scrambled", "untrained"}
    assert (run.path / "report.html").is_file()


def test_trained_and_untrained_policies_share_the_base(run: RunDirectory) -> None:
    trained = policies_of(run)
    untrained = untrained_policies(run.scenario(), trained)
    models = {
        id(policy.model)
        for policy in (*trained.values(), *untrained.values())
        if isinstance(policy, LanguageModelPolicy)
    }
    assert len(models) == 1


KILL = """
import os, signal, sys
from marl import experiment
from marl.store import RunDirectory

def die(step, row):
    if row["iteration"] == 3:
        os.kill(os.getpid(), signal.SIGKILL)

run = RunDirectory(sys.argv[1])
experiment.train(run.scenario(), run.path, resume=True, on_progress=die)
"""


def test_a_run_that_is_killed_goes_on_as_if_it_had_not_been(run: RunDirectory, tmp_path: Path) -> None:
    killed = RunDirectory.create(tmp_path / "killed", scenario())
    process = subprocess.run(
        [sys.executable, "-c", KILL, str(killed.path)], env={**os.environ, "OMP_NUM_THREADS": "1"}, check=False
    )
    assert process.returncode == -signal.SIGKILL
    assert [row["iteration"] for row in killed.metrics()] == [0, 1, 2, 3], (
        "its third row is written, its weights are not"
    )
    assert max(path.name for path in (killed.path / "checkpoints").glob("iteration_*")) == "iteration_000002"
    experiment.train(scenario(), killed.path, resume=True)
    assert rows(killed) == rows(run)
    for name in ("sender", "receiver"):
        one, two = (weights(each, name) for each in (run, killed))
        assert one.keys() == two.keys()
        assert all(torch.equal(one[key], two[key]) for key in one)


def rows(directory: RunDirectory) -> list[dict[str, Any]]:
    return [{k: v for k, v in row.items() if not is_timed(k)} for row in directory.metrics()]


def weights(directory: RunDirectory, name: str) -> dict[str, torch.Tensor]:
    from safetensors.torch import load_file

    return load_file(directory.path / "policies" / name / "adapter_model.safetensors")
