"""PPO: the clipped surrogate, the critic's regression, and what tells whether an update went too far."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from marl.errors import LearningError
from marl.learning.objectives.kl import k3
from marl.learning.objectives.masked import masked_mean, sum_over_tokens

Credit = Literal["token", "turn"]
"""What has a probability ratio of its own, and is clipped by itself: each token, or the text of a turn as a whole."""


def ppo_clip_loss(
    log_probs: Tensor,
    old_log_probs: Tensor,
    advantages: Tensor,
    mask: Tensor,
    *,
    clip: float,
    credit: Credit = "token",
) -> Tensor:
    """PPO's clipped surrogate, a scalar to be minimized.

        - mean over turns of sum over ratios of min(rho A, clip(rho, 1 - eps, 1 + eps) A),    rho = exp(logp - logp_old)

    `log_probs`, `old_log_probs`, `mask`: [T, K]; `advantages`: [T], shared by all tokens of a turn. A choice has one
    token column. With `credit` "token" a turn has one ratio a token; with "turn" one, that of its whole text. The sum
    (not the mean) over tokens makes the gradient at rho = 1 that of the whole message's log-probability in both, so
    that a message weighs as much as a choice whatever its length.
    Schulman et al., "Proximal Policy Optimization Algorithms", 2017, eq. 7.
    """
    log_ratio, real = _log_ratio(log_probs, old_log_probs, mask, credit)
    ratio = torch.exp(log_ratio)
    gain = advantages.unsqueeze(-1)
    surrogate = torch.minimum(ratio * gain, ratio.clamp(1.0 - clip, 1.0 + clip) * gain)
    return -sum_over_tokens(surrogate, real).mean()


def value_loss(
    predictions: Tensor,
    targets: Tensor,
    mask: Tensor,
    *,
    old_predictions: Tensor | None = None,
    clip: float | None = None,
) -> Tensor:
    """Half the mean squared error over the rows that `mask` marks; `predictions`, `targets`, `mask`: [T].

    With `clip` (in units of the predictions), a prediction that moved farther than that from `old_predictions` [T]
    towards its target earns nothing more: the larger of the errors of V and of clip(V, V_old - clip, V_old + clip)
    counts. Off by default: Andrychowicz et al., "What Matters in On-Policy Reinforcement Learning?", 2021, found that
    it hurts. Raises LearningError when only one of `clip` and `old_predictions` is given.
    """
    if (old_predictions is None) != (clip is None):
        raise LearningError(
            "value clipping takes `old_predictions` and `clip`, and only one was given; give both or none"
        )
    errors = (predictions - targets).square()
    if old_predictions is not None and clip is not None:
        clipped = old_predictions + (predictions - old_predictions).clamp(-clip, clip)
        errors = torch.maximum(errors, (clipped - targets).square())
    return 0.5 * masked_mean(errors, mask)


def approximate_kl(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor) -> Tensor:
    """Estimate of KL(old || new) per token, a scalar >= 0: mean of (rho - 1) - log rho. All three are [T, K].

    Schulman, "Approximating KL Divergence", 2020 (estimator k3).
    """
    return masked_mean(k3(torch.where(mask, log_probs - old_log_probs, 0.0)), mask)


def clip_fraction(
    log_probs: Tensor, old_log_probs: Tensor, mask: Tensor, *, clip: float, credit: Credit = "token"
) -> Tensor:
    """Share of tokens (or turns, by `credit`) whose ratio lies outside [1 - clip, 1 + clip]; all three are [T, K]."""
    log_ratio, real = _log_ratio(log_probs, old_log_probs, mask, credit)
    ratio = torch.exp(log_ratio)
    return masked_mean(((ratio - 1.0).abs() > clip).to(ratio.dtype), real)


def ratio_deviation(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor) -> Tensor:
    """max |rho - 1| over real tokens, all three [T, K]; before the first update it must be 0 up to rounding."""
    return torch.expm1(torch.where(mask, log_probs - old_log_probs, 0.0)).abs().max()


def _log_ratio(log_probs: Tensor, old_log_probs: Tensor, mask: Tensor, credit: Credit) -> tuple[Tensor, Tensor]:
    """log rho and where it is one, [T, K] each for tokens and [T, 1] for turns."""
    if credit == "token":
        return torch.where(mask, log_probs - old_log_probs, 0.0), mask
    if credit == "turn":
        whole = sum_over_tokens(log_probs - old_log_probs, mask)
        return whole.unsqueeze(-1), mask.any(dim=-1, keepdim=True)
    raise LearningError(f"credit {credit!r} is not known; allowed are {', '.join(get_args(Credit))}")
