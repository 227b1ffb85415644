"""Networks whose whole arithmetic is float64, so that two ways to the same number can be told from two numbers."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_SOFTMAX = (torch.nn.functional.softmax, torch.softmax, Tensor.softmax)


class NoFloat32(TorchFunctionMode):
    """Leaves float64 tensors float64 where a network says to compute a norm or a softmax in float32 all the same."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Drop the conversion, or the softmax's dtype; anything else is done as it is."""
        kwargs = kwargs or {}
        if args and isinstance(args[0], Tensor) and args[0].dtype == torch.float64:
            if func is Tensor.float or (func is Tensor.to and args[1:] == (torch.float32,)):
                return args[0]
            if func in _SOFTMAX:
                kwargs = {**kwargs, "dtype": None}
        return func(*args, **kwargs)


def make_exact(network: Any) -> Any:
    """Turn `network` to float64 throughout: most families' norms compute in float32 whatever they are given."""
    network.double()
    forward = network.base_model.forward

    def exact_forward(*arguments: Any, **settings: Any) -> Any:
        with NoFloat32():
            return forward(*arguments, **settings)

    network.base_model.forward = exact_forward
    return network
