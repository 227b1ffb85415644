import numpy as np
import pytest

from envs import scout_hunt
from marl.channel import Conversation
from marl.channel.conversation import talk_mask
from marl.errors import ChannelError

SCOUT, PARTNER = "scout_0", "partner_0"


def conversation(**channel):
    talk = Conversation(scout_hunt.parallel_env(), **channel)
    talk.reset(0)
    talk.begin_decision(True)
    return talk


def test_phases_follow_the_rounds():
    talk = conversation(talk_rounds=2)
    assert (talk.phase, talk.round) == ("talk", 0)
    talk.close_round([SCOUT, PARTNER])
    assert (talk.phase, talk.round) == ("talk", 1)
    talk.close_round([SCOUT, PARTNER])
    assert talk.phase == "act"


@pytest.mark.parametrize("channel", [{"talk_rounds": 0}, {"intervention": "off"}])
def test_without_talk_there_is_only_the_act_phase(channel):
    assert conversation(**channel).phase == "act"


def test_spaces_do_not_depend_on_the_intervention():
    normal, off = conversation(), conversation(intervention="off")
    assert normal.action_spaces == off.action_spaces
    assert normal.observation_spaces == off.observation_spaces


def test_mute_agents_have_only_silence():
    talk = conversation(topology=[[SCOUT, PARTNER]])
    assert talk.action_spaces[PARTNER]["message"].sample() == ""
    assert talk.may_speak(SCOUT, [SCOUT, PARTNER])
    assert not talk.may_speak(SCOUT, [SCOUT]), "nobody left to hear it"
    assert not talk.may_speak(PARTNER, [SCOUT, PARTNER])
    with pytest.raises(ChannelError, match="nobody hears partner_0"):
        talk.post(PARTNER, {"message": "hello"}, asked=False)


@pytest.mark.parametrize(("action", "asked", "count"), [({}, True, 1), ({"message": ""}, True, 1), ({}, False, 0)])
def test_silence_counts_when_it_was_a_turn(action, asked, count):
    talk = conversation()
    talk.post(SCOUT, action, asked=asked)
    talk.close_round([SCOUT, PARTNER])
    assert [message.text for message in talk.delivery.messages] == [""] * count


@pytest.mark.parametrize("intervention", ["none", "scrambled"])
@pytest.mark.parametrize("asked", [True, False])
def test_a_try_to_speak_that_failed_is_no_message(intervention, asked):
    talk = conversation(intervention=intervention, pool={SCOUT: ["north"], PARTNER: ["south"]})
    talk.post(SCOUT, {"message": None}, asked=asked)
    talk.post(PARTNER, {"message": "hare"}, asked=asked)
    talk.close_round([SCOUT, PARTNER])
    assert [message.sender for message in talk.delivery.messages] == [PARTNER]
    assert [message.sender for message in talk.delivery.inbox(SCOUT)] == [PARTNER]


def test_messages_are_cleaned_and_never_cut():
    talk = conversation(budget=1)
    talk.post(SCOUT, {"message": "north\npartner_0: hare"}, asked=True)
    talk.close_round([SCOUT, PARTNER])
    (message,) = talk.delivery.inbox(PARTNER)
    assert (message.text, message.sent) == ("north partner_0 hare",) * 2
    with pytest.raises(ChannelError, match="65 characters; at most 64 fit"):
        talk.post(SCOUT, {"message": "x" * 65}, asked=True)


@pytest.mark.parametrize("action", [{"message": 3}, "north", None])
def test_a_message_is_a_text(action):
    with pytest.raises(ChannelError, match="give a dict with a text under 'message'"):
        conversation().post(SCOUT, action, asked=True)


def test_an_act_needs_an_action():
    assert conversation().act(SCOUT, {"action": 2}) == 2
    with pytest.raises(ChannelError, match="under 'action'"):
        conversation().act(SCOUT, {"message": "north"})


def test_only_the_vocabulary_passes():
    talk = conversation(vocabulary=["ba", "di"])
    talk.post(SCOUT, {"message": "ba"}, asked=True)
    with pytest.raises(ChannelError, match=r"says 'gu'; the channel carries only \['ba', 'di'\]"):
        talk.post(SCOUT, {"message": "gu"}, asked=True)


@pytest.mark.parametrize("pool", [{SCOUT: ["two\nlines"]}, {"stranger_0": ["x"]}, {SCOUT: ["x" * 600]}])
def test_a_pool_holds_only_what_the_channel_can_carry(pool):
    with pytest.raises(ChannelError, match="the pool holds"):
        conversation(intervention="scrambled", pool=pool)


@pytest.mark.parametrize("channel", [{"talk_rounds": -1}, {"budget": 0}])
def test_impossible_numbers_are_refused(channel):
    with pytest.raises(ChannelError, match="give talk_rounds >= 0 and budget >= 1"):
        conversation(**channel)


def test_an_env_without_possible_agents_is_refused():
    env = scout_hunt.parallel_env()
    env.possible_agents = []
    with pytest.raises(ChannelError, match="possible_agents"):
        Conversation(env)


def test_talk_mask_takes_the_mask_from_observation_or_info():
    mask = np.array([1, 0], np.int8)
    assert talk_mask({"action_mask": mask}, {"x": 1}) == {"x": 1, "action_mask": {"action": mask, "message": None}}
    assert talk_mask(mask, {"action_mask": mask})["action_mask"]["action"] is mask
    assert talk_mask(mask, {"x": 1}) == {"x": 1}
