from __future__ import annotations

from pathlib import Path

import pytest

from marl.errors import ParleyError
from marl.multi_task import MultiTask
from marl.options import any_scenario, begun, one_scenario, run_folder, settings_of
from marl.scenario import load_scenario
from marl.store import RunDirectory


def test_options_become_overrides() -> None:
    found = one_scenario("lewis", ["training.lr=0.5"], 7, "scratch", 2)
    assert (found.seed, found.training.lr, found.training.env_runners) == (7, 0.5, 2)
    assert {policy.model for policy in found.policies.values() if policy.kind == "language_model"} == {"scratch"}
    assert isinstance(any_scenario("hunt_and_meet", [], None, None), MultiTask)


def test_a_resumed_run_keeps_its_scenario() -> None:
    with pytest.raises(ParleyError, match="leave out --set, --seed"):
        one_scenario("lewis", ["seed=3"], 0, None, None, True)
    assert one_scenario("lewis", [], None, None, None, True) == load_scenario("lewis")


def test_several_tasks_where_one_scenario_is_wanted() -> None:
    with pytest.raises(ParleyError, match="such as one of its tasks: scout_hunt, rendezvous"):
        one_scenario("hunt_and_meet", [], None, None)


def test_the_folder_is_named_new_or_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    scenario = load_scenario("lewis")
    assert run_folder(scenario, Path("here"), False) == Path("here")
    assert run_folder(scenario, None, False).name.startswith("lewis-20")
    with pytest.raises(ParleyError, match="nothing to resume"):
        run_folder(scenario, None, True)
    for name in ("lewis-1", "lewis-2"):
        RunDirectory.create(Path("runs") / name, scenario)
    assert run_folder(scenario, None, True) == Path("runs/lewis-2")


def test_what_is_resumed_is_what_the_run_was_made_from(tmp_path: Path) -> None:
    lewis, short = load_scenario("lewis"), load_scenario("lewis", ["training.iterations=6"])
    RunDirectory.create(tmp_path / "run", short)
    assert settings_of(lewis, tmp_path / "run", False) == lewis
    assert settings_of(lewis, tmp_path / "run", True) == short
    assert begun(lewis, tmp_path / "run", True) == (short, tmp_path / "run")
    assert begun(lewis, tmp_path / "new", False) == (lewis, tmp_path / "new")
    with pytest.raises(ParleyError, match="is a run of 'lewis', and 'two_step' was to be resumed"):
        settings_of(load_scenario("two_step"), tmp_path / "run", True)
    with pytest.raises(ParleyError, match="not a run directory"):
        settings_of(lewis, tmp_path, True)
