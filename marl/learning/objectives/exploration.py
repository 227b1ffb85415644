"""Exploring by Q values: functions of values, counts and legal options that give the distribution to draw from."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from marl.learning.objectives.q_learning import greedy


def epsilon_greedy(q: Tensor, legal: Tensor, *, epsilon: float) -> Tensor:
    """Log-probabilities [T, A]: of any legal option epsilon / n, of the best 1 - epsilon more; -inf where not legal.

    `q`, `legal`: [T, A]. Sutton & Barto, "Reinforcement Learning", 2nd ed. 2018, sec. 2.2. Raises LearningError as
    `greedy` does.
    """
    best = nn.functional.one_hot(greedy(q, legal), q.shape[-1])
    anyone = legal / legal.sum(dim=-1, keepdim=True)
    return (epsilon * anyone + (1.0 - epsilon) * best).to(q.dtype).log()


def ucb(q: Tensor, counts: Tensor, legal: Tensor, *, c: float = math.sqrt(2.0)) -> Tensor:
    """Log-probabilities [T, A]: all of it on the largest Q(a) + c sqrt(ln N / N(a)), or alike on those never tried.

    `q`, `counts`, `legal`: [T, A]; N(a) is how often a was taken in this situation, N its sum over legal options.
    c is in units of Q: sqrt(2) suits Q in [0, 1]. Auer, Cesa-Bianchi & Fischer, "Finite-time Analysis of the Multiarmed
    Bandit Problem", 2002 (UCB1). Raises LearningError as `greedy` does.
    """
    tried = torch.where(legal, counts, 0).to(q.dtype)
    total = tried.sum(dim=-1, keepdim=True).clamp(min=1.0)
    best = greedy(q + c * (total.log() / tried.clamp(min=1.0)).sqrt(), legal)
    untried = legal & (tried == 0)
    taken = torch.where(untried.any(dim=-1, keepdim=True), untried, nn.functional.one_hot(best, q.shape[-1]).bool()).to(
        q.dtype
    )
    return (taken / taken.sum(dim=-1, keepdim=True)).log()
