"""The entropy bonus."""

from __future__ import annotations

from torch import Tensor

from marl.learning.objectives.masked import masked_mean, mean_over_tokens


def entropy_bonus(entropy: Tensor, mask: Tensor, turns: Tensor) -> Tensor:
    """Mean entropy, in nats, of the turns marked by `turns` [T]; `entropy` and `mask` are [T, K].

    A message counts with the mean over its tokens: a sum would pay for length.
    Williams & Peng, "Function Optimization Using Connectionist Reinforcement Learning Algorithms", 1991.
    """
    return masked_mean(mean_over_tokens(entropy, mask), turns)
