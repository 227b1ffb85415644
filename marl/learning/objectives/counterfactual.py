"""COMA's advantage: what an agent's choice changed, all other agents' choices held fixed."""

from __future__ import annotations

import torch
from torch import Tensor

from marl.errors import LearningError


def counterfactual_baseline(q: Tensor, probs: Tensor, legal: Tensor) -> Tensor:
    """b(s, u^-a) = sum over legal u' of pi(u' | tau) Q(s, (u^-a, u')), [T].

    `q` [T, A]: the centralized critic's value of each of the agent's own options, the others' choices as they were;
    `probs` [T, A]: the agent's policy, which sums to 1 over the options that `legal` [T, A] marks. Entries that are not
    legal may hold anything.
    Foerster et al., "Counterfactual Multi-Agent Policy Gradients", 2018, eq. 4.
    """
    return (torch.where(legal, probs, 0.0) * torch.where(legal, q, 0.0)).sum(dim=-1)


def counterfactual_advantages(q: Tensor, probs: Tensor, legal: Tensor, chosen: Tensor) -> Tensor:
    """A(s, u) = Q(s, u) - b(s, u^-a), [T], without gradient; `chosen` [T] is the place of the option that was taken.

    Exact, for the legal set is enumerated: its mean under `probs` is 0. Shapes as in `counterfactual_baseline`; ibid.,
    eq. 4. Raises LearningError where the chosen option is not legal.
    """
    at = chosen.unsqueeze(-1)
    illegal = ~legal.gather(-1, at).squeeze(-1)
    if bool(illegal.any()):
        rows = illegal.nonzero().flatten().tolist()
        raise LearningError(f"turns {rows[:5]} chose options that are not legal; align `chosen` with `legal`")
    return (q.gather(-1, at).squeeze(-1) - counterfactual_baseline(q, probs, legal)).detach()
