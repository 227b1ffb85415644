"""A run directory as training leaves it, made in a moment: two policies of different weights, and recorded episodes."""

from __future__ import annotations

from pathlib import Path

import pytest

from marl.models import LanguageModel
from marl.policies import build_policies
from marl.rollout import play
from marl.scenario import load_scenario
from marl.settings import Scenario
from marl.store import RunDirectory

SMALL = ["evaluation.episodes=16", "seed=3"]


@pytest.fixture(scope="session")
def scenario() -> Scenario:
    """Lewis signaling whose sender says one of four words and whose receiver names one of four colors."""
    return load_scenario("lewis", SMALL)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory, scenario: Scenario) -> RunDirectory:
    folder = tmp_path_factory.mktemp("runs") / "lewis"
    run = RunDirectory.create(folder, scenario)
    for name, model in (("sender", "nano"), ("receiver", "nano")):
        LanguageModel.load(model).save(folder / "policies" / name)
    policies = build_policies(scenario, seed=scenario.seed, trained=folder / "policies")
    run.write_episodes("normal", play(scenario, policies, range(5), seed=1))
    run.write_episodes("scrambled", play(scenario, policies, range(3), seed=2, intervention="scrambled", pool=POOL))
    run.write_episodes("untrained", play(scenario, policies, range(4), seed=2))
    return run


POOL = {"sender_0": ["ba", "ki"]}


@pytest.fixture
def copy(run: RunDirectory, tmp_path: Path) -> RunDirectory:
    """A copy that a test may write to."""
    import shutil

    return RunDirectory(Path(shutil.copytree(run.path, tmp_path / "run")))
