"""The plain truth about a network: one unpadded row a forward; no cache, tree, mask or position ids of ours."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

Ids = tuple[int, ...]
Table = Callable[[Ids], Tensor]


def table(network: Any, temperature: float = 1.0) -> Table:
    """prefix ids -> next-token log-probabilities [V] at `temperature`; equal prefixes are read once."""
    known: dict[Ids, Tensor] = {}

    def look_up(prefix: Ids) -> Tensor:
        if prefix not in known:
            logits = network(input_ids=torch.tensor([list(prefix)])).logits[0, -1]
            known[prefix] = (logits / temperature).log_softmax(-1)
        return known[prefix]

    return look_up


def step_scores(look_up: Table, prompt: Ids, options: Sequence[Ids], stop_id: int) -> Tensor:
    """Log-probabilities [O]: at each token, the network's distribution over what any option could go on with there.

    An option that is a prefix of another ends with `stop_id`.
    """
    short = [any(option != other and other[: len(option)] == option for other in options) for option in options]
    ended = [(*option, stop_id) if ends else option for option, ends in zip(options, short, strict=True)]
    totals = []
    for option in ended:
        total = look_up(prompt).new_zeros(())
        for depth, token in enumerate(option):
            allowed = sorted(
                {other[depth] for other in ended if len(other) > depth and other[:depth] == option[:depth]}
            )
            steps = look_up(prompt + option[:depth])[allowed].log_softmax(-1)
            total = total + steps[allowed.index(token)]
        totals.append(total)
    return torch.stack(totals)


def said_scores(look_up: Table, prompt: Ids, tokens: Ids) -> Tensor:
    """Log-probabilities [len(tokens)] of a text that follows the prompt."""
    return torch.stack([look_up(prompt + tokens[:depth])[token] for depth, token in enumerate(tokens)])


def greedy(network: Any, prompts: Sequence[Ids], budget: int, stops: Sequence[int], pad: int = 0) -> list[Ids]:
    """What transformers' own `generate` says greedily after `prompts`, padded on the left; ends with a stop token."""
    length = max(map(len, prompts))
    ids = torch.tensor([[pad] * (length - len(prompt)) + list(prompt) for prompt in prompts])
    mask = torch.tensor([[0] * (length - len(prompt)) + [1] * len(prompt) for prompt in prompts])
    said = network.generate(
        ids, attention_mask=mask, max_new_tokens=budget, do_sample=False, eos_token_id=list(stops), pad_token_id=pad
    )[:, length:].tolist()
    ends = [next((at + 1 for at, token in enumerate(row) if token in stops), budget) for row in said]
    return [tuple(row[:end]) for row, end in zip(said, ends, strict=True)]


def gradients(network: Any, loss: Tensor) -> dict[str, Tensor]:
    """The gradient of `loss` by each of the network's parameters that it depends on."""
    network.zero_grad()
    loss.backward()
    return {name: part.grad.clone() for name, part in network.named_parameters() if part.grad is not None}
