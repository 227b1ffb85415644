"""Role-conditioned advantages for zero-sum self-play: one policy in several roles, a baseline for each."""

from __future__ import annotations

import torch
from torch import Tensor


def role_advantages(returns: Tensor, roles: Tensor, baselines: Tensor, *, decay: float = 0.95) -> tuple[Tensor, Tensor]:
    """Advantages [N] of N trajectories, and the baselines [R] after them.

        A_i = G_i - b[role_i],    then    b[role_i] <- decay b[role_i] + (1 - decay) G_i

    `returns` [N]: a trajectory's return, in order of the episodes; `roles` [N]: the number of its (game, role);
    `baselines` [R]: the running mean of each role's returns so far, 0 at first. One shared baseline would be near 0 in
    a zero-sum game and pay the role that the game favors whatever it does. A trajectory's own return enters only after
    its advantage is taken, so that the policy gradient stays unbiased. The inputs are not changed.
    Liu et al., "SPIRAL: Self-Play on Zero-Sum Games Incentivizes Reasoning via Multi-Agent Multi-Turn Reinforcement
    Learning", 2025 (role-conditioned advantage estimation).
    """
    advantages, running = torch.empty_like(returns), baselines.clone()
    for i, role in enumerate(roles.tolist()):
        advantages[i] = returns[i] - running[role]
        running[role] = decay * running[role] + (1.0 - decay) * returns[i]
    return advantages, running
