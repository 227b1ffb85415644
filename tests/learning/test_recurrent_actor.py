"""Whole sequences through the recurrent actor against a loop over plain torch, step by step."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
import pytest
import torch
from torch import Tensor, nn

from marl.learning.actor import read_all
from marl.learning.gradients import accumulate
from marl.learning.recurrent_actor import RecurrentActor, SequenceRows, places
from marl.scenario import load_scenario

SPACE = gym.spaces.Discrete(1)
LENGTHS = (3, 1, 4)


def actor() -> RecurrentActor:
    scenario = load_scenario("lewis", ["policies.sender={kind: network, hidden: [6], recurrent: gru}"])
    settings = scenario.policies["sender"].model_dump(mode="json")
    config = {"name": "sender", "settings": settings, "scenario": scenario.model_dump(mode="json"), "seed": 3}
    module = RecurrentActor(observation_space=SPACE, action_space=SPACE, model_config=config)
    with torch.no_grad():
        module.network.head.weight.normal_(generator=torch.Generator().manual_seed(0))
    return module


def columns(module: RecurrentActor) -> dict[str, np.ndarray]:
    """Turns of three sequences, shuffled; ids have gaps, as where others have turns between them."""
    rng, encoding = np.random.default_rng(0), module.policy.encoding
    episode = np.repeat([4, 4, 9], LENGTHS)
    agent = np.repeat([0, 1, 0], LENGTHS)
    turn = np.concatenate([3 * np.arange(length) + 1 for length in LENGTHS])
    order = rng.permutation(sum(LENGTHS))
    legal = rng.random((len(order), encoding.outputs)) < 0.6
    legal[:, -2:] = True
    return {
        "inputs": rng.normal(size=(len(order), encoding.inputs)).astype(np.float32),
        "legal": legal,
        "choice": np.array([rng.choice(np.flatnonzero(row)) for row in legal]),
        "episode": episode[order],
        "agent": agent[order],
        "turn": turn[order],
    }


def plain(module: RecurrentActor, given: dict[str, np.ndarray]) -> tuple[list[Tensor], nn.Module]:
    """log pi of each row by a GRU cell with the actor's weights, and the modules of it."""
    network = module.policy.network
    cell = nn.GRUCell(6, 6)
    cell.load_state_dict({name.removesuffix("_l0"): value for name, value in network.memory.state_dict().items()})
    layer, head = nn.Linear(module.policy.encoding.inputs, 6), nn.Linear(6, module.policy.encoding.outputs)
    layer.load_state_dict(network.trunk[0].state_dict())
    head.load_state_dict(network.head.state_dict())
    found: dict[int, Tensor] = {}
    for key in {(e, a) for e, a in zip(given["episode"], given["agent"], strict=True)}:
        mine = [i for i in range(sum(LENGTHS)) if (given["episode"][i], given["agent"][i]) == key]
        state = torch.zeros(1, 6)
        for row in sorted(mine, key=lambda i: given["turn"][i]):
            state = cell(torch.relu(layer(torch.from_numpy(given["inputs"][row : row + 1]))), state)
            logits = head(state)[0].masked_fill(~torch.from_numpy(given["legal"][row]), -torch.inf)
            found[row] = logits.log_softmax(-1)[given["choice"][row]]
    return [found[row] for row in range(sum(LENGTHS))], nn.ModuleDict({"layer": layer, "cell": cell, "head": head})


def test_places_are_by_turn_id() -> None:
    sequence, place = places(np.array([5, 2, 5, 5, 2]), np.array([0, 1, 0, 1, 1]), np.array([8, 3, 2, 5, 0]))
    assert sequence.tolist() == [1, 0, 1, 2, 0]
    assert place.tolist() == [1, 1, 0, 0, 0]


@pytest.mark.parametrize("tokens", [1, 5, 100])
def test_gradients_are_those_of_a_plain_loop_step_by_step(tokens: int) -> None:
    module = actor()
    given = columns(module)
    weight = torch.from_numpy(np.random.default_rng(1).normal(size=sum(LENGTHS)).astype(np.float32))
    expected, parts = plain(module, given)
    (torch.stack(expected) * weight).sum().backward()
    minibatch = {"sender": {"talk": torch.zeros(sum(LENGTHS), dtype=torch.bool), "weight": weight}}

    def loss(name, part, now, shares):  # type: ignore[no-untyped-def]
        return (now.log_probs[:, 0] * part["weight"]).sum()

    rows = module.rows(given)
    accumulate({"sender": module}, minibatch, {"sender": rows}, loss, tokens=tokens)
    own = {name: parameter.grad for name, parameter in module.policy.network.named_parameters()}
    for name, theirs in parts.named_parameters():
        part, _, kind = name.partition(".")
        mine = own[{"layer": f"trunk.0.{kind}", "cell": f"memory.{kind}_l0", "head": f"head.{kind}"}[part]]
        torch.testing.assert_close(mine, theirs.grad, atol=1e-6, rtol=1e-5)
    result = read_all(module, rows, tokens)
    torch.testing.assert_close(result.log_probs[:, 0], torch.stack(expected).detach(), atol=1e-6, rtol=0)


def test_minibatches_are_whole_sequences_and_hold_each_row_once() -> None:
    module = actor()
    rows = module.rows(columns(module))
    parts = module.minibatches(rows, 2, np.random.default_rng(0))
    assert sorted(np.concatenate(parts).tolist()) == list(range(sum(LENGTHS)))
    held = [set(rows.sequence[torch.from_numpy(part)].tolist()) for part in parts]
    assert held[0].isdisjoint(held[1])
    assert sorted(map(len, held)) == [1, 2]
    many = module.minibatches(rows, 5, np.random.default_rng(0))
    assert sorted(map(len, many)) == [0, 0, *sorted(LENGTHS)]
    orders = {tuple(np.concatenate(module.minibatches(rows, 2, np.random.default_rng(s))).tolist()) for s in range(9)}
    assert len(orders) > 1


def test_some_rows_of_a_sequence_are_read_with_all_that_came_before_them() -> None:
    module = actor()
    rows = module.rows(columns(module))
    whole = module.read(rows).log_probs
    some = torch.tensor([6, 1, 4])
    torch.testing.assert_close(module.read(module.take(rows, some)).log_probs, whole[some], atol=1e-6, rtol=0)


def test_joined_rows_of_different_lengths_stay_apart() -> None:
    module = actor()
    rows = module.rows(columns(module))
    short = SequenceRows(rows.inputs[:, :1], rows.sequence, rows.place * 0, rows.legal, rows.choice)
    joined = module.join([rows, short])
    assert joined.sequence.max() == 5
    both = torch.cat([module.read(rows).log_probs, module.read(short).log_probs])
    torch.testing.assert_close(module.read(joined).log_probs, both, atol=1e-6, rtol=0)
