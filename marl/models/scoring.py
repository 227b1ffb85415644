"""From logits to a distribution over options: step by step over their trie, or by whole sequences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor

from marl.errors import ModelError
from marl.models.forward import Reading
from marl.models.records import Ids
from marl.models.trie import OptionTrie, check_options, option_trie

Scoring = Literal["step", "sum", "token", "word"]
"""How a list of options becomes a distribution.

step: at every place where options part, the network's distribution over the tokens that lead on to one; an option that
is a prefix of another ends with the stop token there. A proper autoregressive distribution.
sum, token, word: softmax over the whole list of each option's log-probability under the full vocabulary, as it is,
divided by its number of tokens, or by its number of words (the three choices of TWOSOME, Tan et al. 2024).
"""


def check_scoring(scoring: str) -> None:
    """Raise ModelError unless `scoring` is one of Scoring's."""
    if scoring not in get_args(Scoring):
        raise ModelError(f"scoring is {scoring!r}; give one of {', '.join(get_args(Scoring))}")


@dataclass(frozen=True, slots=True)
class Query:
    """A prompt and its options, read with `adapter`; `key` owns the prompt (see `Reading`)."""

    prompt: Ids
    options: tuple[Ids, ...]
    adapter: str | None = None
    key: object = None


class Scorer:
    """One way of scoring: which places to read for a query, and the distribution that their logits give.

    `count_words` tells the number of words of an option's tokens.
    """

    def __init__(self, scoring: str, stop_id: int, temperature: float, count_words: Callable[[Ids], int]) -> None:
        check_scoring(scoring)
        self.scoring = scoring
        self.stop_id = stop_id
        self.temperature = temperature
        self.count_words = count_words

    def readings(self, query: Query) -> list[Reading]:
        """What to read: up to each branching node, or along every option up to its last token."""
        prompt, first = query.prompt, len(query.prompt) - 1
        if self.scoring == "step":
            paths = [prompt + path for path in option_trie(query.options, self.stop_id).paths]
            return [Reading(path, len(path) - 1, query.adapter, query.key, len(prompt)) for path in paths]
        check_options(query.options)
        return [Reading(prompt + option[:-1], first, query.adapter, query.key, len(prompt)) for option in query.options]

    def table(self, logits: Tensor, queries: Sequence[Query], places: Sequence[Sequence[np.ndarray]]) -> Tensor:
        """Log-probabilities [Q, O] of each query's options, -inf behind its last one.

        `logits` [M, V]; `places`: for each query and each of its readings the rows of `logits` that belong to it.
        """
        score = self._steps if self.scoring == "step" else self._sequences
        return score(logits, queries, places)

    def _steps(self, logits: Tensor, queries: Sequence[Query], places: Sequence[Sequence[np.ndarray]]) -> Tensor:
        groups: dict[OptionTrie, list[int]] = {}
        for number, query in enumerate(queries):
            groups.setdefault(option_trie(query.options, self.stop_id), []).append(number)
        width = max(trie.size for trie in groups)
        parts = []
        for trie, members in groups.items():
            states = np.array([[rows[-1] for rows in places[member]] for member in members], dtype=np.int64)
            scores = score_steps(logits, trie, states, self.temperature)
            parts.append(torch.nn.functional.pad(scores, (0, width - trie.size), value=-torch.inf))
        order = np.argsort(np.concatenate([np.array(members) for members in groups.values()]))
        return torch.cat(parts)[torch.from_numpy(order).to(logits.device)]

    def _sequences(self, logits: Tensor, queries: Sequence[Query], places: Sequence[Sequence[np.ndarray]]) -> Tensor:
        options = [option for query in queries for option in query.options]
        device = logits.device
        rows = torch.from_numpy(np.concatenate([rows for given in places for rows in given])).to(device)
        ids = torch.tensor([token for option in options for token in option], device=device)
        owner = torch.from_numpy(np.repeat(np.arange(len(options)), [len(option) for option in options])).to(device)
        norms = (logits / self.temperature).logsumexp(-1)
        tokens = logits[rows, ids] / self.temperature - norms[rows]
        sums = tokens.new_zeros(len(options)).index_add(0, owner, tokens)
        sums = sums / torch.tensor([self._length(option) for option in options], device=device)
        counts = np.array([len(query.options) for query in queries])
        filled = torch.from_numpy(np.arange(counts.max()) < counts[:, None]).to(device)
        table = sums.new_full(filled.shape, -torch.inf).masked_scatter(filled, sums)
        return table.log_softmax(-1)

    def _length(self, option: Ids) -> int:
        """What an option's log-probability is divided by."""
        return {"sum": 1, "token": len(option), "word": self.count_words(option)}[self.scoring]


def score_steps(logits: Tensor, trie: OptionTrie, states: np.ndarray, temperature: float) -> Tensor:
    """Log-probabilities [n, O] of O options in n queries that share a trie with B branching nodes.

    `logits` [M, V]; `states` [n, B]: the row of `logits` that belongs to each branching node. At every branching node
    the logits are divided by `temperature` and normalized over the node's children, so that the options'
    probabilities sum to 1.
    """
    if not trie.paths:
        return 0.0 * logits[:1, :1].expand(len(states), trie.size)  # certain, and still differentiable
    device = logits.device
    children, child_mask = torch.from_numpy(trie.children).to(device), torch.from_numpy(trie.child_mask).to(device)
    edges = logits[torch.from_numpy(states).to(device)[:, :, None], children[None]] / temperature
    steps = edges.masked_fill(~child_mask, -torch.inf).log_softmax(-1)
    branch, child = torch.from_numpy(trie.route_branch).to(device), torch.from_numpy(trie.route_child).to(device)
    mask = torch.from_numpy(trie.route_mask).to(device)
    return steps[:, branch, child].masked_fill(~mask, 0.0).sum(-1)


def entropy(log_probs: Tensor) -> Tensor:
    """Entropy [...] (nats) of distributions given as log-probabilities [..., O]; -inf counts as probability 0."""
    return -(log_probs.exp() * log_probs.clamp(min=torch.finfo(log_probs.dtype).min)).sum(-1)
