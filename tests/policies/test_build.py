from pathlib import Path

import pytest
import torch

from marl.errors import ModelError, ScenarioError, StoreError
from marl.policies import HumanPolicy, LanguageModelPolicy, ScriptedPolicy, build_policies, scripted_policy
from marl.policies.bases import Bases
from marl.scenario import load_scenario, validate_scenario
from marl.settings import LoRASettings, Scenario, ScriptedSettings


@pytest.fixture
def scenario(model_folder):
    model = str(model_folder)
    return Scenario.model_validate(
        {
            "name": "test",
            "title": "Test",
            "kind": "cooperative",
            "env": {"entry": "envs.lewis:parallel_env"},
            "seats": {"a_0": "first", "b_0": "second", "c_0": "fixed", "d_0": "script", "e_0": "person"},
            "policies": {
                "first": {"kind": "language_model", "model": model, "temperature": 0.5},
                "second": {"kind": "language_model", "model": model},
                "fixed": {"kind": "language_model", "model": model, "learn": False},
                "script": {
                    "kind": "scripted",
                    "entry": "marl.policies.scripted:constant",
                    "kwargs": {"option": "hare"},
                },
                "person": {"kind": "human"},
            },
        }
    )


def test_each_kind_of_policy(scenario, make_view):
    policies = build_policies(scenario, seed=0)
    assert list(policies) == list(scenario.policies)
    assert all(policy.name == name for name, policy in policies.items())
    assert isinstance(policies["first"], LanguageModelPolicy)
    assert policies["first"].temperature == 0.5
    assert [policies[name].trainable for name in policies] == [True, True, False, False, False]
    assert isinstance(policies["script"], ScriptedPolicy)
    assert policies["script"].decide([make_view("act")])[0].text == "hare"
    assert isinstance(policies["person"], HumanPolicy)


def test_two_names_two_sets_of_weights(scenario):
    policies = build_policies(scenario, seed=0)
    first, second = policies["first"].model.network, policies["second"].model.network
    assert torch.equal(first.model.norm.weight, second.model.norm.weight)
    with torch.no_grad():
        first.model.norm.weight.add_(1.0)
    assert not torch.equal(first.model.norm.weight, second.model.norm.weight)


def test_trained_weights_replace_those_of_learning_policies(scenario, tmp_path):
    policies = build_policies(scenario, seed=0)
    with torch.no_grad():
        for policy in (policies["first"], policies["second"]):
            policy.model.network.model.norm.weight.mul_(2.0)
    for name in ("first", "second"):
        policies[name].export(tmp_path / name)
    trained = build_policies(scenario, seed=0, trained=tmp_path)
    assert trained["first"].temperature == 0.5
    assert trained["first"].model.network.model.norm.weight[0] == 2.0
    assert trained["fixed"].model.network.model.norm.weight[0] == 1.0


def test_a_trained_policy_that_is_missing(scenario, tmp_path):
    with pytest.raises(StoreError, match="no trained policy 'first'"):
        build_policies(scenario, seed=0, trained=tmp_path)


def test_a_model_that_is_missing(scenario):
    broken = scenario.model_copy(
        update={"policies": {"first": scenario.policies["first"].model_copy(update={"model": "./no"})}}
    )
    with pytest.raises(ModelError, match="no folder"):
        build_policies(broken, seed=0)


@pytest.mark.parametrize("entry", ["marl.policies.scripted:nothing", "marl.errors:__doc__", "no.such.module:thing"])
def test_a_script_that_is_missing(entry):
    with pytest.raises(ScenarioError, match=r"policies\.mine\.entry"):
        scripted_policy("mine", ScriptedSettings(kind="scripted", entry=entry))


def test_trained_adapters_share_one_base_with_what_does_not_learn(scenario, tmp_path, make_view):
    lora = {
        name: scenario.policies[name].model_copy(update={"lora": LoRASettings(rank=2)}) for name in ("first", "second")
    }
    scenario = scenario.model_copy(update={"policies": {**scenario.policies, **lora}})
    untrained = build_policies(scenario, seed=0)
    assert untrained["first"].model is untrained["second"].model is untrained["fixed"].model
    assert untrained["first"].adapter is None, "an untrained adapter changes nothing"
    bases = Bases()
    for name in ("first", "second"):
        learner = bases.learner(name, scenario.policies[name], 0)
        with torch.no_grad():
            for parameter in learner.model.adapter_parameters(name).values():
                parameter.add_(0.2 if name == "first" else 0.4)
        learner.export(tmp_path / name)
    trained = build_policies(scenario, seed=0, trained=tmp_path)
    assert trained["first"].model is trained["second"].model is trained["fixed"].model
    assert [trained[name].adapter for name in ("first", "second", "fixed")] == ["first", "second", None]
    texts = [trained[name].decide([make_view("act")])[0].log_probs for name in ("first", "second", "fixed")]
    assert len(set(texts)) == 3
    both = (
        build_policies(scenario, seed=0, bases=bases),
        build_policies(scenario, seed=0, trained=tmp_path, bases=bases),
    )
    assert both[0]["first"].model is both[1]["first"].model


def test_a_league_that_was_not_exported_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    data = load_scenario("lewis").model_dump()
    data["policies"]["receiver"] = {"kind": "league", "of": "sender"}
    scenario = validate_scenario(data)
    untrained = build_policies(scenario, seed=0)
    untrained["sender"].export(tmp_path / "sender")  # type: ignore[attr-defined]
    with pytest.raises(StoreError, match="no league 'receiver'; finish the training"):
        build_policies(scenario, seed=0, trained=tmp_path)
