"""Losses and estimators as pure functions: T turns, K tokens a turn, A options a turn, N trajectories, L turns each.

One objective a module, each with its equation and its source. Tensors only: no episode, no ray.
"""

from marl.learning.objectives.averaging import average_policy
from marl.learning.objectives.counterfactual import counterfactual_advantages, counterfactual_baseline
from marl.learning.objectives.entropy import entropy_bonus
from marl.learning.objectives.estimators import explained_variance, gae, monte_carlo_returns, normalize, td_lambda
from marl.learning.objectives.exploration import epsilon_greedy, ucb
from marl.learning.objectives.group import group_advantages, group_ids
from marl.learning.objectives.kl import Rule, adapted_coefficient, exact_kl, k3, penalized_rewards, reference_kl
from marl.learning.objectives.masked import masked_mean, mean_over_tokens, sum_over_tokens
from marl.learning.objectives.mirror_descent import (
    importance_weighted,
    mmd_loss,
    mmd_step,
    moved_magnet,
    uniform_log_probs,
)
from marl.learning.objectives.mixing import QMixer, qmix, vdn
from marl.learning.objectives.ppo import (
    Credit,
    approximate_kl,
    clip_fraction,
    ppo_clip_loss,
    ratio_deviation,
    value_loss,
)
from marl.learning.objectives.q_learning import (
    chosen_q,
    follow,
    greedy,
    n_step_rewards,
    next_values,
    q_loss,
    td_targets,
)
from marl.learning.objectives.reinforce import reinforce_loss
from marl.learning.objectives.role import role_advantages
from marl.learning.objectives.schedule import scheduled
from marl.learning.objectives.signaling import average_message, signaling_bonus

__all__ = [
    "Credit",
    "QMixer",
    "Rule",
    "adapted_coefficient",
    "approximate_kl",
    "average_message",
    "average_policy",
    "chosen_q",
    "clip_fraction",
    "counterfactual_advantages",
    "counterfactual_baseline",
    "entropy_bonus",
    "epsilon_greedy",
    "exact_kl",
    "explained_variance",
    "follow",
    "gae",
    "greedy",
    "group_advantages",
    "group_ids",
    "importance_weighted",
    "k3",
    "masked_mean",
    "mean_over_tokens",
    "mmd_loss",
    "mmd_step",
    "monte_carlo_returns",
    "moved_magnet",
    "n_step_rewards",
    "next_values",
    "normalize",
    "penalized_rewards",
    "ppo_clip_loss",
    "q_loss",
    "qmix",
    "ratio_deviation",
    "reference_kl",
    "reinforce_loss",
    "role_advantages",
    "scheduled",
    "signaling_bonus",
    "sum_over_tokens",
    "td_lambda",
    "td_targets",
    "ucb",
    "uniform_log_probs",
    "value_loss",
    "vdn",
]
