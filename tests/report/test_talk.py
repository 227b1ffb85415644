"""The section about communication, held against a real communication.json."""

from __future__ import annotations

from typing import Any

from marl.report.formats import number, signed, span
from marl.report.talk import talk_view


def test_every_arm_stands_beside_the_first(communication: dict[str, Any]) -> None:
    record, view = communication["arms"], talk_view(communication)
    assert [row.label for row in view.arms] == [
        *("with the channel", "channel switched off", "messages scrambled", "messages not heard")
    ]
    assert (view.arms[0].gap, view.arms[0].interval) == ("", "")
    for row, gap in zip(view.arms[1:], record["differences"].values(), strict=True):
        assert row.gap == signed(gap["welfare"]["mean"])
        assert row.interval == span(gap["welfare"]["low"], gap["welfare"]["high"])
        assert f"{len(gap['pure']['kept'])} of them kept" in row.equilibria
    paid = [sum(arm["learned"]["payoffs"]) for arm in record["arms"].values()]
    assert [row.welfare for row in view.arms] == [number(welfare) for welfare in paid]


def test_every_switch_of_every_meta_game_is_listed(communication: dict[str, Any]) -> None:
    view = talk_view(communication)
    games = communication["meta_games"]
    assert len(view.switches) == sum(len(game["switches"]) for game in games.values())
    muted = next(row for row in view.switches if row.game == "Talk or mute")
    (expected,) = games["talk_or_mute"]["switches"]
    assert (muted.player, muted.strategy, muted.gain) == ("sender_0", "mute", signed(expected["gain"]))
    assert expected["gain"] < 0, "muting costs the sender that is believed"
