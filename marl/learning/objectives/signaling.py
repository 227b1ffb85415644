"""Positive signaling: a bonus for messages that depend on what their speaker knows."""

from __future__ import annotations

from torch import Tensor


def average_message(table: Tensor) -> Tensor:
    """log of the mean over T turns of their policies, [O]; `table` [T, O] has -inf where not legal."""
    return table.exp().mean(dim=0).log()


def signaling_bonus(table: Tensor, average: Tensor, turns: Tensor) -> Tensor:
    """Mean over `turns` [T] of KL(pi(. | turn) || average), in nats; 0 where there is none.

    `table` [T, O] are log-probabilities, -inf where not legal; `average` [O] or [T, O] is `average_message`, without
    gradient. Taken from the same policy the bonus is the mutual information between what the speaker knows and what it
    says, H(average) - mean H(pi), and so is its gradient, since that through the average vanishes.

    Eccles et al., "Biases for Emergent Communication in Multi-agent Reinforcement Learning", 2019, eq. 2, who hold
    mean H(pi) at a target instead; here the entropy bonus weighs against it.
    """
    if not bool(turns.any()):
        return table.new_zeros(())
    there = table[turns]
    legal = there.isfinite()
    against = average.expand_as(table)[turns]
    gap = there.masked_fill(~legal, 0.0) - against.masked_fill(~legal, 0.0)
    return (there.exp() * gap).sum(dim=-1).mean()
