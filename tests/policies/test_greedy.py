from __future__ import annotations

from marl.models import LanguageModel
from marl.policies import LanguageModelPolicy, as_evaluated
from marl.policies.scripted import ScriptedPolicy, random
from marl.scenario import load_scenario


def test_only_who_learns_becomes_greedy_and_shares_its_weights(model_folder, make_view) -> None:
    model = LanguageModel.load(str(model_folder))
    policies = {
        "hunter": LanguageModelPolicy("hunter", model, temperature=5.0),
        "partner": LanguageModelPolicy("partner", model, temperature=5.0, trainable=False),
        "dice": ScriptedPolicy("dice", random),
    }
    scenario = load_scenario("maze", ["evaluation.greedy=true"])
    evaluated = as_evaluated(scenario, policies)
    assert evaluated["hunter"].model is model
    assert evaluated["partner"] is policies["partner"]
    assert evaluated["dice"] is policies["dice"]
    views = [make_view("act", seed=seed) for seed in range(30)]
    (best,) = {decision.choice for decision in evaluated["hunter"].decide(views)}
    assert best == policies["hunter"].distributions(views[:1])[0].argmax()
    assert len({decision.choice for decision in policies["hunter"].decide(views)}) > 1, "the original still draws"
    assert as_evaluated(load_scenario("maze", ["evaluation.greedy=false"]), policies) == policies
