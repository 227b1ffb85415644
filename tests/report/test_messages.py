"""The lexicon becomes a table that loses nothing silently."""

from __future__ import annotations

from typing import Any

import pytest

from marl.report.messages import MOST_MESSAGES, MOST_SITUATIONS, SILENCE, lexicon_table, sender_views


def entry(situation: str, message: str, share: float) -> dict[str, Any]:
    return {"situation": situation, "message": message, "share": share}


def test_senders_are_described_with_the_numbers_of_the_file(evaluation: dict[str, Any]) -> None:
    views = {view.name: view for view in sender_views(evaluation)}
    assert set(views) == set(evaluation["communication"])
    for name, data in evaluation["communication"].items():
        assert views[name].convention == data["convention"]
        assert f"{data['mutual_information']['bits']:.2f} of at most" in views[name].information
        assert f"{data['told_apart']} of {data['situations']} situations" in views[name].facts
    assert views["scout_0"].beyond_chance
    assert not views["partner_0"].beyond_chance


def test_shares_of_a_situation_sum_to_one_with_the_others(evaluation: dict[str, Any]) -> None:
    for view in sender_views(evaluation):
        rest = view.others or [0.0] * len(view.rows)
        for (_, shares), other in zip(view.rows, rest, strict=True):
            assert sum(shares) + other == pytest.approx(1.0, abs=0.01)


def test_a_separating_code_stands_on_the_diagonal() -> None:
    lexicon = [entry("a", "z", 1.0), entry("b", "y", 1.0), entry("c", "x", 1.0)]
    columns, rows, left_out = lexicon_table(lexicon)
    assert columns == ["z", "y", "x"]
    assert [shares for _, shares in rows] == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    assert left_out == ""


def test_silence_is_a_message_with_a_name() -> None:
    assert lexicon_table([entry("a", "", 1.0)])[0] == [SILENCE]


def test_what_does_not_fit_is_counted() -> None:
    lexicon = [entry(f"situation {i:02}", f"word {i}", 1.0) for i in range(20)]
    columns, rows, left_out = lexicon_table(lexicon)
    assert len(columns) == MOST_MESSAGES
    assert len(rows) == MOST_SITUATIONS
    assert f"{MOST_SITUATIONS - MOST_MESSAGES} rarer messages and {20 - MOST_SITUATIONS} further situations" in left_out


def test_where_every_episode_starts_alike_no_bits_are_claimed(evaluation: dict[str, Any]) -> None:
    data = evaluation["communication"]["partner_0"]
    data.update(situations=1, lexicon=[entry("start", "hello", 0.8)])
    (view,) = [view for view in sender_views(evaluation) if view.name == "partner_0"]
    assert view.strip is None
    assert view.information == ""
    assert "starts alike" in view.facts
    assert view.others == [pytest.approx(0.2)]


def test_nobody_speaks() -> None:
    assert sender_views({}) == []
    assert lexicon_table([]) == ([], [], "")
