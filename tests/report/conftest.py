"""Run directories as the real steps write them: scout_hunt, played by scripts that err now and then.

Only the learning curve is made up. Everything is played and computed once and copied for each test.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marl.communication import audit
from marl.communication_game import communication_games
from marl.evaluation import evaluate_arms, play_tournament
from marl.games import EmpiricalGame, summarize
from marl.policies import ScriptedPolicy
from marl.policies.scripted import constant, follow, random, tell, tell_and_follow
from marl.rollout import play
from marl.scenario import load_scenario
from marl.settings import Scenario
from marl.store import RunDirectory
from marl.types import Episode, View

AGENTS = ("scout_0", "partner_0")
EPISODES = 96
HOSTILE = "<script>alert('x')</script><img src=x onerror=alert(1)> & \"quoted\""
PARTS = ("metrics", "twin", "evaluation", "analysis", "episodes")


def hunter(view: View, skill: float) -> str:
    """Tells and follows with probability `skill`, else babbles and picks at random; a few replies name no action."""
    if view.rng.random() < skill:
        return tell_and_follow(view, fallback="hare")
    if not view.options:
        return str(view.rng.choice(["yes", "go on", "the stag"]))
    return random(view) if view.rng.random() < 0.9 else "perhaps"


def tournament(scenario: Scenario, strategies: Mapping[str, ScriptedPolicy], episodes: int = 24) -> dict[str, Any]:
    """What analysis.json holds for `strategies` on every seat, the first one taken as the learned one."""

    def play_profile(profile: Mapping[str, Any], indices: Any) -> list[Episode]:
        return play(scenario, profile, indices, seed=5)

    table = {agent: dict(strategies) for agent in scenario.seats}
    samples = play_tournament(play_profile, table, episodes=episodes)
    game = EmpiricalGame.from_samples({agent: list(names) for agent, names in table.items()}, samples)
    return summarize(game, tuple(0 for _ in table), rng=np.random.default_rng(0), concept_time=120.0)


def evaluated(scenario: Scenario, **skills: float) -> tuple[dict[str, Any], dict[str, list[Episode]]]:
    """What evaluation.json holds, and the episodes, for hunters of the given skills (`normal` and the controls)."""

    def arm(policy: ScriptedPolicy) -> Any:
        return partial(play, scenario, {"hunter": policy})

    controls = {name: arm(ScriptedPolicy("hunter", hunter, skill=skill)) for name, skill in skills.items()}
    trained = controls.pop("normal")
    controls["silent_twin"] = arm(ScriptedPolicy("hunter", constant, option="hare"))
    evaluation, episodes = evaluate_arms(scenario, trained, controls)
    return audit(evaluation, episodes), episodes


def learning_rows(peak: float, *, scrambled: bool, iterations: int = 60) -> list[dict[str, Any]]:
    """A logistic learning curve with sampling noise; every tenth row holds an evaluation."""
    rng = np.random.default_rng(int(peak * 100))
    rows: list[dict[str, Any]] = []
    for iteration in range(1, iterations + 1):
        level = 3.4 + (peak - 3.4) / (1 + np.exp(-(iteration - 22) / 5))
        row: dict[str, Any] = {
            "iteration": iteration,
            "env_steps": iteration * 64,
            "turns": iteration * 256,
            "charts/episodic_return": float(level - 0.3 + 0.35 * rng.standard_normal()),
            "losses/first_ratio_deviation": 2.4e-7,
            "time_s": iteration * 2.7,
        }
        if iteration % 10 == 0:
            row["evaluation/normal"] = float(level)
            if scrambled:
                row["evaluation/scrambled"] = float(3.4 + 0.25 * rng.standard_normal())
        rows.append(row)
    return rows


def write_run(folder: Path, parts: Sequence[str] = PARTS) -> RunDirectory:
    """A run directory with the given parts; without any it is a run that has just been created."""
    scenario = load_scenario("scout_hunt", [f"evaluation.episodes={EPISODES}"])
    run = RunDirectory.create(folder, scenario, "marl run scout_hunt --seed 0")
    if "metrics" in parts:
        run.update_run(status="trained")
        for row in learning_rows(9.8, scrambled=True):
            run.append_metrics(row)
    if "twin" in parts:
        twin = RunDirectory.create(folder / "silent_twin", scenario)
        for row in learning_rows(5.0, scrambled=False):
            twin.append_metrics(row)
    if "evaluation" in parts:
        evaluation, episodes = evaluated(scenario, normal=0.98, untrained=0.1)
        run.write_json("evaluation.json", evaluation)
        for arm, played in episodes.items() if "episodes" in parts else ():
            run.write_episodes(arm, played)
    if "analysis" in parts:
        scripts = {
            "trained": ScriptedPolicy("trained", hunter, skill=0.98),
            "untrained": ScriptedPolicy("untrained", hunter, skill=0.1),
            "hare": ScriptedPolicy("hare", constant, option="hare"),
            "north": ScriptedPolicy("north", constant, option="north"),
        }
        run.write_json("analysis.json", tournament(scenario, scripts))
    return run


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The complete run that tests copy."""
    return write_run(tmp_path_factory.mktemp("report") / "run").path


@pytest.fixture
def full_run(written: Path, tmp_path: Path) -> RunDirectory:
    """A complete run of the test's own."""
    return RunDirectory(shutil.copytree(written, tmp_path / "run"))


@pytest.fixture
def evaluation(full_run: RunDirectory) -> dict[str, Any]:
    """The complete run's evaluation.json."""
    return full_run.read_json("evaluation.json")


@pytest.fixture
def analysis(full_run: RunDirectory) -> dict[str, Any]:
    """The complete run's analysis.json."""
    return full_run.read_json("analysis.json")


@pytest.fixture(scope="session")
def communication() -> dict[str, Any]:
    """What communication.json holds for a sender that tells the color and a receiver that believes it."""
    scenario = load_scenario("lewis", ["analysis.episodes=16", "channel.vocabulary=[red, green, blue, white]"])
    seats = {"sender_0": {"trained": tell}, "receiver_0": {"trained": follow, "red": partial(constant, option="red")}}
    policies = {
        agent: {name: ScriptedPolicy(name, one) for name, one in table.items()} for agent, table in seats.items()
    }
    return json.loads(json.dumps(communication_games(scenario, policies)))


@pytest.fixture
def partial_run(full_run: RunDirectory) -> Callable[..., RunDirectory]:
    """A function that removes files and folders from the complete run."""

    def without(*names: str) -> RunDirectory:
        for name in names:
            path = full_run.path / name
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        return full_run

    return without
