import copy
import pickle

import networkx as nx
import numpy as np
import pytest
from pettingzoo.test import api_test, seed_test
from pettingzoo.test.state_test import test_state as pettingzoo_state_test
from pettingzoo.utils import parallel_to_aec

from envs import lewis, scout_hunt, stag_hunt
from marl.channel import TalkAECEnv, TalkParallelEnv, wrap_channel
from marl.errors import ChannelError
from marl.settings import ChannelSettings

SCOUT, PARTNER = "scout_0", "partner_0"


def hunt(**channel):
    env = TalkParallelEnv(scout_hunt.parallel_env(), **channel)
    env.reset(seed=0)
    return env


def say(env, **texts):
    return env.step({agent: {"message": text} for agent, text in texts.items()})


def test_talk_then_act():
    env = hunt(talk_rounds=2)
    assert (env.phase, env.step_index, env.round) == ("talk", 0, 0)
    observations, rewards, ended, cut, _ = say(env, scout_0="north", partner_0="where?")
    assert set(rewards.values()) == {0.0}
    assert not any([*ended.values(), *cut.values()])
    assert [(m.sender, m.text, m.round) for m in env.inbox(PARTNER)] == [(SCOUT, "north", 0), (PARTNER, "where?", 0)]
    assert observations[SCOUT]["inbox"][1] == {"sender": 1, "round": 0, "text": "where?"}
    say(env, scout_0="north!", partner_0="ok")
    assert env.phase == "act"
    stag = int(env.state().argmax())
    observations, rewards, ended, _, infos = env.step({agent: {"action": stag} for agent in env.agents})
    assert rewards == {SCOUT: 10.0, PARTNER: 10.0}
    assert all(ended.values())
    assert infos[SCOUT]["success"] == 1.0
    assert env.step_index == 1
    assert len(env.messages) == 4
    assert all(env.observation_space(agent).contains(view) for agent, view in observations.items())


def test_same_round_messages_are_hidden_from_later_speakers():
    """What one says in a round can only reach another after that round: no second-mover advantage."""
    env = hunt()
    assert env.inbox(SCOUT) == env.inbox(PARTNER) == ()
    say(env, scout_0="north", partner_0="east")
    assert len(env.inbox(SCOUT)) == len(env.inbox(PARTNER)) == 2


def test_inboxes_hold_the_current_decision_only():
    env = TalkParallelEnv(stag_hunt.parallel_env(rounds=2))
    env.reset(seed=0)
    say(env, player_0="stag", player_1="stag")
    observations, *_ = env.step({agent: {"action": 0} for agent in env.agents})
    assert env.phase == "talk"
    assert env.inbox("player_0") == ()
    assert observations["player_0"]["inbox"] == ()
    say(env, player_0="again", player_1="yes")
    assert [message.step for message in env.messages] == [0, 0, 1, 1]
    assert [message.text for message in env.inbox("player_1")] == ["again", "yes"]


def test_edges_decide_who_is_asked_and_who_hears():
    env = TalkParallelEnv(lewis.parallel_env(), topology=[["sender_0", "receiver_0"]])
    env.reset(seed=0)
    assert [agent for agent in env.agents if env.may_speak(agent)] == ["sender_0"]
    say(env, sender_0="red", receiver_0="")
    assert [message.hearers for message in env.messages] == [("receiver_0",)]


@pytest.mark.parametrize("channel", [{"topology": "none"}, {"talk_rounds": 0}, {"intervention": "off"}])
def test_no_talk_phase_where_nobody_can_be_heard(channel):
    env = hunt(**channel)
    assert env.phase == "act"
    assert not env.inbox(PARTNER)
    env.step({agent: {"action": 4, "message": "ignored"} for agent in list(env.agents)})
    assert env.messages == []


def test_scrambled_hearers_read_the_pool():
    env = hunt(intervention="scrambled", pool={SCOUT: ["elsewhere"], PARTNER: ["ok"]})
    say(env, scout_0="north", partner_0="hm")
    assert [m.text for m in env.inbox(PARTNER)] == ["elsewhere", "hm"]
    assert [m.text for m in env.inbox(SCOUT)] == ["north", "ok"]
    assert [(m.text, m.sent) for m in env.messages] == [("elsewhere", "north"), ("ok", "hm")]
    assert {id(m) for m in env.heard(SCOUT)} == {id(m) for m in env.messages}


def test_channel_and_env_draw_from_their_own_streams():
    pool = {SCOUT: [str(n) for n in range(50)], PARTNER: [str(n) for n in range(50)]}

    def played(rounds, seed):
        env = hunt(intervention="scrambled", pool=pool, talk_rounds=rounds)
        states = []
        for episode in range(3):
            env.reset(seed=seed if episode == 0 else None)
            states.append(env.describe_state())
            for _ in range(rounds):
                say(env, scout_0="x", partner_0="y")
            env.step({agent: {"action": 4} for agent in list(env.agents)})
        return states, [message.text for message in env.messages]

    assert played(1, 5) == played(1, 5)
    assert played(1, 5)[0] == played(3, 5)[0], "drawing more in the channel leaves the env alone"
    assert played(1, 5)[1] != played(1, 6)[1]


def test_text_face_state_and_rendering_pass_through():
    env = TalkParallelEnv(scout_hunt.parallel_env(render_mode="ansi"))
    inner = env.unwrapped_env
    observations, _ = env.reset(seed=0)
    assert env.unwrapped is inner
    assert env.rules(SCOUT) == inner.rules(SCOUT)
    assert env.render() == inner.render() == env.describe_state()
    assert env.reference() == inner.reference()
    assert env.describe(SCOUT, observations[SCOUT]) == env.describe(SCOUT, observations[SCOUT]["observation"])
    assert env.state_space is inner.state_space
    assert np.array_equal(env.state(), inner.state())


def test_mask_in_info_fits_the_wrapped_action_space():
    env = hunt()
    _, infos = env.reset(seed=0)
    actions = {agent: env.action_space(agent).sample(infos[agent]["action_mask"]) for agent in env.agents}
    assert all(env.action_space(agent).contains(action) for agent, action in actions.items())


def test_copies_and_pickles_go_on_the_same_way():
    env = hunt(intervention="scrambled", pool={SCOUT: list("abcdef"), PARTNER: list("ghijkl")})
    twins = [env, copy.deepcopy(env), pickle.loads(pickle.dumps(env))]
    for twin in twins:
        say(twin, scout_0="north", partner_0="hm")
        assert len(twin.messages) == 2, "the copies share no record"
    assert twins[0].messages == twins[1].messages == twins[2].messages


def test_wrap_channel_reads_the_settings(stones):
    settings = ChannelSettings(topology="broadcast", talk_rounds=3, budget=4, vocabulary=["a", "b"])
    env = wrap_channel(scout_hunt.parallel_env(), settings)
    assert isinstance(env, TalkParallelEnv)
    assert (env.talk_rounds, env.budget, env.vocabulary) == (3, 4, ("a", "b"))
    assert wrap_channel(scout_hunt.parallel_env(), settings, intervention="off").talk_rounds == 0
    assert isinstance(wrap_channel(stones(), settings), TalkAECEnv)
    with pytest.raises(ChannelError, match="list is not a PettingZoo env"):
        wrap_channel([], settings)
    with pytest.raises(ChannelError, match="scout_1"):
        TalkParallelEnv(scout_hunt.parallel_env(), topology=nx.DiGraph([("scout_1", PARTNER)]))


@pytest.mark.parametrize("rounds", [0, 1, 2])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_pettingzoo_tests_of_turn_based_envs(stones, rounds):
    def make(masked=True):
        return TalkAECEnv(stones(masked=masked), talk_rounds=rounds)

    api_test(make(masked=False), num_cycles=50)
    seed_test(make, num_cycles=50)
    pettingzoo_state_test(make(masked=False), 50)
    api_test(TalkAECEnv(parallel_to_aec(Boxed(stag_hunt.parallel_env())), talk_rounds=rounds), num_cycles=50)


class Boxed(stag_hunt.StagHunt):
    """PettingZoo's api_test looks through one level of dict only, and the channel's is one already."""

    def __init__(self, env):
        super().__init__(env.rounds)
        self.observation_spaces = {agent: space["observation"] for agent, space in self.observation_spaces.items()}

    def _observations(self):
        return {agent: view["observation"] for agent, view in super()._observations().items()}


def test_turns_speak_then_act_and_answer_each_other(stones):
    env = TalkAECEnv(stones(), talk_rounds=1)
    env.reset()
    assert (env.agent_selection, env.phase) == ("player_0", "talk")
    env.step({"message": "I take one"})
    assert (env.agent_selection, env.phase) == ("player_0", "act")
    env.step({"action": 0})
    assert (env.agent_selection, env.phase, env.step_index) == ("player_1", "talk", 1)
    assert [message.text for message in env.inbox("player_1")] == ["I take one"]
    assert env.inbox("player_0") == ()
    env.step({"message": "so do I"})
    env.step({"action": 0})
    assert [message.text for message in env.inbox("player_0")] == ["so do I"]
    assert env.inbox("player_1") == ()
    assert env.observe("player_0")["phase"] == 0


def test_talking_changes_no_payoff(stones):
    def total(rounds):
        env = TalkAECEnv(stones(), talk_rounds=rounds)
        env.reset()
        sums = dict.fromkeys(env.possible_agents, 0.0)
        for agent in env.agent_iter():
            _, reward, terminated, _, _ = env.last()
            sums[agent] += reward
            env.step(None if terminated else {"action": 0, "message": ""})
        return sums, env.step_index

    assert total(0) == total(1) == total(3)


def test_masked_turns_stay_legal(stones):
    env = TalkAECEnv(stones(), talk_rounds=1)
    for seed in range(20):
        env.reset(seed=seed)
        for agent in env.agent_iter():
            *_, terminated, _, info = env.last()
            env.step(None if terminated else env.action_space(agent).sample(info["action_mask"]))
        assert env.unwrapped.left == 0
