"""Means and sums over real entries: padding never counts."""

from __future__ import annotations

import torch
from torch import Tensor


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Mean of `values` where `mask` is true, both of one shape; 0 (with gradient 0) where no entry is true."""
    return torch.where(mask, values, 0.0).sum() / mask.sum().clamp(min=1)


def sum_over_tokens(values: Tensor, mask: Tensor) -> Tensor:
    """[T, K] -> [T]: sum over each turn's own tokens, padding left out."""
    return torch.where(mask, values, 0.0).sum(dim=-1)


def mean_over_tokens(values: Tensor, mask: Tensor) -> Tensor:
    """[T, K] -> [T]: mean over each turn's own tokens, padding left out."""
    return sum_over_tokens(values, mask) / mask.sum(dim=-1).clamp(min=1)
