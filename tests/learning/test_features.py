from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from handmade import make_episode, make_message, make_turn

from marl.errors import LearningError
from marl.learning.features import (
    MESSAGE_WORDS,
    OLDEST,
    WORD_IDS,
    CriticLayout,
    critic_columns,
    critic_layout,
    final_reading,
    reading,
    word_ids,
)
from marl.settings import Scenario

CENTRAL = CriticLayout(("x", "y"), 3, "everything")
OWN = CriticLayout(("x", "y"), 2, "own")


def test_words_keep_identity_and_place() -> None:
    assert word_ids("go north") == word_ids("Go  North")
    assert set(word_ids("go north")) != set(word_ids("north go"))
    assert len(set(word_ids("go north")) & set(word_ids("north go"))) == 2
    assert word_ids("") == ()
    assert all(0 < i < WORD_IDS for i in word_ids("a b c ! ?"))
    assert len(word_ids("w " * 100)) == 2 * MESSAGE_WORDS


def test_word_ids_are_the_same_in_every_process() -> None:
    crc32_of_north = 3693752514
    assert word_ids("north")[0] == 1 + crc32_of_north % (WORD_IDS - 1)


def test_central_reads_state_and_all_messages_own_reads_what_was_heard() -> None:
    messages = [make_message("x", "north"), make_message("y", "south")]
    turn = make_turn(2, "y", heard=(1,), said=(0, 1))
    episode = make_episode([turn], messages)
    central, own = reading(CENTRAL, episode, turn), reading(OWN, episode, turn)
    assert central.vector.tolist() == [3.0, 4.0, 5.0]
    assert central.messages == messages
    assert own.vector.tolist() == [1.0, 2.0]
    assert own.messages == messages[1:]
    assert (central.agent, central.phase) == (1, 1)


def test_columns_pad_silence_with_zeros() -> None:
    messages = [make_message("x", "north"), make_message("y", "go south now", round=1, step=0)]
    talk = make_turn(0, "x", phase="talk")
    act = make_turn(1, "x", said=(0, 1), step=3)
    episode = make_episode([talk, act], messages)
    columns = critic_columns(CENTRAL, [reading(CENTRAL, episode, turn) for turn in (talk, act)])
    assert columns["message_words"].shape == (2, 2, 6)
    assert not columns["message_words"][0].any()
    assert tuple(columns["message_words"][1, 0, :2]) == word_ids("north")
    assert columns["message_sender"][1].tolist() == [0, 1]
    assert columns["message_round"][1].tolist() == [0, 1]
    assert columns["message_age"][1].tolist() == [3, 3]
    assert columns["phase"].tolist() == [0, 1]


def test_age_is_bounded() -> None:
    turn = make_turn(0, "x", said=(0,), step=100)
    episode = make_episode([turn], [make_message("x", "a")])
    assert critic_columns(CENTRAL, [reading(CENTRAL, episode, turn)])["message_age"].tolist() == [[OLDEST]]


def test_final_reading_needs_what_the_env_showed() -> None:
    turn = make_turn(0, "x", said=())
    assert final_reading(CENTRAL, make_episode([turn]), turn) is None
    turn.next_state, turn.next_features = np.ones(3, np.float32), np.zeros(2, np.float32)
    messages = [make_message("x", "a"), make_message("y", "b", hearers=("y",))]
    after = final_reading(CENTRAL, make_episode([turn], messages), turn)
    assert after is not None
    assert after.vector.tolist() == [1.0, 1.0, 1.0]
    assert after.messages == messages
    own = final_reading(OWN, make_episode([turn], messages), turn)
    assert own is not None
    assert own.messages == messages[:1]


@pytest.mark.parametrize(
    "state", [np.ones(4, np.float32), np.ones(2, np.float32), np.array([1, np.nan, 2], np.float32)]
)
def test_a_state_of_another_size_or_not_finite_is_refused(state: np.ndarray) -> None:
    turn = make_turn(0, "x", state=state)
    with pytest.raises(LearningError, match="state"):
        reading(CENTRAL, make_episode([turn]), turn)


def test_shorter_observations_are_padded() -> None:
    turn = make_turn(0, "x", features=np.array([9.0], np.float32))
    columns = critic_columns(OWN, [reading(OWN, make_episode([turn]), turn)])
    assert columns["vector"].tolist() == [[9.0, 0.0]]


def test_layout_of_a_scenario(make_scenario: Callable[..., Scenario]) -> None:
    central = critic_layout(make_scenario(2))
    assert central == CriticLayout(("guest_0", "guest_1"), 6, "everything", messages=False)
    own = critic_layout(make_scenario(2, training={"algorithm": "ippo"}))
    assert own == CriticLayout(("guest_0", "guest_1"), 3, "own", messages=False)
    assert critic_layout(make_scenario(2, talk_rounds=1)).messages


def test_mappo_needs_a_state_and_ippo_does_not(make_scenario: Callable[..., Scenario]) -> None:
    with pytest.raises(LearningError, match="ippo"):
        critic_layout(make_scenario(stateless=True))
    assert critic_layout(make_scenario(stateless=True, training={"algorithm": "ippo"})).vector == 3
