from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
import yaml

from marl.errors import ScenarioError
from marl.learning.search_space import SearchSettings, load_search


def settings(space: dict[str, Any], **fields: Any) -> SearchSettings:
    return SearchSettings.model_validate({"scenario": "lewis", "space": space, **fields})


def test_grids_are_crossed_and_the_whole_is_repeated() -> None:
    space = {"training.lr": {"grid": [0.1, 0.01]}, "env.kwargs.states": {"grid": [2, 3]}}
    trials = settings(space, samples=2).trials()
    pairs = {(trial["training.lr"], trial["env.kwargs.states"]) for trial in trials}
    assert len(trials) == 8
    assert pairs == {(0.1, 2), (0.1, 3), (0.01, 2), (0.01, 3)}
    assert all(sum(trial == other for other in trials) == 2 for trial in trials)


def test_draws_stay_in_their_bounds_and_have_the_shape_of_their_kind() -> None:
    space = {"a": {"uniform": [2.0, 4.0]}, "b": {"loguniform": [1e-4, 1.0]}, "c": {"choice": ["x", "y"]}}
    trials = settings(space, samples=400).trials()
    a, b = [trial["a"] for trial in trials], [math.log10(trial["b"]) for trial in trials]
    assert 2 <= min(a) <= max(a) <= 4
    assert -4 <= min(b) <= max(b) <= 0
    # Means of uniform draws, within four standard errors: width / sqrt(12 n).
    assert abs(sum(a) / 400 - 3) < 4 * 2 / math.sqrt(12 * 400)
    assert abs(sum(b) / 400 + 2) < 4 * 4 / math.sqrt(12 * 400)
    assert 140 < sum(trial["c"] == "x" for trial in trials) < 260


def test_trials_depend_on_the_seed_alone() -> None:
    space = {"training.lr": {"loguniform": [1e-5, 1e-2]}}
    assert settings(space, samples=3).trials() == settings(space, samples=3).trials()
    assert settings(space, samples=3).trials() != settings(space, samples=3, seed=1).trials()


def test_a_trials_scenario_has_its_values_and_what_is_set_for_all() -> None:
    search = settings({"training.lr": {"grid": [1e-5]}}, set={"training.action_entropy": [0.5, 0.0]})
    scenario = search.scenario_of(search.trials()[0])
    assert (scenario.training.lr, scenario.training.action_entropy) == (1e-5, (0.5, 0.0))


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("training.learning_rate", 0.1, r"training\.learning_rate: unknown key.*allowed here"),
        ("policies.sender.temprature", 1.0, "did you mean 'temperature'"),
        ("training.lr", -1.0, r"training\.lr: .*greater than 0"),
    ],
)
def test_a_field_that_is_not_there_or_a_value_out_of_bounds_is_named(field: str, value: float, words: str) -> None:
    search = settings({field: {"grid": [value]}})
    with pytest.raises(ScenarioError, match=words):
        search.scenario_of(search.trials()[0])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"space": {"a": {"grid": [1], "choice": [2]}}}, "give one of grid, choice, uniform, loguniform"),
        ({"space": {"a": {}}}, "given: none"),
        ({"space": {"a": {"loguniform": [0, 1]}}}, "loguniform from above 0"),
        ({"space": {"a": {"uniform": [2, 1]}}}, "from a lower to a higher"),
        ({"space": {}}, "space"),
        (
            {"space": {"a": {"grid": [1]}}, "metrc": "x"},
            r"metrc: unknown key; did you mean 'metric'\?.*scenario, .*space",
        ),
        ({"space": {"a": {"gird": [1]}}}, r"space\.a\.gird: unknown key; did you mean 'grid'"),
        ({"space": {"a": {"grid": [1]}}, "seed": 2**32}, r"seed: .*less than 4294967296"),
    ],
)
def test_faults_of_a_search_file_are_named(tmp_path: Path, data: dict[str, Any], words: str) -> None:
    file = tmp_path / "search.yaml"
    file.write_text(yaml.safe_dump({"scenario": "lewis", **data}))
    with pytest.raises(ScenarioError, match=words):
        load_search(file)


def test_a_file_that_is_not_there_or_not_yaml_is_an_error_and_a_scenario_beside_it_is_found(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for path, why in (("nowhere.yaml", "No such file"), (".", "Is a directory"), ("binary.yaml", "can't decode")):
        with pytest.raises(ScenarioError, match=rf"cannot be read .*{why}.*; give a YAML file"):
            load_search(tmp_path / path)
    file = tmp_path / "search.yaml"
    file.write_text("")
    with pytest.raises(ScenarioError, match="expected a mapping of keys"):
        load_search(file)
    file.write_text("scenario: [")
    with pytest.raises(ScenarioError, match="not valid YAML"):
        load_search(file)
    file.write_text(yaml.safe_dump({"scenario": "mine.yaml", "space": {"seed": {"grid": [1]}}}))
    (tmp_path / "mine.yaml").write_text("name: mine")
    assert load_search(file).scenario == str(tmp_path / "mine.yaml")
