"""Magnetic mirror descent: self-play that ends up somewhere, because policies are drawn towards a magnet.

Sokota et al., "A Unified Approach to Reinforcement Learning, Quantal Response Equilibria, and Two-Player Zero-Sum
Games", 2023. All policies are log-probabilities [T, A] over legal options (`legal` [T, A]; other entries may hold
anything on the way in and are -inf on the way out). `temperature` alpha weighs the magnet, `step_size` eta how far one
step may go.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from marl.learning.objectives.kl import exact_kl
from marl.learning.objectives.q_learning import chosen_q


def uniform_log_probs(legal: Tensor, *, dtype: torch.dtype | None = None) -> Tensor:
    """The uniform policy over legal options, [T, A]: as a magnet it makes MMD's bonus the entropy."""
    return _normalized(torch.zeros(legal.shape, dtype=dtype, device=legal.device), legal)


def mmd_loss(
    log_probs: Tensor,
    old_log_probs: Tensor,
    magnet_log_probs: Tensor,
    values: Tensor,
    legal: Tensor,
    *,
    temperature: float,
    step_size: float,
) -> Tensor:
    """The objective of one MMD step over a batch, a scalar to be minimized.

        mean over turns of - sum_a pi(a) q(a) + alpha KL(pi || magnet) + KL(pi || pi_old) / eta

    `values` [T, A]: q, or advantages, of every option; or what `importance_weighted` makes of one sampled option.
    """
    probs = torch.exp(torch.where(legal, log_probs, -torch.inf))
    gain = (probs * torch.where(legal, values.detach(), 0.0)).sum(dim=-1)
    drawn = temperature * exact_kl(log_probs, magnet_log_probs.detach(), legal)
    moved = exact_kl(log_probs, old_log_probs.detach(), legal) / step_size
    return (drawn + moved - gain).mean()


def importance_weighted(advantages: Tensor, chosen: Tensor, old_log_probs: Tensor) -> Tensor:
    """[T, A]: A / pi_old(chosen) at each turn's chosen option and 0 elsewhere, an unbiased estimate of all advantages.

    `advantages`, `chosen`: [T]; `old_log_probs` [T, A]: the policy that chose. sum_a pi(a) of it is rho A.
    """
    weighted = advantages * torch.exp(-chosen_q(old_log_probs, chosen))
    return torch.zeros_like(old_log_probs).scatter(-1, chosen.unsqueeze(-1), weighted.unsqueeze(-1))


def mmd_step(
    log_probs: Tensor,
    magnet_log_probs: Tensor,
    values: Tensor,
    legal: Tensor,
    *,
    temperature: float,
    step_size: float,
) -> Tensor:
    """The policy that minimizes `mmd_loss`, in closed form, [T, A].

    pi' ~ (pi magnet^(alpha eta) exp(eta q))^(1 / (1 + alpha eta))
    """
    pull = temperature * step_size
    return _normalized((log_probs + pull * magnet_log_probs + step_size * values) / (1.0 + pull), legal)


def moved_magnet(magnet_log_probs: Tensor, log_probs: Tensor, legal: Tensor, *, rate: float) -> Tensor:
    """A magnet that trails the policy, magnet' ~ magnet^(1 - rate) pi^rate, [T, A].

    A fixed magnet leads to a regularized equilibrium; one that trails leads on to an equilibrium of the game itself
    (moving magnet, ibid.).
    """
    return _normalized(torch.lerp(magnet_log_probs, log_probs, rate), legal)


def _normalized(logits: Tensor, legal: Tensor) -> Tensor:
    return nn.functional.log_softmax(torch.where(legal, logits, -torch.inf), dim=-1)
