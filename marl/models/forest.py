"""Token sequences laid out as trees, so that a prefix shared by several sequences is computed once.

A row of the layout holds one tree in depth-first order; a token sees its ancestors and itself, and its position is
its depth. A row without branches is an ordinary sequence, for which causal attention already says all that.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from marl.models.records import Ids


@dataclass(slots=True)
class Tree:
    """One row: `token_ids`, `depths` [N]; the first `trunk` of them are a plain sequence.

    `visible` [N - trunk, N] bool: what each later token sees; None for a chain. `adapter` reads the tree. `slots` [N]:
    where keys and values of a token are kept, -1 where they must be computed; None where nothing is kept. `wanted` [n]:
    the places of the tokens, ascending, after which the network's state is wanted.
    """

    token_ids: np.ndarray
    depths: np.ndarray
    visible: np.ndarray | None
    trunk: int
    adapter: str | None = None
    slots: np.ndarray | None = None
    wanted: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def sees(self, places: np.ndarray) -> np.ndarray:
        """[n, N] bool: what the tokens at `places` [n] (ascending) may attend to."""
        table: np.ndarray = np.arange(len(self.token_ids)) <= places[:, None]
        if self.visible is not None:
            first = int(places.searchsorted(self.trunk))
            table[first:] = self.visible[places[first:] - self.trunk]
        return table


@dataclass(slots=True)
class Forest:
    """`trees`, and for each sequence the tree that holds it (`tree_of`) and its tokens' places there (`places`)."""

    trees: list[Tree]
    tree_of: np.ndarray
    places: list[np.ndarray]


@dataclass(slots=True)
class _Growing:
    parts: list[np.ndarray] = field(default_factory=list)
    depths: list[np.ndarray] = field(default_factory=list)
    paths: list[tuple[int, np.ndarray]] = field(default_factory=list)
    size: int = 0
    branches: bool = False

    def finish(self) -> Tree:
        token_ids, depths = np.concatenate(self.parts), np.concatenate(self.depths)
        if not self.branches:
            return Tree(token_ids, depths, None, self.size)
        trunk = int(np.flatnonzero(np.diff(depths) != 1)[0]) + 1
        visible = np.zeros((self.size - trunk, self.size), dtype=bool)
        for shared, path in self.paths:
            if len(path) > shared and path[-1] >= trunk:
                first = max(shared, int(np.searchsorted(path, trunk)))
                visible[path[first:, None] - trunk, path] = np.tri(len(path) - first, len(path), first, dtype=bool)
        return Tree(token_ids, depths, visible, trunk)


def _pad(sequences: Sequence[Ids]) -> tuple[np.ndarray, np.ndarray]:
    lengths = np.fromiter(map(len, sequences), dtype=np.int64, count=len(sequences))
    table = np.full((len(sequences), int(lengths.max())), -1, dtype=np.int64)
    table[np.arange(table.shape[1]) < lengths[:, None]] = np.concatenate(
        [np.array(sequence, dtype=np.int64) for sequence in sequences]
    )
    return table, lengths


def _shared_with_previous(table: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """[n]: how many leading tokens sequence i has in common with sequence i - 1 (0 for the first)."""
    shared = np.zeros(len(table), dtype=np.int64)
    if len(table) > 1:
        differ = np.concatenate([table[1:] != table[:-1], np.ones((len(table) - 1, 1), dtype=bool)], axis=1)
        shared[1:] = np.minimum(differ.argmax(axis=1), np.minimum(lengths[1:], lengths[:-1]))
    return shared


def plant(sequences: Sequence[Ids], *, pair_cost: float, share: bool = True) -> Forest:
    """Lay `sequences` (each non-empty) out as trees.

    A sequence joins the current tree while that is cheaper than a row of its own, where a row of N tokens costs
    N + pair_cost * N^2. With `share` False every sequence is a row of its own, except exact prefixes of the next one.
    """
    order = sorted(range(len(sequences)), key=sequences.__getitem__)
    table, lengths = _pad([sequences[index] for index in order])
    shared = _shared_with_previous(table, lengths)
    trees: list[Tree] = []
    tree_of = np.zeros(len(sequences), dtype=np.int64)
    places: list[np.ndarray] = [np.empty(0, dtype=np.int64)] * len(sequences)
    tree = _Growing()
    path = np.empty(0, dtype=np.int64)
    previous = 0
    for rank, index in enumerate(order):
        length, common = int(lengths[rank]), int(shared[rank])
        added = length - common
        chain = common == previous and common == tree.size
        if rank and added and not chain:
            joined = added + pair_cost * added * (2 * tree.size + added)
            if not share or joined > length + pair_cost * length * length:
                trees.append(tree.finish())
                tree, common, added, chain = _Growing(), 0, length, True
        if added:
            path = np.concatenate([path[:common], np.arange(tree.size, tree.size + added)])
            tree.parts.append(table[rank, common:length])
            tree.depths.append(np.arange(common, length))
            tree.paths.append((common, path))
            tree.size += added
            tree.branches |= not chain
        tree_of[index], places[index], previous = len(trees), path[:length], length
    trees.append(tree.finish())
    return Forest(trees, tree_of, places)
