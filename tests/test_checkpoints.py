from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from marl import experiment
from marl.checkpoints import choices, kept_policies, over_checkpoints, situations, star
from marl.cli import app
from marl.errors import LearningError
from marl.rollout import Tables
from marl.scenario import load_scenario
from marl.settings import Scenario
from marl.store import RunDirectory

SMALL = [
    *("training.iterations=6", "training.episodes=16", "training.evaluate_every=2", "training.evaluation_episodes=4"),
    *("training.checkpoint_every=2", "training.checkpoints_kept=9", "policies.first.hidden=[8]", "analysis.episodes=6"),
    *("policies.second.hidden=[8]", "evaluation.exact=tree"),
]


def small(*more: str) -> Scenario:
    return load_scenario("rock_paper_scissors", [*SMALL, *more])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return experiment.train(small(), tmp_path_factory.mktemp("run") / "run")


def test_every_kept_checkpoint_is_compared_with_every_other(run: RunDirectory) -> None:
    steps: list[dict[str, int]] = []
    found = over_checkpoints(run.path, on_progress=lambda step, row: steps.append(dict(row)))
    assert found == json.loads((run.path / "convergence.json").read_text())
    assert found["iterations"] == [0, 2, 4, 6]
    assert np.shape(found["distances"]) == (4, 4)
    assert [point["iteration"] for point in found["nash_conv"]["exact"]] == [0, 2, 4, 6]
    assert found["pairs"]["all"] == 6
    assert steps[-1] == {"done": 16, "total": 16}


def test_the_command_says_it_in_words(run: RunDirectory) -> None:
    done = CliRunner().invoke(app, ["analyze", str(run.path), "--over-checkpoints"], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.output
    assert "total variation distance" in done.output
    assert "The exact NashConv" in done.output


def test_distances_are_those_of_what_the_policies_do(run: RunDirectory) -> None:
    """The game has one situation a player, so that the mean over situations is that over players."""
    found, snapshots = over_checkpoints(run.path), kept_policies(run)
    scenario = run.scenario()
    views = situations(scenario, snapshots[0][1], [0], 0, Tables(scenario))
    assert {view.agent for view in views} == {"player_0", "player_1"}
    one, two = (choices(scenario, policies, views) for _, policies in (snapshots[0], snapshots[-1]))
    by_hand = np.mean([np.abs(p - q).sum() / 2 for p, q in zip(one, two, strict=True)])
    assert found["distances"][0][3] == pytest.approx(by_hand, abs=1e-6)
    assert by_hand > 0


def test_the_star_has_what_replacement_needs() -> None:
    assert len(star(4, 2)) == 16
    assert len(star(4, 3)) == 4 + 4 * 3 * 3
    assert (1, 2, 2) in star(4, 3)
    assert (0, 1, 2) not in star(4, 3)


def test_too_few_checkpoints_and_policies_that_tell_nothing_are_refused(run: RunDirectory, tmp_path: Path) -> None:
    few = experiment.train(small("training.iterations=1", "training.checkpoint_every=50"), tmp_path / "few")
    with pytest.raises(LearningError, match=r"kept 1 checkpoints beside the untrained policies, and 2 are needed"):
        over_checkpoints(few.path)
    policies = {"first": object(), "second": object()}
    views = situations(run.scenario(), kept_policies(run)[0][1], [0], 0, Tables(run.scenario()))
    with pytest.raises(LearningError, match="tells no distribution over its options"):
        choices(run.scenario(), policies, views)  # type: ignore[arg-type]
