"""Value-based actors: Q values of the options of recorded turns, by a small network or a language model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from marl.learning.actor import ActorModule
from marl.learning.exploration import Exploration
from marl.learning.language_actor import LanguageModelActor
from marl.learning.network_actor import NetworkActor
from marl.learning.replay import Rows
from marl.policies.q_language_model import QLanguageModelPolicy, with_values
from marl.policies.q_network import QNetworkPolicy
from marl.training_settings import QSettings
from marl.types import Turn


class QActor(ActorModule[Any]):
    """What Q learning asks of an actor. Its `exploration` is part of its state, so that it goes wherever weights go.

    model_config has, beside what the actor itself needs, `q`: QSettings as plain data.
    """

    policy: QNetworkPolicy | QLanguageModelPolicy
    exploration: Exploration

    def explore(self, on: bool) -> None:
        """Explore from now on, or take the best option always."""
        self.policy.explore = self.exploration if on else None

    @abstractmethod
    def situations(self, turns: Sequence[Turn | None]) -> Rows:
        """What was read and could be done at T turns, as columns that a replay buffer keeps; None: nobody is there."""

    @abstractmethod
    def choices(self, turns: Sequence[Turn | None]) -> np.ndarray:
        """[T] int64: the place of what was done among the values of `values`, 0 where nobody is there."""

    @abstractmethod
    def values(self, situations: Rows) -> tuple[Tensor, Tensor]:
        """Q values [T, A] and the legal options [T, A], with gradient; none is legal where nobody is there."""

    @abstractmethod
    def count(self, turns: Sequence[Turn]) -> None:
        """Let exploration know that these turns were taken."""


class QNetworkActor(NetworkActor, QActor):
    """A `QNetworkPolicy` that learns."""

    policy: QNetworkPolicy
    kind = QNetworkPolicy

    def setup(self) -> None:
        """Build the network and its exploration."""
        settings = QSettings.model_validate(self.model_config["q"])
        super().setup()
        self.exploration = Exploration(settings)

    def situations(self, turns: Sequence[Turn | None]) -> Rows:
        """`inputs` [T, F] float32 and `legal` [T, A] bool."""
        encoding = self.policy.encoding
        inputs, legal = (
            np.zeros((len(turns), encoding.inputs), np.float32),
            np.zeros((len(turns), encoding.outputs), bool),
        )
        for row, turn in enumerate(turns):
            if turn is not None:
                inputs[row] = turn.inputs
                legal[row, [ids[0] for ids in turn.option_ids]] = True
        return {"inputs": inputs, "legal": legal}

    def choices(self, turns: Sequence[Turn | None]) -> np.ndarray:
        """The outputs' numbers."""
        return np.array([0 if turn is None else turn.token_ids[0] for turn in turns], np.int64)

    def values(self, situations: Rows) -> tuple[Tensor, Tensor]:
        """One pass of the network."""
        device = self.network.head.weight.device
        q = self.network.values(torch.as_tensor(situations["inputs"]).to(device))
        return q, torch.as_tensor(situations["legal"]).to(device)

    def count(self, turns: Sequence[Turn]) -> None:
        """By inputs and the output's number."""
        self.exploration.count([turn.inputs for turn in turns], [turn.token_ids for turn in turns])


class QLanguageModelActor(LanguageModelActor, QActor):
    """A `QLanguageModelPolicy` that learns: the network, or its adapter, and the head."""

    policy: QLanguageModelPolicy

    def setup(self) -> None:
        """Load the language model; the head's initial weights come from `seed` alone."""
        settings, seed = QSettings.model_validate(self.model_config["q"]), int(self.model_config["seed"])
        super().setup()
        self.policy = with_values(self.policy, seed=seed)
        self.head = self.policy.head
        self.exploration = Exploration(settings)

    def situations(self, turns: Sequence[Turn | None]) -> Rows:
        """`prompt` and `options`: lists of T tuples of token ids, and of tuples of such."""
        return {
            "prompt": [() if turn is None else turn.prompt_ids for turn in turns],
            "options": [() if turn is None else turn.option_ids for turn in turns],
        }

    def choices(self, turns: Sequence[Turn | None]) -> np.ndarray:
        """The options' places in the turn's own list."""
        return np.array([0 if turn is None else turn.choice or 0 for turn in turns], np.int64)

    def values(self, situations: Rows) -> tuple[Tensor, Tensor]:
        """One pass of the model over what was read, each shared beginning once."""
        prompts, options = situations["prompt"], situations["options"]
        there = [row for row, given in enumerate(options) if given]
        if not there:
            weight = self.head.weight
            return weight.new_zeros(len(options), 1), torch.zeros(
                len(options), 1, dtype=torch.bool, device=weight.device
            )
        q, legal = self.policy.values(
            [prompts[row] for row in there],
            [options[row] for row in there],
            checkpointing=self.checkpointing and torch.is_grad_enabled(),
        )
        shape, where = (len(options), q.shape[1]), torch.tensor(there, device=q.device)
        return q.new_zeros(shape).index_copy(0, where, q), legal.new_zeros(shape).index_copy(0, where, legal)

    def count(self, turns: Sequence[Turn]) -> None:
        """By the prompt's and the option's token ids."""
        self.exploration.count([turn.prompt_ids for turn in turns], [turn.token_ids for turn in turns])
