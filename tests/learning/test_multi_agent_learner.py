from __future__ import annotations

import pytest
import torch

from marl.errors import LearningError
from marl.learning.learner import PolicyGradientLearner
from marl.learning.multi_agent_learner import MultiAgentLearner, checked, minibatch
from marl.learning.q_learner import QLearner


def test_a_loss_that_is_not_finite_is_named() -> None:
    assert checked("guest", torch.tensor(1.5)).item() == 1.5
    with pytest.raises(LearningError, match="the loss of module 'guest' is nan"):
        checked("guest", torch.tensor(float("nan")))


def test_a_minibatch_carries_columns_as_they_are() -> None:
    batch = minibatch({"guest": {"index": torch.arange(3)}})
    assert batch.env_steps() == 1
    assert batch.policy_batches["guest"]["index"].tolist() == [0, 1, 2]


def test_both_families_of_algorithms_share_it() -> None:
    assert issubclass(PolicyGradientLearner, MultiAgentLearner)
    assert issubclass(QLearner, MultiAgentLearner)
