"""What evaluation.json says about the arms reaches the page unchanged."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from marl.report.arms import (
    ARMS,
    MOST_SITUATIONS,
    arm_labels,
    arm_views,
    behavior_table,
    differences_of,
    references_of,
    short_play,
    tiles_of,
)

AGENTS = ["scout_0", "partner_0"]


def test_tiles_are_the_four_headline_arms(evaluation: dict[str, Any]) -> None:
    tiles = tiles_of(arm_views(evaluation))
    assert [tile.key for tile in tiles] == ["normal", "silent_twin", "scrambled", "untrained"]
    assert [tile.record["mean"] for tile in tiles] == [evaluation["arms"][tile.key]["mean"] for tile in tiles]


def test_without_a_silent_twin_the_switched_off_channel_stands_in(evaluation: dict[str, Any]) -> None:
    del evaluation["arms"]["silent_twin"]
    assert [tile.key for tile in tiles_of(arm_views(evaluation))] == ["normal", "off", "scrambled", "untrained"]


def test_an_arm_of_another_name_comes_last_under_its_own_label(evaluation: dict[str, Any]) -> None:
    evaluation["arms"]["muffled"] = {**evaluation["arms"]["off"], "label": "nobody listens"}
    assert [*arm_views(evaluation)][-1] == "muffled"
    assert arm_labels(evaluation)["muffled"] == "nobody listens"
    assert arm_labels(None) == ARMS


def test_references_that_the_game_does_not_state_are_left_out(evaluation: dict[str, Any]) -> None:
    assert [(key, value) for key, _, value in references_of(evaluation)] == [("optimum", 10.0), ("bound", 5.0)]
    evaluation["no_communication"] = None
    assert [key for key, _, _ in references_of(evaluation)] == ["optimum"]
    assert references_of(None) == []


def test_where_messages_cannot_help_there_is_one_reference(evaluation: dict[str, Any]) -> None:
    evaluation["no_communication"] = evaluation["optimum"]
    assert [(key, value) for key, _, value in references_of(evaluation)] == [("optimum", 10.0)]


def test_differences_name_the_arm_that_is_taken_away(evaluation: dict[str, Any]) -> None:
    rows = {row.label: row for row in differences_of(evaluation)}
    data = evaluation["differences"]["normal-scrambled"]
    assert rows[ARMS["scrambled"]].mean == f"+{data['mean']:.2f}"
    assert rows[ARMS["scrambled"]].n == str(data["n"])


def test_behavior_has_one_row_a_situation_and_one_cell_an_arm(evaluation: dict[str, Any]) -> None:
    arms, rows, left_out = behavior_table(evaluation, AGENTS)
    assert arms == ["normal", "scrambled", "silent_twin"]
    assert [situation for situation, _ in rows] == sorted(evaluation["arms"]["normal"]["situations"])
    assert left_out == 0
    for situation, cells in rows:
        for arm, cell in zip(arms, cells, strict=True):
            assert cell is not None
            held = evaluation["arms"][arm]["situations"][situation]
            assert cell.mean == f"{held['mean']:.2f}"
            assert sum(share for _, share in cell.plays) + cell.rest == pytest.approx(1.0)


def test_a_situation_that_an_arm_never_met_is_an_empty_cell(evaluation: dict[str, Any]) -> None:
    situation = next(iter(evaluation["arms"]["scrambled"]["situations"]))
    del evaluation["arms"]["scrambled"]["situations"][situation]
    _, rows, _ = behavior_table(evaluation, AGENTS)
    assert dict(rows)[situation][1] is None


def test_many_situations_are_cut_to_the_most_frequent(evaluation: dict[str, Any]) -> None:
    held = evaluation["arms"]["normal"]["situations"]
    one = next(iter(held.values()))
    held.update({f"rare {i:03}": {**deepcopy(one), "n": 1} for i in range(30)})
    held["frequent"] = {**deepcopy(one), "n": 10_000}
    _, rows, left_out = behavior_table(evaluation, AGENTS)
    assert len(rows) == MOST_SITUATIONS
    assert left_out == 35 - MOST_SITUATIONS
    assert "frequent" in dict(rows)


@pytest.mark.parametrize(
    ("play", "text"),
    [
        ("scout_0: north, partner_0: hare", "north · hare"),
        ("scout_0: go north, or wait, partner_0: hare", "go north, or wait · hare"),
        ("partner_0: hare", "partner_0: hare"),
        ("nothing", "nothing"),
        ("", ""),
    ],
)
def test_short_play(play: str, text: str) -> None:
    assert short_play(play, AGENTS) == text


def test_short_play_without_agents_is_the_play() -> None:
    assert short_play("a: x", []) == "a: x"
