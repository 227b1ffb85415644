"""The five functions end to end on real parts, with settings small enough for the fast suite."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parent / "models"))
from api_server import legal, serving

from marl import experiment
from marl.errors import LearningError, ScenarioError, StoreError
from marl.experiment import TWIN, policies_of, seat_strategies, silent, untrained_policies, wants_twin
from marl.models import LanguageModel
from marl.models.quantize import to_int8
from marl.rollout import play
from marl.scenario import load_scenario
from marl.settings import Scenario
from marl.store import RunDirectory

SMALL = [
    *("training.iterations=2", "training.episodes=8", "training.evaluation_episodes=4", "training.evaluate_every=1"),
    *("training.checkpoint_every=1", "evaluation.episodes=12", "analysis.episodes=4"),
]


def small(name: str = "scout_hunt", *more: str) -> Scenario:
    return load_scenario(name, [*SMALL, *more])


@pytest.fixture(scope="module")
def progress() -> list[tuple[str, Mapping[str, Any]]]:
    return []


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, progress: list[Any]) -> RunDirectory:
    out = tmp_path_factory.mktemp("runs") / "scout"
    return experiment.run(
        small(), out, on_progress=lambda step, row: progress.append((step, row)), command="marl run x"
    )


def test_a_run_leaves_everything_that_the_documentation_names(run: RunDirectory) -> None:
    named = ["scenario.yaml", "run.json", "metrics.jsonl", "tensorboard", "checkpoints", "policies/hunter"]
    named += ["evaluation.json", "analysis.json", "report.html", TWIN]
    assert [name for name in named if not run.has(name)] == []
    card = run.read_json("run.json")
    assert card["status"] == "done"
    assert card["parameters"]["hunter"] > 100_000
    assert card["duration_s"] > 0
    assert [row["iteration"] for row in run.metrics()] == [0, 1, 2]
    assert [row["iteration"] for row in RunDirectory(run.path / TWIN).metrics()] == [0, 1, 2]


def test_every_step_reports_its_progress(run: RunDirectory, progress: list[tuple[str, Mapping[str, Any]]]) -> None:
    steps = [step for step, _ in progress]
    assert set(steps) == {"train", "twin", "evaluate", "analyze", "report"}
    assert [row["iteration"] for step, row in progress if step == "train"] == [0, 1, 2]
    assert [row["iteration"] for step, row in progress if step == "twin"] == [0, 1, 2]
    assert progress[-1][0] == "report"


def test_all_arms_are_played_on_the_same_seeds(run: RunDirectory) -> None:
    evaluation = run.read_json("evaluation.json")
    assert set(evaluation["arms"]) == {"normal", "off", "scrambled", "untrained", TWIN}
    situations = {arm: [episode.situation for episode in run.episodes(arm)] for arm in evaluation["arms"]}
    assert len({tuple(texts) for texts in situations.values()}) == 1
    assert all(episode.messages for episode in run.episodes("normal"))
    assert not any(episode.messages for arm in ("off", TWIN) for episode in run.episodes(arm))
    assert any(m.text != m.sent for episode in run.episodes("scrambled") for m in episode.messages)


def test_the_tournament_seats_trained_untrained_and_scripted_policies(run: RunDirectory) -> None:
    analysis = run.read_json("analysis.json")
    names = ["trained", "untrained", "hare", "tell_and_follow"]
    assert analysis["game"]["strategies"] == [names, names]
    hare = names.index("hare")
    assert analysis["game"]["mean"][0][hare][hare] == 5.0
    assert analysis["game"]["mean"][0][3][3] == 10.0, "the scripted convention pays the optimum"
    assert [hare, hare] in analysis["pure"]


def test_the_report_tells_the_verdict(run: RunDirectory) -> None:
    html = (run.path / "report.html").read_text(encoding="utf-8")
    assert f"{run.read_json('evaluation.json')['arms']['normal']['mean']:.2f}" in html
    assert "http://" not in html.replace("http://www.w3.org", "")


def test_a_copied_run_can_be_evaluated_analyzed_and_reported_again(run: RunDirectory, tmp_path: Path) -> None:
    before = run.read_json("evaluation.json"), run.read_json("analysis.json")
    copy = Path(shutil.copytree(run.path, tmp_path / "copy"))
    for name in ("evaluation.json", "analysis.json", "report.html", "episodes"):
        shutil.rmtree(copy / name) if (copy / name).is_dir() else (copy / name).unlink()
    assert json.loads(json.dumps(experiment.evaluate(copy))) == before[0], "same seeds, same transcripts, same numbers"
    assert json.loads(json.dumps(experiment.analyze(copy))) == before[1]
    assert experiment.report(copy) == copy / "report.html"


@pytest.mark.timeout(200)
def test_two_env_runners_give_the_same_transcripts_as_none(run: RunDirectory, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(run.path, tmp_path / "copy"))
    experiment.evaluate(copy, env_runners=2)
    for arm in ("normal", "scrambled", "untrained", TWIN):
        assert (copy / f"episodes/{arm}.jsonl").read_bytes() == (run.path / f"episodes/{arm}.jsonl").read_bytes()


def test_the_exported_policy_plays_with_the_critic_deleted(run: RunDirectory, tmp_path: Path) -> None:
    copy = RunDirectory(Path(shutil.copytree(run.path, tmp_path / "copy")))
    shutil.rmtree(copy.path / "checkpoints")
    policies = policies_of(copy)
    names = {name for name, _ in policies["hunter"].model.network.named_parameters()}  # type: ignore[attr-defined]
    assert not any("critic" in name or "value" in name for name in names)
    again = play(copy.scenario(), policies, range(4), seed=5)
    assert [e.turns[0].text for e in again] == [
        e.turns[0].text for e in play(run.scenario(), policies_of(run), range(4), seed=5)
    ]


def test_training_changed_the_policy_and_the_untrained_copy_is_the_one_before(run: RunDirectory) -> None:
    scenario = run.scenario()
    trained, untrained = policies_of(run)["hunter"], untrained_policies(scenario)["hunter"]
    one, other = (policy.model.network.state_dict() for policy in (trained, untrained))  # type: ignore[attr-defined]
    assert any(not one[name].equal(other[name]) for name in one)


def test_a_run_without_policies_says_how_to_make_them(tmp_path: Path) -> None:
    RunDirectory.create(tmp_path / "empty", small())
    with pytest.raises(StoreError, match="marl train"):
        experiment.evaluate(tmp_path / "empty")


def test_training_from_an_int8_folder_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    nano = LanguageModel.load("nano")
    LanguageModel(to_int8(nano.network), nano.tokenizer, "int8").save(tmp_path / "int8")
    scenario = small("scout_hunt", f"policies.hunter.model={tmp_path / 'int8'}")
    for start in (experiment.train, experiment.run):
        with pytest.raises(LearningError, match=r"hunter: .*int8 network.*learn: false"):
            start(scenario, tmp_path / "run")
    assert not (tmp_path / "run").exists()
    experiment.check_trainable(small("scout_hunt", f"policies.hunter.model={tmp_path / 'int8'}", *FIXED))


def test_a_run_whose_settings_cannot_be_used_says_so_and_is_not_in_the_way(tmp_path: Path) -> None:
    bad = small("scout_hunt", "env.kwargs.valleys=-1")
    with pytest.raises(ScenarioError, match="refuses"):
        experiment.train(bad, tmp_path / "run")
    card = RunDirectory(tmp_path / "run").read_json("run.json")
    assert card["status"] == "failed"
    assert card["ended"].startswith("ScenarioError: env.kwargs")
    assert RunDirectory.create(tmp_path / "run", small()).read_json("run.json")["status"] == "new"


FIXED = ["policies.hunter.learn=false"]


def test_an_api_model_in_a_run_is_one_policy_whose_calls_are_all_counted(tmp_path: Path) -> None:
    with serving(legal) as server:
        tutor = {"kind": "api", "model": "tiny", "base_url": server.url, "input_price": 1, "output_price": 1}
        mixed = [f"policies.tutor={json.dumps(tutor)}", "seats.partner_0=tutor", "training.iterations=1"]
        run = experiment.run(small("scout_hunt", *mixed), tmp_path / "run")
        requests = len(server.requests)
        policies = policies_of(run)
        assert untrained_policies(run.scenario(), policies)["tutor"] is policies["tutor"]
        assert policies_of(RunDirectory(run.path / TWIN), policies)["tutor"] is policies["tutor"]
        assert untrained_policies(run.scenario(), policies)["hunter"] is not policies["hunter"]
    usage = run.read_json("usage.json")
    steps = {step: records["tutor"] for step, records in usage["steps"].items()}
    assert list(steps) == ["train", "twin", "evaluate", "analyze"]
    evaluated = [
        turn for file in run.read_json("evaluation.json")["arms"] for e in run.episodes(file) for turn in e.turns
    ]
    assert steps["evaluate"]["requests"] == sum(turn.policy == "tutor" for turn in evaluated)
    total = usage["total"]["tutor"]
    assert total["requests"] == sum(record["requests"] for record in steps.values()) == requests
    assert total["cost"] == pytest.approx(requests * 12e-6)
    html = (run.path / "report.html").read_text(encoding="utf-8")
    assert total["summary"] in html
    assert "tiny at http://127.0.0.1" in html


def test_the_silent_twin_is_the_same_scenario_without_talk() -> None:
    scenario = small()
    twin = silent(scenario)
    assert twin.channel.intervention == "off"
    assert twin.model_copy(update={"channel": scenario.channel}) == scenario
    assert wants_twin(scenario)
    assert not wants_twin(twin)
    assert not wants_twin(small("scout_hunt", "channel.topology=none"))
    assert not wants_twin(small("scout_hunt", "training.silent_twin=false"))


def test_the_trained_strategy_stands_first_and_fixed_seats_have_no_untrained_copy() -> None:
    scenario = small("scout_hunt", "policies.hunter.learn=false")
    policies = untrained_policies(scenario)
    table = seat_strategies(scenario, policies, policies)
    assert {agent: list(names) for agent, names in table.items()} == {
        agent: ["trained", "hare", "tell_and_follow"] for agent in ("scout_0", "partner_0")
    }


def test_play_seats_somebody_else_and_shows_each_step() -> None:
    steps: list[int] = []
    (episode,) = experiment.play(
        small(),
        seats={"scout_0": "tell_and_follow", "partner_0": "tell_and_follow"},
        on_turn=lambda e: steps.append(len(e.turns)),
    )
    assert episode.returns == {"scout_0": 10.0, "partner_0": 10.0}
    assert steps == [2, 4]
