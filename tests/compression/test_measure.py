from __future__ import annotations

import shutil
import time
from pathlib import Path

import numpy as np
import pytest

from marl.compression import compare, speed_ratio
from marl.compression.lessons import lessons_of
from marl.compression.measure import timed_job, timed_rows
from marl.errors import EnvError
from marl.models import LanguageModel, Row
from marl.policies import LanguageModelPolicy, build_policies
from marl.rollout import play
from marl.scenario import load_scenario
from marl.seeding import seed_of
from marl.settings import Scenario
from marl.store import RunDirectory


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("marl.compression.measure.SECONDS", 0.01)


def test_a_copy_of_the_policy_costs_nothing(run: RunDirectory, scenario: Scenario, tmp_path: Path) -> None:
    source = run.path / "policies" / "receiver"
    policies = build_policies(scenario, seed=0, trained=run.path / "policies")
    same = Path(shutil.copytree(source, tmp_path / "same"))
    measured = compare(scenario, policies, "receiver", same, source)
    one, two = measured["trained"], measured["compressed"]
    assert (one["bytes"], one["parameters"], one["mean_return"]) == (
        two["bytes"],
        two["parameters"],
        two["mean_return"],
    )
    assert one["bytes"] == sum(path.stat().st_size for path in source.iterdir())
    assert one["weights_bytes"] == (source / "model.safetensors").stat().st_size
    gap = measured["return_difference"]
    assert (gap["mean"], gap["low"], gap["high"], gap["n"]) == (0, 0, 0, 16)
    assert measured["agreement"]["same"] == 1.0
    assert measured["agreement"]["kl"] == pytest.approx(0, abs=1e-9)
    assert measured["agreement"]["decisions"] == 16
    assert measured["speed_ratio"]["repeats"] >= 5


def test_another_policy_is_told_apart(run: RunDirectory, scenario: Scenario, tmp_path: Path) -> None:
    policies = build_policies(scenario, seed=0, trained=run.path / "policies")
    LanguageModel.load("scratch", seed=5).save(tmp_path / "other")
    measured = compare(scenario, policies, "receiver", tmp_path / "other", run.path / "policies" / "receiver")
    assert measured["agreement"]["kl"] > 0.01
    other = policies["receiver"].with_model(LanguageModel.load(str(tmp_path / "other")))  # type: ignore[attr-defined]
    seed = seed_of(scenario.seed, "compression", "evaluation")
    returns = [
        [episode.mean_return for episode in play(scenario, seated, range(16), seed=seed)]
        for seated in (policies, {**policies, "receiver": other})
    ]
    assert measured["trained"]["mean_return"] == np.mean(returns[0])
    assert measured["compressed"]["mean_return"] == np.mean(returns[1])
    gap = measured["return_difference"]
    assert gap["mean"] == pytest.approx(np.mean(returns[1]) - np.mean(returns[0]))
    assert gap["low"] <= gap["mean"] <= gap["high"]


def test_the_seeds_are_those_of_no_evaluation_and_no_lesson(scenario: Scenario) -> None:
    paths = [("evaluation",), ("periodic evaluation",), ("compression", "evaluation"), ("compression", "lessons", 0)]
    assert len({seed_of(scenario.seed, *path) for path in paths}) == len(paths)


def test_too_few_completed_episodes_are_an_error(run: RunDirectory, tmp_path: Path) -> None:
    scenario = load_scenario("lewis", ["evaluation.episodes=2", "env.kwargs.states=4"])
    policies = build_policies(scenario, seed=0, trained=run.path / "policies")
    broken = scenario.model_copy(update={"env": scenario.env.model_copy(update={"entry": f"{__name__}:failing_env"})})
    with pytest.raises(EnvError, match=r"0 of 2 episodes.*out of order"):
        compare(broken, policies, "receiver", run.path / "policies/sender", run.path / "policies/receiver")


def failing_env(**kwargs: object) -> object:
    from envs.lewis import Lewis

    class Failing(Lewis):
        def step(self, actions):  # type: ignore[no-untyped-def]
            raise RuntimeError("out of order")

    return Failing(4)


def test_a_policy_keeps_all_but_its_model(run: RunDirectory) -> None:
    policy = LanguageModelPolicy.load("sender", run.path / "policies" / "sender", 0.5, greedy=True)
    model = LanguageModel.load("nano")
    other = policy.with_model(model)
    assert other.model is model
    assert policy.model is not model
    assert (other.name, other.temperature, other.greedy) == ("sender", 0.5, True)


def test_timed_decisions_have_different_prompts() -> None:
    rows = [Row((prompt,), (token,)) for token, prompt in enumerate([1, 2, 1, 3, 2])]
    assert timed_rows(rows) == [rows[0], rows[1], rows[3]]
    many = [Row((prompt,), (1,)) for prompt in range(500)]
    assert timed_rows(many) == many[:64]


def test_the_timed_job_decides_once_for_each_prompt() -> None:
    scenario = load_scenario("scout_hunt")
    policies = build_policies(scenario, seed=0)
    rows = lessons_of(play(scenario, policies, range(3), seed=0), "hunter")
    batch = timed_rows(rows)
    tables, said = timed_job(policies["hunter"].model, rows, 4, 1.0)()  # type: ignore[attr-defined, misc]
    assert len(tables) == sum(bool(row.option_ids) for row in batch)
    assert len(said) == sum(not row.option_ids for row in batch)
    assert len(tables) * len(said) > 0


def test_the_speed_ratio_is_that_of_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = {"now": 0.0}
    calls: list[str] = []
    monkeypatch.setattr(time, "process_time", lambda: clock["now"])

    def job(name: str, seconds: float):  # type: ignore[no-untyped-def]
        def work() -> None:
            calls.append(name)
            clock["now"] += seconds

        return work

    found = speed_ratio(job("slow", 0.5), job("fast", 0.125), decisions=10, repeats=5)
    assert found["trained"] == pytest.approx(20)
    assert found["compressed"] == pytest.approx(80)
    assert found["ratio"] == {
        **{key: pytest.approx(4) for key in ("median", "low", "high")},
        "repeats": 5,
        "decisions": 10,
    }
    assert calls == ["slow", "fast"] * 6, "once to warm up, then in turns"
