"""Group-relative advantages: a turn is compared with the turns that met the same situation, and no critic is needed."""

from __future__ import annotations

import torch
from torch import Tensor

from marl.learning.objectives.estimators import rounding


def group_ids(situation: Tensor, turn: Tensor, agent: Tensor) -> Tensor:
    """[T] whole numbers from 0, equal exactly where all three columns ([T], int) are: the groups of MAGRPO.

    `situation` numbers what episodes that started from one seed share, `turn` the agent's own turns of an episode.
    """
    ids: Tensor = torch.unique(torch.stack([situation, turn, agent]), dim=1, return_inverse=True)[1]
    return ids


def group_advantages(returns: Tensor, groups: Tensor, *, scale: bool = False) -> Tensor:
    """Each turn's return less the mean of its group, [T]; with `scale` in standard deviations of the group.

        A_t = G_t - mean over group of G    (MAGRPO),    A_t / std over group of G    (GRPO, `scale`)

    `returns` [T]: discounted returns from the turn on; `groups` [T]: a group's number, from 0. A group's advantages sum
    to 0, and are 0 where its returns do not differ, as in a group of one. The mean holds the turn's own return, which
    shrinks the gradient of a group of n by 1 - 1/n and leaves its direction.
    Liu et al., "LLM Collaboration With Multi-Agent Reinforcement Learning", 2025 (MAGRPO); Shao et al., "DeepSeekMath",
    2024, sec. 4.1.2 (GRPO).
    """
    size = int(groups.max()) + 1 if len(groups) else 0
    count = torch.zeros(size, dtype=returns.dtype, device=returns.device).index_add(0, groups, torch.ones_like(returns))

    def mean(values: Tensor) -> Tensor:
        return (torch.zeros_like(count).index_add(0, groups, values) / count)[groups]

    def extreme(which: str) -> Tensor:
        return count.scatter_reduce(0, groups, returns, which, include_self=False)

    most, least = extreme("amax"), extreme("amin")
    differs = (most - least > rounding(torch.maximum(most.abs(), least.abs())))[groups]
    centered = torch.where(differs, returns - mean(returns), 0.0)
    if not scale:
        return centered
    deviation = mean(centered.square()).sqrt()
    differs &= deviation > 1e-8
    return torch.where(differs, centered / torch.where(differs, deviation, 1.0), 0.0)
