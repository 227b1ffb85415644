"""A Llama-like network's pass without gradient, with fewer temporaries and less wrapping than its own code needs."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from marl.models.products import Packing, Product

FAMILIES = {"llama", "mistral", "qwen2", "qwen3"}
"""Model types with this decoder: RMS norms before attention and a gated MLP, rotary positions, no scaling between."""

QUERIES = 72
"""Queries that attend in one go: later keys than theirs, which none of them sees, are not multiplied at all."""

ROWS = 16
"""Rows from which on a single query attends faster by elementwise products, which read keys and values in order."""

LARGE = 1 << 16
"""Entries of hidden states from which on a norm is a matter of passes over memory."""

COLUMNS = 64
"""Columns up to which its values are gathered faster by a product of matrices."""


class _Layer:
    """A decoder layer's parts."""

    def __init__(self, layer: Any, packing: Packing) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        projections = attention.q_proj, attention.k_proj, attention.v_proj
        self.before, self.between = layer.input_layernorm, layer.post_attention_layernorm
        self.apart, self.together = [Product(packing, each) for each in projections], Product(packing, *projections)
        self.out = Product(packing, attention.o_proj)
        self.gate, self.up, self.down = (Product(packing, each) for each in (mlp.gate_proj, mlp.up_proj, mlp.down_proj))
        self.norms: list[Any] = [attention.q_norm, attention.k_norm] if hasattr(attention, "q_norm") else []
        self.width, self.scale = attention.head_dim, attention.scaling
        self.sizes = [projection.out_features // self.width for projection in projections]
        self.packing = packing

    def pack(self) -> None:
        """Copy what few rows are multiplied with."""
        for product in (self.together, self.out, self.gate, self.up, self.down):
            product.pack()

    def turned(self, h: Tensor, cos: Tensor, sin: Tensor, asked: Tensor | None = None) -> tuple[Tensor, Tensor, Tensor]:
        """Queries, keys and values, [R, heads, F, D] each, from normed states [R, F, H]; queries only at `asked`."""
        if asked is not None:
            return self._turned_at(asked, h, cos, sin)
        if self.packing.in_use:
            heads = self.together(h).unflatten(-1, (-1, self.width))
            both, v = heads.split([self.sizes[0] + self.sizes[1], self.sizes[2]], dim=2)
        else:
            q, k, v = (product(h).unflatten(-1, (-1, self.width)) for product in self.apart)
            both = torch.cat((q, k), dim=2)
        if self.norms:
            parts = both.split(self.sizes[:2], dim=2)
            both = torch.cat([norm(part) for norm, part in zip(self.norms, parts, strict=True)], dim=2)
        q, k = _rotated(both, cos, sin).transpose(1, 2).split(self.sizes[:2], dim=1)
        return q, k, v.transpose(1, 2)

    def _turned_at(self, asked: Tensor, h: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        at = (picked(part.expand(len(h), -1, -1, -1), asked) for part in (cos, sin))
        q, k, v = (
            product(x).unflatten(-1, (-1, self.width))
            for product, x in zip(self.apart, (picked(h, asked), h, h), strict=True)
        )
        if self.norms:
            q, k = (norm(part) for norm, part in zip(self.norms, (q, k), strict=True))
        return _rotated(q, *at).transpose(1, 2), _rotated(k, cos, sin).transpose(1, 2), v.transpose(1, 2)


class Decoder:
    """The network's own layers in their order, called directly; `head` gives logits of what they give. Make it anew
    when layers are put in others' place.

    Whether it gives what the network gives is tried on loading (`marl.models.trials`), not assumed.
    """

    def __init__(self, network: Any) -> None:
        self._inner = network.base_model
        self._packing = Packing()
        self._layers = [_Layer(layer, self._packing) for layer in self._inner.layers]
        self.head = Product(self._packing, network.get_output_embeddings())
        self._packed: Hashable = None

    def __getstate__(self) -> dict[str, Any]:
        """With nothing packed."""
        return {**self.__dict__, "_packed": None}

    @classmethod
    def of(cls, network: Any) -> Decoder | None:
        """The pass of a network of a known family with SiLU gates, or None."""
        config = network.config
        known = config.model_type in FAMILIES and config.hidden_act in ("silu", "swish")
        return cls(network) if known else None

    @contextmanager
    def packed(self, version: Hashable) -> Iterator[None]:
        """Within it passes of few rows are faster, and the weights must stay as they are in this `version`."""
        if self._packed != version:
            for layer in self._layers:
                layer.pack()
            self.head.pack()
            self._packed = version
        self._packing.in_use = True
        try:
            yield
        finally:
            self._packing.in_use = False

    def __call__(
        self,
        token_ids: Tensor,
        depths: Tensor | None,
        mask: Tensor | None,
        cache: Any = None,
        asked: Tensor | None = None,
    ) -> Tensor:
        """Hidden states [R, F, H] of the next tokens [R, F] of R rows at `depths` [R, F] (None: 0 to F - 1).

        `mask` [R, 1, F, C + F], additive, sees nothing to the right of the diagonal; None: all that comes before.
        Keys and values are appended to the C columns of `cache`. With `asked` [R, W] only the states [R, W, H] at these
        places, of which alone the last layer then computes more than keys and values.
        """
        x = self._inner.embed_tokens(token_ids)
        if depths is None:
            depths = torch.arange(token_ids.shape[1], device=token_ids.device)[None]
        cos, sin = (part[:, :, None] for part in self._inner.rotary_emb(x, depths))
        few = asked is not None and 2 * asked.shape[1] <= token_ids.shape[1]
        for number, layer in enumerate(self._layers):
            only = asked if few and number == len(self._layers) - 1 else None
            q, k, v = layer.turned(_normed(layer.before, x), cos, sin, only)
            if cache is not None:
                k, v = cache.update(k, v, number)
            if only is not None:
                mask, x = _seen_from(only, mask, x, k.shape[2]), picked(x, only)
            x = layer.out.plus(_attend(q, k, v, mask, layer.scale).transpose(1, 2).flatten(2), x)
            h = _normed(layer.between, x)
            x = layer.down.plus(layer.up.times(h, layer.gate.swish(h)), x)
        x = _normed(self._inner.norm, x)
        return x if asked is None or few else picked(x, asked)


def picked(x: Tensor, places: Tensor) -> Tensor:
    """[R, W, ...]: the entries of `x` [R, F, ...] at `places` [R, W] of each row."""
    return x[torch.arange(len(x), device=x.device)[:, None], places]


def _seen_from(asked: Tensor, mask: Tensor | None, x: Tensor, total: int) -> Tensor | None:
    """What queries at places `asked` [R, W] of `x`, the last of `total` columns, see; None: all that there is."""
    if mask is not None:
        return picked(mask[:, 0].expand(len(asked), -1, -1), asked)[:, None]
    before = total - x.shape[1]
    if asked.shape[1] == 1 and int(asked.min()) == x.shape[1] - 1:
        return None
    after = torch.arange(total, device=x.device) > asked[..., None] + before
    return x.new_zeros(after.shape).masked_fill_(after, -torch.inf)[:, None]


def _normed(norm: Any, x: Tensor) -> Tensor:
    """What `norm` gives; a module's wrapping is a fifth of it where rows are few, torch's own takes more passes over
    memory where they are many.
    """
    if type(norm) is not nn.RMSNorm:
        normed: Tensor = norm(x)
        return normed
    if torch.is_grad_enabled() or x.numel() < LARGE:
        return torch.rms_norm(x, norm.normalized_shape, norm.weight, norm.eps)
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return (x * length.square_().div_(x.shape[-1]).add_(norm.eps or 0.0).rsqrt_()).mul_(norm.weight)


class _Rotation(torch.autograd.Function):
    """Rotary position embedding (Su et al. 2021) of [R, F, heads, D], its two halves as the two coordinates.

    Its gradient is turned back by the same angles.
    """

    @staticmethod
    def forward(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Turned by the angles of `cos` and `sin` [R or 1, F, 1, D]."""
        half = x.shape[-1] // 2
        turned = x * cos
        turned[..., :half].addcmul_(x[..., half:], sin[..., :half], value=-1.0)
        turned[..., half:].addcmul_(x[..., :half], sin[..., half:])
        return turned

    @staticmethod
    def setup_context(context: Any, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Keep the angles."""
        context.save_for_backward(*inputs[1:])

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        """Turned by the same angles the other way."""
        cos, sin = context.saved_tensors
        return _Rotation.forward(gradients[0], cos, -sin), None, None


def _rotated(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    turned: Tensor = _Rotation.apply(x, cos, sin) if torch.is_grad_enabled() else _Rotation.forward(x, cos, sin)
    return turned


def _attend(queries: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None, scale: float) -> Tensor:
    """[R, heads, F, D]: attention of `queries` to what comes before them in `keys` [R, groups, K, D]."""
    rows, heads, count, _ = queries.shape
    if count >= 2 * QUERIES or (mask is None and 1 < count < keys.shape[2]):
        return _attend_in_parts(queries, keys, values, mask, scale)
    grouped = heads != keys.shape[1]
    if count == 1 and rows >= ROWS and not grouped and queries.device.type == "cpu":
        scores = (keys * (queries * scale)).sum(-1)
        weights = (scores if mask is None else scores + mask[:, :, 0]).softmax(-1)
        if keys.shape[2] < COLUMNS:
            return weights[:, :, None] @ values
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
    seen = []
    for start, end in pairwise(count * part // parts for part in range(parts + 1)):
        stop = total - count + end
        attended = scaled_dot_product_attention(
            queries[:, :, start:end],
            keys[:, :, :stop],
            values[:, :, :stop],
            attn_mask=mask[..., start:end, :stop],
            scale=scale,
            enable_gqa=queries.shape[1] != keys.shape[1],
        )
        seen.append(attended.transpose(1, 2))
    return torch.cat(seen, dim=1).transpose(1, 2)
