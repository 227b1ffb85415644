"""Gradient checkpointing: a layer's activations are dropped and computed again in the backward pass (Chen et al. 2016).

Transformers checkpoints a layer that is in training mode only, and our networks never are. So the layers' own flags
are set for the length of a pass, and their children's are not: there is no dropout, in the layer's own code neither.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from typing import TYPE_CHECKING, Any

from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from marl.errors import ModelError

if TYPE_CHECKING:
    from marl.models.forward import Reader


@contextmanager
def checkpointed(reader: Reader) -> Iterator[None]:
    """Within it the network keeps each layer's input only. No keys and values are kept, which layers could not go on
    from. Raises ModelError for a network without such layers.
    """
    layers: list[Any] = [each for each in reader.network.modules() if isinstance(each, GradientCheckpointingLayer)]
    if not layers:
        raise ModelError(
            f"{type(reader.network).__name__} has no layers that can be checkpointed; set gradient_checkpointing: false"
        )
    able = reader.cached, reader.decoder
    reader.cached, reader.decoder = False, None  # which calls no layer as a whole
    for layer in layers:
        layer._gradient_checkpointing_func = partial(_call, layer, reader)
        layer.gradient_checkpointing = layer.training = True
    try:
        yield
    finally:
        reader.cached, reader.decoder = able
        for layer in layers:
            layer.gradient_checkpointing = layer.training = False
            del layer._gradient_checkpointing_func


def _call(layer: Any, reader: Reader, forward: Callable[..., Any], *inputs: Any) -> Any:
    adapters = reader.adapters.as_now()

    def evaluate(*given: Any) -> Any:
        before, layer.training = layer.training, False
        try:
            return forward(*given)
        finally:
            layer.training = before

    return checkpoint(
        evaluate,
        *inputs,
        use_reentrant=False,
        preserve_rng_state=False,
        context_fn=lambda: (nullcontext(), adapters()),
    )
