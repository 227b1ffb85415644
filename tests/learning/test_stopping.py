from __future__ import annotations

from typing import Any

import pytest

from marl.errors import LearningError
from marl.learning.stopping import StopRules
from marl.training_settings import StopSettings


def stops(settings: dict[str, Any], rows: list[dict[str, Any]]) -> list[bool]:
    rules = StopRules(StopSettings.model_validate(settings))
    return [rules.read(row) is not None for row in rows]


def values(*numbers: float) -> list[dict[str, Any]]:
    return [{"x": number} for number in numbers]


def test_nothing_asked_stops_nothing() -> None:
    assert stops({}, [{"evaluation/normal": 1e9, "env_steps": 10**9, "time_s": 1e9}]) == [False]


@pytest.mark.parametrize("name", ["env_steps", "time_s"])
def test_what_is_used_up_stops_at_its_number(name: str) -> None:
    assert stops({name: 5}, [{name: 4}, {name: 5}, {name: 6}]) == [False, True, True]


def test_the_return_is_that_of_evaluation_not_of_training() -> None:
    rows = [{"charts/episodic_return": 9.0}, {"evaluation/normal": 7.9}, {"evaluation/normal": 8.0}]
    assert stops({"return_at_least": 8}, rows) == [False, False, True]


def test_a_reason_once_found_stays() -> None:
    rules = StopRules(StopSettings(env_steps=5))
    first = rules.read({"env_steps": 5})
    assert first == "env_steps: env_steps is 5, and 5 was asked"
    assert rules.read({"env_steps": 9}) == first


@pytest.mark.parametrize(
    ("plateau", "numbers", "expected"),
    [
        ({"patience": 2}, (1, 2, 2, 2), [False, False, False, True]),
        ({"patience": 2}, (1, 0, 2, 1, 1), [False, False, False, False, True]),
        ({"patience": 1, "min_delta": 0.5}, (1, 1.6, 2.1), [False, False, True]),
        ({"patience": 1, "min_delta": 0.5}, (1, 1.25), [False, True]),
        ({"patience": 1, "mode": "min"}, (3, 2, 2), [False, False, True]),
        ({"patience": 1, "mode": "min"}, (3, 2, 1), [False, False, False]),
    ],
)
def test_a_plateau_is_so_many_values_without_a_better_one(
    plateau: dict[str, Any], numbers: tuple[float, ...], expected: list[bool]
) -> None:
    assert stops({"plateau": {"metric": "x", **plateau}}, values(*numbers)) == expected


def test_small_gains_that_add_up_are_no_plateau_of_the_best() -> None:
    """Each is compared with the last value that counted as better, not with the one before it."""
    assert stops({"plateau": {"metric": "x", "patience": 2, "min_delta": 1.0}}, values(0, 0.75, 1.5, 2.25, 3.0)) == [
        False,
        False,
        False,
        False,
        False,
    ]


def test_a_row_without_the_metric_is_no_value() -> None:
    assert stops({"plateau": {"metric": "x", "patience": 1}}, [{"x": 1}, {"y": 1}, {"x": 1}]) == [False, False, True]


def test_a_plateau_of_what_no_row_has_is_an_error_that_names_close_ones() -> None:
    rules = StopRules(StopSettings.model_validate({"plateau": {"metric": "losses/entropy"}}))
    rules.read({"iteration": 0, "evaluation/normal": 1.0})
    with pytest.raises(LearningError, match=r"no metric 'losses/entropy'.*losses/entropy_action"):
        rules.read({"iteration": 1, "charts/episodic_return": 1.0, "losses/entropy_action": 0.5})
