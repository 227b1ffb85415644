"""Tournaments of known strategies, and how well two partitions agree."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from math import comb

import numpy as np

from marl.games.repeated.memory_one import MemoryOne, play


def tournament(
    pool: Sequence[MemoryOne], rounds: int, repeats: int, rng: np.random.Generator
) -> tuple[list[np.ndarray], np.ndarray]:
    """Every pair, also a strategy with itself, `repeats` times: transcripts, and the owners of their two sides."""
    pairs = list(itertools.combinations_with_replacement(range(len(pool)), 2)) * repeats
    return [play(pool[one], pool[other], rounds, rng) for one, other in pairs], np.array(pairs)


def adjusted_rand(one: np.ndarray, other: np.ndarray) -> float:
    """Hubert & Arabie 1985, "Comparing partitions"."""
    table = np.zeros((one.max() + 1, other.max() + 1), dtype=int)
    np.add.at(table, (one, other), 1)
    cells = sum(comb(int(n), 2) for n in table.ravel())
    rows, columns = (sum(comb(int(n), 2) for n in table.sum(axis=axis)) for axis in (1, 0))
    expected = rows * columns / comb(len(one), 2)
    return (cells - expected) / ((rows + columns) / 2 - expected)
