from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from marl.errors import ModelError
from marl.policies import build_policies
from marl.policies.q_network import QNetworkPolicy, behavior
from marl.scenario import load_scenario
from marl.testing import check_policy
from marl.types import View


@pytest.fixture
def policy() -> QNetworkPolicy:
    scenario = load_scenario("two_step", ["policies.first={kind: network, hidden: [8]}", "training.algorithm=dqn"])
    return build_policies(scenario, seed=0)["first"]


def view(policy: QNetworkPolicy, *options: str) -> View:
    seen = {"observation": np.eye(4, dtype=np.float32)[0], "action_mask": np.ones(2, np.int8)}
    return View("player_0", "act", "", options, 8, seen, (), np.random.default_rng(0))


def test_it_takes_the_largest_value_among_the_legal(policy: QNetworkPolicy) -> None:
    with torch.no_grad():
        policy.network.head.weight.zero_()
        policy.network.head.bias.copy_(torch.tensor([1.0, 2.0]))
    both, one = policy.decide([view(policy, "a", "b"), view(policy, "a")])
    assert (both.text, both.choice, both.log_probs) == ("b", 1, (0.0,))
    assert one.text == "a"
    check_policy(policy, [view(policy, "a", "b"), view(policy, "b", "a")])


def test_while_it_explores_it_draws_from_what_it_is_given(policy: QNetworkPolicy) -> None:
    policy.explore = lambda q, legal, read, options: torch.tensor([[0.25, 0.75]]).log().expand(len(q), 2)
    views = [replace(view(policy, "a", "b"), rng=np.random.default_rng(number)) for number in range(400)]
    decisions = policy.decide(views)
    assert np.mean([decision.text == "b" for decision in decisions]) == pytest.approx(0.75, abs=0.07)
    assert {round(float(np.exp(decision.log_probs[0])), 6) for decision in decisions} == {0.25, 0.75}
    policy.greedy = True
    assert {decision.log_probs for decision in policy.decide(views)} == {(0.0,)}


def test_what_it_explores_by_are_its_inputs_and_its_outputs_numbers(policy: QNetworkPolicy) -> None:
    asked = []
    policy.explore = lambda q, legal, read, options: (asked.append((read, options)), torch.zeros_like(q))[1]
    (decision,) = policy.decide([view(policy, "a", "b")])
    assert asked[0][0][0].tolist() == decision.inputs.tolist()
    assert asked[0][1] == [[(0,), (1,)]]


def test_nan_is_refused(policy: QNetworkPolicy) -> None:
    with torch.no_grad():
        policy.network.head.bias[0] = float("nan")
    with pytest.raises(ModelError, match="gives NaN"):
        policy.decide([view(policy, "a", "b")])


def test_equal_values_give_the_first() -> None:
    table = behavior(torch.tensor([[5.0, 1.0, 1.0]]), torch.tensor([[False, True, True]]), None, [0], [[0, 1, 2]])
    assert np.exp(table).tolist() == [[0, 1, 0]]
