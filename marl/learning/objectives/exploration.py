"""Choosing from Q values: pure functions of values, counts, legal options and uniform draws."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from marl.learning.objectives.q_learning import greedy


def epsilon_greedy(q: Tensor, legal: Tensor, draws: Tensor, *, epsilon: float) -> Tensor:
    """The place of each turn's option, [T]: with probability `epsilon` any legal one alike, else the best.

    `q`, `legal`: [T, A]; `draws` [T, 2]: uniform in [0, 1), whether to explore and what with. Sutton & Barto,
    "Reinforcement Learning", 2nd ed. 2018, sec. 2.2. Raises LearningError as `greedy` does.
    """
    best = greedy(q, legal)
    return torch.where(draws[:, 0] < epsilon, _any_of(legal, draws[:, 1]), best)


def ucb(q: Tensor, counts: Tensor, legal: Tensor, draws: Tensor, *, c: float = math.sqrt(2.0)) -> Tensor:
    """The place of each turn's option, [T]: the largest Q(a) + c sqrt(ln N / N(a)), one never tried first.

    `q`, `counts`, `legal`: [T, A]; N(a) is how often a was taken in this situation, N its sum over legal options.
    `draws` [T]: uniform in [0, 1), chooses among options never tried. c is in units of Q: sqrt(2) suits Q in [0, 1].
    Auer, Cesa-Bianchi & Fischer, "Finite-time Analysis of the Multiarmed Bandit Problem", 2002 (UCB1). Raises
    LearningError as `greedy` does.
    """
    tried = torch.where(legal, counts, 0).to(q.dtype)
    total = tried.sum(dim=-1, keepdim=True).clamp(min=1.0)
    best = greedy(q + c * (total.log() / tried.clamp(min=1.0)).sqrt(), legal)
    untried = legal & (tried == 0)
    return torch.where(untried.any(dim=-1), _any_of(untried, draws), best)


def _any_of(options: Tensor, draws: Tensor) -> Tensor:
    """[T, A] bool, [T] uniform -> [T]: the place of one marked option, all alike; 0 in a row without one."""
    count = options.sum(dim=-1)
    rank = torch.minimum((draws * count).long(), (count - 1).clamp(min=0))
    return (options & (options.cumsum(dim=-1) == rank.unsqueeze(-1) + 1)).int().argmax(dim=-1)
