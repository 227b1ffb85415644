"""`say`: sample text after prompts, one random draw a token, with rows that have said the same sharing the work."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from marl.models.forest import plant
from marl.models.forward import Reader
from marl.models.records import Ids, Utterance


@dataclass(slots=True)
class _Cache:
    """Keys and values of S states, and which of them each state sees ([S, P] bool); `depths` [S] tokens read so far."""

    cache: Any
    visible: np.ndarray
    depths: np.ndarray

    def select(self, states: np.ndarray) -> None:
        """Go on with these states only, in this order (one may come several times)."""
        if len(states) != len(self.depths) or (states != np.arange(len(states))).any():
            self.cache.batch_select_indices(torch.from_numpy(states).to(self.cache.layers[0].keys.device))
            self.visible, self.depths = self.visible[states], self.depths[states]


def say(
    reader: Reader,
    prompts: Sequence[Ids],
    budgets: Sequence[int],
    rngs: Sequence[np.random.Generator],
    stop_ids: frozenset[int],
    *,
    temperature: float,
    greedy: bool,
) -> list[Utterance]:
    """Sample after each prompt until a stop token or the budget; see `LanguageModel.say`.

    Rows with the same prompt that have sampled the same tokens are one state of the network, computed once.
    """
    number: dict[Ids, int] = {}
    state = np.array([number.setdefault(prompt, len(number)) for prompt in prompts])
    tokens: list[list[int]] = [[] for _ in prompts]
    scores: list[list[float]] = [[] for _ in prompts]
    alive = [row for row, budget in enumerate(budgets) if budget > 0]
    with torch.inference_mode():
        logits, cache = _prefill(reader, list(number))
        while alive:
            table, pick = _distribution(logits, temperature, greedy)
            parents: dict[tuple[int, int], int] = {}
            going = []
            for row in alive:
                at = int(state[row])
                token = pick(at, rngs[row])
                tokens[row].append(token)
                scores[row].append(float(table[at, token]))
                if token not in stop_ids and len(tokens[row]) < budgets[row]:
                    state[row] = parents.setdefault((at, token), len(parents))
                    going.append(row)
            alive = going
            if alive:
                cache.select(np.array([at for at, _ in parents]))
                logits = _step(reader, cache, np.array([token for _, token in parents]))
    return [Utterance(tuple(ids), tuple(values)) for ids, values in zip(tokens, scores, strict=True)]


def _distribution(logits: Tensor, temperature: float, greedy: bool) -> tuple[np.ndarray, Any]:
    """Log-probabilities [S, V] as the training pass computes them, and the function (state, rng) -> token."""
    table = (logits / temperature).log_softmax(-1).cpu().numpy()
    if greedy:
        best = table.argmax(-1)
        return table, lambda at, rng: int(best[at])
    cumulative = np.exp(table.astype(np.float64)).cumsum(-1)

    def pick(at: int, rng: np.random.Generator) -> int:
        row = cumulative[at]
        return min(int(row.searchsorted(rng.random() * row[-1], side="right")), len(row) - 1)

    return table, pick


def _prefill(reader: Reader, prompts: Sequence[Ids]) -> tuple[Tensor, _Cache]:
    """Logits [S, V] after each of S prompts, and their keys and values, shared prefixes read once."""
    from transformers import DynamicCache

    forest = plant(prompts, pair_cost=reader.pair_cost, share=reader.share)
    length = max(len(tree.token_ids) for tree in forest.trees)
    states, cache = reader.states(forest.trees, length, DynamicCache())
    last = np.array([path[-1] for path in forest.places])
    logits = reader.logits(states.flatten(0, 1), torch.from_numpy(forest.tree_of * length + last).to(reader.device))
    depths = np.array([len(prompt) for prompt in prompts])
    places = np.zeros((len(prompts), int(depths.max())), dtype=np.int64)
    for index, path in enumerate(forest.places):
        places[index, : len(path)] = path
    visible = np.arange(places.shape[1]) < depths[:, None]
    if (
        len(forest.trees) != len(prompts)
        or (forest.tree_of != np.arange(len(prompts))).any()
        or places.shape[1] != length
    ):
        rows, columns = (
            torch.from_numpy(forest.tree_of).to(reader.device)[:, None],
            torch.from_numpy(places).to(reader.device),
        )
        for layer in cache.layers:
            layer.keys = layer.keys.transpose(1, 2)[rows, columns].transpose(1, 2)
            layer.values = layer.values.transpose(1, 2)[rows, columns].transpose(1, 2)
    return logits, _Cache(cache, visible, depths)


def _step(reader: Reader, cache: _Cache, tokens: np.ndarray) -> Tensor:
    """Read one more token in every state; logits [S, V]."""
    cache.visible = np.concatenate([cache.visible, np.ones((len(tokens), 1), dtype=bool)], axis=1)
    inputs = {
        "input_ids": torch.from_numpy(tokens)[:, None].to(reader.device),
        "position_ids": torch.from_numpy(cache.depths)[:, None].to(reader.device),
        "attention_mask": reader.mask(cache.visible)[:, None, None],
    }
    cache.depths = cache.depths + 1
    states, cache.cache = reader.call(inputs, cache.cache)
    return reader.logits(states[:, -1], torch.arange(len(tokens), device=reader.device))
