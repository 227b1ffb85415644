"""A replay buffer of transitions in columns, uniform and resumable.

Mnih et al., "Human-level control through deep reinforcement learning", 2015 (experience replay).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from marl.errors import LearningError

Column = np.ndarray | list[Any]
"""An array [N, ...], or a list of N entries of whatever size each: token ids, texts."""
Rows = dict[str, Column]


class ReplayBuffer:
    """The last `capacity` transitions; a new one takes the place of the oldest.

    The first `add` settles the columns: their names, and for arrays dtype and shape of a row. An array column is kept
    in one array; a list column keeps its entries as they are. `rng` is the buffer's own: nobody else may draw from it.
    `added` counts all transitions ever taken in, of which `overwritten` are gone.
    """

    def __init__(self, capacity: int, rng: np.random.Generator) -> None:
        if capacity < 1:
            raise LearningError(f"a replay buffer of {capacity} transitions holds nothing; give a capacity >= 1")
        self.capacity, self.rng = capacity, rng
        self.added = 0
        self._columns: Rows = {}

    def __len__(self) -> int:
        """Transitions that are there."""
        return min(self.added, self.capacity)

    @property
    def overwritten(self) -> int:
        """Transitions that made room for newer ones."""
        return self.added - len(self)

    def add(self, rows: Mapping[str, Column]) -> None:
        """Take in N transitions, the oldest first.

        Raises LearningError, and takes in none, when columns differ in length, from those that the buffer has, or in
        dtype or shape of a row, and when N is more than the capacity, for then some would be lost unseen.
        """
        size = self._checked(rows)
        if not self._columns:
            self._columns = {name: _room(column, self.capacity) for name, column in rows.items()}
        slots = (self.added + np.arange(size)) % self.capacity
        for name, kept in self._columns.items():
            if isinstance(kept, np.ndarray):
                kept[slots] = rows[name]
            else:
                for slot, entry in zip(slots.tolist(), rows[name], strict=True):
                    kept[slot] = entry
        self.added += size

    def sample(self, size: int) -> Rows:
        """`size` transitions drawn uniformly, each anew, so that one may come twice; arrays are copies.

        Raises LearningError when nothing was added yet.
        """
        if not len(self):
            raise LearningError("the replay buffer is empty; add transitions before sampling from it")
        slots = self.rng.integers(len(self), size=size)
        return {
            name: kept[slots] if isinstance(kept, np.ndarray) else [kept[slot] for slot in slots.tolist()]
            for name, kept in self._columns.items()
        }

    def state_dict(self) -> dict[str, Any]:
        """All that resuming needs, as arrays and plain data: transitions in their places, counts, the generator."""
        columns = {name: kept[: len(self)].copy() for name, kept in self._columns.items()}
        generator = self.rng.bit_generator.state
        return {"capacity": self.capacity, "added": self.added, "columns": columns, "generator": generator}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become the buffer that `state` was taken from; arrays may come as tensors, as checkpoints hold them.

        Raises LearningError for a state of another capacity or kind of generator, or with transitions missing.
        """
        if state["capacity"] != self.capacity:
            raise LearningError(
                f"the replay buffer saved has a capacity of {state['capacity']} and this one of {self.capacity}; "
                "resume with the capacity that the run was started with"
            )
        kind, own = state["generator"]["bit_generator"], type(self.rng.bit_generator).__name__
        if kind != own:
            raise LearningError(f"the replay buffer was saved with generator {kind} and has {own}; give it a {kind}")
        columns: Rows = {name: _restored(column) for name, column in state["columns"].items()}
        filled = min(int(state["added"]), self.capacity)
        sizes = {name: len(column) for name, column in columns.items()}
        if set(sizes.values()) - {filled} or (filled and not sizes):
            raise LearningError(
                f"the replay buffer saved should hold {filled} transitions and its columns hold {sizes}; "
                "resume from another checkpoint"
            )
        self._columns = {name: _room(column, self.capacity) for name, column in columns.items()}
        for name, column in columns.items():
            self._columns[name][:filled] = column
        self.added = int(state["added"])
        self.rng.bit_generator.state = dict(state["generator"])

    def _checked(self, rows: Mapping[str, Column]) -> int:
        """The number of transitions in `rows`, which fit the buffer."""
        sizes = {name: len(column) for name, column in rows.items()}
        if len(set(sizes.values())) != 1:
            raise LearningError(f"columns must be as long as each other, at least one of them; given {sizes}")
        size = next(iter(sizes.values()))
        if size > self.capacity:
            raise LearningError(
                f"{size} transitions at once are more than the replay buffer's capacity of {self.capacity}, so that "
                "some would be lost; raise training.q.buffer, or play fewer training.episodes at once"
            )
        given = {name: _kind(name, column) for name, column in rows.items()}
        kept = {name: _kind(name, column) for name, column in self._columns.items()}
        if kept and given != kept:
            raise LearningError(f"the replay buffer has columns {kept} and was given {given}; give it the same ones")
        return size


def _kind(name: str, column: Column) -> str:
    """What two columns of one name must have in common."""
    if isinstance(column, list):
        return "list"
    if column.dtype.kind not in "biuf":
        raise LearningError(f"column {name!r} is an array of {column.dtype}; give numbers, or a list of anything")
    return f"{column.dtype}{list(column.shape[1:])}"


def _room(column: Column, capacity: int) -> Column:
    if isinstance(column, list):
        return [None] * capacity
    return np.zeros((capacity, *column.shape[1:]), column.dtype)


def _restored(column: Any) -> Column:
    """A column as it was before a checkpoint turned its arrays into tensors."""
    if isinstance(column, list):
        return [entry.numpy() if isinstance(entry, torch.Tensor) else entry for entry in column]
    return np.asarray(column)
