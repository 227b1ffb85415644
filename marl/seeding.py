"""Named independent random streams from one root seed.

A stream is addressed by a path of names and numbers, for example `("agent", "scout_0", 17)`, so that its draws depend
neither on the order in which streams are made nor on which process makes them.
"""

from __future__ import annotations

import hashlib

import numpy as np

from marl.errors import ScenarioError


def _entropy(part: str | int) -> int:
    digest = hashlib.sha256(f"{type(part).__name__}:{part}".encode()).digest()
    return int.from_bytes(digest[:8], "little")


def stream(root: int, *path: str | int) -> np.random.Generator:
    """The generator at `path` under `root`. Raises ScenarioError for a negative root."""
    if root < 0:
        raise ScenarioError(f"seed {root} is negative; give a whole number >= 0")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([root, *map(_entropy, path)])))


def seed_of(root: int, *path: str | int) -> int:
    """A 31-bit seed drawn at `path`, for libraries that take an int (gymnasium, torch)."""
    return int(stream(root, *path).integers(2**31 - 1))
