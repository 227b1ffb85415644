"""The run card repeats what the run recorded, and leaves out what it did not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from marl.report.inputs import read_inputs
from marl.report.run_card import card_rows, version_rows
from marl.settings import APISettings
from marl.store import RunDirectory


def test_a_card_says_how_to_make_the_run_again(full_run: RunDirectory) -> None:
    card = dict(card_rows(read_inputs(full_run.path)))
    assert card["Command"] == "marl run scout_hunt --seed 0"
    assert card["Seed"] == "0"
    assert card["Scenario"] == "scout_hunt (cooperative)"
    assert card["Environment"] == "envs.scout_hunt:parallel_env (valleys=4)"
    assert card["Model"] == "nano (hunter)"
    assert card["Algorithm"].startswith("MAPPO with centralized critic")
    assert card["Training"].endswith("15,360 turns")
    assert card["First PPO ratio"] == "1 within 2e-07 in every iteration"
    assert card["Duration"] == "2 min 42 s of training"


def test_what_was_not_recorded_is_left_out(partial_run: Callable[..., RunDirectory]) -> None:
    card = dict(card_rows(read_inputs(partial_run("metrics.jsonl", "run.json").path)))
    assert not {"Command", "Duration", "First PPO ratio", "Started", "Parameters"} & set(card)
    assert all(card.values())


def test_api_models_and_what_their_calls_came_to(full_run: RunDirectory) -> None:
    inputs = read_inputs(full_run.path)
    assert "API calls" not in dict(card_rows(inputs))
    tutor = APISettings(kind="api", model="big", base_url="http://there/v1")
    mixed = inputs.scenario.model_copy(update={"policies": {**inputs.scenario.policies, "tutor": tutor}})
    said = "tutor (big): 7 requests."
    full_run.write_json("usage.json", {"steps": {}, "total": {"tutor": {"summary": said}}})
    card = dict(card_rows(replace(read_inputs(full_run.path), scenario=mixed)))
    assert card["Model"] == "nano (hunter), big at http://there/v1 (tutor)"
    assert card["API calls"] == said


def test_recorded_fields_win_and_new_ones_are_shown(full_run: RunDirectory) -> None:
    inputs = read_inputs(full_run.path)
    fields = {"parameters": {"hunter": 812345}, "duration_s": 271.4, "machine": "2 cores", "nested": {"not": "shown"}}
    card = dict(card_rows(replace(inputs, card={**inputs.card, **fields})))
    assert card["Parameters"] == "hunter: 812,345"
    assert card["Duration"] == "4 min 31 s"
    assert card["Machine"] == "2 cores"
    assert "Nested" not in card


def test_versions(full_run: RunDirectory) -> None:
    versions = dict(version_rows(read_inputs(full_run.path).card))
    assert {"python", "numpy", "pettingzoo"} <= set(versions)
    assert version_rows({}) == []
