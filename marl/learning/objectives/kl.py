"""Divergence from a reference policy: estimated where a text is free, exact where the legal texts can be listed."""

from __future__ import annotations

import math
from typing import Literal, get_args

import torch
from torch import Tensor

from marl.errors import LearningError
from marl.learning.objectives.masked import sum_over_tokens

Rule = Literal["proportional", "doubling"]
"""How the coefficient of a divergence follows what was measured."""


def k3(log_ratio: Tensor) -> Tensor:
    """(rho - 1) - log rho, elementwise and >= 0: for samples of p and rho = q / p an unbiased estimate of KL(p || q).

    Schulman, "Approximating KL Divergence", 2020.
    """
    return torch.expm1(log_ratio) - log_ratio


def reference_kl(log_probs: Tensor, reference_log_probs: Tensor, mask: Tensor) -> Tensor:
    """Estimate of KL(policy || reference) at each token that the policy sampled, [T, K], 0 on padding.

    All three are [T, K]; the sum over a turn's tokens estimates the divergence of its text. Its mean is that of
    KL(policy || reference); differentiated as a loss it follows, in the mean, the gradient of KL(reference || policy),
    which has the same minimum. Shao et al., "DeepSeekMath", 2024, eq. 4 (estimator k3).
    """
    return k3(torch.where(mask, reference_log_probs - log_probs, 0.0))


def exact_kl(log_probs: Tensor, reference_log_probs: Tensor, legal: Tensor) -> Tensor:
    """KL(policy || reference) = sum over legal a of pi(a) (log pi(a) - log rho(a)), in nats, [T]. All three are [T, A].

    Entries that are not legal may hold anything; a probability of 0 adds nothing, as x log x does at 0.
    Exchanging the first two gives KL(reference || policy).
    """
    probs = torch.exp(torch.where(legal, log_probs, -torch.inf))
    return (probs * torch.where(probs > 0.0, log_probs - reference_log_probs, 0.0)).sum(dim=-1)


def penalized_rewards(
    rewards: Tensor, log_probs: Tensor, reference_log_probs: Tensor, mask: Tensor, *, coefficient: float
) -> Tensor:
    """r_t - beta (log pi(text_t) - log rho(text_t)), [T]: the divergence as a cost in the reward.

    `rewards`: [T]; `log_probs`, `reference_log_probs`, `mask`: [T, K]; no gradient goes through it. With a uniform or a
    former policy as the reference this is the regularized game of self-play.
    Ziegler et al., "Fine-Tuning Language Models from Human Preferences", 2019, eq. 2.
    """
    return rewards - coefficient * sum_over_tokens((log_probs - reference_log_probs).detach(), mask)


def adapted_coefficient(
    coefficient: float, measured: float, target: float, *, rule: Rule = "proportional", gain: float = 0.1
) -> float:
    """The coefficient to use next, after a divergence `measured` (nats) that is wanted to be `target`.

    "proportional": beta (1 + gain e), e = measured / target - 1 cut to [-0.2, 0.2]. Ziegler et al., "Fine-Tuning
    Language Models from Human Preferences", 2019, sec. 2.2 (gain 0.1). "doubling": beta / 2 below target / 1.5, 2 beta
    above 1.5 target. Schulman et al., "Proximal Policy Optimization Algorithms", 2017, sec. 4; `gain` is not used.
    Raises LearningError for a target that is not positive, a divergence that is not finite, or an unknown rule.
    """
    if not target > 0.0 or not math.isfinite(measured):
        raise LearningError(
            f"the divergence is to be {target} and was measured as {measured}; "
            "the target must be above 0 and the measured one finite: check both models' log-probabilities"
        )
    if rule == "proportional":
        return coefficient * (1.0 + gain * min(max(measured / target - 1.0, -0.2), 0.2))
    if rule == "doubling":
        return coefficient * (0.5 if measured < target / 1.5 else 2.0 if measured > 1.5 * target else 1.0)
    raise LearningError(f"rule {rule!r} is not known; allowed are {', '.join(get_args(Rule))}")
