"""Products with a linear layer's weights, by the kernel that is fastest for so many rows on a CPU."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import linear, silu

MANY = 96
"""Rows from which on oneDNN is faster with weights as they lie."""

FEW = 4
"""Rows from which on it is faster than a plain product with weights that were packed for it."""


@dataclass(slots=True)
class Packing:
    """Whether products may use packed weights: only while nobody can change the weights themselves."""

    in_use: bool = False


class Product:
    """x W' + b of one linear layer, or of several side by side, without gradient, and what a gated MLP does next.

    Layers that do more (LoRA, int8, hooks) and other devices and types are called as they are. oneDNN's fused
    operations (`torch.ops.mkldnn`, what torch's own compiler emits) spare an allocation and a pass over memory each.
    """

    def __init__(self, packing: Packing, *layers: Any) -> None:
        known = all(type(each) is nn.Linear and not each._forward_hooks for each in layers)
        self._layers: Sequence[Any] = layers
        self._packing = packing
        self._fused = known and torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")
        self._packed: tuple[Tensor, Tensor | None] | None = None

    def __getstate__(self) -> dict[str, Any]:
        """Without the packed copy, which no other process can read."""
        return {**self.__dict__, "_packed": None}

    def pack(self) -> None:
        """Copy the weights as they are now to where few rows are multiplied fastest."""
        weights = [layer.weight.detach() for layer in self._layers]
        if self._fused and all(weight.is_cpu and weight.dtype == torch.float32 for weight in weights):
            given = [layer.bias for layer in self._layers]
            bias = None if any(each is None for each in given) else torch.cat([each.detach() for each in given])
            self._packed = torch.ops.mkldnn._reorder_linear_weight(torch.cat(weights)), bias

    def __call__(self, x: Tensor) -> Tensor:
        """The product [..., M] with x [..., N]."""
        held = self._weights(x)
        if held is not None:
            return torch.ops.mkldnn._linear_pointwise(x, *held, "none", [], "")
        return self._plain(x)

    def swish(self, x: Tensor) -> Tensor:
        """The SiLU of the product."""
        held = self._weights(x)
        if held is not None:
            return torch.ops.mkldnn._linear_pointwise(x, *held, "swish", [], "")
        return silu(self._plain(x), inplace=not torch.is_grad_enabled())

    def times(self, x: Tensor, other: Tensor) -> Tensor:
        """The product, each entry times that of `other` [..., M]."""
        held = self._weights(x)
        if held is not None:
            return torch.ops.mkldnn._linear_pointwise.binary(x, other, *held, "mul")
        return self._plain(x) * other if torch.is_grad_enabled() else self._plain(x).mul_(other)

    def plus(self, x: Tensor, other: Tensor) -> Tensor:
        """The product plus `other` [..., M]."""
        held = self._weights(x)
        if held is not None:
            return torch.ops.mkldnn._linear_pointwise.binary(x, other, *held, "add")
        return self._plain(x).add_(other)

    def _plain(self, x: Tensor) -> Tensor:
        if self._fused:
            parts = [linear(x, layer.weight, layer.bias) for layer in self._layers]
        else:
            parts = [layer(x) for layer in self._layers]
        return parts[0] if len(parts) == 1 else torch.cat(parts, dim=-1)

    def _weights(self, x: Tensor) -> tuple[Tensor, Tensor | None] | None:
        """Weights and bias for oneDNN, or None where a plain product is faster."""
        packed = self._packed if self._packing.in_use else None
        least = MANY if packed is None else FEW
        if (
            torch.is_grad_enabled()
            or not self._fused
            or x.numel() < least * x.shape[-1]
            or not x.is_cpu
            or x.dtype != torch.float32
        ):
            return None
        if packed is not None:
            return packed
        [layer, *others] = self._layers
        return None if others else (layer.weight, layer.bias)
