"""One token a row through a Llama-like network, without the wrapping that costs more than few rows do themselves."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

FAMILIES = {"llama", "mistral", "qwen2", "qwen3"}
"""Model types with this decoder: RMS norms before attention and a gated MLP, rotary positions, no scaling between."""


class FastStep:
    """The decoder's own layers in their order, called directly; LoRA layers and quantized ones among them work as ever.

    Whether it gives what the network gives is tried on loading (`marl.models.trials`), not assumed.
    """

    def __init__(self, network: Any) -> None:
        self._inner = network.base_model

    @classmethod
    def of(cls, network: Any) -> FastStep | None:
        """The step of a network of a known family, or None."""
        return cls(network) if network.config.model_type in FAMILIES else None

    def __call__(self, token_ids: Tensor, depths: Tensor, mask: Tensor | None, cache: Any) -> Tensor:
        """Hidden states [S, 1, H] of S rows' next tokens [S, 1] at `depths` [S, 1], which are appended to `cache`."""
        inner = self._inner
        x = inner.embed_tokens(token_ids)
        cos, sin = (part[:, None] for part in inner.rotary_emb(x, depths))
        for number, layer in enumerate(inner.layers):
            attention, mlp = layer.self_attn, layer.mlp
            h = layer.input_layernorm(x)
            q, k, v = (
                projection(h).unflatten(-1, (-1, attention.head_dim))
                for projection in (attention.q_proj, attention.k_proj, attention.v_proj)
            )
            if hasattr(attention, "q_norm"):
                q, k = attention.q_norm(q), attention.k_norm(k)
            turned = _rotated(torch.cat((q, k), dim=2).transpose(1, 2), cos, sin)
            heads = q.shape[2]
            keys, values = cache.update(turned[:, heads:], v.transpose(1, 2), number)
            grouped = heads != keys.shape[1]
            seen = scaled_dot_product_attention(
                turned[:, :heads], keys, values, attn_mask=mask, scale=attention.scaling, enable_gqa=grouped
            )
            x = x + attention.o_proj(seen.transpose(1, 2).flatten(2))
            h = layer.post_attention_layernorm(x)
            x = x + mlp.down_proj(mlp.act_fn(mlp.gate_proj(h)) * mlp.up_proj(h))
        states: Tensor = inner.norm(x)
        return states


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (Su et al. 2021) of [S, heads, 1, D], its two halves as the two coordinates."""
    first, second = x.chunk(2, dim=-1)
    return x * cos + torch.cat((-second, first), dim=-1) * sin
