import numpy as np
import pytest
import torch

from marl.errors import ScenarioError
from marl.policies import build_policies
from marl.policies.recurrent import RecurrentPolicy
from marl.policies.together import forget
from marl.rollout import play
from marl.scenario import load_scenario, validate_scenario
from marl.testing import check_policy
from marl.types import View


@pytest.fixture
def scenario():
    data = load_scenario("lewis").model_dump(mode="json")
    data["policies"] = {name: {"kind": "network", "hidden": [16], "recurrent": "gru"} for name in data["policies"]}
    data["channel"]["talk_rounds"] = 3
    return validate_scenario(data)


@pytest.fixture
def sender(scenario):
    policy = build_policies(scenario, seed=0)["sender"]
    with torch.no_grad():
        policy.network.head.weight.normal_(0.0, 2.0, generator=torch.Generator().manual_seed(0))
    return policy


def view(sender, meaning, episode, seed=0):
    agent = sender.encoding.seats[0]
    size = sender.encoding.spaces[agent]["observation"].shape[0]
    observation = {"observation": np.eye(size, dtype=np.float32)[meaning], "action_mask": np.ones(1, np.int8)}
    words = sender.encoding.alphabet.vocabulary
    return View(agent, "talk", "Speak.", words, 8, observation, (), np.random.default_rng(seed), episode)


def log_prob(sender, given):
    return sender.decide([given])[0].log_probs[0]


def test_it_keeps_the_contract(sender):
    check_policy(sender, [view(sender, meaning, None) for meaning in range(3)])


def test_what_was_read_before_counts_and_episodes_are_kept_apart(sender):
    assert isinstance(sender, RecurrentPolicy)
    sender.greedy = True
    first = log_prob(sender, view(sender, 0, episode=1))
    log_prob(sender, view(sender, 1, episode=2))
    again = log_prob(sender, view(sender, 0, episode=1))
    assert again != first, "it has read the same twice"
    assert log_prob(sender, view(sender, 0, episode=3)) == first, "another episode begins anew"
    log_prob(sender, view(sender, 1, episode=4))
    assert log_prob(sender, view(sender, 0, episode=4)) not in (first, again)


def test_states_are_those_of_the_network_step_by_step(sender):
    state = sender.network.empty(1)
    for meaning in (0, 2, 1):
        decision = sender.decide([view(sender, meaning, episode=5)])[0]
        hidden, state = sender.network.step(torch.from_numpy(decision.inputs)[None], state)
        legal = torch.from_numpy(sender.encoding.legal([[ids[0] for ids in decision.option_ids]]))
        table = sender.network.distribution(hidden, legal).detach()
        assert decision.log_probs[0] == pytest.approx(float(table[0, decision.token_ids[0]]), abs=1e-6)


def test_a_state_goes_with_its_episode(sender, scenario):
    sender.decide([view(sender, 0, episode=1), view(sender, 0, episode=2)])
    agent = sender.encoding.seats[0]
    assert sender.remembers == {(1, agent), (2, agent)}
    forget([sender], [(1, agent), (7, agent)])
    assert sender.remembers == {(2, agent)}
    policies = build_policies(scenario, seed=0)
    once = play(scenario, policies, range(4), seed=3)
    assert not any(policy.remembers for policy in policies.values())
    twice = play(scenario, policies, range(4), seed=3)
    assert [[t.log_probs for t in e.turns] for e in once] == [[t.log_probs for t in e.turns] for e in twice]


def test_outside_of_episodes_nothing_is_kept(sender):
    one = log_prob(sender, view(sender, 0, episode=None))
    assert log_prob(sender, view(sender, 0, episode=None)) == one
    assert not sender.remembers


def test_copies_that_do_not_decide_do_not_read(sender):
    read = sender.reader(2)
    inputs = np.random.default_rng(0).normal(size=(3, 2, sender.encoding.inputs)).astype(np.float32)
    legal = np.ones((2, sender.encoding.outputs), bool)
    read(inputs[0], legal, np.array([True, True]))
    read(inputs[1], legal, np.array([True, False]))
    table = read(inputs[2], legal, np.array([True, True]))
    for copy, seen in ((0, [0, 1, 2]), (1, [0, 2])):
        hidden = sender.network.sequences(torch.from_numpy(inputs[seen, copy])[None])[0, -1:]
        expected = sender.network.distribution(hidden, torch.from_numpy(legal[:1])).detach()
        np.testing.assert_allclose(table[copy], expected[0], atol=1e-6)


def test_a_single_view_has_no_distribution(sender):
    with pytest.raises(ScenarioError, match=r"remembers.*leave evaluation\.exact out"):
        sender.distributions([view(sender, 0, None)])


def test_values_are_not_learned_with_a_memory(scenario):
    data = scenario.model_dump(mode="json") | {"training": {"algorithm": "dqn"}}
    with pytest.raises(ScenarioError, match=r"dqn learns from single transitions.*sender.*take one of reinforce, ippo"):
        validate_scenario(data)
