"""REINFORCE with a baseline."""

from __future__ import annotations

from torch import Tensor

from marl.learning.objectives.masked import sum_over_tokens


def reinforce_loss(log_probs: Tensor, returns: Tensor, mask: Tensor, *, baseline: Tensor | None = None) -> Tensor:
    """The policy gradient's surrogate, a scalar to be minimized.

        - mean over turns of (G_t - b_t) sum over tokens of log pi(token)

    `log_probs`, `mask`: [T, K]; `returns` [T]: Monte-Carlo returns, TD estimates of Q, or advantages (no `baseline`
    then); `baseline` [T]: what does not depend on the turn's own text, such as V. No gradient goes into either. All
    tokens of a turn share its return, so that credit per token and credit per turn are the same thing here.
    Williams, "Simple Statistical Gradient-Following Algorithms for Connectionist Reinforcement Learning", 1992, sec. 4.
    """
    gain = returns if baseline is None else returns - baseline
    return -(gain.detach() * sum_over_tokens(log_probs, mask)).mean()
