from __future__ import annotations

from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from handmade import make_episode, make_message, make_turn

from marl.learning.critic import CriticModule, NetworkCritic, ValueScale
from marl.learning.features import CriticLayout, critic_columns, reading
from marl.types import Message

CENTRAL = CriticLayout(("x", "y"), 3, "everything")
OWN = CriticLayout(("x", "y"), 2, "own")


def critic(layout: CriticLayout, seed: int = 0, **changes: Any) -> CriticModule:
    space = gym.spaces.Discrete(1)
    config = {"agents": len(layout.agents), "vector": layout.vector, "width": 16, "seed": seed}
    config |= {"options": 0, "messages": True, "heads": "agent", "popart": True, **changes}
    return NetworkCritic(observation_space=space, action_space=space, model_config=config)


def value(
    module: CriticModule,
    layout: CriticLayout,
    *,
    agent: str = "x",
    messages: list[Message] | None = None,
    heard: tuple[int, ...] = (),
    state: float = 1.0,
    own: float = 1.0,
) -> float:
    said = tuple(range(len(messages or [])))
    turn = make_turn(
        0, agent, said=said, heard=heard, state=np.full(3, state, np.float32), features=np.full(2, own, np.float32)
    )
    columns = critic_columns(layout, [reading(layout, make_episode([turn], messages), turn)])
    return float(module.values_of({key: torch.as_tensor(column) for key, column in columns.items()}))


def test_the_order_of_messages_does_not_matter_and_their_sender_does() -> None:
    module = critic(CENTRAL)
    north, south = make_message("x", "north"), make_message("y", "south")
    assert value(module, CENTRAL, messages=[north, south]) == pytest.approx(
        value(module, CENTRAL, messages=[south, north]), abs=1e-6
    )
    swapped = [make_message("y", "north"), make_message("x", "south")]
    assert value(module, CENTRAL, messages=swapped) != pytest.approx(
        value(module, CENTRAL, messages=[north, south]), abs=1e-4
    )


def test_a_silent_agent_is_no_gap() -> None:
    module = critic(CENTRAL)
    alone = value(module, CENTRAL, messages=[make_message("y", "south")])
    assert alone == pytest.approx(
        value(module, CENTRAL, messages=[make_message("x", ""), make_message("y", "south")]), abs=1e-6
    )
    assert alone != pytest.approx(value(module, CENTRAL), abs=1e-4)


def test_what_another_agent_alone_knows_reaches_the_central_critic_only() -> None:
    """Another agent's private observation shows in the state and not in this agent's features."""
    central, own = critic(CENTRAL), critic(OWN)
    assert value(central, CENTRAL, state=1.0) != pytest.approx(value(central, CENTRAL, state=2.0), abs=1e-4)
    assert value(own, OWN, state=1.0) == value(own, OWN, state=2.0)
    assert value(own, OWN, own=1.0) != pytest.approx(value(own, OWN, own=2.0), abs=1e-4)


def test_a_message_that_was_not_heard_reaches_the_central_critic_only() -> None:
    central, own = critic(CENTRAL), critic(OWN)
    secret = [make_message("y", "north", hearers=("y",))]
    assert value(central, CENTRAL, messages=secret) != pytest.approx(value(central, CENTRAL), abs=1e-4)
    assert value(own, OWN, messages=secret) == value(own, OWN)


def test_each_agent_has_a_head_of_its_own() -> None:
    module = critic(CENTRAL)
    before = value(module, CENTRAL, agent="x"), value(module, CENTRAL, agent="y")
    with torch.no_grad():
        module.head.bias[1] += 5.0
    assert value(module, CENTRAL, agent="x") == before[0]
    assert value(module, CENTRAL, agent="y") == pytest.approx(before[1] + 5.0, abs=1e-5)


def test_the_seed_decides_the_weights_and_leaves_the_global_stream_alone() -> None:
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    one, two, other = critic(CENTRAL, 3), critic(CENTRAL, 3), critic(CENTRAL, 4)
    assert torch.equal(torch.rand(1), expected)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert not torch.equal(one.vector.weight, other.vector.weight)


def test_popart_moves_the_scale_and_keeps_the_values() -> None:
    module = critic(CENTRAL)
    before = value(module, CENTRAL, agent="x"), value(module, CENTRAL, agent="y")
    targets, agent = torch.tensor([90.0, 110.0, 100.0]), torch.tensor([0, 0, 0])
    module.scale.rescale(targets, agent, module.head)
    after = value(module, CENTRAL, agent="x"), value(module, CENTRAL, agent="y")
    assert after == pytest.approx(before, abs=1e-3)
    center, spread = module.scale.center_and_spread()
    assert center.tolist() == pytest.approx([100.0, 0.0], abs=1e-3)
    assert spread.tolist() == pytest.approx([targets.std(unbiased=False).item(), 1.0], abs=1e-2)
    normalized = module.normalized(targets, agent)
    assert float(normalized.mean()) == pytest.approx(0.0, abs=1e-3)


def test_the_first_batch_counts_fully_and_later_ones_move_the_average() -> None:
    scale, head = ValueScale(1, decay=0.9), torch.nn.Linear(1, 1)
    zero = torch.zeros(2, dtype=torch.long)
    scale.rescale(torch.tensor([1.0, 3.0]), zero, head)
    assert float(scale.center_and_spread()[0]) == pytest.approx(2.0)
    scale.rescale(torch.tensor([4.0, 4.0]), zero, head)
    assert float(scale.center_and_spread()[0]) == pytest.approx((0.9 * 0.1 * 2 + 0.1 * 4) / (0.9 * 0.1 + 0.1))


def test_constant_targets_give_a_finite_scale() -> None:
    scale, head = ValueScale(1), torch.nn.Linear(4, 1)
    scale.rescale(torch.full((8,), 5.0), torch.zeros(8, dtype=torch.long), head)
    center, spread = scale.center_and_spread()
    assert float(center) == pytest.approx(5.0)
    assert float(spread) > 0
    assert torch.isfinite(head.weight).all()


def test_a_shared_head_is_one_for_all_and_has_one_scale() -> None:
    module = critic(CENTRAL, heads="shared")
    before = value(module, CENTRAL, agent="x"), value(module, CENTRAL, agent="y")
    assert before[0] != pytest.approx(before[1], abs=1e-4), "it still reads who decides"
    with torch.no_grad():
        module.head.bias[0] += 5.0
    moved = value(module, CENTRAL, agent="x"), value(module, CENTRAL, agent="y")
    assert moved == pytest.approx((before[0] + 5.0, before[1] + 5.0), abs=1e-5)
    module.take_in(torch.tensor([0.0, 10.0]), torch.tensor([0, 1]))
    assert [part.tolist() for part in module.scale.center_and_spread()] == [[5.0], [5.0]]
    assert (value(module, CENTRAL, agent="x"), value(module, CENTRAL, agent="y")) == pytest.approx(moved, abs=1e-4)


def test_without_popart_the_scale_stays_one() -> None:
    module = critic(CENTRAL, popart=False)
    module.take_in(torch.tensor([90.0, 110.0]), torch.tensor([0, 1]))
    assert [part.tolist() for part in module.scale.center_and_spread()] == [[0.0, 0.0], [1.0, 1.0]]
    assert module.normalized(torch.tensor([90.0]), torch.tensor([0])).tolist() == [90.0]


def test_with_options_there_is_a_value_for_each_and_popart_keeps_them_all() -> None:
    module = critic(CENTRAL, options=3)
    turns = [make_turn(place, agent) for place, agent in enumerate("xyx")]
    columns = critic_columns(CENTRAL, [reading(CENTRAL, make_episode(turns), turn) for turn in turns])
    batch = {key: torch.as_tensor(column) for key, column in columns.items()}
    before = module.values_of(batch)
    assert before.shape == (3, 3)
    assert len(set(before[0].tolist())) == 3
    torch.testing.assert_close(before[0], before[2])
    module.take_in(torch.tensor([90.0, 110.0, -3.0, 5.0]), torch.tensor([0, 0, 1, 1]))
    torch.testing.assert_close(module.values_of(batch), before, atol=1e-4, rtol=0)
    torch.testing.assert_close(module.scale.center_and_spread()[0], torch.tensor([100.0, 1.0]))


def test_where_nobody_talks_there_is_no_place_for_messages() -> None:
    module = critic(CENTRAL, messages=False)
    assert module.messages is None
    assert value(module, CENTRAL, messages=[make_message("y", "south")]) == value(module, CENTRAL)
