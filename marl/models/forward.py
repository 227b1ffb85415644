"""The one forward pass that acting and training share: token sequences in, logits at the wanted places out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from marl.errors import ModelError
from marl.models.forest import Tree, plant
from marl.models.records import Ids

TOKENS_A_PASS = 4096
"""Padded tokens in one call of the network; larger requests are split."""

PASS_OVERHEAD = 192
"""What one more call of the network costs, in tokens; it decides when rows of another length get their own call."""


class Reader:
    """Reads token sequences with a causal network (any Hugging Face causal LM), in evaluation mode, without dropout.

    `split` says whether the output embedding applied to the inner model's hidden states gives the network's own
    logits, so that it need be applied only where logits are wanted; `share` whether the network takes a tree
    attention mask, so that shared prefixes are computed once. Both are found out by a trial on construction.
    """

    def __init__(self, network: Any) -> None:
        self.network = network.eval()
        self.inner = network.base_model
        self.head = network.get_output_embeddings()
        width = getattr(network.config.get_text_config(), "hidden_size", None) or 512
        self.pair_cost = 1.0 / (2.0 * width)
        self.split = self.share = False
        with torch.inference_mode():
            self.split = self.head is not None and self._agrees("split")
            self.share = self._agrees("share")

    @property
    def device(self) -> torch.device:
        """Where the network's weights are."""
        return next(self.network.parameters()).device

    def read(self, sequences: Sequence[Ids], starts: Sequence[int]) -> tuple[Tensor, list[np.ndarray]]:
        """Logits after the tokens starts[i], starts[i] + 1, ... of each sequence i.

        Returns logits [M, V] (float32 at least; each place of a shared prefix once) and for every sequence its rows in
        them, shape [len(sequences[i]) - starts[i]]. Raises ModelError where a logit is not finite.
        """
        forest = plant(sequences, pair_cost=self.pair_cost, share=self.share)
        passes = _passes(forest.trees)
        offset = np.zeros(len(forest.trees), dtype=np.int64)
        total = 0
        for numbers, length in passes:
            offset[numbers] = total + length * np.arange(len(numbers))
            total += length * len(numbers)
        flat = [
            offset[tree] + path[start:] for tree, path, start in zip(forest.tree_of, forest.places, starts, strict=True)
        ]
        wanted, inverse = np.unique(np.concatenate(flat), return_inverse=True)
        logits, first = [], 0
        for numbers, length in passes:
            last = first + length * len(numbers)
            here = wanted[np.searchsorted(wanted, first) : np.searchsorted(wanted, last)] - first
            if len(here):
                hidden, _ = self.states([forest.trees[number] for number in numbers], length)
                logits.append(self.logits(hidden.flatten(0, 1), torch.from_numpy(here).to(self.device)))
            first = last
        result = logits[0] if len(logits) == 1 else torch.cat(logits)
        return result, np.split(inverse, np.cumsum([len(part) for part in flat])[:-1])

    def states(self, trees: Sequence[Tree], length: int, cache: Any = None) -> tuple[Tensor, Any]:
        """Hidden states (logits where `split` is False) [R, length, H] of R right-padded trees, and the cache."""
        token_ids = np.zeros((len(trees), length), dtype=np.int64)
        for row, tree in enumerate(trees):
            token_ids[row, : len(tree.token_ids)] = tree.token_ids
        inputs: dict[str, Any] = {"input_ids": torch.from_numpy(token_ids).to(self.device)}
        if any(tree.visible is not None for tree in trees):
            depths = np.zeros((len(trees), length), dtype=np.int64)
            visible = np.broadcast_to(np.tri(length, dtype=bool), (len(trees), length, length)).copy()
            for row, tree in enumerate(trees):
                size = len(tree.token_ids)
                depths[row, :size] = tree.depths
                if tree.visible is not None:
                    visible[row, :size, :size] = tree.visible
            inputs["position_ids"] = torch.from_numpy(depths).to(self.device)
            inputs["attention_mask"] = self.mask(visible)[:, None]
        return self.call(inputs, cache)

    def mask(self, visible: np.ndarray) -> Tensor:
        """The additive attention mask of what is `visible`: 0 there, minus infinity elsewhere."""
        dtype = self.network.dtype
        hidden = torch.from_numpy(~visible).to(self.device)
        return torch.zeros(visible.shape, dtype=dtype, device=self.device).masked_fill_(hidden, -torch.inf)

    def call(self, inputs: dict[str, Any], cache: Any = None) -> tuple[Tensor, Any]:
        """One call of the network. Returns its hidden states (logits where `split` is False) and the cache."""
        if cache is not None:
            inputs["past_key_values"] = cache
        out = (self.inner if self.split else self.network)(**inputs, use_cache=cache is not None)
        return (out.last_hidden_state if self.split else out.logits), getattr(out, "past_key_values", None)

    def logits(self, states: Tensor, where: Tensor) -> Tensor:
        """Logits [M, V] of the `states` [N, H] at `where` [M], in float32 at least. Raises ModelError if not finite."""
        states = states.index_select(0, where)
        logits = self.head(states) if self.split else states
        if logits.dtype in (torch.float16, torch.bfloat16):
            logits = logits.float()
        if not torch.isfinite(logits.detach().sum()):
            raise ModelError(
                "the network's logits are not finite (NaN or infinity): its weights or inputs are damaged; load an "
                "earlier checkpoint, or lower the learning rate if this happened in training"
            )
        return logits

    def _agrees(self, what: str) -> bool:
        """Whether the network with `what` switched on gives the logits that it gives without, on a tiny input."""
        vocabulary = self.network.get_input_embeddings().weight.shape[0]
        token = [1 + (7 * index) % (vocabulary - 1) for index in range(8)]
        sequences = [tuple(token[:4]), tuple(token[:6]), (*token[:4], *token[6:]), (*token[:5], token[7])]
        starts = [len(sequence) - 1 for sequence in sequences]
        expected, rows = self.read(sequences, starts)
        setattr(self, what, True)
        pair_cost, self.pair_cost = self.pair_cost, 0.0
        try:
            given, other = self.read(sequences, starts)
        except (ModelError, RuntimeError, ValueError, TypeError):
            return False
        finally:
            setattr(self, what, False)
            self.pair_cost = pair_cost
        expected, given = expected[np.concatenate(rows)], given[np.concatenate(other)]
        tolerance = 1e-4 if self.network.dtype in (torch.float32, torch.float64) else 5e-2
        return bool((expected - given).abs().max() <= tolerance * (1 + expected.abs().max()))


def _passes(trees: Sequence[Tree]) -> list[tuple[np.ndarray, int]]:
    """Which trees go through the network together, and the length that they are padded to."""
    sizes = np.array([len(tree.token_ids) for tree in trees])
    order = np.argsort(-sizes, kind="stable")
    passes: list[tuple[np.ndarray, int]] = []
    start, waste = 0, 0
    length = int(sizes[order[0]])
    for rank, number in enumerate(order):
        waste += length - int(sizes[number])
        if rank > start and (waste > PASS_OVERHEAD or (rank - start + 1) * length > TOKENS_A_PASS):
            passes.append((order[start:rank], length))
            start, waste, length = rank, 0, int(sizes[number])
    passes.append((order[start:], length))
    return passes
