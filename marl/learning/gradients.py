"""The gradient of a minibatch, summed over pieces that fit into memory; rows of many adapters go through one pass."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from marl.learning.actor import ActorModule
from marl.models import RowLogProbs

Part = dict[str, Tensor]
"""Columns of some turns of one policy, [T] or [T, C] each."""


@dataclass(frozen=True)
class Shares:
    """How much of the policy's minibatch a part holds: of all `turns`, of those that `act`, of those that `talk`.

    A mean over the minibatch is the sum of its parts' means times their shares.
    """

    turns: float = 1.0
    act: float = 1.0
    talk: float = 1.0

    @classmethod
    def of(cls, talk: Tensor, whole: Tensor) -> Shares:
        """From the `talk` columns of the part and of the minibatch, [T] bool each."""
        turns, talks, all_talks = len(talk), int(talk.sum()), int(whole.sum())
        acts, all_acts = turns - talks, len(whole) - all_talks
        return cls(turns / len(whole), acts / max(all_acts, 1), talks / max(all_talks, 1))


@dataclass(frozen=True)
class Given:
    """What a part's rows have now: `log_probs`, `entropy`, `mask`, [T, C] each, C columns as recorded; and `table`
    [T, O], the log-probabilities of all options (see `RowLogProbs`).
    """

    log_probs: Tensor
    entropy: Tensor
    mask: Tensor
    table: Tensor


Loss = Callable[[str, Part, Given, Shares], Tensor]
"""(policy, part, what its rows have now, shares) -> the part's share of the policy's loss."""


def accumulate(
    actors: Mapping[str, ActorModule],
    minibatch: Mapping[str, Part],
    rows: Mapping[str, Any],
    loss: Loss,
    *,
    tokens: int,
    backward: Callable[[ActorModule, Tensor], None] = lambda actor, value: value.backward(),
    share: Callable[[int], Tensor] = torch.arange,
) -> None:
    """Add each policy's gradient of `loss` over its part of `minibatch` to its parameters' `grad`.

    `rows` are each actor's own (`ActorModule.rows`), T that stand beside the columns. Actors that share a model go
    through it together, about `tokens` tokens at a time. `backward` is called with an actor of the pass and its loss.
    `share` says which of a policy's so many rows are read here, [n] int64; others read the rest of the minibatch.
    """
    groups: dict[Hashable, list[str]] = {}
    for name in minibatch:
        groups.setdefault(actors[name].pass_key(), []).append(name)
    for names in groups.values():
        actor = actors[names[0]]
        shares = [share(len(rows[name])) for name in names]
        owner = torch.repeat_interleave(torch.arange(len(names)), torch.tensor([len(own) for own in shares]))
        place = torch.cat(shares)
        flat = actor.join([actor.take(rows[name], own) for name, own in zip(names, shares, strict=True)])
        for piece in actor.pieces(flat, tokens) if len(place) else ():
            result = actor.read(actor.take(flat, piece))
            total = result.log_probs.new_zeros(())
            for number in owner[piece].unique(sorted=True).tolist():
                here = (owner[piece] == number).nonzero().squeeze(-1)
                there, whole = place[piece][here], minibatch[names[number]]
                total = total + _part_loss(names[number], whole, result, here, there, loss)
            backward(actor, total)


def _part_loss(name: str, whole: Part, result: RowLogProbs, here: Tensor, there: Tensor, loss: Loss) -> Tensor:
    """One policy's share of a pass: its rows are `here` [n] in the pass and `there` [n] in the minibatch."""
    here, there = here.to(result.log_probs.device), there.to(result.log_probs.device)
    part = {key: value[there] for key, value in whole.items()}
    mask = result.mask[here]
    width = max(1, int(mask.sum(-1).max()))  # without the columns that only other policies' rows need
    given = Given(result.log_probs[here, :width], result.entropy[here, :width], mask[:, :width], result.table[here])
    return loss(name, part, given, Shares.of(part["talk"], whole["talk"]))
