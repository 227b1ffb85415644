"""The gradient of a minibatch, summed over pieces that fit into memory; rows of many adapters go through one pass."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from marl.learning.actor import ActorModule
from marl.models import Row

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
    """What a part's rows have now: `log_probs`, `entropy`, `mask`, [T, C] each, C columns as recorded."""

    log_probs: Tensor
    entropy: Tensor
    mask: Tensor


Loss = Callable[[str, Part, Given, Shares], Tensor]
"""(policy, part, what its rows have now, shares) -> the part's share of the policy's loss."""


def accumulate(
    actors: Mapping[str, ActorModule],
    minibatch: Mapping[str, Part],
    rows: Mapping[str, Sequence[Row]],
    loss: Loss,
    *,
    tokens: int,
    backward: Callable[[ActorModule, Tensor], None] = lambda actor, value: value.backward(),
) -> None:
    """Add each policy's gradient of `loss` over its part of `minibatch` to its parameters' `grad`.

    `rows` [T] stand beside the columns. Actors that share a model go through it together, about `tokens` tokens at a
    time. `backward` is called with an actor of the pass and its loss.
    """
    groups: dict[Hashable, list[str]] = {}
    for name in minibatch:
        groups.setdefault(actors[name].pass_key(), []).append(name)
    for names in groups.values():
        actor = actors[names[0]]
        owners = [(name, place) for name in names for place in range(len(rows[name]))]
        flat = [rows[name][place] for name, place in owners]
        for piece in actor.model.micro_batches(flat, tokens):
            backward(actor, _piece_loss(actor, [owners[i] for i in piece], [flat[i] for i in piece], minibatch, loss))


def _piece_loss(
    actor: ActorModule,
    owners: Sequence[tuple[str, int]],
    rows: Sequence[Row],
    minibatch: Mapping[str, Part],
    loss: Loss,
) -> Tensor:
    result = actor.read(rows)
    total = result.log_probs.new_zeros(())
    for name in dict.fromkeys(name for name, _ in owners):
        whole = minibatch[name]
        device = result.log_probs.device
        here = torch.tensor([i for i, (owner, _) in enumerate(owners) if owner == name], device=device)
        there = torch.tensor([place for owner, place in owners if owner == name], device=device)
        part = {key: value[there] for key, value in whole.items()}
        given = _trimmed(Given(result.log_probs[here], result.entropy[here], result.mask[here]))
        total = total + loss(name, part, given, Shares.of(part["talk"], whole["talk"]))
    return total


def _trimmed(given: Given) -> Given:
    """Without the columns that only other policies' rows need."""
    width = max(1, int(given.mask.sum(-1).max()))
    return Given(given.log_probs[:, :width], given.entropy[:, :width], given.mask[:, :width])
