"""The states that sampling is in: keys and values of many rows, begun by the forward pass and gone on from."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.cache_utils import Cache

from marl.models.cache import Pair, held_cache
from marl.models.forest import Forest
from marl.models.forward import Reader, Reading
from marl.models.layout import Layout
from marl.models.matcher import Matcher
from marl.models.records import Ids


@dataclass(frozen=True, slots=True)
class Speech:
    """A row to say: its `prompt`, at most `budget` tokens, drawn from `rng`, read with `adapter`, kept for `key`."""

    prompt: Ids
    budget: int
    rng: np.random.Generator
    adapter: str | None = None
    key: Hashable = None


@dataclass(slots=True)
class Said:
    """What a row has said so far, and its place among the states."""

    speech: Speech
    state: int
    tokens: list[int] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)
    complete: bool = False


class States:
    """The S states that sampling is in, each a row of the cache.

    `seen` [S, P]: how many tokens come before that of each first column, -1 where a state does not see it; later
    columns are seen by all. `depths` [S]: tokens read so far.
    A state that ends is overwritten by the last one, and one that goes on in several ways is copied to a free row
    behind: nothing else moves.
    """

    def __init__(
        self, reader: Reader, cache: Any, seen: np.ndarray, depths: np.ndarray, adapters: list[str | None]
    ) -> None:
        self.reader = reader
        self.cache = cache
        self.seen = seen
        self.depths = depths
        self.adapters = adapters
        self.matchers: list[Matcher] = []

    def follow(self, rows: Sequence[Said]) -> np.ndarray:
        """Give each living row the state that its last token leads to. Returns that token for each state."""
        homes: dict[int, list[Said]] = {row.state: [row] for row in rows}
        if len(homes) < len(rows):
            homes = self._parted(rows)
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

    def _parted(self, rows: Sequence[Said]) -> dict[int, list[Said]]:
        """The rows of each state once those that go on in different ways have states of their own."""
        ways: dict[int, dict[int, list[Said]]] = {}
        for row in rows:
            ways.setdefault(row.state, {}).setdefault(row.tokens[-1], []).append(row)
        homes: dict[int, list[Said]] = {}
        for state, nexts in ways.items():
            homes[state], *others = nexts.values()
            for going in others:  # before the state itself goes on
                self._copy(state, len(self.depths))
                homes[len(self.depths) - 1] = going
        return homes

    def _copy(self, source: int, target: int) -> None:
        for layer in self.cache.layers:
            layer.copy_row(source, target)
        if target == len(self.depths):
            self.depths = np.append(self.depths, self.depths[source])
            self.seen = np.concatenate([self.seen, self.seen[source : source + 1]])
            self.adapters.append(self.adapters[source])
            self.matchers += self.matchers[source : source + 1]
            return
        self.depths[target], self.seen[target] = self.depths[source], self.seen[source]
        self.adapters[target] = self.adapters[source]
        if self.matchers:
            self.matchers[target] = self.matchers[source]

    def _narrow(self, count: int) -> None:
        for layer in self.cache.layers:
            layer.rows = count
        self.depths, self.seen = self.depths[:count], self.seen[:count]
        del self.adapters[count:], self.matchers[count:]

    def step(self, tokens: np.ndarray) -> Tensor:
        """Read one more token in every state; logits [S, V]."""
        reader = self.reader
        inputs: dict[str, Any] = {"input_ids": torch.from_numpy(tokens)[:, None].to(reader.device)}
        said = self.cache.get_seq_length() + 1 - self.seen.shape[1]
        queries = self.depths[:, None]
        if (self.seen >= 0).all() and (reader.window is None or int(queries.max()) < reader.window.size):
            inputs["position_ids"] = torch.from_numpy(queries).to(reader.device)
        else:
            keys = np.concatenate([self.seen, queries + np.arange(1 - said, 1)], axis=1)
            inputs |= reader.attention((keys >= 0)[:, None], queries, keys)
        self.depths = self.depths + 1
        with reader.adapters.active(self.adapters):
            states = reader.call(inputs, self.cache)
            return reader.logits(states[:, -1])


class RereadStates(States):
    """The same for a network that cannot go on from keys and values: every step reads everything again."""

    def __init__(self, reader: Reader, prompts: Sequence[Ids], adapters: list[str | None]) -> None:
        depths = np.array([len(prompt) for prompt in prompts])
        super().__init__(reader, Cache(layers=[]), np.zeros((len(prompts), 0), dtype=np.int64), depths, adapters)
        self.read: list[Ids] = list(prompts)

    def _copy(self, source: int, target: int) -> None:
        if target == len(self.depths):
            self.read.append(self.read[source])
        else:
            self.read[target] = self.read[source]
        super()._copy(source, target)

    def _narrow(self, count: int) -> None:
        del self.read[count:]
        super()._narrow(count)

    def step(self, tokens: np.ndarray) -> Tensor:
        """Read one more token in every state; logits [S, V]."""
        self.read = [(*ids, int(token)) for ids, token in zip(self.read, tokens, strict=True)]
        return self.logits()

    def logits(self) -> Tensor:
        """Logits [S, V] after what each state has read."""
        pairs = zip(self.read, self.adapters, strict=True)
        logits, places = self.reader.read([Reading(ids, len(ids) - 1, adapter) for ids, adapter in pairs])
        return logits[np.concatenate(places)]


Begun = tuple[Tensor, States, np.ndarray]
"""Logits [S, V], the states, and the place [S] of each prompt's state among them."""


def reread(reader: Reader, speeches: Sequence[Speech], owners: Sequence[Speech], rows: int, room: int) -> Begun:
    """As `prefill`, for a network that keeps nothing."""
    states = RereadStates(reader, [each.prompt for each in speeches], [each.adapter for each in speeches])
    return states.logits(), states, np.arange(len(speeches))


def prefill(reader: Reader, speeches: Sequence[Speech], owners: Sequence[Speech], rows: int, room: int) -> Begun:
    """Read S prompts, with room for `rows` states and `room` tokens more behind them. `owners` have one of the prompts
    too, which is kept for them as well.
    """
    readings = [
        Reading(each.prompt, len(each.prompt) - 1, each.adapter, each.key, len(each.prompt))
        for each in (*speeches, *owners)
    ]
    forest = reader.plan(readings)
    if rows == len(speeches) == len(forest.trees):
        calls = list(reader.passes(readings, forest, cached=True, room=room))
        if len(calls) == 1:
            return _taken_over(reader, speeches, forest, *calls[0])
        return _gathered(reader, speeches, forest, calls, rows, room)
    return _gathered(reader, speeches, forest, reader.passes(readings, forest, cached=True), rows, room)


def _taken_over(
    reader: Reader, speeches: Sequence[Speech], forest: Forest, layout: Layout, states: Tensor, pairs: list[Pair]
) -> Begun:
    """One row a prompt: sampling goes on in the buffers of the call that read them."""
    order = np.argsort(forest.tree_of)[layout.numbers]  # the prompt in each row
    width = layout.kept + layout.token_ids.shape[1]
    seen = np.full((len(order), width), -1, dtype=np.int64)
    for row, index in enumerate(order):
        columns = layout.columns[row][forest.places[index]]
        seen[row, columns] = np.arange(len(columns))
    logits = reader.logits(states)
    cache = held_cache(pairs, rows=len(order), filled=width)
    depths = np.array([len(speeches[index].prompt) for index in order])
    return logits, States(reader, cache, seen, depths, list(layout.adapters)), np.argsort(order)


def _gathered(
    reader: Reader,
    speeches: Sequence[Speech],
    forest: Forest,
    calls: Iterable[tuple[Layout, Tensor, list[Pair]]],
    rows: int,
    room: int,
) -> Begun:
    """Prompts that share rows, or several calls: keys and values of each are brought together in one row."""
    longest = max(len(each.prompt) for each in speeches)
    layers: list[Pair] = []
    found: list[Tensor] = []
    order: list[int] = []
    for layout, states, pairs in calls:
        row_of = {int(number): row for row, number in enumerate(layout.numbers)}
        mine = [index for index, tree in enumerate(forest.tree_of[: len(speeches)]) if int(tree) in row_of]
        where = np.array([row_of[int(forest.tree_of[index])] for index in mine], dtype=np.int64)
        columns = np.zeros((len(mine), longest), dtype=np.int64)
        for row, at, index in zip(columns, where, mine, strict=True):
            row[: len(speeches[index].prompt)] = layout.columns[at][forest.places[index]]
        ends = [layout.columns[at][forest.places[index][-1]] for at, index in zip(where, mine, strict=True)]
        found.append(reader.logits(states)[torch.from_numpy(layout.states_of(where, np.array(ends))).to(reader.device)])
        if not layers:
            layers = [
                (_buffer(keys, rows, longest + room), _buffer(values, rows, longest + room)) for keys, values in pairs
            ]
        own = slice(len(order), len(order) + len(mine))
        plain = layout.visible is None  # every row is one prompt from its first column on
        width = min(longest, layout.token_ids.shape[1]) if plain else longest
        at, column = (torch.from_numpy(part).to(reader.device) for part in (where, columns))
        for target, pair in zip(layers, pairs, strict=True):
            for buffer, part in zip(target, pair, strict=True):
                moved = part[at, :, :width] if plain else part.transpose(1, 2)[at[:, None], column].transpose(1, 2)
                buffer[own, :, :width] = moved
                buffer[own, :, width:longest] = 0.0  # what is masked must be finite
        order += mine
    cache = held_cache(layers, rows=len(speeches), filled=longest)
    depths = np.array([len(speeches[index].prompt) for index in order])
    seen = np.where(np.arange(longest) < depths[:, None], np.arange(longest), -1)
    adapters = [speeches[index].adapter for index in order]
    return torch.cat(found), States(reader, cache, seen, depths, adapters), np.argsort(order)


def _buffer(like: Tensor, rows: int, columns: int) -> Tensor:
    return like.new_empty(rows, like.shape[1], columns, like.shape[3])
