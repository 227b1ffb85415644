"""`say`: sample text after prompts, one random draw a token, with rows that have said the same sharing the work."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from marl.models.forward import Reader
from marl.models.matcher import Matcher
from marl.models.records import Ids, Utterance
from marl.models.states import Said, Speech, prefill, reread
from marl.models.stops import StopTexts
from marl.models.truncation import truncate

CACHE_BYTES = 1 << 30
"""Memory for keys and values of the rows that are sampled together; larger requests are split."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """The distribution that tokens are drawn from, and what ends a text.

    Logits are divided by `temperature`, what `constraint` rules out is dropped, then top-k, then top-p; `greedy` takes
    the likeliest token of it and draws nothing.
    """

    stop_ids: frozenset[int]
    stop_texts: StopTexts
    temperature: float = 1.0
    greedy: bool = False
    top_k: int | None = None
    top_p: float | None = None
    constraint: Matcher | None = None

    def log_probs(self, logits: Tensor, matchers: Sequence[Matcher]) -> Tensor:
        """Log-probabilities [S, V] of the next token, as the training pass computes them."""
        scaled = logits if self.temperature == 1.0 else logits / self.temperature
        if matchers:
            allowed = torch.from_numpy(np.stack([matcher.allowed() for matcher in matchers])).to(scaled.device)
            scaled = scaled.masked_fill(~allowed, -torch.inf)
        return truncate(scaled, self.top_k, self.top_p).log_softmax(-1)


def say(reader: Reader, speeches: Sequence[Speech], sampling: Sampling) -> list[Utterance]:
    """Sample after each prompt until a stop or the budget; see `LanguageModel.say`.

    Rows with the same prompt that have sampled the same tokens are one state of the network, computed once.
    """
    utterances: list[Utterance] = []
    with torch.inference_mode(), reader.many_steps(len(speeches)):
        for part in _parts(speeches, reader.token_bytes):
            utterances += _say(reader, part, sampling)
    return utterances


def _parts(speeches: Sequence[Speech], token_bytes: int) -> Iterator[Sequence[Speech]]:
    """The rows in pieces whose keys and values fit into CACHE_BYTES (one row may need more)."""
    start, longest = 0, 0
    for index, speech in enumerate(speeches):
        longest = max(longest, len(speech.prompt) + speech.budget)
        if index > start and (index - start + 1) * longest * token_bytes > CACHE_BYTES:
            yield speeches[start:index]
            start, longest = index, len(speech.prompt) + speech.budget
    if start < len(speeches):
        yield speeches[start:]


def _say(reader: Reader, speeches: Sequence[Speech], sampling: Sampling) -> list[Utterance]:
    number: dict[tuple[Ids, str | None], int] = {}
    rows = [Said(each, number.setdefault((each.prompt, each.adapter), len(number))) for each in speeches]
    first = {row.state: row.speech for row in reversed(rows)}
    heads = [first[state] for state in range(len(number))]
    owners = [row.speech for row in rows if row.speech.key is not None and row.speech is not first[row.state]]
    alive = [row for row in rows if row.speech.budget > 0]
    if alive:
        begin = prefill if reader.cached else reread
        logits, states, places = begin(reader, heads, owners, len(rows), max(each.budget for each in speeches))
        for row in rows:
            row.state = int(places[row.state])
        states.matchers = [] if sampling.constraint is None else [sampling.constraint] * len(heads)
        while alive:
            _draw(alive, sampling.log_probs(logits, states.matchers), sampling)
            alive = [row for row in alive if not row.complete and len(row.tokens) < row.speech.budget]
            if alive:
                logits = states.step(states.follow(alive))
    return [
        Utterance(tuple(row.tokens), tuple(row.scores), sampling.stop_texts.cut(row.tokens), row.complete)
        for row in rows
    ]


def _draw(rows: Sequence[Said], table: Tensor, sampling: Sampling) -> None:
    """Give each row its next token from its state's log-probabilities [S, V]: one draw of its own stream, inverted."""
    states = [row.state for row in rows]
    if states != list(range(len(table))):
        table = table[torch.tensor(states, device=table.device)]
    if sampling.greedy:
        tokens = table.argmax(-1, keepdim=True)
    else:
        cumulative = table.exp().cumsum(-1, dtype=torch.float64)
        draws = torch.tensor([[row.speech.rng.random()] for row in rows], dtype=torch.float64, device=table.device)
        tokens = torch.searchsorted(cumulative, draws.mul_(cumulative[:, -1:]), right=True)
        tokens.clamp_(max=table.shape[1] - 1)
    scores = table.gather(1, tokens)
    for row, [token], [score] in zip(rows, tokens.tolist(), scores.tolist(), strict=True):
        row.tokens.append(token)
        row.scores.append(score)
        row.complete = token in sampling.stop_ids or sampling.stop_texts.reached(row.tokens)
