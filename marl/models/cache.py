"""Keys and values of a forward pass in buffers of a fixed size: a token that is read is written, nothing is copied."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import Cache, CacheLayerMixin

Pair = tuple[Tensor, Tensor]
"""Keys and values of one layer, [R, heads, columns, width] each."""


class Layer(CacheLayerMixin):
    """One layer's keys and values [R, heads, L, width], of which `rows` rows and `filled` columns are in use.

    Where gradients are wanted, the columns are joined by `torch.cat`, since a buffer that is written in place cannot
    be differentiated.
    """

    def __init__(self, room: int = 0) -> None:
        super().__init__()
        self.room = room
        self.rows = 0
        self.filled = 0

    def lazy_initialization(self, key_states: Tensor, value_states: Tensor) -> None:
        """Make the buffers for `room` columns."""
        rows, heads, length, _ = key_states.shape
        columns = max(self.room, length)
        self.keys = key_states.new_empty(rows, heads, columns, key_states.shape[-1])
        self.values = value_states.new_empty(rows, heads, columns, value_states.shape[-1])
        self.rows = rows
        self.is_initialized = True

    def update(self, key_states: Tensor, value_states: Tensor, *_: Any, **__: Any) -> Pair:
        """Append what was just computed; returns all columns so far of the rows in use."""
        start, end = self.filled, self.filled + key_states.shape[-2]
        if torch.is_grad_enabled() and key_states.requires_grad:
            past = [] if self.keys is None else [(self.keys[..., :start, :], self.values[..., :start, :])]
            keys, values = (torch.cat(parts, dim=-2) for parts in zip(*past, (key_states, value_states), strict=True))
            self.keys, self.values, self.rows, self.is_initialized = keys, values, len(keys), True
        else:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
            self.keys[: self.rows, :, start:end] = key_states
            self.values[: self.rows, :, start:end] = value_states
        self.filled = end
        return self.keys[: self.rows, :, :end], self.values[: self.rows, :, :end]

    def hold(self, past: Pair, *, rows: int, filled: int) -> None:
        """Go on in the buffers `past`, of which so many rows and columns are in use."""
        self.keys, self.values = past
        self.rows, self.filled, self.is_initialized = rows, filled, True

    def copy_row(self, source: int, target: int) -> None:
        """Overwrite row `target` by row `source`."""
        for part in (self.keys, self.values):
            part[target, :, : self.filled] = part[source, :, : self.filled]

    def get_mask_sizes(self, query_length: int) -> tuple[int, int]:
        """(length, offset) of what a query of `query_length` new tokens may see."""
        return self.filled + int(query_length), 0

    def get_seq_length(self) -> int:
        """Columns in use."""
        return self.filled

    def get_max_length(self) -> int:
        """-1: no limit of its own."""
        return -1

    def get_max_cache_shape(self) -> int:
        """The name of `get_max_length` in earlier versions of transformers."""
        return -1


def empty_cache(room: int = 0) -> Cache:
    """A cache whose layers appear as the network fills them, each with `room` columns."""
    return Cache(layer_class_to_replicate=partial(Layer, room))


def held_cache(past: list[Pair], *, rows: int, filled: int) -> Cache:
    """A cache that goes on in these buffers, one pair a layer; see `Layer.hold`."""
    layers = []
    for pair in past:
        layer = Layer()
        layer.hold(pair, rows=rows, filled=filled)
        layers.append(layer)
    return Cache(layers=layers)
