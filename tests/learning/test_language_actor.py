from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from handmade import make_episode, make_turn
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from marl.errors import LearningError
from marl.learning.actor import BASES, Modules, recorded
from marl.learning.batch import turn_columns
from marl.learning.language_actor import LanguageModelActor, rows_of
from marl.models import Row

SPACE = gym.spaces.Discrete(1)


def config(name: str = "guest", **settings: Any) -> dict[str, Any]:
    return {"name": name, "settings": {"kind": "language_model", **settings}, "seed": 0, "checkpointing": False}


def actor(**settings: Any) -> LanguageModelActor:
    return LanguageModelActor(observation_space=SPACE, action_space=SPACE, model_config=config(**settings))


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


LORA = {"rank": 4, "alpha": 8}


def rows(module: LanguageModelActor, adapter: str | None = None) -> list[Row]:
    prompt = module.model.encode_prompt("Choose: red, green\nAnswer:")
    options = tuple(map(module.model.encode_reply, ("red", "green")))
    return [Row(prompt, options[0], options, 0, adapter), Row(prompt, options[1], (), None, adapter)]


def moved(module: LanguageModelActor) -> LanguageModelActor:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn(parameter.shape, generator=generator))
    return module


def test_with_lora_the_module_is_the_adapter_alone() -> None:
    module = actor(lora=LORA)
    own = {id(parameter) for parameter in module.parameters()}
    assert own == {id(parameter) for parameter in module.model.adapter_parameters("guest").values()}
    assert all(parameter.requires_grad for parameter in module.parameters())
    state = module.get_state()
    whole = sum(p.numel() * 4 for p in module.model.network.parameters() if not p.requires_grad)
    shapes = [(layer.in_features + layer.out_features) * 4 for layer in lora_layers(module)]
    assert sum(value.nbytes for value in state.values()) == 4 * sum(shapes) < whole / 5


def lora_layers(module: LanguageModelActor) -> list[Any]:
    from peft.tuners.lora import LoraLayer

    return [layer for layer in module.model.network.modules() if isinstance(layer, LoraLayer)]


def test_the_state_of_an_adapter_makes_another_actor_the_same() -> None:
    one, two = moved(actor(lora=LORA)), actor(lora=LORA)
    before = two.read(rows(two, "guest")).log_probs
    two.set_state(one.get_state())
    assert torch.equal(one.read(rows(one, "guest")).log_probs, two.read(rows(two, "guest")).log_probs)
    assert not torch.equal(before, two.read(rows(two, "guest")).log_probs)


def test_actors_with_lora_share_their_base_and_whole_ones_do_not() -> None:
    names = {"first": LORA, "second": LORA, "whole": None, "other": None}
    specs = {
        name: RLModuleSpec(LanguageModelActor, SPACE, SPACE, model_config=config(name, lora=lora))
        for name, lora in names.items()
    }
    module = MultiRLModuleSpec(multi_rl_module_class=Modules, rl_module_specs=specs).build()
    first, second, whole, other = (module[name] for name in names)
    assert first.model is second.model
    assert first.model.adapters == ("first", "second")
    assert len({id(each.model) for each in (first, whole, other)}) == 3
    assert not {id(p) for p in first.parameters()} & {id(p) for p in second.parameters()}
    assert first.pass_key() == second.pass_key() != whole.pass_key()
    assert BASES not in first.model_config
    assert BASES not in module.rl_module_specs["first"].model_config


def test_the_reference_is_the_base_with_adapters_off() -> None:
    module = moved(actor(lora=LORA, temperature=0.5))
    reference = module.read_reference(rows(module, "guest"))
    assert not reference.log_probs.requires_grad
    base = actor(temperature=0.5)
    with torch.no_grad():  # as the reference is read
        expected = base.read(rows(base)).log_probs
    torch.testing.assert_close(reference.log_probs, expected, rtol=0, atol=1e-6)
    assert float((module.read(rows(module, "guest")).log_probs - expected).detach().abs().max()) > 1e-2
    with pytest.raises(LearningError, match="set lora"):
        base.read_reference(rows(base))


def test_moving_an_adapter_moves_its_base() -> None:
    module = actor(lora=LORA)
    module.to(torch.float64)
    assert {parameter.dtype for parameter in module.model.network.parameters()} == {torch.float64}
    assert module.read(rows(module, "guest")).log_probs.dtype == torch.float64


def test_scoring_and_constraint_hold_in_training() -> None:
    words = {"kind": "words", "texts": ["red", "green"]}
    module = actor(scoring="sum", constraint=words)
    plain = actor()
    one, two = module.read(rows(module)).log_probs.detach(), plain.read(rows(plain)).log_probs.detach()
    assert abs(float(one[1, 0] - two[1, 0])) > 1e-3, "under the constraint fewer tokens share the probability"
    expected = module.model.choose([rows(module)[0].prompt_ids], [rows(module)[0].option_ids], scoring="sum")[0][0]
    assert abs(float(one[0, 0]) - expected) < 1e-5
