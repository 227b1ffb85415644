from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from marl.communication.lexicon import lexicon, senders, signal
from marl.types import Episode, ParseFailure

Talk = Callable[..., Episode]


def test_signal_joins_rounds_and_squeezes_blanks(talk: Talk) -> None:
    episode = talk(0, "s", {"scout_0": ["go  north", "yes"], "partner_0": ["", ""]})
    assert signal(episode, "scout_0") == "go north / yes"
    assert signal(episode, "partner_0") == ""


def test_signal_reads_the_first_decision_only(talk: Talk) -> None:
    episode = talk(0, "s", {"scout_0": "first"}, step=1)
    later = talk(0, "s", {"scout_0": "later"}, step=2)
    episode.messages = [*later.messages, *episode.messages]
    assert signal(episode, "scout_0") == "first"


def test_later_talk_does_not_stand_in_for_a_first_try_that_failed(talk: Talk) -> None:
    episode = talk(0, "s", {"scout_0": "later", "partner_0": "also"}, step=1)
    (turn,) = talk(0, "s", {}, plays={"scout_0": ""}).turns
    episode.turns = [replace(turn, phase="talk", step=0, failure=ParseFailure("", "the call failed"))]
    assert signal(episode, "scout_0") == ""
    assert signal(episode, "partner_0") == "also", "its first decision was another's second"


def test_senders_in_the_order_of_agents(talk: Talk) -> None:
    episodes = [talk(0, "s", {"partner_0": "a"}), talk(1, "s", {"scout_0": "b"})]
    assert senders(episodes) == ["scout_0", "partner_0"]
    assert senders(episodes[:1]) == ["partner_0"]
    assert senders([]) == []


def test_lexicon_lists_the_most_frequent_with_shares() -> None:
    situations = ["west"] * 4 + ["east"] * 40
    signals = ["b", "a", "b", "a"] + ["x"] * 30 + ["y"] * 8 + ["z", "w"]
    assert lexicon(situations, signals) == [
        {"situation": "east", "message": "x", "share": 0.75},
        {"situation": "east", "message": "y", "share": 0.2},
        {"situation": "west", "message": "a", "share": 0.5},
        {"situation": "west", "message": "b", "share": 0.5},
    ]


def test_lexicon_of_messages_that_never_repeat_lists_one_at_least() -> None:
    entries = lexicon(["s"] * 50, [f"m{i:02}" for i in range(50)])
    assert entries == [{"situation": "s", "message": "m00", "share": 0.02}]
