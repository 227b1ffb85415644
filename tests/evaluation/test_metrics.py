from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from marl.errors import EnvError
from marl.evaluation.metrics import arm_metrics, completed, joint_play, moves, situations, success_rate
from marl.types import Episode, ParseFailure

Make = Callable[..., Episode]


def test_payoffs_failures_and_label(episode: Make) -> None:
    episodes = [
        episode(0, {"a": 4.0, "b": 0.0}, plays=[{"a": "x", "b": "y"}]),
        episode(1, {"a": 6.0, "b": 2.0}, plays=[{"a": "x", "b": "y"}], unparsed=["b"]),
        episode(2, {"a": 99.0, "b": 99.0}, plays=[{"a": "x"}], unparsed=["a"], error="KeyError: 'k'"),
    ]
    metrics = arm_metrics(episodes, arm="normal", label="with the channel", seed=0)
    assert (metrics["mean"], metrics["n"], metrics["failed_episodes"]) == (3.0, 2, 1)
    assert (metrics["parse_failures"], metrics["failed_calls"]) == (2, 0)
    assert {agent: part["mean"] for agent, part in metrics["per_agent"].items()} == {"a": 5.0, "b": 1.0}
    assert metrics["low"] < 3.0 < metrics["high"]
    assert metrics["success"] is None
    assert metrics["equilibrium"] is None
    assert metrics["label"] == "with the channel"


def test_an_arm_that_failed_is_refused_with_its_first_error(episode: Make) -> None:
    episodes = [episode(i, {"a": 1.0}, error="ValueError: bad move") for i in range(3)]
    with pytest.raises(EnvError, match=r"'off': 0 of 3 .*ValueError: bad move"):
        arm_metrics(episodes, arm="off", label="", seed=0)
    assert completed(episodes) == []


def test_partial_success_is_no_success(episode: Make) -> None:
    episodes = [episode(i, {"a": 0.0}, success=value) for i, value in enumerate([1.0, 0.5, 0.0, 1.0])]
    rate = success_rate(episodes)
    assert rate is not None
    assert rate["mean"] == 0.5
    assert 0 < rate["low"] < 0.5 < rate["high"] < 1


def test_situations_hold_shares_of_joint_plays(episode: Make) -> None:
    episodes = [
        episode(0, {"a": 1.0}, plays=[{"a": "left"}], situation="rain"),
        episode(1, {"a": 2.0}, plays=[{"a": "right"}], situation="rain"),
        episode(2, {"a": 3.0}, plays=[{"a": "right"}], situation="rain"),
        episode(3, {"a": 7.0}, plays=[{"a": "left"}], situation="fog"),
    ]
    table = situations(episodes)
    assert list(table) == ["fog", "rain"]
    assert table["rain"] == {"n": 3, "mean": 2.0, "plays": {"a: right": 2 / 3, "a: left": 1 / 3}}
    assert list(table["rain"]["plays"]) == ["a: right", "a: left"]


def test_joint_play_of_a_repeated_game_is_the_last_decision(episode: Make) -> None:
    made = episode(0, {"a": 0.0, "b": 0.0, "c": 0.0}, plays=[{"b": "1", "a": "2"}, {"b": "3", "a": "4"}])
    assert joint_play(made) == "a: 4, b: 3"


def test_an_unparsed_reply_is_never_shown_as_a_chosen_action(episode: Make) -> None:
    made = episode(0, {"a": 0.0, "b": 0.0}, plays=[{"a": "stag", "b": "hare"}], unparsed=["b"])
    assert joint_play(made) == "a: stag, b: (unparsed)"


def test_calls_without_a_reply_are_no_replies(episode: Make) -> None:
    episodes = [episode(i, {"a": 1.0, "b": 1.0}, plays=[{"a": "x", "b": "y"}], unparsed=["b"]) for i in range(3)]
    episodes[0].turns[1].failure = ParseFailure("", "timeout", "call")
    metrics = arm_metrics(episodes, arm="normal", label="", seed=0)
    assert (metrics["parse_failures"], metrics["failed_calls"]) == (2, 1)
    assert joint_play(episodes[0]) == "a: x, b: (no reply)"
    assert joint_play(episodes[1]) == "a: x, b: (unparsed)"


def test_shares_of_moves_are_over_episodes(episode: Make) -> None:
    once = [episode(i, {"a": 1.0, "b": 1.0}, plays=[{"a": "stag" if i < 3 else "hare"}]) for i in range(4)]
    found = moves(once, "a", confidence=0.95, rng=np.random.default_rng(0))
    assert list(found) == ["stag", "hare"]
    assert (found["stag"]["mean"], found["stag"]["method"]) == (0.75, "wilson")
    assert found["stag"]["low"] == pytest.approx(0.3006, abs=1e-4)  # Wilson 1927, 3 of 4
    assert moves(once, "b", confidence=0.95, rng=np.random.default_rng(0)) == {}
    # One long episode of stag weighs as much as one short one of hare.
    uneven = [
        episode(0, {"a": 1.0}, plays=[{"a": "stag"}] * 9 + [{"a": "hare"}]),
        episode(1, {"a": 1.0}, plays=[{"a": "hare"}]),
    ]
    shares = moves(uneven, "a", confidence=0.95, rng=np.random.default_rng(0))
    assert shares["stag"]["mean"] == pytest.approx(0.45)
    assert shares["stag"]["mean"] + shares["hare"]["mean"] == pytest.approx(1.0)
