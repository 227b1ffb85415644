"""Networks whose whole arithmetic is float64, so that two ways to the same number can be told from two numbers."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, eager_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS


class Norm(nn.Module):
    """Root-mean-square norm in the dtype of its input; `offset` is 1 where a family's weight counts from 1."""

    def __init__(self, weight: nn.Parameter, eps: float, offset: float) -> None:
        super().__init__()
        self.weight, self.eps, self.offset = weight, eps, offset

    def forward(self, states: Tensor) -> Tensor:
        """[..., H] -> [..., H]."""
        scale = (states.square().mean(-1, keepdim=True) + self.eps).rsqrt()
        return states * scale * (self.offset + self.weight)


def attention(module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **settings: Any) -> Any:
    """Attention with capped scores in the dtype of its input ([B, heads, T, D] -> [B, T, heads, D], no weights)."""
    key, value = (part.repeat_interleave(query.shape[1] // part.shape[1], dim=1) for part in (key, value))
    scores = query @ key.transpose(2, 3) * settings["scaling"]
    if settings.get("softcap") is not None:
        scores = settings["softcap"] * (scores / settings["softcap"]).tanh()
    if mask is not None:
        scores = scores + mask
    return (scores.softmax(-1) @ value).transpose(1, 2), None


ALL_ATTENTION_FUNCTIONS.register("exact", attention)
ALL_MASK_ATTENTION_FUNCTIONS.register("exact", eager_mask)


def make_exact(network: Any) -> Any:
    """Turn `network` to float64: the norms that compute in float32 whatever they are given, and eager attention."""
    network.double()
    for module in list(network.modules()):
        for name, child in list(module.named_children()):
            if type(child).__name__.endswith("RMSNorm") and not isinstance(child, (Norm, nn.RMSNorm)):
                eps = getattr(child, "variance_epsilon", None) or child.eps
                setattr(module, name, Norm(child.weight, eps, float(type(child).__name__.startswith("Gemma"))))
    if network.config._attn_implementation == "eager":
        network.config._attn_implementation = "exact"
    return network
