"""An observation as a vector of numbers, for those who do not read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from gymnasium import spaces


def flat_observation(space: spaces.Space, observation: Any) -> np.ndarray:
    """The private `observation` flattened, float32 [O]; of a Dict with an action mask its `observation` entry only."""
    return flattener(space)(observation)


def flattener(space: spaces.Space) -> Callable[[Any], np.ndarray]:
    """`flat_observation` over this space, for who flattens often."""
    seen = _proper(space)
    nested = seen is not space
    if type(seen) is not spaces.Box:
        return lambda given: np.asarray(
            spaces.flatten(seen, given["observation"] if nested else given), dtype=np.float32
        )
    # What gymnasium does with a Box, without its dispatch.
    return lambda given: (
        np.asarray(given["observation"] if nested else given, dtype=seen.dtype).astype(np.float32).ravel()
    )


def flat_size(space: spaces.Space) -> int:
    """The length O of `flat_observation` over this space."""
    return int(spaces.flatdim(_proper(space)))


def _proper(space: spaces.Space) -> spaces.Space:
    """The observation proper, which may stand beside an action mask, as in PettingZoo's card games."""
    return space["observation"] if isinstance(space, spaces.Dict) and "observation" in space.spaces else space
