"""The training pass: log-probabilities and entropies of recorded decisions, through the forward that acting uses."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from marl.errors import ModelError
from marl.models.choose import group
from marl.models.forward import Reader, Reading
from marl.models.matcher import Matcher, allowed_along
from marl.models.records import Ids, Row, RowLogProbs
from marl.models.scoring import Query, Scorer, entropy

Values = tuple[Tensor, Tensor]
"""Log-probabilities and entropies, [n] each."""


def log_probs(reader: Reader, rows: Sequence[Row], scorer: Scorer, constraint: Matcher | None = None) -> RowLogProbs:
    """Log-probabilities and entropies of `rows`; equal rows, prompts and prefixes are computed once.

    Said tokens had `constraint` to obey. Raises ModelError for no rows, a said row without tokens, and a choice outside
    the row's options.
    """
    if not rows:
        raise ModelError("log_probs was given no rows; give at least one recorded decision")
    number: dict[Row, int] = {}
    which = np.array([number.setdefault(row, len(number)) for row in rows])
    unique = list(number)
    said = [index for index, row in enumerate(unique) if row.choice is None]
    chosen = [index for index, row in enumerate(unique) if row.choice is not None]
    query_of: dict[Query, int] = {}
    asked = [query_of.setdefault(_query(unique[index]), len(query_of)) for index in chosen]
    readings = [_said_reading(unique[index]) for index in said]
    options = [scorer.readings(query) for query in query_of]
    flat = readings + [reading for given in options for reading in given]
    if flat:
        logits, places = reader.read(flat)
    else:  # nothing was open in any row: zeros, from which backward() still works
        weight = next(parameter for parameter in reader.network.parameters() if parameter.requires_grad)
        logits, places = 0.0 * weight.reshape(-1)[:1, None], []
    slots = np.zeros((len(unique), max([1, *(len(unique[index].token_ids) for index in said)])), dtype=np.int64)
    values: list[Values] = [(logits.new_zeros(1), logits.new_zeros(1))]
    rows_of_table, table = np.full(len(unique), -1), logits.new_empty(0, 0)
    if said:
        tokens = [unique[index].token_ids for index in said]
        values.append(_said(logits, tokens, places[: len(said)], scorer.temperature, constraint))
        ends = np.cumsum([len(ids) for ids in tokens])
        for index, ids, end in zip(said, tokens, ends, strict=True):
            slots[index, : len(ids)] = np.arange(1 + end - len(ids), 1 + end)
    if chosen:
        table = scorer.table(logits, list(query_of), group(places[len(said) :], options))
        slots[chosen, 0] = sum(len(part[0]) for part in values) + np.arange(len(chosen))
        picks, rows_of_table[chosen] = [unique[index].choice for index in chosen], asked
        values.append((table[asked, picks], entropy(table)[asked]))
    at = torch.from_numpy(slots[which]).to(logits.device)
    joined = [torch.cat(parts) for parts in zip(*values, strict=True)]
    padded = nn.functional.pad(table, (0, 0, 0, 1), value=-torch.inf)  # its last row is what said texts get
    tables = padded[torch.from_numpy(rows_of_table[which]).to(logits.device)]
    return RowLogProbs(joined[0][at], at > 0, joined[1][at], tables)


def micro_batches(rows: Sequence[Row], tokens: int) -> list[list[int]]:
    """The numbers of `rows` in pieces of about `tokens` tokens each, beginnings that are alike counted once.

    Rows with like prompts stay together. One row alone may have more than `tokens`.
    """
    order = sorted(range(len(rows)), key=lambda index: (rows[index].adapter or "", rows[index].prompt_ids))
    pieces: list[list[int]] = []
    size, before = 0, None
    for index in order:
        row = rows[index]
        own = len(row.token_ids) if row.choice is None else sum(map(len, row.option_ids))
        shared = 0
        if before is not None and before.adapter == row.adapter:
            shared = _alike(before.prompt_ids, row.prompt_ids)
        more = len(row.prompt_ids) - shared + own
        if not pieces or size + more > tokens:
            pieces.append([])
            size, more = 0, len(row.prompt_ids) + own
        pieces[-1].append(index)
        size, before = size + more, row
    return pieces


def _alike(one: Ids, other: Ids) -> int:
    """How many first tokens are the same."""
    for place, (left, right) in enumerate(zip(one, other, strict=False)):
        if left != right:
            return place
    return min(len(one), len(other))


def _query(row: Row) -> Query:
    if row.choice is None or not 0 <= row.choice < len(row.option_ids):
        raise ModelError(f"choice {row.choice} is outside the row's {len(row.option_ids)} options")
    return Query(row.prompt_ids, row.option_ids, row.adapter)


def _said_reading(row: Row) -> Reading:
    """All but the last token; logits are wanted from the prompt's last token on."""
    if not row.token_ids:
        raise ModelError("a said row holds no tokens; a recorded utterance has at least its stop token")
    return Reading(row.prompt_ids + row.token_ids[:-1], len(row.prompt_ids) - 1, row.adapter)


def _said(
    logits: Tensor,
    tokens: Sequence[Ids],
    places: Sequence[np.ndarray],
    temperature: float,
    constraint: Matcher | None,
) -> Values:
    """Log-probability and entropy [sum of lengths] of said tokens, each distribution computed once."""
    states, first, inverse = np.unique(np.concatenate(places), return_index=True, return_inverse=True)
    scaled = logits[torch.from_numpy(states).to(logits.device)] / temperature
    if constraint is not None:
        allowed = np.concatenate([allowed_along(constraint, ids) for ids in tokens])[first]
        scaled = scaled.masked_fill(~torch.from_numpy(allowed).to(logits.device), -torch.inf)
    table = scaled.log_softmax(-1)
    rows = torch.from_numpy(inverse).to(logits.device)
    ids = torch.from_numpy(np.concatenate([np.array(part, dtype=np.int64) for part in tokens])).to(logits.device)
    return table[rows, ids], entropy(table)[rows]
