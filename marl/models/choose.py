"""`choose`: the distribution over a list of legal texts, step-wise normalized over their token trie."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from marl.models.forward import Reader
from marl.models.records import Ids
from marl.models.trie import OptionTrie

Query = tuple[Ids, OptionTrie]


def branch_sequences(query: Query) -> list[Ids]:
    """The token sequences whose next-token logits decide the query: the prompt and the way to each branching node."""
    prompt, trie = query
    return [prompt + path for path in trie.paths]


def score(logits: Tensor, trie: OptionTrie, states: np.ndarray, temperature: float) -> Tensor:
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
    """Entropy [...] (nats) of distributions given as log-probabilities [..., O]."""
    return -(log_probs.exp() * log_probs).sum(-1)


def group_by_trie(queries: Sequence[Query]) -> dict[OptionTrie, list[int]]:
    """Which queries share an option trie, so that each trie is scored in one go."""
    groups: dict[OptionTrie, list[int]] = {}
    for number, (_, trie) in enumerate(queries):
        groups.setdefault(trie, []).append(number)
    return groups


def choose(reader: Reader, queries: Sequence[Query], temperature: float) -> list[np.ndarray]:
    """Log-probabilities over each query's options; equal queries are computed once."""
    number: dict[Query, int] = {}
    which = [number.setdefault(query, len(number)) for query in queries]
    unique = list(number)
    results: list[np.ndarray] = [np.zeros(trie.size) for _, trie in unique]
    sequences = [branch_sequences(query) for query in unique]
    flat = [sequence for group in sequences for sequence in group]
    if flat:
        with torch.inference_mode():
            logits, places = reader.read(flat, [len(sequence) - 1 for sequence in flat])
            rows = np.split(np.concatenate(places), np.cumsum([len(group) for group in sequences])[:-1])
            for trie, members in group_by_trie(unique).items():
                scores = score(logits, trie, np.stack([rows[member] for member in members]), temperature)
                for member, result in zip(members, scores.cpu().double().numpy(), strict=True):
                    results[member] = result
    return [results[index] for index in which]
