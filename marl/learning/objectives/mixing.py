"""Q of a team from its agents' own Q values, so that each agent's best choice is part of the team's best.

An agent that is absent (dead, not yet there, silent) adds nothing and gets no gradient.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def vdn(values: Tensor, present: Tensor) -> Tensor:
    """Q_tot = sum over present agents of Q_i, [T]; `values`, `present`: [T, N].

    Sunehag et al., "Value-Decomposition Networks For Cooperative Multi-Agent Learning", 2018.
    """
    return torch.where(present, values, 0.0).sum(dim=-1)


def qmix(
    values: Tensor,
    present: Tensor,
    first_weight: Tensor,
    first_bias: Tensor,
    second_weight: Tensor,
    second_bias: Tensor,
) -> Tensor:
    """Q_tot = |w2| . elu(|W1| Q + b1) + b2, [T], which no Q_i of `values` can lower by growing.

    `values`, `present`: [T, N]; what the hypernetworks make of the state, of any sign: `first_weight` [T, N, W],
    `first_bias`, `second_weight` [T, W], `second_bias` [T].
    Rashid et al., "QMIX: Monotonic Value Function Factorisation for Deep Multi-Agent Reinforcement Learning", 2018,
    eq. 5 and sec. 4.1.
    """
    own = torch.where(present, values, 0.0).unsqueeze(-2)
    hidden = nn.functional.elu((own @ first_weight.abs()).squeeze(-2) + first_bias)
    return (hidden * second_weight.abs()).sum(dim=-1) + second_bias


class QMixer(nn.Module):
    """QMIX's mixing network: hypernetworks make the weights of `qmix` from the state.

    Linear ones for both weights and the first bias, two layers with a ReLU for the second bias (Rashid et al., 2018,
    sec. 4.1). `width` W is that of the mixing network's hidden layer (32 there).
    """

    def __init__(self, state_size: int, agents: int, width: int = 32) -> None:
        super().__init__()
        self.agents, self.width = agents, width
        self.first_weight = nn.Linear(state_size, agents * width)
        self.first_bias = nn.Linear(state_size, width)
        self.second_weight = nn.Linear(state_size, width)
        self.second_bias = nn.Sequential(nn.Linear(state_size, width), nn.ReLU(), nn.Linear(width, 1))

    def forward(self, values: Tensor, present: Tensor, state: Tensor) -> Tensor:
        """Q_tot [T] from `values`, `present` [T, N] and `state` [T, D]."""
        first_weight = self.first_weight(state).unflatten(-1, (self.agents, self.width))
        second_bias = self.second_bias(state).squeeze(-1)
        return qmix(values, present, first_weight, self.first_bias(state), self.second_weight(state), second_bias)
