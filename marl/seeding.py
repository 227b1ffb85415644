"""Named independent random streams from one root seed.

A stream is addressed by a path of names and numbers, for example `("agent", "scout_0", 17)`, so that its draws depend
neither on the order in which streams are made nor on which process makes them.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache

import numpy as np

from marl.errors import ScenarioError


@lru_cache(maxsize=4096, typed=True)
def _entropy(part: str | int) -> tuple[int, ...]:
    digest = hashlib.sha256(f"{type(part).__name__}:{part}".encode()).digest()
    return _words(int.from_bytes(digest[:8], "little"))


def _words(number: int) -> tuple[int, ...]:
    """32 bits each, the lowest first, no leading zeros: SeedSequence takes numbers apart so, only slower."""
    words = [number & 0xFFFFFFFF]
    while number := number >> 32:
        words.append(number & 0xFFFFFFFF)
    return tuple(words)


def stream(root: int, *path: str | int) -> np.random.Generator:
    """The generator at `path` under `root`. Raises ScenarioError for a negative root."""
    if root < 0:
        raise ScenarioError(f"seed {root} is negative; give a whole number >= 0")
    words = [*_words(int(root)), *(word for part in path for word in _entropy(part))]
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(np.array(words, np.uint32))))


def seed_of(root: int, *path: str | int) -> int:
    """A 31-bit seed drawn at `path`, for libraries that take an int (gymnasium, torch)."""
    return int(stream(root, *path).integers(2**31 - 1))
