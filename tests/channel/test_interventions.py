from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from marl.channel import BySender, Deaf, Off, Replaced, Scrambled, Untouched, intervention, messages_by_sender
from marl.errors import ChannelError
from marl.types import Episode, Message, Turn


def test_names():
    assert isinstance(intervention("none", senders=["a_0"]), Untouched)
    assert isinstance(intervention("off", senders=["a_0"]), Off)
    assert not intervention("off", senders=["a_0"]).talks
    assert isinstance(intervention("deaf", senders=["a_0"]), Deaf)
    own = Replaced({})
    assert intervention(own, senders=["a_0"]) is own
    with pytest.raises(ChannelError, match=r"'of' is unknown; give one of \['none', 'off', 'scrambled', 'deaf'\]"):
        intervention("of", senders=["a_0"])


def test_deaf_keeps_the_talk_and_lets_nothing_through():
    assert Deaf().talks
    assert Deaf().heard("a_0", "x", np.random.default_rng(0)) is None


def test_replaced_says_the_other_text_and_leaves_strange_ones_alone():
    lie = Replaced({"left": "right", "right": "left"})
    heard = [lie.heard("a_0", text, np.random.default_rng(0)) for text in ("left", "right", "up", "")]
    assert heard == ["right", "left", "up", ""]


def test_each_sender_has_an_intervention_of_its_own():
    mixed = BySender({"a_0": Deaf(), "b_0": Replaced({"x": "y"})})
    assert [mixed.heard(sender, "x", np.random.default_rng(0)) for sender in ("a_0", "b_0", "c_0")] == [None, "y", "x"]
    with pytest.raises(ChannelError, match=r"\['b_0'\] cannot have the channel off"):
        BySender({"a_0": Deaf(), "b_0": Off()})


def test_off_lets_nothing_through():
    with pytest.raises(ChannelError, match="the channel is off"):
        Off().heard("a_0", "x", np.random.default_rng(0))


@given(st.lists(st.text(max_size=3), min_size=1), st.text(), st.integers(0, 99))
def test_scrambled_stays_within_the_senders_own_pool_and_ignores_what_was_said(texts, said, seed):
    scrambled = Scrambled({"a_0": texts, "b_0": ["never"]}, ["a_0", "b_0"])
    one = scrambled.heard("a_0", said, np.random.default_rng(seed))
    assert one in texts
    assert one == scrambled.heard("a_0", "something else", np.random.default_rng(seed))


def test_scrambled_keeps_how_often_each_text_is_heard():
    scrambled = Scrambled({"a_0": ["north"] * 3 + ["south"]}, ["a_0"])
    rng = np.random.default_rng(0)
    heard = Counter(scrambled.heard("a_0", "north", rng) for _ in range(4000))
    assert heard["north"] / 4000 == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("pool", [{}, {"a_0": ["x"]}, {"a_0": ["x"], "b_0": []}])
def test_scrambled_needs_messages_of_every_sender(pool):
    with pytest.raises(ChannelError, match=r"no messages of .*'b_0'"):
        intervention("scrambled", senders=["a_0", "b_0"], pool=pool)


def test_scrambled_without_a_pool():
    with pytest.raises(ChannelError, match="needs a pool"):
        intervention("scrambled", senders=["a_0"])


def episode(said, asked=()):
    """An episode in which each of `said` was sent (and something else delivered), and each of `asked` had a turn."""
    made = Episode("made", 0, 0, ("a_0", "b_0", "c_0"), "")
    made.messages = [Message(sender, "scrambled", text, 0, 0, ()) for sender, text in said]
    nothing = np.zeros(1, np.float32)
    made.turns = [
        Turn(0, agent, "p", phase, 0, 0, "", (), "", None, (), (), (), (), nothing, nothing, (), ())
        for agent, phase in asked
    ]
    return made


def test_pool_keeps_repeats_and_what_was_sent():
    assert messages_by_sender([]) == {}
    episodes = [episode([("a_0", "hi"), ("b_0", "ho")]), episode([("a_0", "hi"), ("a_0", "")])]
    assert messages_by_sender(episodes) == {"a_0": ["hi", "hi", ""], "b_0": ["ho"]}


def test_of_a_sender_whose_every_try_failed_the_pool_holds_silence():
    asked = [("a_0", "talk"), ("b_0", "talk"), ("c_0", "act")]
    assert messages_by_sender([episode([("a_0", "hi")], asked)]) == {"a_0": ["hi"], "b_0": [""]}
