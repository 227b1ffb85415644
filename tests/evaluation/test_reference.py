from __future__ import annotations

from typing import Any

import pytest

from marl.evaluation.reference import nearest_equilibrium, payoff_scale

REFERENCE: dict[str, Any] = {
    "optimum": 10.0,
    "no_communication": 5.0,
    "equilibria": [
        {"name": f"{named} named", "play": f"{named} valleys", "payoffs": {"a": payoff, "b": payoff}}
        for named, payoff in enumerate((5.0, 6.25, 7.5, 8.75, 10.0))
    ],
}


def arm(mean: float, half: float, other: float | None = None) -> dict[str, Any]:
    second = mean if other is None else other
    return {
        "per_agent": {
            "a": {"mean": mean, "low": mean - half, "high": mean + half},
            "b": {"mean": second, "low": second - half, "high": second + half},
        }
    }


@pytest.mark.parametrize(
    ("mean", "half", "name", "matched", "ambiguous"),
    [
        (9.8, 0.1, "4 named", True, False),  # inside the tolerance of 0.5, outside the interval
        (6.1, 0.3, "1 named", True, False),
        (6.85, 0.1, "1 named", False, False),  # between two
        (3.0, 0.2, "0 named", False, False),
        (7.4, 1.5, "2 named", False, True),  # an interval that fits three
        (3.2, 1.9, "0 named", True, False),  # far, but the only one inside the interval
    ],
)
def test_nearest_by_payoffs(mean: float, half: float, name: str, matched: bool, ambiguous: bool) -> None:
    found = nearest_equilibrium(REFERENCE, arm(mean, half))
    assert found is not None
    assert (found["name"], found["matched"], found["ambiguous"]) == (name, matched, ambiguous)
    assert found["distance"] == pytest.approx(abs(found["payoffs"]["a"] - mean))


def test_every_agent_must_fit() -> None:
    found = nearest_equilibrium(REFERENCE, arm(10.0, 0.1, other=8.0))
    assert found is not None
    assert not found["matched"]


def test_tolerance_is_at_most_half_the_way_to_the_next_equilibrium() -> None:
    pays = zip(REFERENCE["equilibria"], (5.0, 5.2), strict=False)
    close = {**REFERENCE, "equilibria": [{**equilibrium, "payoffs": {"a": payoff}} for equilibrium, payoff in pays]}
    found = nearest_equilibrium(close, {"per_agent": {"a": {"mean": 5.04, "low": 5.03, "high": 5.05}}})
    assert found is not None
    assert found["tolerance"] == pytest.approx(0.1)
    assert (found["name"], found["matched"]) == ("0 named", True)


def test_equilibria_that_pay_the_same_do_not_compete() -> None:
    twins = {**REFERENCE, "equilibria": [{"name": n, "play": n, "payoffs": {"a": 1.0}} for n in ("left", "right")]}
    found = nearest_equilibrium(twins, {"per_agent": {"a": {"mean": 1.0, "low": 0.0, "high": 2.0}}})
    assert found is not None
    assert found["matched"]


def test_no_stated_equilibrium_is_none() -> None:
    assert nearest_equilibrium({**REFERENCE, "equilibria": []}, arm(1.0, 0.1)) is None


def test_scale_falls_back_where_payoffs_do_not_spread() -> None:
    assert payoff_scale(REFERENCE) == 5.0
    assert payoff_scale({"optimum": -3.0, "no_communication": None, "equilibria": []}) == 3.0
    assert payoff_scale({"optimum": 0.0, "no_communication": None, "equilibria": []}) == 1.0


@pytest.mark.parametrize(
    ("by_situation", "matched"),
    [((10.0, 5.0, 5.0, 5.0), True), ((5.1, 9.4, 5.0, 5.0), True), ((6.2, 6.3, 6.2, 6.3), False)],
)
def test_the_pattern_over_situations_must_fit_too(by_situation: tuple[float, ...], matched: bool) -> None:
    stated = [
        {**equilibrium, "situation_payoffs": [10.0] * named + [5.0] * (4 - named)}
        for named, equilibrium in enumerate(REFERENCE["equilibria"])
    ]
    seen = {**arm(6.2, 0.1), "situations": {str(i): {"mean": mean} for i, mean in enumerate(by_situation)}}
    found = nearest_equilibrium({**REFERENCE, "equilibria": stated}, seen)
    assert found is not None
    assert (found["name"], found["matched"]) == ("1 named", matched)
