"""The average of many policies, which is what converges in fictitious self-play where the policies themselves cycle."""

from __future__ import annotations

import torch
from torch import Tensor


def average_policy(probs: Tensor, reach: Tensor, *, weights: Tensor | None = None) -> Tensor:
    """The one policy that plays as a policy drawn anew for each episode would, [T, A].

        pi(a | s) = sum_m w_m x_m(s) pi_m(a | s) / sum_m w_m x_m(s)

    `probs` [M, T, A]: M policies at T situations of one agent; `reach` [M, T]: x_m(s), the product of policy m's own
    probabilities of its choices on the way to s (1 in a game of one choice); `weights` [M]: how often each is drawn,
    alike without. Where no policy arrives, the plain average is taken: it is never asked for.
    Heinrich, Lanctot & Silver, "Fictitious Self-Play in Extensive-Form Games", 2015, sec. 3 (mixed strategies and
    realization equivalence; Kuhn 1953).
    """
    drawn = torch.ones(len(probs), dtype=probs.dtype, device=probs.device) if weights is None else weights
    share = drawn.unsqueeze(-1) * reach
    share = torch.where(share.sum(dim=0) > 0.0, share, drawn.unsqueeze(-1))
    return (share.unsqueeze(-1) * probs).sum(dim=0) / share.sum(dim=0).unsqueeze(-1)
