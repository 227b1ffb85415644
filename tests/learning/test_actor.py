from __future__ import annotations

import gymnasium as gym
import numpy as np
import torch
from handmade import make_episode, make_turn

from marl.learning.actor import ActorModule, recorded, rows_of
from marl.learning.batch import turn_columns
from marl.models import Row

SPACE = gym.spaces.Discrete(1)


def actor(temperature: float = 1.0) -> ActorModule:
    config = {"model": "nano", "temperature": temperature, "seed": 0}
    return ActorModule(observation_space=SPACE, action_space=SPACE, model_config=config)


def test_rows_survive_the_columns() -> None:
    turns = [
        make_turn(
            0, "x", phase="talk", choice=None, option_ids=(), prompt_ids=(3,), token_ids=(7, 0), log_probs=(-1.0, -2.0)
        ),
        make_turn(1, "x", choice=1, option_ids=((4,), (0, 6), (8, 9, 1)), token_ids=(0, 6), log_probs=(-0.5,)),
    ]
    columns = turn_columns([(i, turn, make_episode(turns)) for i, turn in enumerate(turns)])
    assert rows_of(columns) == [
        Row((3,), (7, 0), (), None),
        Row((1, 2, 3), (0, 6), ((4,), (0, 6), (8, 9, 1)), 1),
    ]
    log_probs, mask = recorded(columns)
    np.testing.assert_allclose(log_probs, [[-1.0, -2.0], [-0.5, 0.0]])
    assert mask.tolist() == [[True, True], [True, False]]


def test_training_mode_leaves_the_network_in_evaluation_mode() -> None:
    module = actor()
    module.train()
    assert module.training
    assert not module.network.training


def test_the_forward_pass_is_the_models_own_at_the_policys_temperature() -> None:
    module = actor(temperature=0.5)
    prompt = module.model.encode_prompt("Choose: red, green\nAnswer:")
    options = tuple(map(module.model.encode_reply, ("red", "green")))
    out = module.forward_train({"rows": [Row(prompt, options[0], options, 0)]})
    expected = module.model.choose([prompt], [options], temperature=0.5)[0][0]
    assert abs(float(out["log_probs"].detach()[0, 0]) - expected) < 1e-5
    out["log_probs"].sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in module.parameters())


def test_the_state_holds_every_weight_of_the_network() -> None:
    one, two = actor(), actor()
    with torch.no_grad():
        for parameter in one.network.parameters():
            parameter.add_(0.01)
    two.set_state(one.get_state())
    assert all(torch.equal(a, b) for a, b in zip(one.network.parameters(), two.network.parameters(), strict=True))
