from __future__ import annotations

import gymnasium as gym
import torch

from marl.learning.mixer import MixerModule

SPACE = gym.spaces.Discrete(1)
CONFIG = {"state": 3, "agents": 2, "width": 4, "seed": 5}


def module(**changes: int) -> MixerModule:
    return MixerModule(observation_space=SPACE, action_space=SPACE, model_config=CONFIG | changes)


def batch() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    present = torch.tensor([[True, True], [True, False]])
    return {"values": torch.randn(2, 2, requires_grad=True), "present": present, "state": torch.randn(2, 3)}


def test_the_absent_change_nothing_and_nobodys_growth_lowers_the_total() -> None:
    given = batch()
    module().forward_train(given)["values"].sum().backward()
    slope = given["values"].grad
    assert slope[1, 1] == 0.0
    assert (slope[given["present"]] > 0).all()


def test_its_weights_come_from_the_seed_alone() -> None:
    torch.manual_seed(1)
    one = module()
    torch.manual_seed(2)
    two, other = module(), module(seed=6)
    results = [each.forward_train(batch())["values"] for each in (one, two, other)]
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])
