"""Q learning over an enumerable legal set: targets, loss, target network."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from marl.errors import LearningError
from marl.learning.objectives.masked import masked_mean


def greedy(q: Tensor, legal: Tensor) -> Tensor:
    """[T, A], [T, A] -> [T]: the place of the best legal option, the first of equals.

    Raises LearningError for a row without a legal option.
    """
    empty = ~legal.any(dim=-1)
    if bool(empty.any()):
        rows = empty.nonzero().flatten().tolist()
        raise LearningError(f"turns {rows[:5]} have no legal option; rows after an end must not be marked as live")
    return torch.where(legal, q, -torch.inf).argmax(dim=-1)


def chosen_q(q: Tensor, chosen: Tensor) -> Tensor:
    """[T, A], [T] -> [T]: the value of the option that was taken."""
    return q.gather(-1, chosen.unsqueeze(-1)).squeeze(-1)


def next_values(next_q: Tensor, next_legal: Tensor, live: Tensor, *, online_next_q: Tensor | None = None) -> Tensor:
    """The value of the situation after each turn, [T]: the maximum over its legal options, 0 where none is `live`.

    `next_q` [T, A]: the lagged target network's Q of the next situation; `next_legal` [T, A]: its legal options. Given
    the online network's `online_next_q` [T, A], that one chooses the option and the target network values it (double
    DQN), which removes the bias of a maximum over noise. `live` [T] is false after the end of an episode or of an
    agent's part in it; such rows may hold anything.
    Mnih et al., "Human-level control through deep reinforcement learning", 2015; van Hasselt, Guez & Silver, "Deep
    Reinforcement Learning with Double Q-learning", 2016. Raises LearningError as `greedy` does.
    """
    best = greedy(next_q if online_next_q is None else online_next_q, next_legal | ~live.unsqueeze(-1))
    return torch.where(live, chosen_q(next_q, best), 0.0).detach()


def td_targets(
    rewards: Tensor, following: Tensor, terminal: Tensor, *, gamma: float, steps: Tensor | None = None
) -> Tensor:
    """y_t = r_t + gamma^n V', [T], without gradient; y_t = r_t where the episode ended, `terminal` [T].

    `following` [T] is V' as `next_values` gives it, or a target mixing network's Q_tot of several agents' V'. An
    episode that was cut, not ended, is not terminal.
    `rewards` [T] and `steps` [T] are those of `n_step_rewards`, or plain rewards and n = 1 without `steps`.
    Mnih et al., ibid.; n steps: Sutton & Barto, "Reinforcement Learning", 2nd ed. 2018, eq. 7.1.
    """
    discount = gamma if steps is None else gamma ** steps.to(rewards.dtype)
    return (rewards + discount * torch.where(terminal, 0.0, following)).detach()


def n_step_rewards(rewards: Tensor, mask: Tensor, *, n: int, gamma: float) -> tuple[Tensor, Tensor]:
    """Discounted sums of the next n rewards, [N, L], 0 on padding, and how many there were ([N, L], int64).

    `rewards`, `mask`: [N, L], trajectories padded on the right. The situation to bootstrap from lies `steps` turns
    later: for the last turns, which have fewer than n rewards, it is that after the trajectory's end.
    """
    if n < 1:
        raise LearningError(f"n is {n}; a target looks at least 1 step ahead")
    total, steps = torch.zeros_like(rewards), torch.zeros_like(mask, dtype=torch.int64)
    length = rewards.shape[1]
    for ahead in range(min(n, length)):
        real = mask[:, ahead:]
        total[:, : length - ahead] += gamma**ahead * torch.where(real, rewards[:, ahead:], 0.0)
        steps[:, : length - ahead] += real
    return total, steps


def q_loss(values: Tensor, targets: Tensor, mask: Tensor, *, delta: float = 1.0, overestimate: float = 1.0) -> Tensor:
    """Mean Huber loss of Q of what was taken against its targets, over the rows that `mask` marks; all three [T].

    Half the squared error up to `delta`, linear beyond: one reward out of the ordinary does not throw the network.
    No gradient goes into `targets`. Huber, "Robust Estimation of a Location Parameter", 1964; Mnih et al., 2015.
    A row whose value is above its target counts `overestimate` times. Below 1 a move is judged by what it brings when
    the others do their part, not by their exploration: hysteretic Q learning of agents apart (Matignon et al. 2007),
    the optimistic weighting of QMIX for agents together (Rashid et al., "Weighted QMIX", 2020, eq. 6).
    """
    ours, theirs = torch.where(mask, values, 0.0), torch.where(mask, targets.detach(), 0.0)
    errors = nn.functional.huber_loss(ours, theirs, reduction="none", delta=delta)
    return masked_mean(torch.where(ours > theirs, overestimate * errors, errors), mask)


@torch.no_grad()
def follow(target: nn.Module, online: nn.Module, *, rate: float = 1.0) -> None:
    """Move the target network's parameters towards the online one's: theta' <- theta' + rate (theta - theta').

    Rate 1 copies (Mnih et al., 2015); a small rate every step lags smoothly (Lillicrap et al., "Continuous control with
    deep reinforcement learning", 2016). Buffers are copied. In place.
    """
    for own, other in zip(target.parameters(), online.parameters(), strict=True):
        own.lerp_(other, rate)
    for kept, now in zip(target.buffers(), online.buffers(), strict=True):
        kept.copy_(now)
