from __future__ import annotations

import sys
from typing import Any

import pytest
from rich.console import Console

from marl.experiment import play
from marl.scenario import load_scenario
from marl.terminal import print_evaluation, print_scenarios, turn_printer
from marl.types import ParseFailure


def recorder() -> Console:
    return Console(record=True, width=160, force_terminal=False)


def test_an_episode_is_printed_once_turn_by_turn() -> None:
    console = recorder()
    seats = {"scout_0": "tell_and_follow", "partner_0": "silent"}
    play(load_scenario("scout_hunt"), seats=seats, episodes=2, on_turn=turn_printer(console))
    text = console.export_text()
    assert text.count("scout_0 says") == 2
    assert text.count("scout_0 plays") == 2
    assert text.count("payoffs:") == 2
    assert text.count("the state was: the stag is in the") == 2


def test_a_reply_that_names_nothing_and_none_at_all_are_told_apart() -> None:
    (episode,) = play(load_scenario("scout_hunt"), seats={"scout_0": "random", "partner_0": "random"})
    episode.turns[0].failure = ParseFailure("hm", "'hm' is no option")
    episode.turns[1].failure = ParseFailure("", "timeout (after 5 tries)", "call")
    console = recorder()
    turn_printer(console)(episode)
    text = console.export_text()
    assert "(unreadable: 'hm' is no option)" in text
    assert "(no reply: timeout (after 5 tries))" in text


def test_brackets_in_a_verdict_are_not_markup() -> None:
    console = recorder()
    share = {"mean": 0.75, "low": 0.30, "high": 0.95, "n": 4, "method": "wilson"}
    arm: dict[str, Any] = {"label": "with", "mean": 1.0, "low": 0.5, "high": 1.5, "n": 4, "success": None}
    arm["moves"] = {"player_0": {"[stag]": share}, "player_1": {}}
    print_evaluation(console, {"confidence": 0.95, "arms": {"normal": arm}, "verdict": [{"text": "it says [red]"}]})
    text = console.export_text()
    assert "it says [red]" in text
    assert "95% interval" in text
    assert "[stag]" in text
    assert "75% (30% to 95%)" in text


def test_a_third_partys_env_that_is_missing_does_not_hide_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mpe2", None)  # as if it were not installed
    console = recorder()
    print_scenarios(console)
    rows = {line.split("│")[1].strip(): line for line in console.export_text().splitlines() if "│" in line}
    assert "not installed" in rows["speaker_listener"]
    assert "10 each" in rows["scout_hunt"]
