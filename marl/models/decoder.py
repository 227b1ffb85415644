"""A Llama-like network's pass without gradient, with fewer temporaries and less wrapping than its own code needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from marl.models.products import Product, packed

FAMILIES = {"llama", "mistral", "qwen2", "qwen3"}
"""Model types with this decoder: RMS norms before attention and a gated MLP, rotary positions, no scaling between."""

QUERIES = 72
"""Queries that attend in one go: later keys than theirs, which none of them sees, are not multiplied at all."""

ROWS = 16
"""Rows from which on a single query attends faster by elementwise products, which read keys and values in order."""


class _Layer:
    """A decoder layer's parts."""

    def __init__(self, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.before, self.between = layer.input_layernorm, layer.post_attention_layernorm
        self.queries, self.keys, self.values, self.out = (
            Product(getattr(attention, name)) for name in ("q_proj", "k_proj", "v_proj", "o_proj")
        )
        self.gate, self.up, self.down = (Product(getattr(mlp, name)) for name in ("gate_proj", "up_proj", "down_proj"))
        self.query_norm, self.key_norm = getattr(attention, "q_norm", None), getattr(attention, "k_norm", None)
        self.width, self.scale = attention.head_dim, attention.scaling

    def products(self) -> Iterator[Product]:
        """All of the layer's products."""
        return (part for part in vars(self).values() if isinstance(part, Product))


class Decoder:
    """The network's own layers in their order, called directly. Make it anew when layers are put in others' place.

    Whether it gives what the network gives is tried on loading (`marl.models.trials`), not assumed.
    """

    def __init__(self, network: Any) -> None:
        self._inner = network.base_model
        self._layers = [_Layer(layer) for layer in self._inner.layers]

    @classmethod
    def of(cls, network: Any) -> Decoder | None:
        """The pass of a network of a known family with SiLU gates, or None."""
        config = network.config
        known = config.model_type in FAMILIES and config.hidden_act in ("silu", "swish")
        return cls(network) if known else None

    def packed(self) -> AbstractContextManager[None]:
        """Within it passes of few rows are faster, and the weights must not change."""
        return packed(product for layer in self._layers for product in layer.products())

    def __call__(self, token_ids: Tensor, depths: Tensor | None, mask: Tensor | None, cache: Any = None) -> Tensor:
        """Hidden states [R, F, H] of the next tokens [R, F] of R rows at `depths` [R, F] (None: 0 to F - 1).

        `mask` [R, 1, F, C + F], additive, sees nothing to the right of the diagonal; None: all that comes before.
        Keys and values are appended to the C columns of `cache`.
        """
        x = self._inner.embed_tokens(token_ids)
        if depths is None:
            depths = torch.arange(token_ids.shape[1], device=token_ids.device)[None]
        cos, sin = (part[:, :, None] for part in self._inner.rotary_emb(x, depths))
        for number, layer in enumerate(self._layers):
            h = layer.before(x)
            q, k, v = (part(h).unflatten(-1, (-1, layer.width)) for part in (layer.queries, layer.keys, layer.values))
            if layer.query_norm is not None:
                q, k = layer.query_norm(q), layer.key_norm(k)
            q, k, v = (part.transpose(1, 2) for part in (_rotated(q, cos, sin), _rotated(k, cos, sin), v))
            if cache is not None:
                k, v = cache.update(k, v, number)
            x = layer.out.plus(_attend(q, k, v, mask, layer.scale).transpose(1, 2).flatten(2), x)
            h = layer.between(x)
            x = layer.down.plus(layer.up.times(h, layer.gate.swish(h)), x)
        states: Tensor = self._inner.norm(x)
        return states


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotary position embedding (Su et al. 2021) of [R, F, heads, D], its two halves as the two coordinates."""
    half = x.shape[-1] // 2
    turned = x * cos
    turned[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1.0)
    turned[..., half:].addcmul_(x[..., :half], sin[..., half:])
    return turned


def _attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """[R, heads, F, D]: attention of `queries` to what comes before them in `keys` [R, groups, K, D]."""
    rows, heads, count, _ = queries.shape
    if count >= 2 * QUERIES:
        return _attend_in_parts(queries, keys, values, mask, scale)
    grouped = heads != keys.shape[1]
    if count == 1 and rows >= ROWS and not grouped and queries.device.type == "cpu":
        scores = (keys * (queries * scale)).sum(-1)
        weights = (scores if mask is None else scores + mask[:, :, 0]).softmax(-1)
        return (values * weights[..., None]).sum(2, keepdim=True)
    causal = mask is None and count > 1
    return scaled_dot_product_attention(
        queries, keys, values, attn_mask=mask, is_causal=causal, scale=scale, enable_gqa=grouped
    )


def _attend_in_parts(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    count, total = queries.shape[2], keys.shape[2]
    if mask is None:
        mask = torch.full((count, total), -torch.inf, dtype=queries.dtype, device=queries.device)
        mask = mask.triu_(total - count + 1)
    parts = -(-count // QUERIES)
    seen = queries.new_empty(len(queries), count, *queries.shape[1::2])
    for start, end in pairwise(count * part // parts for part in range(parts + 1)):
        stop = total - count + end
        seen[:, start:end] = scaled_dot_product_attention(
            queries[:, :, start:end],
            keys[:, :, :stop],
            values[:, :, :stop],
            attn_mask=mask[..., start:end, :stop],
            scale=scale,
            enable_gqa=queries.shape[1] != keys.shape[1],
        ).transpose(1, 2)
    return seen.transpose(1, 2)
