"""Gradients in pieces, together and checkpointed are the gradients of the plain whole minibatch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
from torch import Tensor

from marl.learning.actor import ActorModule
from marl.learning.algorithm import MultiAgentAlgorithm
from marl.learning.batch import column_batch
from marl.learning.config import MultiAgentConfig
from marl.learning.gradients import Shares, accumulate
from marl.learning.learner import ITERATION, PolicyGradientLearner
from marl.learning.task import Task
from marl.settings import Scenario

LORA = {"rank": 4, "alpha": 8}
Build = Callable[..., MultiAgentAlgorithm]


@pytest.fixture
def build(make_scenario: Callable[..., Scenario]) -> Iterator[Build]:
    """(settings of both policies, training...) -> two policies of the nano model that talk and act."""
    made: list[MultiAgentAlgorithm] = []

    def make(policy: dict[str, Any], **training: Any) -> MultiAgentAlgorithm:
        scenario = make_scenario(2, talk_rounds=1, training=training, policies={"one": policy, "two": policy})
        made.append(MultiAgentAlgorithm(MultiAgentConfig.for_scenario(scenario)))
        return made[-1]

    yield make
    for algorithm in made:
        algorithm.stop()


def prepared(algorithm: MultiAgentAlgorithm) -> tuple[PolicyGradientLearner, dict[str, dict[str, Tensor]]]:
    """The learner, and all turns of an iteration as one minibatch. The weights differ from acting's."""
    episodes = algorithm.play(Task(tuple(range(8)), 5))
    columns = column_batch(episodes, {"one", "two"}, algorithm.config.layout)
    learner = algorithm.learner
    learner.before_gradient_based_update(timesteps={ITERATION: 0})
    critic = {key: torch.as_tensor(value) for key, value in columns.pop("critic").items()}
    learner._take_in(columns)
    advantages = learner._estimate(critic)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for actor in learner._actors().values():
            for parameter in actor.parameters():
                parameter.add_(0.02 * torch.randn(parameter.shape, generator=generator))
    return learner, {name: learner._actor_tensors(name, own, advantages) for name, own in columns.items()}


def gradients(
    learner: PolicyGradientLearner, minibatch: dict[str, dict[str, Tensor]], tokens: int
) -> tuple[list[Tensor], int]:
    """The gradient of every parameter that has one, and how many passes it took."""
    actors, passes = learner._actors(), []
    for actor in actors.values():
        actor.zero_grad()

    def backward(actor: ActorModule, loss: Tensor) -> None:
        passes.append(actor)
        loss.backward()

    accumulate(actors, minibatch, learner._rows, learner._actor_loss, tokens=tokens, backward=backward)
    found = [p.grad.clone() for actor in actors.values() for p in actor.parameters() if p.grad is not None]
    return found, len(passes)


def assert_close(one: list[Tensor], two: list[Tensor]) -> None:
    assert len(one) == len(two) > 0
    largest = max(float(gradient.abs().max()) for gradient in one)
    assert largest > 1e-4
    assert max(float((a - b).abs().max()) for a, b in zip(one, two, strict=True)) < 1e-4 * largest


@pytest.mark.parametrize("policy", [{}, {"lora": LORA}], ids=["whole", "lora"])
def test_pieces_add_up_to_the_whole(build: Build, policy: dict[str, Any]) -> None:
    learner, minibatch = prepared(build(policy, action_entropy=(0.3, 0.0), message_entropy=(0.2, 0.0)))
    whole, few = gradients(learner, minibatch, tokens=100_000)
    pieces, many = gradients(learner, minibatch, tokens=60)
    assert few == (1 if policy else 2), "adapters of one base go through it together"
    assert many >= 4 * few
    assert_close(whole, pieces)


def test_together_is_one_by_one(build: Build) -> None:
    learner, minibatch = prepared(build({"lora": LORA}))
    together, _ = gradients(learner, minibatch, tokens=100_000)
    apart = [g for name, part in minibatch.items() for g in gradients(learner, {name: part}, tokens=100_000)[0]]
    assert_close(together, apart)


def test_checkpointing_changes_no_gradient(build: Build) -> None:
    learner, minibatch = prepared(build({"lora": LORA}, gradient_checkpointing=True))
    given, _ = gradients(learner, minibatch, tokens=400)
    for actor in learner._actors().values():
        assert actor.checkpointing
        actor.checkpointing = False
    assert_close(given, gradients(learner, minibatch, tokens=400)[0])


@pytest.mark.parametrize("tokens", [60, 100_000])
def test_what_is_logged_does_not_depend_on_the_pieces(build: Build, tokens: int) -> None:
    learner, minibatch = prepared(build({}))
    whole, pieces = ({}, {})
    for row, budget in ((whole, 100_000), (pieces, tokens)):
        learner._sums.clear()
        gradients(learner, minibatch, tokens=budget)
        row |= learner.report()
    assert {"losses/policy_loss", "losses/entropy_action", "losses/entropy_message"} <= set(whole)
    assert pieces["losses/policy_loss"] == pytest.approx(whole["losses/policy_loss"], abs=1e-5)
    assert pieces["losses/entropy_action"] == pytest.approx(whole["losses/entropy_action"], rel=1e-4)
    assert pieces["losses/entropy_message"] == pytest.approx(whole["losses/entropy_message"], rel=1e-4)


def test_shares_of_parts_add_up_to_one() -> None:
    whole = torch.tensor([True, False, False, True, True])
    one, two = Shares.of(whole[:2], whole), Shares.of(whole[2:], whole)
    assert (one.turns, one.act, one.talk) == pytest.approx((2 / 5, 1 / 2, 1 / 3))
    assert (one.turns + two.turns, one.act + two.act, one.talk + two.talk) == pytest.approx((1, 1, 1))
    assert Shares.of(whole[:1], whole[:1]) == Shares(1.0, 0.0, 1.0)
