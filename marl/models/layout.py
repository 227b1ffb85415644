"""Trees of tokens as the network's input: what goes into one call, where its columns are, what each token may see."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from marl.models.forest import Tree

PAIRS_A_PASS = 1 << 25
"""Entries in the attention mask of one call."""

PASS_OVERHEAD = 192
"""What one more call of the network costs, in tokens; it decides when rows of another length get their own call."""


TRUNK = 512
"""Tokens from which on a trunk should go first, by itself: causal attention needs no mask and does half the work."""


@dataclass(slots=True)
class Layout:
    """One call: R right-padded rows of F tokens to compute behind C columns of kept keys and values.

    `numbers` [R]: the trees; `token_ids` [R, F]; `depths` [R, C + F]: how many tokens come before that of each column;
    `slots` [R, C], None for no kept column; `columns`: for each tree the column [N] of each of its tokens;
    `adapters`: one a row. `trunk`: how many first columns go through the network before the others, as plain sequences.
    `visible` [R, F - trunk, C + F] bool: what the others see, None where causal attention says it all.
    `wanted`: for each row the columns, ascending, of the tokens after which a state is wanted.
    """

    numbers: np.ndarray
    token_ids: np.ndarray
    depths: np.ndarray
    visible: np.ndarray | None
    slots: np.ndarray | None
    columns: list[np.ndarray]
    trunk: int
    adapters: list[str | None]
    wanted: list[np.ndarray]

    @property
    def kept(self) -> int:
        """C, the number of kept columns."""
        return 0 if self.slots is None else self.slots.shape[1]

    def asked(self) -> list[np.ndarray]:
        """Places [R, W] of the wanted tokens: among the trunk's, where there is one, and among the others; -1: none."""
        start, end = self.kept + self.trunk, self.kept + self.token_ids.shape[1]
        spans = [(self.kept, start), (start, end)] if self.trunk else [(start, end)]
        return [_padded([own[(first <= own) & (own < last)] - first for own in self.wanted]) for first, last in spans]

    def states_of(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """[n]: where the states after wanted tokens are, row by row, of those at `columns` [n] of `rows` [n]."""
        starts = np.cumsum([0, *map(len, self.wanted)])
        pairs = zip(rows, columns, strict=True)
        return np.array([starts[row] + self.wanted[row].searchsorted(column) for row, column in pairs], dtype=np.int64)


def _padded(rows: Sequence[np.ndarray]) -> np.ndarray:
    table = np.full((len(rows), max(map(len, rows))), -1, dtype=np.int64)
    for row, values in zip(table, rows, strict=True):
        row[: len(values)] = values
    return table


def layouts(trees: Sequence[Tree], tokens: int, long: int | None = None) -> list[Layout]:
    """The calls that compute `trees`, rows of like size together, `tokens` at most with padding (one tree may have
    more). A trunk of `long` tokens goes first, by itself.
    """
    kept = np.array([0 if tree.slots is None else int((tree.slots >= 0).sum()) for tree in trees])
    fresh = np.array([len(tree.token_ids) for tree in trees]) - kept
    return [_layout(trees, numbers, kept, fresh, long) for numbers in _groups(kept, fresh, tokens)]


def _groups(kept: np.ndarray, fresh: np.ndarray, tokens: int) -> list[np.ndarray]:
    """Which trees go through the network together."""
    order = np.lexsort((-kept, -fresh))
    groups: list[np.ndarray] = []
    start, waste = 0, 0
    length, most = int(fresh[order[0]]), int(kept[order[0]])
    for rank, number in enumerate(order):
        most = max(most, int(kept[number]))
        waste += length - int(fresh[number])
        count = rank - start + 1
        full = count * length > tokens or count * length * (most + length) > PAIRS_A_PASS
        if rank > start and (waste > PASS_OVERHEAD or full):
            groups.append(order[start:rank])
            start, waste, length, most = rank, 0, int(fresh[number]), int(kept[number])
    groups.append(order[start:])
    return groups


def _layout(
    trees: Sequence[Tree], numbers: np.ndarray, kept: np.ndarray, fresh: np.ndarray, long: int | None
) -> Layout:
    rows, length, past = len(numbers), int(fresh[numbers].max()), int(kept[numbers].max())
    token_ids = np.zeros((rows, length), dtype=np.int64)
    depths = np.zeros((rows, past + length), dtype=np.int64)
    slots = np.zeros((rows, past), dtype=np.int64) if past else None
    shortest = min(trees[number].trunk for number in numbers)
    trunk = shortest if long is not None and long <= shortest < length and not past else 0
    masked = past > 0 or trunk > 0 or any(trees[number].visible is not None for number in numbers)
    visible = np.zeros((rows, length - trunk, past + length), dtype=bool) if masked else None
    if visible is not None:
        visible[:, :, past + trunk :] = np.eye(length - trunk, dtype=bool)  # padding sees itself: no row sees nothing
    columns, wanted = [], []
    for row, number in enumerate(numbers):
        tree, size = trees[number], int(fresh[number])
        new = np.arange(size)
        if tree.slots is None:
            column = past + new
            if visible is not None:
                visible[row, : size - trunk, past : past + size] = tree.sees(new[trunk:])
        else:
            is_new = tree.slots < 0
            new, old = np.flatnonzero(is_new), np.flatnonzero(~is_new)
            column = np.empty(len(is_new), dtype=np.int64)
            column[old], column[new] = np.arange(len(old)), np.arange(past, past + size)
            if slots is not None and visible is not None:
                slots[row, : len(old)] = tree.slots[old]
                sees = tree.sees(new)
                visible[row, :size, : len(old)], visible[row, :size, past : past + size] = sees[:, old], sees[:, new]
        columns.append(column)
        wanted.append(column[tree.wanted])
        token_ids[row, :size], depths[row, column] = tree.token_ids[new], tree.depths
    adapters = [trees[number].adapter for number in numbers]
    return Layout(numbers, token_ids, depths, visible, slots, columns, trunk, adapters, wanted)
