from __future__ import annotations

from pathlib import Path

import pytest

from marl.errors import LearningError
from marl.experiment import silent
from marl.scenario import load_scenario
from marl.store import RunDirectory
from marl.twin import training_twin

SMALL = ["training.iterations=1", "training.episodes=4", "training.evaluation_episodes=2"]


def test_not_wanted_means_no_directory(tmp_path: Path) -> None:
    with training_twin(load_scenario("scout_hunt"), tmp_path / "twin", wanted=False, on_progress=print):
        pass
    assert not (tmp_path / "twin").exists()


def test_a_twin_that_fails_is_an_error_that_says_how_to_go_on(tmp_path: Path) -> None:
    scenario = silent(load_scenario("scout_hunt", [*SMALL, f"policies.hunter.model={tmp_path / 'no_model'}"]))
    with (
        pytest.raises(LearningError, match=r"silent twin ended with exit code .*--resume"),
        training_twin(scenario, tmp_path / "twin", wanted=True, on_progress=print),
    ):
        pass


def test_a_failing_body_ends_the_twin(tmp_path: Path) -> None:
    scenario = silent(load_scenario("scout_hunt", ["training.iterations=100000"]))
    with (
        pytest.raises(ZeroDivisionError),
        training_twin(scenario, tmp_path / "twin", wanted=True, on_progress=print),
    ):
        raise ZeroDivisionError
    assert len(RunDirectory(tmp_path / "twin").metrics()) < 1000
