"""Attention masks as networks take them: one for all layers, or one for each kind of layer where windows slide."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Window:
    """Layers with a sliding window see tokens less than `size` places back; `mixed`: other layers see all."""

    size: int
    mixed: bool

    @classmethod
    def of(cls, config: Any) -> Window | None:
        """The window that a network's configuration tells of, or None."""
        size = getattr(config, "sliding_window", None)
        kinds = getattr(config, "layer_types", None) or ["sliding_attention"]
        if not isinstance(size, int) or "sliding_attention" not in kinds:
            return None
        return cls(size, mixed=getattr(config, "layer_types", None) is not None)


def attention_mask(
    visible: np.ndarray,
    queries: np.ndarray,
    keys: np.ndarray,
    window: Window | None,
    like: tuple[torch.dtype, torch.device],
) -> Tensor | dict[str, Tensor]:
    """Additive masks [R, 1, Q, K], 0 where a token is seen and minus infinity elsewhere, in `like`'s type and place.

    `visible` [R, Q, K]; `queries` [R, Q] and `keys` [R, K] are the tokens' depths, which a window counts by.
    """
    if window is None:
        return _additive(visible, like)
    near = _additive(visible & (queries[:, :, None] - keys[:, None, :] < window.size), like)
    return {"full_attention": _additive(visible, like), "sliding_attention": near} if window.mixed else near


def _additive(visible: np.ndarray, like: tuple[torch.dtype, torch.device]) -> Tensor:
    dtype, device = like
    hidden = torch.from_numpy(~visible).to(device)
    return torch.zeros(visible.shape, dtype=dtype, device=device).masked_fill_(hidden, -torch.inf)[:, None]
