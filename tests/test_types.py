from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from marl.types import Episode, Message, ParseFailure, Turn


def test_mean_return_is_the_mean_over_agents() -> None:
    episode = Episode("s", 0, 0, ("a", "b"), "x", returns={"a": 10.0, "b": 5.0})
    assert episode.mean_return == 7.5
    assert Episode("s", 0, 0, (), "x").mean_return == 0.0


def test_failures_are_counted_by_kind() -> None:
    nothing = np.zeros(1, np.float32)
    turn = Turn(0, "a", "p", "act", 0, 0, "", (), "", None, (), (), (), (), nothing, nothing, (), ())
    failures = [None, ParseFailure("x", "no option"), ParseFailure("", "timeout", "call"), ParseFailure("y", "neither")]
    turns = [dataclasses.replace(turn, failure=failure) for failure in failures]
    episode = Episode("s", 0, 0, ("a",), "x", turns=turns)
    assert (episode.failures("reply"), episode.failures("call")) == (2, 1)


def test_episodes_do_not_share_their_lists() -> None:
    one, other = (Episode("s", 0, index, ("a",), "x") for index in range(2))
    one.messages.append(Message("a", "t", "t", 0, 0, ()))
    assert other.messages == []


def test_a_delivered_message_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Message("a", "t", "t", 0, 0, ()).text = "u"  # type: ignore[misc]
