"""The training pass: log-probabilities and entropies of recorded decisions, through the forward that acting uses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from marl.errors import ModelError
from marl.models.choose import Query, branch_sequences, entropy, group_by_trie, score
from marl.models.forward import Reader
from marl.models.records import Row, RowLogProbs
from marl.models.trie import option_trie


def log_probs(reader: Reader, rows: Sequence[Row], stop_id: int, temperature: float) -> RowLogProbs:
    """Log-probabilities and entropies of `rows` at `temperature`; equal rows, prompts and prefixes are computed once.

    Raises ModelError for no rows, a said row without tokens, and a choice outside the row's options.
    """
    if not rows:
        raise ModelError("log_probs was given no rows; give at least one recorded decision")
    number: dict[Row, int] = {}
    which = np.array([number.setdefault(row, len(number)) for row in rows])
    unique = list(number)
    said = [index for index, row in enumerate(unique) if row.choice is None]
    chosen = [index for index, row in enumerate(unique) if row.choice is not None]
    query_of: dict[Query, int] = {}
    asked = [query_of.setdefault(_query(unique[index], stop_id), len(query_of)) for index in chosen]
    sequences, starts = _said_sequences([unique[index] for index in said])
    branches = [branch_sequences(query) for query in query_of]
    for group in branches:
        sequences.extend(group)
        starts.extend(len(sequence) - 1 for sequence in group)
    if sequences:
        logits, places = reader.read(sequences, starts)
    else:  # nothing was open in any row: zeros, from which backward() still works
        logits, places = 0.0 * next(reader.network.parameters()).reshape(-1)[:1, None], []
    columns = max([1, *(len(unique[index].token_ids) for index in said)])
    slots = np.zeros((len(unique), columns), dtype=np.int64)
    values = [(logits.new_zeros(1), logits.new_zeros(1))]
    if said:
        tokens = [unique[index].token_ids for index in said]
        values.append(_said(logits, tokens, places[: len(said)], temperature))
        for member, end in zip(said, np.cumsum([len(ids) for ids in tokens]), strict=True):
            count = len(unique[member].token_ids)
            slots[member, :count] = np.arange(1 + end - count, 1 + end)
    if chosen:
        rest = np.split(
            np.concatenate([*places[len(said) :], []]).astype(np.int64), np.cumsum([len(g) for g in branches])[:-1]
        )
        picks = np.array([unique[index].choice for index in chosen])
        result, order = _chosen(logits, list(query_of), rest, np.array(asked), picks, temperature)
        slots[np.array(chosen)[order], 0] = sum(len(part[0]) for part in values) + np.arange(len(chosen))
        values.append(result)
    slots = slots[which]
    index = torch.from_numpy(slots).to(logits.device)
    flat = [torch.cat(parts) for parts in zip(*values, strict=True)]
    return RowLogProbs(flat[0][index], index > 0, flat[1][index])


def _query(row: Row, stop_id: int) -> Query:
    if row.choice is None or not 0 <= row.choice < len(row.option_ids):
        raise ModelError(f"choice {row.choice} is outside the row's {len(row.option_ids)} options")
    return row.prompt_ids, option_trie(row.option_ids, stop_id)


def _said_sequences(rows: Sequence[Row]) -> tuple[list[tuple[int, ...]], list[int]]:
    """What to read for said rows: all but the last token, and from which place on the logits are wanted."""
    if any(not row.token_ids for row in rows):
        raise ModelError("a said row holds no tokens; a recorded utterance has at least its stop token")
    return [row.prompt_ids + row.token_ids[:-1] for row in rows], [len(row.prompt_ids) - 1 for row in rows]


def _said(
    logits: Tensor, tokens: Sequence[tuple[int, ...]], places: Sequence[np.ndarray], temperature: float
) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy [sum of lengths] of said tokens, each distribution computed once."""
    states, inverse = np.unique(np.concatenate(places), return_inverse=True)
    table = (logits[torch.from_numpy(states).to(logits.device)] / temperature).log_softmax(-1)
    rows = torch.from_numpy(inverse).to(logits.device)
    ids = torch.from_numpy(np.concatenate([np.array(part, dtype=np.int64) for part in tokens])).to(logits.device)
    return table[rows, ids], entropy(table)[rows]


def _chosen(
    logits: Tensor,
    queries: Sequence[Query],
    states: Sequence[np.ndarray],
    asked: np.ndarray,
    picks: np.ndarray,
    temperature: float,
) -> tuple[tuple[Tensor, Tensor], np.ndarray]:
    """Log-probability and entropy [n] of choices, and the order in which they come: result i is choice order[i].

    `asked` [n]: the query of each choice; `picks` [n]: the option taken.
    """
    parts, entropies, order = [], [], []
    for trie, members in group_by_trie(queries).items():
        scores = score(logits, trie, np.stack([states[member] for member in members]), temperature)
        local = np.full(len(queries), -1)
        local[members] = np.arange(len(members))
        mine = np.flatnonzero(local[asked] >= 0)
        rows = torch.from_numpy(local[asked[mine]]).to(logits.device)
        parts.append(scores[rows, torch.from_numpy(picks[mine]).to(logits.device)])
        entropies.append(entropy(scores)[rows])
        order.append(mine)
    return (torch.cat(parts), torch.cat(entropies)), np.concatenate(order)
