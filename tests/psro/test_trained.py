from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from marl.errors import ScenarioError
from marl.games.meta_solver import MetaStrategy
from marl.learning.exact import ExactMeasure
from marl.multi_task import MultiTask
from marl.policies import build_policies
from marl.policies.league import LeaguePolicy
from marl.psro.trained import TrainedOracle, psro
from marl.scenario import load_scenario
from marl.settings import MixtureSettings, Scenario
from marl.store import RunDirectory

TINY = [
    *("psro.iterations=2", "psro.episodes=8", "psro.epsilon=0.001", "training.evaluation_episodes=2"),
    "psro.training={algorithm: ippo, iterations: 3, episodes: 8, checkpoint_every: 1, critic: {epochs: 1}}",
    *("policies.first.hidden=[8]", "policies.second.hidden=[8]"),
]
SHARED = ["seats.player_1=first"]


def tiny(*more: str, name: str = "rock_paper_scissors") -> Scenario:
    return load_scenario(name, [*TINY, *more])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunDirectory:
    return psro(tiny(), tmp_path_factory.mktemp("psro") / "run", command="marl psro x")


def test_a_run_leaves_populations_payoffs_meta_strategies_and_words(run: RunDirectory) -> None:
    for name in ("first", "second"):
        assert [path.name for path in sorted((run.path / "population" / name).iterdir())] == ["000", "001", "002"]
        assert RunDirectory(run.path / "best_responses" / "002" / name).read_json("run.json")["status"] == "trained"
    rows = run.metrics()
    assert [row["iteration"] for row in rows] == [0, 1, 2]
    assert all(row["exact/nash_conv"] >= 0 for row in rows)
    lines = [json.loads(line) for line in (run.path / "payoffs.jsonl").read_text().splitlines()]
    assert len({tuple(line["members"].values()) for line in lines}) == len(lines) == 9
    assert len(list((run.path / "meta_strategies").iterdir())) == 3
    record = run.read_json("psro.json")
    assert record["reason"] == "iterations: all 2 are done" == run.read_json("run.json")["ended"]
    assert "PSRO grew populations of policies: first (3 members) for player_0" in record["summary"][0]["text"]


def test_what_is_exact_is_the_mixtures(run: RunDirectory) -> None:
    """By hand: each side's mean play, the payoffs of rock, paper and scissors against it."""
    oracle = TrainedOracle(tiny(), run)
    joint = np.full((3, 3), 1 / 12)
    joint[1, 2] += 1 / 4
    meta = MetaStrategy(joint, "by hand")
    payoffs = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]])
    views = {view.agent: view for view in ExactMeasure(tiny()).views}
    sides = []
    for player, agent in enumerate(oracle.populations):
        members: list[Any] = [oracle.member(agent, k) for k in range(3)]
        sides.append(meta.marginal(player) @ [policy.distributions([views[agent]])[0] for policy in members])
    one, two = sides
    expected = (payoffs @ two).max() - one @ payoffs @ two + (-one @ payoffs).max() + one @ payoffs @ two
    assert oracle.exact(meta)["exact/nash_conv"] == pytest.approx(expected, abs=1e-6)


def test_best_responses_meet_the_meta_strategy(run: RunDirectory) -> None:
    scenario = RunDirectory(run.path / "best_responses" / "002" / "first").scenario()
    assert scenario.seats == {"player_0": "first", "player_1": "player_1 beside player_0"}
    mixture = scenario.policies["player_1 beside player_0"]
    assert isinstance(mixture, MixtureSettings)
    kept = run.read_json("meta_strategies/001.json")["marginals"]["player_1"]
    assert dict(zip([Path(folder).name for folder in mixture.folders], mixture.probabilities, strict=True)) == (
        pytest.approx({f"{k:03d}": share for k, share in enumerate(kept) if share > 0})
    )
    assert scenario.training.algorithm == "ippo"
    seeds = {
        RunDirectory(run.path / "best_responses" / number / name).scenario().seed
        for number in ("001", "002")
        for name in ("first", "second")
    }
    assert len(seeds) == 4


def weights(path: Path) -> bytes:
    return (path / "model.safetensors").read_bytes()


def test_a_run_killed_in_training_goes_on_to_the_same_members(run: RunDirectory, tmp_path: Path) -> None:
    calls = {"left": 0}

    def kill(step: str, row: Any) -> None:
        calls["left"] -= 1
        if calls["left"] == 0:
            raise KeyboardInterrupt

    resume = False
    for calls["left"] in (5, 9, 3):  # in the first best response, in the second one, in the first again
        with pytest.raises(KeyboardInterrupt):
            psro(tiny(), tmp_path / "run", resume=resume, on_progress=kill)
        assert RunDirectory(tmp_path / "run").read_json("run.json")["status"] == "interrupted"
        resume = True
    (tmp_path / "run").rename(tmp_path / "moved")
    calls["left"] = -1
    done = psro(tiny(), tmp_path / "moved", resume=True)
    for name in ("first", "second"):
        for number in ("000", "001", "002"):
            parts = [Path("population") / name / number]
            assert all(weights(done.path / part) == weights(run.path / part) for part in parts)
    assert (done.path / "payoffs.jsonl").read_text() == (run.path / "payoffs.jsonl").read_text()
    one, two = (folder.read_json("psro.json") for folder in (run, done))
    assert one == two


def test_one_policy_on_several_seats_is_one_population(tmp_path: Path) -> None:
    run = psro(tiny(*SHARED, "psro.iterations=1"), tmp_path / "run")
    assert [path.name for path in (run.path / "population").iterdir()] == ["first"]
    task = RunDirectory(run.path / "best_responses" / "001" / "first").settings()
    assert isinstance(task, MultiTask)
    assert {name: game.scenario.seats[name] for name, game in task.tasks.items()} == {
        "player_0": "first",
        "player_1": "first",
    }
    kept = run.read_json("meta_strategies/001.json")["marginals"]
    assert kept["player_0"] == pytest.approx(kept["player_1"])
    assert run.read_json("psro.json")["members"] == {"first": 2}


def test_best_responses_by_values_play_their_best_option(tmp_path: Path) -> None:
    learning = "psro.training={algorithm: dqn, iterations: 1, episodes: 8, q: {updates: 2, batch: 4}}"
    run = psro(tiny("psro.iterations=1", learning), tmp_path / "run")
    [view, *_] = ExactMeasure(tiny()).views
    for number in (0, 1):
        member: Any = TrainedOracle(run.scenario(), run).member(view.agent, number)
        assert sorted(member.distributions([view])[0]) == [0.0, 0.0, 1.0]


@pytest.mark.slow
@pytest.mark.parametrize("lora", ["null", "{rank: 2, alpha: 4}"])
def test_language_models_grow_too(tmp_path: Path, lora: str) -> None:
    hunter = f"policies={{hunter: {{kind: language_model, model: nano, lora: {lora}}}}}"
    more = ["psro.iterations=1", "psro.episodes=4", "training.evaluation_episodes=2", "psro.training={iterations: 1}"]
    scenario = load_scenario("scout_hunt", [hunter, *more, "training.episodes=8"])
    run = psro(scenario, tmp_path / "run")
    record = run.read_json("psro.json")
    assert record["members"] == {"hunter": 2}
    assert record["history"][0]["nash_conv"] is None
    assert "The exact NashConv is unknown" in record["summary"][-1]["text"]
    adapter = (run.path / "population" / "hunter" / "001" / "adapter_config.json").exists()
    assert adapter == (lora != "null")


def test_what_cannot_grow_is_refused(tmp_path: Path) -> None:
    alone = tiny("policies.second={kind: scripted, entry: 'marl.policies.scripted:random'}")
    with pytest.raises(ScenarioError, match="two seats or more that learn; given: player_0 of player_0, player_1"):
        psro(alone, tmp_path / "alone")
    league = tiny("policies.second={kind: league, of: first}")
    with pytest.raises(ScenarioError, match="a league cannot sit in PSRO"):
        psro(league, tmp_path / "league")


@pytest.mark.slow
def test_trained_best_responses_lower_kuhn_pokers_nash_conv(tmp_path: Path) -> None:
    rows = psro(load_scenario("kuhn_poker", ["psro.iterations=3"]), tmp_path / "run").metrics()
    curve = [row["exact/nash_conv"] for row in rows]
    assert curve[0] > 0.85
    assert curve[-1] < 0.3
    assert all(after < before for before, after in pairwise(curve))
    for row in rows[:-1]:  # what trained best responses gain is at most what the best ones would
        assert row["psro/gains_low"] <= row["exact/nash_conv"]
        assert row["psro/gains"] == pytest.approx(row["exact/nash_conv"], abs=0.15)


def test_members_of_a_mixture_are_the_populations(run: RunDirectory) -> None:
    scenario = RunDirectory(run.path / "best_responses" / "002" / "first").scenario()
    policy = build_policies(scenario, seed=0, only=["player_1 beside player_0"])["player_1 beside player_0"]
    assert isinstance(policy, LeaguePolicy)
    assert not policy.trainable
    oracle = TrainedOracle(tiny(), run)
    [view] = [view for view in ExactMeasure(tiny()).views if view.agent == "player_1"]
    mixture = scenario.policies["player_1 beside player_0"]
    assert isinstance(mixture, MixtureSettings)
    for folder, member in zip(mixture.folders, policy.members, strict=True):
        same: Any = oracle.member("player_1", int(Path(folder).name))
        playing: Any = member
        np.testing.assert_array_equal(playing.distributions([view])[0], same.distributions([view])[0])
