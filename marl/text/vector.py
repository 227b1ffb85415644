"""An observation as a vector of numbers, for those who do not read."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces


def flat_observation(space: spaces.Space, observation: Any) -> np.ndarray:
    """The private `observation` flattened, float32 [O]; of a Dict with an action mask its `observation` entry only."""
    seen = _proper(space)
    inner = observation if seen is space else observation["observation"]
    if type(seen) is spaces.Box:  # what gymnasium does too, without its dispatch
        return np.asarray(inner, dtype=seen.dtype).astype(np.float32).ravel()
    return np.asarray(spaces.flatten(seen, inner), dtype=np.float32)


def flat_size(space: spaces.Space) -> int:
    """The length O of `flat_observation` over this space."""
    return int(spaces.flatdim(_proper(space)))


def _proper(space: spaces.Space) -> spaces.Space:
    """The observation proper, which may stand beside an action mask, as in PettingZoo's card games."""
    return space["observation"] if isinstance(space, spaces.Dict) and "observation" in space.spaces else space
