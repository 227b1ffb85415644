"""Losses and estimators as pure functions: T turns, K tokens a turn, N trajectories, L turns a trajectory."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask` is true, both of one shape; 0 (with gradient 0) where no entry is true."""
    return torch.where(mask, values, 0.0).sum() / mask.sum().clamp(min=1)


def sum_over_tokens(values: Tensor, mask: Tensor) -> Tensor:
    """[T, K] -> [T]: sum over each turn's own tokens, padding left out."""
    return torch.where(mask, values, 0.0).sum(dim=-1)


def mean_over_tokens(values: Tensor, mask: Tensor) -> Tensor:
    """[T, K] -> [T]: mean over each turn's own tokens, padding left out."""
    return sum_over_tokens(values, mask) / mask.sum(dim=-1).clamp(min=1)


def gae(
    rewards: Tensor, values: Tensor, bootstrap: Tensor, mask: Tensor, *, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Generalized advantage estimates and value targets, each [N, L], 0 on padding.

        delta_t = r_t + gamma V_{t+1} - V_t,    A_t = delta_t + gamma lambda A_{t+1},    target_t = A_t + V_t

    A row holds one agent's own turns in order of time, padded on the right; `mask` [N, L] marks real turns.
    `bootstrap` [N] is the value after the last real turn: 0 where the episode terminated, the critic's value of the
    situation in which it was cut where it was truncated. Time is counted in the agent's turns.
    Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation", 2016, eq. 16.
    """
    advantages = torch.zeros_like(rewards)
    following_value, following_advantage = bootstrap, torch.zeros_like(bootstrap)
    for step in reversed(range(rewards.shape[1])):
        delta = rewards[:, step] + gamma * following_value - values[:, step]
        advantage = delta + gamma * lam * following_advantage
        real = mask[:, step]
        following_value = torch.where(real, values[:, step], following_value)
        following_advantage = torch.where(real, advantage, following_advantage)
        advantages[:, step] = torch.where(real, advantage, 0.0)
    return advantages, torch.where(mask, advantages + values, 0.0)


def normalize(values: Tensor) -> Tensor:
    """[T] -> [T] with mean 0 and standard deviation 1; all zeros where the values do not differ."""
    centered = values - values.mean()
    deviation = centered.square().mean().sqrt()
    return centered / deviation if float(deviation) > 1e-8 else torch.zeros_like(values)


def ppo_clip_loss(log_probs: Tensor, old_log_probs: Tensor, advantages: Tensor, mask: Tensor, *, clip: float) -> Tensor:
    """PPO's clipped surrogate, a scalar to be minimized.

        - mean over turns of sum over tokens of min(rho A, clip(rho, 1 - eps, 1 + eps) A),    rho = exp(logp - logp_old)

    `log_probs`, `old_log_probs`, `mask`: [T, K]; `advantages`: [T], shared by all tokens of a turn. A choice has one
    token column. The sum (not the mean) over tokens makes the gradient at rho = 1 that of the whole message's
    log-probability, so that a message weighs as much as a choice whatever its length.
    Schulman et al., "Proximal Policy Optimization Algorithms", 2017, eq. 7.
    """
    ratio = torch.exp(torch.where(mask, log_probs - old_log_probs, 0.0))
    gain = advantages.unsqueeze(-1)
    surrogate = torch.minimum(ratio * gain, ratio.clamp(1.0 - clip, 1.0 + clip) * gain)
    return -sum_over_tokens(surrogate, mask).mean()


def value_loss(predictions: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Half the mean squared error over the rows that `mask` marks; `predictions`, `targets`, `mask`: [T]."""
    return 0.5 * masked_mean((predictions - targets).square(), mask)


def entropy_bonus(entropy: Tensor, mask: Tensor, turns: Tensor) -> Tensor:
    """Mean entropy, in nats, of the turns marked by `turns` [T]; `entropy` and `mask` are [T, K].

    A message counts with the mean over its tokens: a sum would pay for length.
    """
    return masked_mean(mean_over_tokens(entropy, mask), turns)


def approximate_kl(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor) -> Tensor:
    """Estimate of KL(old || new) per token, a scalar >= 0: mean of (rho - 1) - log rho.

    Schulman, "Approximating KL Divergence", 2020 (estimator k3).
    """
    log_ratio = torch.where(mask, log_probs - old_log_probs, 0.0)
    return masked_mean(torch.expm1(log_ratio) - log_ratio, mask)


def clip_fraction(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor, *, clip: float) -> Tensor:
    """Share of tokens whose ratio lies outside [1 - clip, 1 + clip]."""
    ratio = torch.exp(torch.where(mask, log_probs - old_log_probs, 0.0))
    return masked_mean(((ratio - 1.0).abs() > clip).to(ratio.dtype), mask)


def ratio_deviation(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor) -> Tensor:
    """max |rho - 1| over real tokens; before the first update it must be 0 up to rounding."""
    return torch.expm1(torch.where(mask, log_probs - old_log_probs, 0.0)).abs().max()


def explained_variance(predictions: Tensor, targets: Tensor) -> float:
    """1 - Var(targets - predictions) / Var(targets), both [T]; 0 where the targets do not differ."""
    variance = float(targets.var(unbiased=False))
    return 1.0 - float((targets - predictions).var(unbiased=False)) / variance if variance > 1e-12 else 0.0


def scheduled(ends: tuple[float, float], iteration: int, iterations: int) -> float:
    """The value at `iteration` (0-based) on the straight line from ends[0] (first) to ends[1] (last iteration)."""
    share = iteration / (iterations - 1) if iterations > 1 else 0.0
    return ends[0] + (ends[1] - ends[0]) * min(max(share, 0.0), 1.0)
