from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from marl import experiment
from marl.errors import LearningError
from marl.learning.trained import best_policies
from marl.learning.trainer import Trainer
from marl.policies import LanguageModelPolicy
from marl.policies.league import LeaguePolicy
from marl.rollout import play
from marl.scenario import validate_scenario
from marl.settings import Scenario
from marl.store import RunDirectory

MakeScenario = Callable[..., Scenario]
MakeRun = Callable[..., Path]


def weights(policy: Any) -> list[torch.Tensor]:
    assert isinstance(policy, LanguageModelPolicy)
    if policy.adapter is not None:
        return [p.detach().clone() for p in policy.model.adapter_parameters(policy.adapter).values()]
    return [p.detach().clone() for p in policy.model.network.parameters()]


def with_best_at_one(scenario: Scenario, run: Path) -> list[torch.Tensor]:
    """Train three iterations of which the first is said to be the best; gives the weights after it."""
    earned = iter([0.0, 3.0, 1.0, 2.0])
    after_one: list[torch.Tensor] = []

    def note(row: dict[str, Any]) -> None:
        if row["iteration"] == 1:
            after_one.extend(weights(trainer.policies()["guest"]))

    with Trainer(scenario, run) as trainer:
        trainer.evaluate = lambda: {"evaluation/normal": next(earned)}  # type: ignore[method-assign]
        trainer.run(on_iteration=note)
        trainer.export(run / "policies")
    return after_one


@pytest.mark.parametrize("lora", [None, {"rank": 2, "alpha": 4}], ids=["whole", "lora"])
def test_the_best_checkpoint_gives_the_policies_of_its_iteration(
    make_scenario: MakeScenario, make_run: MakeRun, lora: Any
) -> None:
    training = {"iterations": 3, "evaluate_every": 1, "lr": 1e-2}
    scenario = make_scenario(training=training, policies={"guest": {"lora": lora}})
    run = make_run(scenario)
    expected = with_best_at_one(scenario, run)
    best = weights(best_policies(RunDirectory(run))["guest"])
    last = weights(experiment.policies_of(RunDirectory(run))["guest"])
    assert all(torch.equal(one, two) for one, two in zip(best, expected, strict=True))
    assert any(not torch.equal(one, two) for one, two in zip(last, expected, strict=True))


def test_evaluation_and_analysis_play_the_checkpoint_that_was_asked_for(
    make_scenario: MakeScenario, make_run: MakeRun
) -> None:
    """Paid for saying blue: the first iteration is called the best, and the last one has learned it."""
    training = {"iterations": 3, "evaluate_every": 1, "lr": 1e-3, "episodes": 32, "epochs": 2}
    data = make_scenario(prize=2, training=training).model_dump()
    data["evaluation"] = {"episodes": 40, "arms": ["normal"]}
    data["analysis"] = {"episodes": 4}
    scenario = validate_scenario(data)
    run = make_run(scenario)
    with_best_at_one(scenario, run)
    best, last = experiment.evaluate(run, checkpoint="best"), experiment.evaluate(run)
    assert (best["checkpoint"], last["checkpoint"]) == ("best", "last")
    assert best["arms"]["normal"]["mean"] < last["arms"]["normal"]["mean"]
    assert best["arms"]["untrained"] == last["arms"]["untrained"]
    experiment.analyze(run, checkpoint="best")
    assert json.loads((run / "analysis.json").read_text())["checkpoint"] == "best"


def test_a_leagues_members_come_back_too(make_scenario: MakeScenario, make_run: MakeRun) -> None:
    data = make_scenario(2, training={"iterations": 3, "evaluate_every": 1, "lr": 1e-2}).model_dump()
    data["policies"]["past"] = {"kind": "league", "of": "guest", "every": 1}
    data["seats"]["guest_1"] = "past"
    scenario = validate_scenario(data)
    run = make_run(scenario)
    expected = with_best_at_one(scenario, run)
    policies = best_policies(RunDirectory(run))
    past = policies["past"]
    assert isinstance(past, LeaguePolicy)
    assert [all(map(torch.equal, weights(member), expected)) for member in past.members] == [False, True]
    assert len(play(scenario, policies, range(3), seed=1)) == 3


def test_a_run_without_a_best_and_one_of_other_modules_are_refused(
    make_scenario: MakeScenario, make_run: MakeRun
) -> None:
    scenario = make_scenario(training={"iterations": 1, "evaluate_every": 1, "evaluation_episodes": 2})
    run = make_run(scenario)
    with pytest.raises(LearningError, match="marks no best"):
        best_policies(RunDirectory(run))
    with Trainer(scenario, run) as trainer:
        trainer.run()
    text = (run / "scenario.yaml").read_text()
    (run / "scenario.yaml").write_text(text.replace("guest:", "visitor:").replace(": guest", ": visitor"))
    with pytest.raises(LearningError, match="does not fit"):
        best_policies(RunDirectory(run))
