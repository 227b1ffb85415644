"""What each agent's prompt has in common with its prompt before: keys and values that need not be computed again."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from marl.models.cache import Pair
from marl.models.records import Ids

ROOM_BYTES = 1 << 30
"""Memory that kept keys and values may take; the owners that have been silent longest are forgotten first."""

KEPT_FROM = 128
"""Tokens from which on a prompt is kept. Shorter ones are read faster than they are found again and copied."""

FIRST_SLOTS = 1024


@dataclass(frozen=True, slots=True)
class _Kept:
    adapter: str | None
    token_ids: np.ndarray
    slots: np.ndarray


class Prefixes:
    """Keys and values of prompts, kept for their owners (any hashable: an agent of an episode).

    Every token's keys and values have one slot of an arena; a prompt is a path of slots, and owners whose prompts
    begin alike share them. A slot is free again when its last owner is released or has gone another way. Whatever was
    kept under other weights is forgotten at once.
    """

    def __init__(self) -> None:
        self._kept: dict[Hashable, _Kept] = {}
        self._version: object = None
        self._arena: list[Pair] = []
        self._users = np.zeros(0, dtype=np.int32)
        self._free: list[int] = []

    def __len__(self) -> int:
        """Slots in use."""
        return len(self._users) - len(self._free)

    def check(self, version: object) -> None:
        """Forget everything unless it was kept under this version of the weights."""
        if version != self._version:
            self.clear()
            self._version = version

    def clear(self) -> None:
        """Forget everything and give the memory back."""
        self._kept.clear()
        self._arena, self._free = [], []
        self._users = np.zeros(0, dtype=np.int32)

    def release(self, keys: Iterable[Hashable]) -> None:
        """Forget what is kept for these owners; unknown ones are no error."""
        for key in keys:
            kept = self._kept.pop(key, None)
            if kept is not None:
                self._drop(kept.slots)
        if not self._kept:
            self.clear()

    def past(self, key: Hashable, adapter: str | None, ids: Ids) -> np.ndarray:
        """Slots [n] of the first n tokens of `ids` that are kept for `key`."""
        kept = self._kept.get(key)
        if kept is None or kept.adapter != adapter:
            return np.empty(0, dtype=np.int64)
        length = min(len(ids), len(kept.token_ids))
        differ = np.flatnonzero(np.array(ids[:length]) != kept.token_ids[:length])
        return kept.slots[: int(differ[0]) if len(differ) else length]

    def keep(self, key: Hashable, adapter: str | None, ids: Ids, slots: np.ndarray) -> None:
        """Keep `ids` at `slots` [n] for `key`, instead of what it had."""
        self._users[slots] += 1
        before = self._kept.pop(key, None)
        self._kept[key] = _Kept(adapter, np.array(ids), slots)
        if before is not None:
            self._drop(before.slots)

    def take(self, count: int) -> np.ndarray:
        """`count` slots that nobody uses; `keep` what is written there before the next call."""
        if len(self._free) < count:
            self._grow(count)
        return np.array([self._free.pop() for _ in range(count)], dtype=np.int64)

    def write(self, slots: np.ndarray, pairs: Sequence[Pair], rows: Tensor, columns: Tensor) -> None:
        """Fill `slots` [n] with what stands at `rows` [n], `columns` [n] of each layer's [R, heads, L, width]."""
        if not self._arena:
            self._arena = [(self._room(keys), self._room(values)) for keys, values in pairs]
        where = torch.from_numpy(slots).to(rows.device)
        for held, pair in zip(self._arena, pairs, strict=True):
            for arena, part in zip(held, pair, strict=True):
                arena[where] = part.transpose(1, 2)[rows, columns]

    def read(self, slots: np.ndarray, room: int) -> list[Pair]:
        """Keys and values of each layer at `slots` [R, C], in buffers [R, heads, C + room, width]."""
        where = torch.from_numpy(slots).to(self._arena[0][0].device)
        rows, columns = slots.shape
        pairs = []
        for pair in self._arena:
            keys, values = (part.new_zeros(rows, part.shape[1], columns + room, part.shape[2]) for part in pair)
            keys[:, :, :columns], values[:, :, :columns] = (part[where].transpose(1, 2) for part in pair)
            pairs.append((keys, values))
        return pairs

    def shrink(self) -> None:
        """Forget the owners that were kept first until the rest fits into ROOM_BYTES."""
        size = sum(part[0].numel() * part.element_size() for pair in self._arena for part in pair)
        while size and len(self._kept) > 1 and len(self) * size > ROOM_BYTES:
            self._drop(self._kept.pop(next(iter(self._kept))).slots)

    def _drop(self, slots: np.ndarray) -> None:
        self._users[slots] -= 1
        self._free.extend(slots[self._users[slots] == 0].tolist())

    def _grow(self, count: int) -> None:
        have = len(self._users)
        more = max(count - len(self._free), have, FIRST_SLOTS)
        self._users = np.concatenate([self._users, np.zeros(more, dtype=np.int32)])
        self._free.extend(range(have + more - 1, have - 1, -1))
        self._arena = [(_longer(keys, more), _longer(values, more)) for keys, values in self._arena]

    def _room(self, like: Tensor) -> Tensor:
        return like.new_zeros(len(self._users), like.shape[1], like.shape[3])


def _longer(part: Tensor, more: int) -> Tensor:
    return torch.cat([part, part.new_zeros(more, *part.shape[1:])])
