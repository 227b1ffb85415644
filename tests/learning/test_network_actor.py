from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch

from marl.learning.network_actor import NetworkActor, NetworkRows
from marl.policies import build_policies
from marl.policies.build import model_seed
from marl.scenario import load_scenario

SPACE = gym.spaces.Discrete(1)


def actor() -> NetworkActor:
    scenario = load_scenario("lewis", ["policies.sender={kind: network}"])
    config = {
        "name": "sender",
        "settings": scenario.policies["sender"].model_dump(mode="json"),
        "scenario": scenario.model_dump(mode="json"),
        "seed": model_seed(0, "sender"),
    }
    return NetworkActor(observation_space=SPACE, action_space=SPACE, model_config=config)


def test_it_begins_as_the_untrained_control_does() -> None:
    scenario = load_scenario("lewis", ["policies.sender={kind: network}"])
    control = build_policies(scenario, seed=0)["sender"].network
    own = dict(actor().network.named_parameters())
    assert all(torch.equal(parameter, own[name]) for name, parameter in control.named_parameters())


def test_its_parameters_are_the_networks() -> None:
    module = actor()
    assert {id(p) for p in module.parameters()} == {id(p) for p in module.policy.network.parameters()}
    assert module.pass_key() != actor().pass_key()


def test_outputs_that_were_legal_nowhere_are_added_again() -> None:
    module = actor()
    inputs = np.zeros((2, module.policy.encoding.inputs), np.float32)
    columns = {"inputs": inputs, "legal": np.array([[True, True], [False, True]]), "choice": np.array([0, 1])}
    rows = module.rows(columns)
    assert rows.legal.shape == (2, module.policy.encoding.outputs)
    assert not rows.legal[:, 2:].any()
    result = module.read(rows)
    assert float(result.log_probs[1].detach()) == 0.0
    assert result.entropy.detach()[1].tolist() == [0.0]


def test_a_forced_move_gives_no_gradient_and_no_nan() -> None:
    module = actor()
    legal = torch.zeros(1, module.policy.encoding.outputs, dtype=torch.bool)
    legal[0, 2] = True
    result = module.read(NetworkRows(torch.ones(1, module.policy.encoding.inputs), legal, torch.tensor([2])))
    (result.entropy.sum() + result.log_probs.sum()).backward()
    assert all(float(p.grad.abs().sum()) == 0.0 for p in module.parameters())
