from __future__ import annotations

import pytest
from handmade import make_episode, make_turn

from marl.errors import LearningError
from marl.learning.metrics import (
    episode_metrics,
    is_timed,
    played,
    success_metrics,
    throughput,
    token_count,
    turn_count,
)
from marl.types import Episode


def two() -> list[Episode]:
    first = make_episode([make_turn(0, "x"), make_turn(1, "y")], returns={"x": 1.0, "y": 3.0}, length=2, success=1.0)
    second = make_episode([make_turn(0, "x")], returns={"x": 0.0, "y": 0.0}, length=4, success=0.0)
    return [first, second]


def test_episodes_are_averaged_over_agents_and_failures_left_out() -> None:
    broken = make_episode([], returns={"x": 100.0, "y": 100.0}, outcome="failed", error="boom")
    row = episode_metrics([*two(), broken])
    assert row == {
        "charts/episodic_return": 1.0,
        "charts/episodic_length": 3.0,
        "charts/episodes_failed": 1,
        "charts/parse_failures": 0,
        "charts/failed_calls": 0,
        "charts/success": 0.5,
    }


def test_success_is_there_only_where_the_env_says_it() -> None:
    assert success_metrics(two(), "evaluation") == {"evaluation/success": 0.5}
    assert success_metrics([make_episode([])], "evaluation") == {}


def test_speed_is_turns_and_tokens_a_second() -> None:
    # A handmade turn reads three tokens and writes one.
    assert token_count(two()) == 12
    assert turn_count(two()) == 3
    assert throughput(3, 12, 0.5) == {"charts/SPS": 6.0, "charts/tokens_per_second": 24.0}
    assert throughput(1, 0, 0.5) == {"charts/SPS": 2.0}


def test_what_was_played_is_given_and_what_cannot_be_used_is_named() -> None:
    broken = make_episode([], outcome="failed", error="boom", index=7)
    whole = two()
    assert [id(episode) for episode in played([*whole, broken], "evaluation")] == [id(episode) for episode in whole]
    with pytest.raises(LearningError, match="all 1 evaluation episodes failed; the first: boom"):
        played([broken], "evaluation")
    with pytest.raises(LearningError, match=r"evaluation episode 5: .*nan"):
        played([make_episode([], returns={"x": float("nan")}, index=5)], "evaluation")


@pytest.mark.parametrize(
    ("name", "timed"),
    [("time_s", True), ("time/learn", True), ("charts/SPS", True), ("charts/success", False), ("turns", False)],
)
def test_names_that_a_clock_decides_are_known(name: str, timed: bool) -> None:
    assert is_timed(name) == timed
