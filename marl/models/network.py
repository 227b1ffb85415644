"""A small network as a policy's function: numbers and the legal outputs in, a distribution over outputs out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from marl.errors import ModelError
from marl.models.folders import replaced
from marl.seeding import seed_of

Activation = Literal["relu", "tanh"]
ACTIVATIONS: dict[Activation, type[nn.Module]] = {"relu": nn.ReLU, "tanh": nn.Tanh}


class PolicyNetwork(nn.Module):
    """log pi(output | inputs) over the legal outputs: [T, F] float32 and [T, A] bool to [T, A], -inf where not legal.

    The outputs are the actions, then the words of the channel's vocabulary: one head each, and `legal` says which of
    them is asked. The initial weights come from `seed` alone: orthogonal, with a last layer a hundred times smaller,
    so that play begins near uniform (Andrychowicz et al., "What Matters for On-Policy Deep Actor-Critic Methods?",
    2021, section 3.2).
    """

    def __init__(self, inputs: int, outputs: int, hidden: Sequence[int], activation: Activation, *, seed: int) -> None:
        super().__init__()
        self.shape = {"inputs": inputs, "outputs": outputs, "hidden": list(hidden), "activation": activation}
        widths = [inputs, *hidden]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed_of(seed, "network"))
            layers = [nn.Linear(narrow, wide) for narrow, wide in pairwise(widths)]
            head = nn.Linear(widths[-1], outputs)
            for layer in layers:
                nn.init.orthogonal_(layer.weight, nn.init.calculate_gain(activation))
            nn.init.orthogonal_(head.weight, 0.01)
        for layer in (*layers, head):
            nn.init.zeros_(layer.bias)
        self.trunk = nn.Sequential(*(part for layer in layers for part in (layer, ACTIVATIONS[activation]())))
        self.head = head

    def forward(self, inputs: Tensor, legal: Tensor) -> Tensor:
        """[T, A] natural log-probabilities."""
        return self.values(inputs).masked_fill(~legal, -torch.inf).log_softmax(-1)

    def values(self, inputs: Tensor) -> Tensor:
        """[T, A], whatever their sum: Q values of the outputs, where they are learned as such."""
        values: Tensor = self.head(self.trunk(inputs))
        return values

    def save(self, folder: str | Path) -> None:
        """Write config.json and model.safetensors, replacing `folder` only when both are complete."""
        with replaced(Path(folder)) as part:
            (part / "config.json").write_text(json.dumps(self.shape) + "\n", encoding="utf-8")
            save_file(self.state_dict(), part / "model.safetensors")

    @classmethod
    def load(cls, folder: str | Path) -> PolicyNetwork:
        """What `save` wrote. Raises ModelError where a part is missing or does not fit the other."""
        path = Path(folder)
        try:
            shape: dict[str, Any] = json.loads((path / "config.json").read_text(encoding="utf-8"))
            network = cls(**shape, seed=0)
            network.load_state_dict(load_file(path / "model.safetensors"))
        except (OSError, ValueError, TypeError, KeyError, RuntimeError, SafetensorError) as error:
            raise ModelError(f"{path} holds no whole network ({error}); give a folder that its policy wrote") from error
        return network
