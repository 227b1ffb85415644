"""Returns, value targets and advantages of N trajectories of up to L turns, padded on the right.

A row holds one agent's own turns in order of time; `mask` [N, L] marks real turns. `bootstrap` [N] is the value after
the last real turn: 0 where the episode terminated, the critic's value of the situation in which it was cut where it was
truncated. Time is counted in the agent's turns.
"""

from __future__ import annotations

import torch
from torch import Tensor


def gae(
    rewards: Tensor, values: Tensor, bootstrap: Tensor, mask: Tensor, *, gamma: float, lam: float
) -> tuple[Tensor, Tensor]:
    """Generalized advantage estimates and value targets, each [N, L], 0 on padding.

        delta_t = r_t + gamma V_{t+1} - V_t,    A_t = delta_t + gamma lambda A_{t+1},    target_t = A_t + V_t

    `rewards`, `values`, `mask`: [N, L]; `bootstrap`: [N]. lambda = 0 gives the TD error, lambda = 1 the return less the
    value. Schulman et al., "High-Dimensional Continuous Control Using Generalized Advantage Estimation", 2016, eq. 16.
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


def td_lambda(rewards: Tensor, values: Tensor, bootstrap: Tensor, mask: Tensor, *, gamma: float, lam: float) -> Tensor:
    """The lambda-return of each turn, [N, L], 0 on padding: a target for V, or for Q of the action taken.

        G_t = r_t + gamma ((1 - lambda) V_{t+1} + lambda G_{t+1})

    `values` [N, L] are V or Q of each turn as a lagged target network has them. G_t is the advantage of `gae` plus V_t.
    Sutton & Barto, "Reinforcement Learning", 2nd ed. 2018, sec. 12.1.
    """
    return gae(rewards, values, bootstrap, mask, gamma=gamma, lam=lam)[1]


def monte_carlo_returns(rewards: Tensor, bootstrap: Tensor, mask: Tensor, *, gamma: float) -> Tensor:
    """The discounted return of each turn, G_t = r_t + gamma G_{t+1}, [N, L], 0 on padding.

    After the last turn G is `bootstrap` [N]. Sutton & Barto, "Reinforcement Learning", 2nd ed. 2018, eq. 3.9.
    """
    return td_lambda(rewards, torch.zeros_like(rewards), bootstrap, mask, gamma=gamma, lam=1.0)


def rounding(largest: Tensor) -> Tensor:
    """How far apart numbers of up to `largest` may lie that are equal but for the rounding of sums."""
    return 8.0 * torch.finfo(largest.dtype).eps * largest


def normalize(values: Tensor, mask: Tensor | None = None) -> Tensor:
    """[T] -> [T] with mean 0 and standard deviation 1; all zeros where the values do not differ by more than rounding.

    With `mask` [T] only the rows that it marks are counted, and the others become 0: rows that exist to bootstrap from
    have no advantage, and would change everybody else's.
    """
    if mask is not None:
        result = torch.zeros_like(values)
        result[mask] = normalize(values[mask])
        return result
    centered = values - values.mean()
    deviation = centered.square().mean().sqrt()
    return centered / deviation if float(deviation) > 1e-8 and _differ(values) else torch.zeros_like(values)


def explained_variance(predictions: Tensor, targets: Tensor) -> float:
    """1 - Var(targets - predictions) / Var(targets), both [T]; 0 where the targets do not differ."""
    variance = float(targets.var(unbiased=False))
    if variance <= 1e-12 or not _differ(targets):
        return 0.0
    return 1.0 - float((targets - predictions).var(unbiased=False)) / variance


def _differ(values: Tensor) -> bool:
    """The mean of equal numbers is not that number: seven times 0.3 have one 3e-8 away, by which all would differ."""
    return len(values) > 0 and bool(values.max() - values.min() > rounding(values.abs().max()))
