"""Products with a linear layer's weights, by the kernel that is fastest for so many rows on a CPU."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import silu

MANY = 96
"""Rows from which on oneDNN is faster with weights as they lie; it also takes the MLP's other operations along."""

FEW = 2
"""Rows from which on it is faster than a plain product with weights that were packed for it."""


class Product:
    """x W' + b of one linear layer, without gradient, and what a gated MLP does next with it.

    Layers that do more (LoRA, int8, hooks) and other devices and types are called as they are. oneDNN's fused
    operations (`torch.ops.mkldnn`, what torch's own compiler emits) spare an allocation and a pass over memory each.
    """

    def __init__(self, layer: Any) -> None:
        plain = type(layer) is nn.Linear and not layer._forward_hooks and not layer._forward_pre_hooks
        self._layer = layer
        self._fused = plain and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        self._packed: Tensor | None = None

    def pack(self) -> None:
        """Copy the weights to where few rows are multiplied fastest."""
        weight = self._layer.weight
        if self._fused and weight.is_cpu and weight.dtype == torch.float32:
            self._packed = torch.ops.mkldnn._reorder_linear_weight(weight.detach())

    def unpack(self) -> None:
        """Forget the copy."""
        self._packed = None

    def __call__(self, x: Tensor) -> Tensor:
        """The product [..., M] with x [..., N]."""
        weight = self._weight(x)
        if weight is None:
            return self._layer(x)
        return torch.ops.mkldnn._linear_pointwise(x, weight, self._layer.bias, "none", [], "")

    def swish(self, x: Tensor) -> Tensor:
        """The SiLU of the product."""
        weight = self._weight(x)
        if weight is None:
            return silu(self._layer(x), inplace=True)
        return torch.ops.mkldnn._linear_pointwise(x, weight, self._layer.bias, "swish", [], "")

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """The product, each entry times that of `other` [..., M]."""
        weight = self._weight(x)
        if weight is None:
            return self._layer(x).mul_(other)
        return torch.ops.mkldnn._linear_pointwise.binary(x, other, weight, self._layer.bias, "mul")

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """The product plus `other` [..., M]."""
        weight = self._weight(x)
        if weight is None:
            return self._layer(x).add_(other)
        return torch.ops.mkldnn._linear_pointwise.binary(x, other, weight, self._layer.bias, "add")

    def _weight(self, x: Tensor) -> Tensor | None:
        """The weights for oneDNN, or None where a plain product is faster."""
        rows = x.numel() // x.shape[-1]
        if not self._fused or rows < FEW or not x.is_cpu or x.dtype != torch.float32:
            return None
        return self._layer.weight if rows >= MANY else self._packed


@contextmanager
def packed(products: Iterable[Product]) -> Iterator[None]:
    """Within it, nobody may change the weights: few rows are multiplied with a copy of them."""
    held = list(products)
    for product in held:
        product.pack()
    try:
        yield
    finally:
        for product in held:
            product.unpack()
