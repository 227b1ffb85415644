"""Int8 weights: one byte a weight and one scale an output channel, for networks that only play.

Symmetric rounding, as in Jacob et al. (arXiv:1712.05877) with zero-point 0: a row w of a weight matrix becomes
q = round(w / s) with s = max|w| / 127, so that |w - s q| <= s / 2. Weights are widened again in the forward pass;
activations stay float32, so that a row's result does not depend on what else is in its batch.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors.torch import load_file
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from marl.errors import ModelError

METHOD = "parley-int8"
"""How config.json marks an int8 folder."""

LEVELS = 127


class _Int8(nn.Module):
    """`weight` int8 [rows, columns, 1] and `scale` float32 [rows, 1]; refuses to be trained.

    The third axis is for programs that do not know this format: transformers only warns of an unknown quantization
    and would take the integers for weights, but a shape that does not fit it refuses.
    """

    weight: Tensor
    scale: Tensor

    def __init__(self, weight: Tensor, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("weight", weight.unsqueeze(-1))
        self.register_buffer("scale", scale)

    def train(self, mode: bool = True) -> _Int8:
        """Raise ModelError unless `mode` is False: rounded weights have no gradient."""
        if mode:
            raise ModelError(
                "an int8 network only plays, its rounded weights cannot be trained; train the float policy that it "
                "was exported from and export that again, or set learn: false for this policy"
            )
        super().train(False)
        return self


class Int8Linear(_Int8):
    """nn.Linear with int8 weights: [..., columns] -> [..., rows]."""

    def __init__(self, weight: Tensor, scale: Tensor, bias: Tensor | None) -> None:
        super().__init__(weight, scale)
        self.out_features, self.in_features = weight.shape
        self.bias = None if bias is None else nn.Parameter(bias.detach().clone(), requires_grad=False)

    def forward(self, states: Tensor) -> Tensor:
        """Multiply by the widened weights."""
        return nn.functional.linear(states, self.weight.squeeze(-1) * self.scale, self.bias)


class Int8Embedding(_Int8):
    """nn.Embedding with int8 weights: token ids [...] -> [..., columns]."""

    def forward(self, token_ids: Tensor) -> Tensor:
        """Widen only the rows that are asked for."""
        return self.weight[token_ids].squeeze(-1) * self.scale[token_ids]


def round_rows(weight: Tensor) -> tuple[Tensor, Tensor]:
    """(int8 [rows, columns], scale float32 [rows, 1]) of a float matrix; each weight is off by at most scale / 2.

    Raises ModelError for weights that are not finite.
    """
    weight = weight.detach().float()
    if not torch.isfinite(weight).all():
        raise ModelError("a weight is NaN or infinite and has no int8 value; export an earlier checkpoint")
    scale = weight.abs().amax(dim=1, keepdim=True) / LEVELS
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    return (weight / scale).round().clamp(-LEVELS, LEVELS).to(torch.int8), scale


def to_int8(network: Any) -> Any:
    """A copy of a causal LM in which every linear layer and embedding table is int8; norms and biases stay float32.

    Tied matrices stay one matrix. Subclasses of these layers, which compute something else, are left as they are.
    Raises ModelError when the network has none of them, or is int8 already.
    """
    network = copy.deepcopy(network)
    rounded: dict[int, tuple[Tensor, Tensor]] = {}
    replaced = 0
    for parent in list(network.modules()):
        for name, child in parent.named_children():
            if type(child) in (nn.Linear, nn.Embedding, Conv1D):
                key = id(child.weight)
                if key not in rounded:
                    rounded[key] = round_rows(child.weight.T if type(child) is Conv1D else child.weight)
                setattr(parent, name, _int8_of(child, *rounded[key]))
                replaced += 1
    if not replaced:
        raise ModelError(
            f"{type(network).__name__} has no float linear layer or embedding to round; it is int8 already, or made "
            "of layers that int8 export does not know: export it without int8"
        )
    network.config.quantization_config = {"quant_method": METHOD, "bits": 8, "granularity": "output channel"}
    return network.requires_grad_(False).eval()


def _int8_of(layer: nn.Module, weight: Tensor, scale: Tensor) -> _Int8:
    if type(layer) is nn.Embedding:
        return Int8Embedding(weight, scale)
    return Int8Linear(weight, scale.clone(), layer.bias)  # type: ignore[arg-type] # tied files share `weight` only


def is_int8(source: str | Path) -> bool:
    """Whether `source` is a folder that holds an int8 network."""
    path = Path(source).expanduser() / "config.json"
    if not path.is_file():
        return False
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:  # whoever loads the folder says what is wrong with it
        return False
    settings = config.get("quantization_config") if isinstance(config, dict) else None
    return isinstance(settings, dict) and settings.get("quant_method") == METHOD


def load_int8(folder: str | Path) -> Any:
    """The int8 network that `LanguageModel.save` wrote to `folder`. Raises ModelError where weights are missing."""
    source = Path(folder).expanduser()
    config = transformers.AutoConfig.from_pretrained(source)
    with torch.random.fork_rng(devices=[]):  # the skeleton's random weights are all replaced
        network = to_int8(transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32))
    state = load_file(source / "model.safetensors")
    unread, surplus = network.load_state_dict(state, strict=False)
    held = network.state_dict()
    given = {held[name].data_ptr() for name in state if name in held}
    missing = sorted(name for name in unread if held[name].data_ptr() not in given)
    if missing or surplus:
        raise ModelError(
            f"{source} lacks weights for {missing[:3]} ({len(missing)} in all) and holds {surplus[:3]} "
            f"({len(surplus)} in all) that its network has no place for; export the policy again"
        )
    return network


def count_weights(network: Any) -> int:
    """Weights of a network, rounded or not, each tied matrix once; scales are not counted."""
    rounded = [module.weight for module in network.modules() if isinstance(module, _Int8)]
    distinct = {tensor.data_ptr(): tensor.numel() for tensor in [*network.parameters(), *rounded]}
    return sum(distinct.values())
