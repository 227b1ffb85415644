from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from marl.errors import ScenarioError
from marl.scenario import dump_scenario, evaluated, load_attribute, load_scenario, packaged_scenarios

MINIMAL = """
name: tiny
title: Tiny
kind: cooperative
env: {entry: "envs.lewis:parallel_env"}
seats: {sender_0: both, receiver_0: both}
policies: {both: {kind: language_model}}
"""


@pytest.mark.parametrize("name", packaged_scenarios())
def test_packaged_scenarios_load_and_round_trip(name: str, tmp_path: Path) -> None:
    scenario = load_scenario(name)
    assert scenario.name == name
    path = tmp_path / "copy.yaml"
    path.write_text(dump_scenario(scenario))
    assert load_scenario(path) == scenario


def test_overrides_are_typed_and_validated(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(MINIMAL)
    scenario = load_scenario(path, ["training.lr=0.5", "env.kwargs.states=6", "channel.vocabulary=[a, b]"])
    assert scenario.training.lr == 0.5
    assert scenario.env.kwargs == {"states": 6}
    assert scenario.channel.vocabulary == ["a", "b"]


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.lrr=1", r"training\.lrr: unknown key; did you mean 'lr'\? \(allowed here: .*clip"),
        ("training.lr=fast", r"training\.lr: .*number.*given: 'fast'"),
        ("training.lr=-1", r"training\.lr: .*greater than 0.*given: -1"),
        ("training.algorithm=dqm", r"training\.algorithm: .*'mappo'.*given: 'dqm'"),
        ("policies.both.modell=x", r"policies\.both\.modell: unknown key; did you mean 'model'\?"),
        ("policies.both.kind=oracle", r"policies\.both: .*'language_model', 'network', 'scripted', 'human'"),
        ("channel.topology=ring", r"channel\.topology: .*'broadcast' or 'none'.*given: 'ring'"),
        ("channel.vocabulary=[a, a]", r"channel: .*vocabulary must hold different"),
        ("channel.budget=0", r"channel\.budget: .*greater than or equal to 1.*given: 0"),
        ("seats.sender_0=nobody", r"seats name policies \['nobody'\].*it has \['both'\]"),
        ("env.entry=envs.lewis", r'env\.entry: .*"module:attribute".*given: \'envs\.lewis\''),
        ("training=3", r"training: give a mapping of keys to values \(given: 3\)"),
        ("seed=-3", r"seed: .*given: -3"),
        ("nonsense", r"'nonsense' is not key=value"),
        ("name.x=1", r"name holds a value"),
        ("training.lr={", r"not valid YAML"),
    ],
)
def test_each_fault_names_its_key_and_what_is_allowed(override: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(MINIMAL)
    with pytest.raises(ScenarioError, match=message) as caught:
        load_scenario(path, [override])
    assert len(str(caught.value).splitlines()) <= 3, "one line a fault, and no dump of the whole file"


def test_missing_keys_are_named(tmp_path: Path) -> None:
    path = tmp_path / "tiny.yaml"
    path.write_text(yaml.safe_dump({"name": "tiny", "title": "Tiny"}))
    with pytest.raises(ScenarioError, match=r"(?s)kind: Field required.*env: Field required.*seats: Field required"):
        load_scenario(path)


def test_a_name_with_a_typo_gets_a_suggestion() -> None:
    with pytest.raises(
        ScenarioError, match=r"did you mean 'scout_hunt'\?.*packaged: .*lewis, .*scout_hunt, .*stag_hunt"
    ):
        load_scenario("scout_hut")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(ScenarioError, match=r"'nowhere\.yaml' does not exist"):
        load_scenario("nowhere.yaml")


@pytest.mark.parametrize(("text", "message"), [("- a\n- b", "expected a mapping"), ("a: [", "not valid YAML")])
def test_a_file_that_is_no_mapping(text: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text)
    with pytest.raises(ScenarioError, match=message):
        load_scenario(path)


def test_load_attribute_suggests_close_names() -> None:
    with pytest.raises(ScenarioError, match=r"env\.entry: 'envs\.lewis' has no 'paralel_env'.*'parallel_env'"):
        load_attribute("envs.lewis:paralel_env", "env.entry")


def test_evaluations_play_with_their_own_arguments_over_those_of_the_env():
    scenario = load_scenario("maze", ["env.kwargs={size: 4, split: train}", "evaluation.env_kwargs={split: held_out}"])
    assert evaluated(scenario).env.kwargs == {"size": 4, "split": "held_out"}
    assert scenario.env.kwargs == {"size": 4, "split": "train"}
    assert evaluated(load_scenario("lewis")) == load_scenario("lewis")
