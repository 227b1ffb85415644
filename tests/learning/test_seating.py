from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from marl.errors import LearningError
from marl.learning.seating import learning_policies, seat, seated_meters
from marl.models import LanguageModel
from marl.policies import LanguageModelPolicy, ScriptedPolicy, build_policies
from marl.policies.bases import Bases
from marl.scenario import validate_scenario
from marl.settings import LanguageModelSettings, LoRASettings, Scenario

NANO = {"kind": "language_model", "model": "nano"}


def mixed(scenario: Scenario, second: dict[str, Any]) -> Scenario:
    data = scenario.model_dump()
    data["seats"] = {"guest_0": "guest", "guest_1": "other"}
    data["policies"] = {"guest": NANO, "other": second, "absent": NANO}
    return validate_scenario(data)


def test_only_seated_policies_that_learn_are_trained(make_scenario: Callable[..., Scenario]) -> None:
    scenario = mixed(make_scenario(2), {**NANO, "learn": False})
    assert list(learning_policies(scenario)) == ["guest"]
    nobody = scenario.model_copy(update={"seats": {"guest_0": "other", "guest_1": "other"}})
    with pytest.raises(LearningError, match="learn"):
        learning_policies(nobody)


def test_learning_seats_share_the_given_weights_and_the_others_have_their_own(
    make_scenario: Callable[..., Scenario],
) -> None:
    learner = LanguageModelPolicy("guest", LanguageModel.load("nano"))
    scenario = mixed(make_scenario(2), {**NANO, "learn": False})
    policies = seat(scenario, {"guest": learner})
    assert set(policies) == {"guest", "other"}
    assert policies["guest"] is learner
    assert isinstance(policies["other"], LanguageModelPolicy)
    assert policies["other"].model is not learner.model
    assert (policies["guest"].trainable, policies["other"].trainable) == (True, False)


def test_seats_that_do_not_learn_share_the_base_of_an_adapter(make_scenario: Callable[..., Scenario]) -> None:
    scenario = mixed(make_scenario(2), {**NANO, "learn": False})
    learner = Bases().learner("guest", LanguageModelSettings(lora=LoRASettings(rank=2)), 0)
    other = seat(scenario, {"guest": learner})["other"]
    assert isinstance(other, LanguageModelPolicy)
    assert other.model is learner.model
    assert other.adapter is None


def test_scripted_seats_stay_and_people_are_refused(make_scenario: Callable[..., Scenario]) -> None:
    script = {"kind": "scripted", "entry": "marl.policies.scripted:constant", "kwargs": {"option": "red"}}
    learner = LanguageModelPolicy("guest", LanguageModel.load("nano"))
    assert isinstance(seat(mixed(make_scenario(2), script), {"guest": learner})["other"], ScriptedPolicy)
    with pytest.raises(LearningError, match="'other'"):
        seat(mixed(make_scenario(2), {"kind": "human"}), {"guest": learner})


def test_seated_api_policies_have_meters(make_scenario: Callable[..., Scenario]) -> None:
    scenario = mixed(make_scenario(2), {"kind": "api", "model": "tiny"})
    assert {name: meter.record()["model"] for name, meter in seated_meters(scenario).items()} == {"other": "tiny"}
    nobody = scenario.model_copy(update={"seats": {"guest_0": "guest", "guest_1": "guest"}})
    assert seated_meters(nobody) == {}


def test_networks_learn_too(make_scenario: Callable[..., Scenario]) -> None:
    scenario = make_scenario(2, policies={"one": {}, "two": {}})
    data = scenario.model_dump(mode="json")
    data["policies"] = {"one": {"kind": "network"}, "two": {"kind": "network", "learn": False}}
    scenario = Scenario.model_validate(data)
    assert list(learning_policies(scenario)) == ["one"]
    learner = build_policies(scenario, seed=scenario.seed)["one"]
    seated = seat(scenario, {"one": learner})
    assert seated["one"] is learner
    assert not seated["two"].trainable
