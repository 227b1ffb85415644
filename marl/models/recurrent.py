"""A small network that remembers: it reads a history step by step, so that a distribution depends on all of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from marl.models.network import Activation, PolicyNetwork
from marl.seeding import seed_of

Cell = Literal["gru"]


class RecurrentNetwork(PolicyNetwork):
    """log pi(output | all inputs of the history so far): a `PolicyNetwork` with a recurrent layer before its head.

    A history is the state [H] that `step` carries from one of its moments to the next, zeros at the beginning; H is the
    width of the last hidden layer. The layer is a GRU (Cho et al., "Learning phrase representations using RNN
    encoder-decoder", 2014), each gate's weights orthogonal, biases 0. `forward` reads T histories of one moment each.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: Sequence[int],
        activation: Activation,
        recurrent: Cell,
        *,
        seed: int,
    ) -> None:
        super().__init__(inputs, outputs, hidden, activation, seed=seed)
        self.shape["recurrent"] = recurrent
        self.width = hidden[-1]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(seed, "memory"))
            self.memory = nn.GRU(self.width, self.width, batch_first=True)
            for name, parameter in self.memory.named_parameters():
                if name.startswith("weight"):
                    for gate in parameter.chunk(3):
                        nn.init.orthogonal_(gate)
                else:
                    nn.init.zeros_(parameter)

    def empty(self, histories: int) -> Tensor:
        """States [histories, H] in which nothing was read."""
        return self.head.weight.new_zeros(histories, self.width)

    def step(self, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Hidden layer [T, H] and states [T, H] after T histories in `state` [T, H] read `inputs` [T, F]."""
        hidden, after = self.memory(self.trunk(inputs).unsqueeze(1), state.unsqueeze(0).contiguous())
        return hidden.squeeze(1), after.squeeze(0)

    def sequences(self, inputs: Tensor) -> Tensor:
        """Hidden layer [S, L, H] at every moment of S whole histories, `inputs` [S, L, F], padded on the right: what
        comes later changes nothing before it.
        """
        hidden: Tensor = self.memory(self.trunk(inputs))[0]
        return hidden

    def distribution(self, hidden: Tensor, legal: Tensor) -> Tensor:
        """[T, A] natural log-probabilities from hidden [T, H] and legal [T, A], -inf where not legal."""
        return self.head(hidden).masked_fill(~legal, -torch.inf).log_softmax(-1)

    def values(self, inputs: Tensor) -> Tensor:
        """[T, A], whatever their sum, for T histories that consist of `inputs` [T, F]."""
        values: Tensor = self.head(self.step(inputs, self.empty(len(inputs)))[0])
        return values
