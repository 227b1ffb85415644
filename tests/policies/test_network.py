import numpy as np
import pytest
import torch
from scipy import stats

from marl.errors import ModelError, ScenarioError, StoreError
from marl.models.network import PolicyNetwork
from marl.policies import NetworkPolicy, build_policies
from marl.policies.network import draw
from marl.rollout import play
from marl.scenario import load_scenario, validate_scenario
from marl.testing import check_policy
from marl.types import Message, View


@pytest.fixture
def scenario():
    data = load_scenario("lewis").model_dump(mode="json")
    data["policies"] = {name: {"kind": "network", "hidden": [16]} for name in data["policies"]}
    return validate_scenario(data)


def sharpened(policy, seed=0):
    """Weights that prefer something."""
    with torch.no_grad():
        policy.network.head.weight.normal_(0.0, 2.0, generator=torch.Generator().manual_seed(seed))
    return policy


def views_of(scenario, number=6):
    """What the receiver is asked in the act phase, with different words heard."""
    policy = build_policies(scenario, seed=0)["receiver"]
    names = policy.encoding.alphabet.actions["receiver_0"]
    words = policy.encoding.alphabet.vocabulary
    space = policy.encoding.spaces["receiver_0"]
    return [
        View("receiver_0", "act", "Choose.", names[number % 2 :], 8, space.sample(), (said,), np.random.default_rng(n))
        for n in range(number)
        for said in [Message("sender_0", words[n % 4], words[n % 4], 0, 0, ("receiver_0",))]
    ]


def test_it_keeps_the_contract_on_views_that_it_can_answer(scenario):
    check_policy(sharpened(build_policies(scenario, seed=0)["receiver"]), views_of(scenario))


def test_recorded_log_probabilities_are_the_networks_over_the_given_options(scenario):
    policy = sharpened(build_policies(scenario, seed=0)["receiver"])
    for view, decision in zip(views_of(scenario), policy.decide(views_of(scenario)), strict=True):
        numbers = [ids[0] for ids in decision.option_ids]
        assert [policy.encoding.alphabet.actions["receiver_0"][number] for number in numbers] == list(view.options)
        assert decision.token_ids == decision.option_ids[decision.choice]
        logits = policy.network.head(policy.network.trunk(torch.from_numpy(decision.inputs))).detach()[numbers]
        expected = torch.log_softmax(logits, -1)[decision.choice]
        assert decision.log_probs[0] == pytest.approx(float(expected), abs=1e-5)


def test_draws_follow_the_distribution_and_never_leave_the_legal_set():
    probabilities = np.array([0.0, 0.1, 0.0, 0.6, 0.3, 0.0])
    with np.errstate(divide="ignore"):
        table = np.log(np.tile(probabilities, (20_000, 1))).astype(np.float32)
    picks = draw(table, np.random.default_rng(0).random(20_000))
    counts = np.bincount(picks, minlength=6)
    assert counts[[0, 2, 5]].tolist() == [0, 0, 0]
    assert stats.chisquare(counts[[1, 3, 4]], 20_000 * probabilities[[1, 3, 4]]).pvalue > 0.001
    assert draw(table[:3], np.array([0.0, 0.1, 1.0 - 2**-53])).tolist() == [1, 3, 4]


def test_greedy_takes_the_likeliest(scenario):
    policy = sharpened(build_policies(scenario, seed=0)["receiver"])
    policy.greedy = True
    for decision in policy.decide(views_of(scenario)):
        assert decision.log_probs[0] >= -np.log(len(decision.option_ids))


def test_free_text_is_refused(scenario):
    policy = build_policies(scenario, seed=0)["sender"]
    view = View("sender_0", "talk", "Say:", (), 8, None, (), np.random.default_rng(0))
    with pytest.raises(ScenarioError, match="free text"):
        policy.decide([view])


def test_weights_that_went_wrong_are_named(scenario):
    policy = build_policies(scenario, seed=0)["receiver"]
    with torch.no_grad():
        policy.network.head.bias[0] = float("nan")
    with pytest.raises(ModelError, match="'receiver' gives NaN"):
        policy.decide(views_of(scenario))


def test_the_seed_gives_each_policy_its_own_weights(scenario):
    one, two = build_policies(scenario, seed=0), build_policies(scenario, seed=0)
    assert isinstance(one["sender"], NetworkPolicy)
    assert one["sender"].trainable
    weights = [policies[name].network.trunk[0].weight for policies in (one, two) for name in ("sender", "receiver")]
    assert torch.equal(weights[0], weights[2])
    assert weights[0].shape != weights[1].shape or not torch.equal(weights[0], weights[1])
    other = build_policies(scenario, seed=1)["sender"]
    assert not torch.equal(weights[0], other.network.trunk[0].weight)


def test_what_is_exported_plays_the_same(scenario, tmp_path):
    policies = {name: sharpened(policy) for name, policy in build_policies(scenario, seed=0).items()}
    for name, policy in policies.items():
        policy.export(tmp_path / name)
    again = build_policies(scenario, seed=5, trained=tmp_path)
    one, two = play(scenario, policies, range(4), seed=3), play(scenario, again, range(4), seed=3)
    assert [[turn.text for turn in episode.turns] for episode in one] == [
        [turn.text for turn in episode.turns] for episode in two
    ]
    assert all(turn.inputs is not None for episode in one for turn in episode.turns)


def test_a_folder_of_another_shape_or_none_is_refused(scenario, tmp_path):
    with pytest.raises(StoreError, match="no trained policy 'sender'"):
        build_policies(scenario, seed=0, trained=tmp_path)
    for name in ("sender", "receiver"):
        PolicyNetwork(2, 2, [4], "relu", seed=0).save(tmp_path / name)
    with pytest.raises(ModelError, match="the scenario needs"):
        build_policies(scenario, seed=0, trained=tmp_path)
