"""`say`: sample text after prompts, one random draw a token, with rows that have said the same sharing the work."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.cache_utils import Cache

from marl.models.cache import held_cache
from marl.models.forward import Reader, Reading
from marl.models.matcher import Matcher
from marl.models.records import Ids, Utterance
from marl.models.stops import StopTexts
from marl.models.truncation import truncate

CACHE_BYTES = 1 << 30
"""Memory for keys and values of the rows that are sampled together; larger requests are split."""


@dataclass(frozen=True, slots=True)
class Speech:
    """A row to say: its `prompt`, at most `budget` tokens, drawn from `rng`, read with `adapter`, kept for `key`."""

    prompt: Ids
    budget: int
    rng: np.random.Generator
    adapter: str | None = None
    key: Hashable = None


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
        scaled = logits / self.temperature
        if matchers:
            allowed = torch.from_numpy(np.stack([matcher.allowed() for matcher in matchers])).to(scaled.device)
            scaled = scaled.masked_fill(~allowed, -torch.inf)
        return truncate(scaled, self.top_k, self.top_p).log_softmax(-1)


@dataclass(slots=True)
class _Row:
    speech: Speech
    state: int
    tokens: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    complete: bool = False


def say(reader: Reader, speeches: Sequence[Speech], sampling: Sampling) -> list[Utterance]:
    """Sample after each prompt until a stop or the budget; see `LanguageModel.say`.

    Rows with the same prompt that have sampled the same tokens are one state of the network, computed once.
    """
    utterances: list[Utterance] = []
    with torch.inference_mode():
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
    rows = [_Row(each, number.setdefault((each.prompt, each.adapter), len(number))) for each in speeches]
    first = [next(row.speech for row in rows if row.state == state) for state in range(len(number))]
    alive = [row for row in rows if row.speech.budget > 0]
    if alive:
        begin = prefill if reader.cached else reread
        logits, states = begin(reader, first, len(rows), max(each.budget for each in speeches))
        states.matchers = [] if sampling.constraint is None else [sampling.constraint] * len(first)
        while alive:
            _draw(alive, sampling.log_probs(logits, states.matchers), sampling)
            alive = [row for row in alive if not row.complete and len(row.tokens) < row.speech.budget]
            if alive:
                logits = states.step(states.follow(alive))
    return [
        Utterance(tuple(row.tokens), tuple(row.scores), sampling.stop_texts.cut(row.tokens), row.complete)
        for row in rows
    ]


def _draw(rows: Sequence[_Row], table: Tensor, sampling: Sampling) -> None:
    """Give each row its next token from its state's log-probabilities [S, V]: one draw of its own stream, inverted."""
    states = torch.tensor([row.state for row in rows], device=table.device)
    if sampling.greedy:
        tokens = table.argmax(-1)[states]
    else:
        cumulative = table.double().exp().cumsum(-1)
        draws = torch.tensor([row.speech.rng.random() for row in rows], dtype=torch.float64).to(table.device)
        limits = (draws * cumulative[states, -1])[:, None]
        tokens = torch.searchsorted(cumulative[states], limits, right=True)[:, 0].clamp(max=table.shape[1] - 1)
    scores = table[states, tokens]
    for row, token, score in zip(rows, tokens.tolist(), scores.tolist(), strict=True):
        row.tokens.append(token)
        row.scores.append(score)
        row.complete = token in sampling.stop_ids or sampling.stop_texts.reached(row.tokens)


class States:
    """The S states that sampling is in: rows of the cache, what each sees, how far each has read.

    A state that ends is overwritten by the last one, and one that goes on in several ways is copied to a free row
    behind: nothing else moves.
    """

    def __init__(self, reader: Reader, cache: Any, lengths: np.ndarray, adapters: list[str | None]) -> None:
        self.reader = reader
        self.cache = cache
        self.depths = lengths
        self.adapters = adapters
        self.matchers: list[Matcher] = []
        self.padded = bool((lengths != lengths.max()).any())
        self.prompt = int(lengths.max())
        self.lengths = lengths.copy()

    def follow(self, rows: Sequence[_Row]) -> np.ndarray:
        """Give each living row the state that its last token leads to. Returns that token for each state."""
        ways: dict[int, dict[int, list[_Row]]] = {}
        for row in rows:
            ways.setdefault(row.state, {}).setdefault(row.tokens[-1], []).append(row)
        homes: dict[int, list[_Row]] = {}
        for state, nexts in ways.items():
            homes[state], *others = nexts.values()
            for going in others:  # before the state itself goes on
                self._copy(state, len(self.depths))
                homes[len(self.depths) - 1] = going
        free = [state for state in range(len(self.depths)) if state not in homes]
        for hole in free:
            last = max(homes)
            if hole > last:
                break
            self._copy(last, hole)
            homes[hole] = homes.pop(last)
        count = len(homes)
        self._narrow(count)
        tokens = np.zeros(count, dtype=np.int64)
        for state, going in homes.items():
            tokens[state] = going[0].tokens[-1]
            for row in going:
                row.state = state
        if self.matchers:
            self.matchers = [matcher.advance(int(token)) for matcher, token in zip(self.matchers, tokens, strict=True)]
        return tokens

    def _copy(self, source: int, target: int) -> None:
        for layer in self.cache.layers:
            layer.copy_row(source, target)
        if target == len(self.depths):
            self.depths, self.lengths = (np.append(part, part[source]) for part in (self.depths, self.lengths))
            self.adapters.append(self.adapters[source])
            self.matchers += self.matchers[source : source + 1]
            return
        self.depths[target], self.lengths[target] = self.depths[source], self.lengths[source]
        self.adapters[target] = self.adapters[source]
        if self.matchers:
            self.matchers[target] = self.matchers[source]

    def _narrow(self, count: int) -> None:
        for layer in self.cache.layers:
            layer.rows = count
        self.depths, self.lengths = self.depths[:count], self.lengths[:count]
        del self.adapters[count:], self.matchers[count:]

    def step(self, tokens: np.ndarray) -> Tensor:
        """Read one more token in every state; logits [S, V]."""
        reader, count = self.reader, len(tokens)
        inputs = {
            "input_ids": torch.from_numpy(tokens)[:, None].to(reader.device),
            "position_ids": torch.from_numpy(self.depths)[:, None].to(reader.device),
        }
        if self.padded:
            columns = np.arange(self.cache.get_seq_length() + 1)
            visible = (columns < self.lengths[:, None]) | (columns >= self.prompt)
            inputs["attention_mask"] = reader.mask(visible)[:, None, None]
        self.depths = self.depths + 1
        with reader.adapters.active(self.adapters):
            states = reader.call(inputs, self.cache)
            return reader.logits(states[:, -1], np.arange(count))


class RereadStates(States):
    """The same for a network that cannot go on from keys and values: every step reads everything again."""

    def __init__(self, reader: Reader, prompts: Sequence[Ids], adapters: list[str | None]) -> None:
        super().__init__(reader, Cache(layers=[]), np.array([len(prompt) for prompt in prompts]), adapters)
        self.read: list[Ids] = list(prompts)

    def _copy(self, source: int, target: int) -> None:
        if target == len(self.depths):
            self.read.append(self.read[source])
        else:
            self.read[target] = self.read[source]
        super()._copy(source, target)

    def step(self, tokens: np.ndarray) -> Tensor:
        """Read one more token in every state; logits [S, V]."""
        self.read = [(*ids, int(token)) for ids, token in zip(self.read, tokens, strict=False)]
        return self.logits()

    def logits(self) -> Tensor:
        """Logits [S, V] after what each state has read."""
        pairs = zip(self.read, self.adapters, strict=True)
        logits, places = self.reader.read([Reading(ids, len(ids) - 1, adapter) for ids, adapter in pairs])
        return logits[np.concatenate(places)]


def reread(reader: Reader, speeches: Sequence[Speech], rows: int, room: int) -> tuple[Tensor, States]:
    """As `prefill`, for a network that keeps nothing."""
    states = RereadStates(reader, [each.prompt for each in speeches], [each.adapter for each in speeches])
    return states.logits(), states


def prefill(reader: Reader, speeches: Sequence[Speech], rows: int, room: int) -> tuple[Tensor, States]:
    """Logits [S, V] after each of S prompts, and their states with room for `rows` states and `room` tokens more."""
    readings = [
        Reading(each.prompt, len(each.prompt) - 1, each.adapter, each.key, len(each.prompt)) for each in speeches
    ]
    forest = reader.plan(readings)
    lengths = np.array([len(each.prompt) for each in speeches])
    longest = int(lengths.max())
    layers: list[tuple[Tensor, Tensor]] = []
    logits: Tensor | None = None
    for layout, states, pairs in reader.passes(readings, forest, cached=True):
        row_of = {int(number): row for row, number in enumerate(layout.numbers)}
        mine = [index for index, tree in enumerate(forest.tree_of) if int(tree) in row_of]
        where = np.array([row_of[int(forest.tree_of[index])] for index in mine])
        columns = np.zeros((len(mine), longest), dtype=np.int64)
        for place, index in enumerate(mine):
            columns[place, : lengths[index]] = layout.columns[where[place]][forest.places[index]]
        last = columns[np.arange(len(mine)), lengths[mine] - 1] - layout.kept
        found = reader.logits(states.flatten(0, 1), where * states.shape[1] + last)
        if logits is None:
            logits = found.new_zeros(len(speeches), found.shape[1])
            layers = [
                (_buffer(keys, rows, longest + room), _buffer(values, rows, longest + room)) for keys, values in pairs
            ]
        own = torch.tensor(mine, device=reader.device)
        logits[own] = found
        at, column = torch.from_numpy(where).to(reader.device)[:, None], torch.from_numpy(columns).to(reader.device)
        for target, pair in zip(layers, pairs, strict=True):
            for buffer, part in zip(target, pair, strict=True):
                buffer[own, :, :longest] = part.transpose(1, 2)[at, column].transpose(1, 2)
    assert logits is not None
    cache = held_cache(layers, rows=len(speeches), filled=longest)
    return logits, States(reader, cache, lengths, [each.adapter for each in speeches])


def _buffer(like: Tensor, rows: int, columns: int) -> Tensor:
    return like.new_zeros(rows, like.shape[1], columns, like.shape[3])
