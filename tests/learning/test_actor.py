"""What every actor offers the learner, whatever decides in it."""

from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from handmade import make_episode, make_turn
from ray.rllib.core.rl_module.multi_rl_module import MultiRLModuleSpec

from marl.learning.actor import ActorModule, recorded
from marl.learning.batch import CRITIC, column_batch, turn_columns
from marl.learning.config import MultiAgentConfig
from marl.learning.features import Columns, critic_layout
from marl.learning.language_actor import LanguageModelActor
from marl.learning.network_actor import NetworkActor
from marl.learning.task import Task
from marl.scenario import load_scenario
from marl.settings import Scenario

SPACE = gym.spaces.Discrete(1)
KINDS = {"network": NetworkActor, "language_model": LanguageModelActor}


def lewis(sender: str, receiver: str) -> Scenario:
    kinds = [f"policies.sender={{kind: {sender}}}", f"policies.receiver={{kind: {receiver}}}"]
    return load_scenario("lewis", kinds)


@pytest.fixture(params=list(KINDS))
def played(request: pytest.FixtureRequest) -> tuple[ActorModule[Any], Columns]:
    """The sender's actor, whose weights prefer something, and its columns of some episodes."""
    scenario = lewis(request.param, request.param)
    specs: MultiRLModuleSpec = MultiAgentConfig.for_scenario(scenario).get_multi_rl_module_spec()
    actors = {name: module for name, module in specs.build().items() if name != CRITIC}
    actor = actors["sender"]
    assert type(actor) is KINDS[request.param]
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in actor.parameters():
            parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    episodes = Task(tuple(range(12)), 5).play(scenario, {name: each.policy for name, each in actors.items()})
    return actor, column_batch(episodes, {"sender"}, critic_layout(scenario))["sender"]


def test_what_is_read_again_is_what_was_recorded(played: tuple[ActorModule[Any], Columns]) -> None:
    actor, columns = played
    old, mask = recorded(columns)
    result = actor.read(actor.rows(columns))
    assert torch.equal(result.mask, mask)
    torch.testing.assert_close(result.log_probs.detach(), old, atol=1e-5, rtol=0)
    assert result.log_probs.requires_grad


def test_the_table_is_the_whole_distribution(played: tuple[ActorModule[Any], Columns]) -> None:
    actor, columns = played
    result = actor.read(actor.rows(columns))
    table = result.table.detach()
    assert table.isfinite().sum(-1).tolist() == [4] * len(table), "four words, of which one is said"
    torch.testing.assert_close(table.exp().sum(-1), torch.ones(len(table)))
    chosen = table.gather(-1, torch.as_tensor(columns["choice"]).unsqueeze(-1))
    torch.testing.assert_close(chosen, result.log_probs.detach())
    probs = table.exp()
    entropy = -(probs * table.masked_fill(table.isinf(), 0.0)).sum(-1, keepdim=True)
    torch.testing.assert_close(result.entropy.detach(), entropy)
    result.table.masked_fill(result.table.isinf(), 0.0).sum().backward()
    assert any(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in actor.parameters())


def test_rows_can_be_taken_joined_and_cut_into_pieces(played: tuple[ActorModule[Any], Columns]) -> None:
    actor, columns = played
    rows = actor.rows(columns)
    whole = actor.read(rows).log_probs.detach()
    index = torch.tensor([3, 0, 3])
    torch.testing.assert_close(actor.read(actor.take(rows, index)).log_probs.detach(), whole[index])
    twice = actor.join([actor.take(rows, index), rows])
    assert len(twice) == 3 + len(rows)
    torch.testing.assert_close(actor.read(twice).log_probs.detach(), torch.cat([whole[index], whole]))
    pieces = actor.pieces(rows, 5)
    assert len(pieces) > 1
    assert sorted(torch.cat(pieces).tolist()) == list(range(len(rows)))


def test_the_state_makes_another_actor_the_same(played: tuple[ActorModule[Any], Columns]) -> None:
    actor, columns = played
    other = type(actor)(observation_space=SPACE, action_space=SPACE, model_config=dict(actor.model_config))
    rows = actor.rows(columns)
    before = other.read(rows).log_probs.detach()
    other.set_state(actor.get_state())
    assert torch.equal(other.read(rows).log_probs, actor.read(rows).log_probs)
    assert not torch.allclose(before, actor.read(rows).log_probs.detach())


def test_the_mask_marks_as_many_as_were_recorded() -> None:
    turns = [
        make_turn(0, "x", log_probs=(-1.0, -2.0), token_ids=(7, 0), option_ids=(), choice=None),
        make_turn(1, "x", log_probs=(-0.5,)),
    ]
    log_probs, mask = recorded(turn_columns([(i, turn, make_episode(turns)) for i, turn in enumerate(turns)]))
    np.testing.assert_allclose(log_probs, [[-1.0, -2.0], [-0.5, 0.0]])
    assert mask.tolist() == [[True, True], [True, False]]
