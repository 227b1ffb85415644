"""The same network, computed with less: what a load may change without changing what the network says."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn


def by_columns(network: Any) -> None:
    """Lay the weights of linear layers out by columns: a CPU multiplies few rows (a step of `say`) faster by them.

    Weights that an embedding shares stay as they are, since it looks up rows.
    """
    rows = {id(module.weight) for module in network.modules() if isinstance(module, nn.Embedding)}
    for module in network.modules():
        if isinstance(module, nn.Linear) and id(module.weight) not in rows and module.weight.is_contiguous():
            module.weight.data = module.weight.data.t().contiguous().t()


def fuse_norms(network: Any) -> None:
    """Put torch's own RMS norm, one operation, in the place of each written out in Python, of which a step of `say`
    has more than linear layers. Only where both give the same on a trial; names and weights stay.
    """
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child).__name__.endswith("RMSNorm") and not isinstance(child, nn.RMSNorm):
                fused = _fused(child)
                if fused is not None:
                    setattr(module, name, fused)


def _fused(norm: Any) -> nn.RMSNorm | None:
    weight = getattr(norm, "weight", None)
    epsilon = getattr(norm, "variance_epsilon", getattr(norm, "eps", None))
    if not isinstance(weight, nn.Parameter) or not isinstance(epsilon, float) or weight.dtype != torch.float32:
        return None
    fused = nn.RMSNorm(weight.shape, eps=epsilon, device="meta")
    fused.weight = weight
    x = torch.linspace(-2.0, 3.0, 3 * weight.numel(), device=weight.device).view(3, -1).sin()
    with torch.inference_mode():
        same = torch.allclose(fused(x), norm(x), rtol=1e-5, atol=1e-6)
    return fused.train(norm.training) if same else None
