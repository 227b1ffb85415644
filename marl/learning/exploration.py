"""How a value-based actor explores: what it depends on is in buffers, which travel and are saved with the weights."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from marl.learning import objectives
from marl.training_settings import QSettings

BUCKETS = 1 << 16
"""Counts that are kept; two options of some situations that fall into one bucket are counted together."""


class Exploration(nn.Module):
    """The distribution to draw from (see `marl.policies.q_network.Explore`), by `settings.explore`.

    `epsilon` is set for each iteration. `counts` [BUCKETS]: how often an option was taken in a situation, under a hash
    of what was read and of the option (Tang et al., "#Exploration", 2017); empty where nobody asks for them. They are
    those of the iteration's start, so that play does not depend on who plays which episode.
    """

    epsilon: Tensor
    counts: Tensor

    def __init__(self, settings: QSettings) -> None:
        super().__init__()
        self.settings = settings
        self.register_buffer("epsilon", torch.tensor(settings.epsilon[0], dtype=torch.float64))
        self.register_buffer("counts", torch.zeros(BUCKETS if settings.explore == "ucb" else 0, dtype=torch.int64))

    def forward(self, q: Tensor, legal: Tensor, read: Sequence[Any], options: Sequence[Sequence[Any]]) -> Tensor:
        """Log-probabilities [T, A]."""
        if self.settings.explore == "epsilon":
            return objectives.epsilon_greedy(q, legal, epsilon=float(self.epsilon))
        counts = torch.zeros(legal.shape, dtype=torch.int64)
        for row, (situation, given) in enumerate(zip(read, options, strict=True)):
            counts[row, : len(given)] = self.counts[[bucket(situation, option) for option in given]].cpu()
        return objectives.ucb(q, counts.to(q.device), legal, c=self.settings.ucb)

    def set_iteration(self, iteration: int, iterations: int) -> None:
        """Set epsilon for the 0-based `iteration` of so many."""
        last = max(1, math.ceil(self.settings.anneal * iterations))
        self.epsilon.fill_(objectives.scheduled(self.settings.epsilon, iteration, last))

    def count(self, read: Sequence[Any], taken: Sequence[Any]) -> None:
        """Count that option `taken[t]` was taken where `read[t]` was read."""
        if len(self.counts):
            where = [bucket(situation, option) for situation, option in zip(read, taken, strict=True)]
            self.counts += torch.bincount(torch.tensor(where), minlength=BUCKETS).to(self.counts.device)


def bucket(situation: Any, option: Any) -> int:
    """The place of an option, a row of whole numbers, in a situation, a row of any numbers, among the counts."""
    start = zlib.crc32(np.asarray(situation).tobytes())
    return zlib.crc32(np.asarray(option, np.int64).tobytes(), start) % BUCKETS
